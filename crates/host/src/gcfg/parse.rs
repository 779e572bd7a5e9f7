//! The grammar.
//!
//! ```text
//! file     = { line }
//! line     = [ header | key [ "=" value ] ] [ comment ] EOL
//! header   = "[" name [ string ] "]"          string: \" and \\ only, not empty
//! name,key = letter { letter | digit | "-" }
//! comment  = (";" | "#") … EOL                anywhere outside double quotes
//! value    = what follows up to EOL or comment, without trailing blanks
//! ```
//! In a value, double quotes may open and close anywhere and vanish. Inside them `\\ \" \n \t` are escapes and the line may
//! not end; outside, `\` stands before the end of the line (which continues) or before `"`.

use std::sync::Arc;

use super::{Entry, Note, Place, Report, Section};

/// Where keys go.
enum Current {
    /// No header has been seen.
    Nowhere,
    /// To the section at this index.
    Section(usize),
    /// The header was faulty: they are left out.
    Lost,
}

pub(super) fn parse(file: &Arc<str>, text: &str, report: &mut Report) -> Vec<Section> {
    let mut parser = Parser { file, rest: text, line: 1, column: 1 };
    if let Some(nul) = text.find('\0') {
        while parser.rest.len() > text.len() - nul {
            parser.next();
        }
        report.errors.push(parser.note("NUL is not text"));
        return Vec::new();
    }
    let mut sections: Vec<Section> = Vec::new();
    let mut current = Current::Nowhere;
    while !parser.rest.is_empty() {
        if let Err(note) = parser.line(&mut sections, &mut current) {
            report.errors.push(note);
            parser.skip_line();
        }
    }
    sections
}

struct Parser<'a> {
    file: &'a Arc<str>,
    rest: &'a str,
    line: u32,
    column: u32,
}

impl Parser<'_> {
    fn line(&mut self, sections: &mut Vec<Section>, current: &mut Current) -> Result<(), Note> {
        self.skip_blanks();
        match self.peek() {
            None | Some('\n' | ';' | '#') => {}
            Some('[') => {
                *current = Current::Lost;
                let place = self.place();
                let (name, subsection) = self.header()?;
                let known = sections.iter().position(|section| section.is_like(&name, subsection.as_deref()));
                *current = Current::Section(known.unwrap_or_else(|| {
                    sections.push(Section::new(name, subsection, place));
                    sections.len() - 1
                }));
            }
            Some(c) if is_letter(c) => {
                let entry = self.entry()?;
                match current {
                    Current::Section(at) => sections[*at].entries.push(entry),
                    Current::Lost => {}
                    Current::Nowhere => {
                        *current = Current::Lost;
                        let message = "a section header such as [Global] has to come before the first key";
                        return Err(Note { place: entry.place, message: message.to_owned() });
                    }
                }
            }
            Some(c) => return Err(self.unexpected(c, "expected a section header or a key")),
        }
        self.end_of_line()
    }

    fn header(&mut self) -> Result<(String, Option<String>), Note> {
        self.next();
        self.skip_blanks();
        if !self.peek().is_some_and(is_letter) {
            return Err(self.note("expected the section's name: letters, digits and `-`"));
        }
        let name = self.word();
        self.skip_blanks();
        let mut subsection = None;
        if self.peek() == Some('"') {
            let place = self.place();
            let text = self.subsection()?;
            if text.is_empty() {
                let message = "the subsection's name is empty: write [name] without quotes, or name it";
                return Err(Note { place, message: message.to_owned() });
            }
            subsection = Some(text);
            self.skip_blanks();
        }
        match self.peek() {
            Some(']') => self.next(),
            _ if subsection.is_some() => return Err(self.note("expected `]`")),
            _ => {
                return Err(self.note("expected `]` or a subsection in double quotes: [name \"subsection\"]"));
            }
        };
        Ok((name, subsection))
    }

    fn subsection(&mut self) -> Result<String, Note> {
        let place = self.place();
        self.next();
        let mut text = String::new();
        loop {
            match self.peek() {
                None | Some('\n') => {
                    return Err(Note { place, message: "the closing double quote is missing".to_owned() });
                }
                Some('"') => {
                    self.next();
                    return Ok(text);
                }
                Some('\\') => {
                    self.next();
                    match self.peek() {
                        Some(c @ ('"' | '\\')) => {
                            self.next();
                            text.push(c);
                        }
                        _ => return Err(self.note("only \\\" and \\\\ may follow a backslash here")),
                    }
                }
                Some(c) => {
                    self.next();
                    text.push(c);
                }
            }
        }
    }

    fn entry(&mut self) -> Result<Entry, Note> {
        let place = self.place();
        let key = self.word();
        if self.peek() == Some('_') {
            return Err(self.underscore(&key));
        }
        self.skip_blanks();
        let (value, comment) = match self.peek() {
            None | Some('\n' | ';' | '#') => (None, None),
            Some('=') => {
                self.next();
                let (value, comment) = self.value()?;
                (Some(value), comment)
            }
            Some(c) => return Err(self.unexpected(c, "expected `=`; keys are of letters, digits and `-`")),
        };
        Ok(Entry { key, value, place, comment })
    }

    /// A key with underscores, where Go says no more than that it expected `=`.
    fn underscore(&self, begin: &str) -> Note {
        let is_word = |c: char| c == '_' || c == '-' || c.is_alphanumeric();
        let rest = &self.rest[..self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len())];
        let is_key = self.rest[rest.len()..].trim_start_matches(is_blank).starts_with('=');
        let instead =
            if is_key { format!(": write `{begin}{}`", rest.replace('_', "-")) } else { String::new() };
        self.note(&format!("keys are of letters, digits and `-`, not `_`{instead}"))
    }

    /// The value, and the place of a comment that touches it.
    fn value(&mut self) -> Result<(String, Option<Place>), Note> {
        let mut last = '=';
        while let Some(blank) = self.peek().filter(|c| is_blank(*c)) {
            last = blank;
            self.next();
        }
        let mut text = String::new();
        // Trailing blanks do not count unless they were quoted.
        let mut end = 0;
        let mut quote: Option<Place> = None;
        let mut comment = None;
        while let Some(c) = self.peek() {
            if quote.is_none() && matches!(c, ';' | '#') {
                comment = (!is_blank(last) && last != '"').then(|| self.place());
                break;
            }
            if c == '\n' {
                break;
            }
            let place = self.place();
            self.next();
            last = c;
            match c {
                '"' => quote = if quote.is_some() { None } else { Some(place) },
                '\\' => self.escape(quote.is_some(), &mut text)?,
                // Files written on Windows.
                '\r' => continue,
                c => text.push(c),
            }
            if quote.is_some() || !is_blank(c) {
                end = text.len();
            }
        }
        if let Some(place) = quote {
            let message = "the closing double quote is missing on this line; a quote that belongs to the value is written \\\"";
            return Err(Note { place, message: message.to_owned() });
        }
        text.truncate(end);
        Ok((text, comment))
    }

    /// What follows a backslash in a value.
    fn escape(&mut self, quoted: bool, text: &mut String) -> Result<(), Note> {
        if !quoted && self.peek() == Some('\r') {
            self.next();
        }
        match self.peek() {
            Some('"') => text.push('"'),
            Some('\\') if quoted => text.push('\\'),
            Some('n') if quoted => text.push('\n'),
            Some('t') if quoted => text.push('\t'),
            Some('\n') if !quoted => {}
            _ if quoted => {
                return Err(
                    self.note("only \\\\, \\\", \\n and \\t are known after a backslash in double quotes")
                );
            }
            _ => return Err(self.note("a backslash has to be in double quotes and doubled: \"\\\\\"")),
        }
        self.next();
        Ok(())
    }

    fn end_of_line(&mut self) -> Result<(), Note> {
        self.skip_blanks();
        if matches!(self.peek(), None | Some('\n' | ';' | '#')) {
            self.skip_line();
            return Ok(());
        }
        Err(self.note("expected the end of the line or a comment"))
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek().filter(|c| is_letter(*c) || c.is_numeric() || *c == '-') {
            self.next();
            word.push(c);
        }
        word
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.next();
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn unexpected(&self, c: char, expected: &str) -> Note {
        self.note(match c {
            '\u{feff}' => "the file begins with a byte order mark: save it as UTF-8 without one",
            _ => expected,
        })
    }

    fn place(&self) -> Place {
        Place { file: self.file.clone(), line: self.line, column: self.column }
    }

    fn note(&self, message: &str) -> Note {
        Note { place: self.place(), message: message.to_owned() }
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r')
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic()
}

#[cfg(test)]
mod tests {
    use super::super::{File, Report};

    fn value(line: &str) -> Option<String> {
        let mut report = Report::default();
        let mut file = File::parse("f", &format!("[s]\n{line}\n"), &mut report);
        assert_eq!(report, Report::default(), "{line:?}");
        file.take_section("s").entries.pop().unwrap().value
    }

    fn errors(text: &str) -> Vec<String> {
        let mut report = Report::default();
        File::parse("f", text, &mut report);
        report.errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn values() {
        for (line, expected) in [
            ("k=v", "v"),
            ("k = v", "v"),
            ("  k\t=\tv \t\r", "v"),
            ("k=", ""),
            ("k = ; nothing", ""),
            ("k=a b  c ", "a b  c"),
            ("k = ab#c", "ab"),
            ("k = ab;c", "ab"),
            ("k = \"ab#c;d\" # comment", "ab#c;d"),
            ("k = \" padded \" ", " padded "),
            ("k = one\" two \"three", "one two three"),
            ("k = \"\"", ""),
            (r#"k = "a\\b\"c\nd\te""#, "a\\b\"c\nd\te"),
            (r#"k = say \"hi\""#, "say \"hi\""),
            ("k = one \\\ntwo", "one two"),
            ("k = one \\\r\ntwo", "one two"),
            ("k = a=b", "a=b"),
            ("k = [x]", "[x]"),
            ("k = http://10.0.0.1:5000/v3", "http://10.0.0.1:5000/v3"),
            ("k = größe", "größe"),
            ("k = 'single'", "'single'"),
        ] {
            assert_eq!(value(line).as_deref(), Some(expected), "{line:?}");
        }
        assert_eq!(value("k"), None);
        assert_eq!(value("k ; comment"), None);
    }

    #[test]
    fn the_last_line_needs_no_end() {
        for text in [
            "[s]",
            "[s]\nk",
            "[s]\nk=",
            "[s]\nk=v",
            "[s]\nk=v#c",
            "# only",
            "",
            "\n\n",
            "\r\n[s]\r\n",
            "[ s \"x\" ]#c",
        ] {
            assert_eq!(errors(text), Vec::<String>::new(), "{text:?}");
        }
    }

    #[test]
    fn errors_tell_where() {
        for (text, expected) in [
            ("k=v", "f:1:1: a section header such as [Global] has to come before the first key"),
            ("[s]\nk_v_w = 1", "f:2:2: keys are of letters, digits and `-`, not `_`: write `k-v-w`"),
            ("[s]\nk_v", "f:2:2: keys are of letters, digits and `-`, not `_`"),
            ("[s]\nk v", "f:2:3: expected `=`; keys are of letters, digits and `-`"),
            ("[s]\n1k = v", "f:2:1: expected a section header or a key"),
            ("[s]\n= v", "f:2:1: expected a section header or a key"),
            ("[s] k=v", "f:1:5: expected the end of the line or a comment"),
            ("[a.b]", "f:1:3: expected `]` or a subsection in double quotes: [name \"subsection\"]"),
            ("[]", "f:1:2: expected the section's name: letters, digits and `-`"),
            ("[1]", "f:1:2: expected the section's name: letters, digits and `-`"),
            ("[s", "f:1:3: expected `]` or a subsection in double quotes: [name \"subsection\"]"),
            ("[s\n]", "f:1:3: expected `]` or a subsection in double quotes: [name \"subsection\"]"),
            ("[s \"\"]", "f:1:4: the subsection's name is empty: write [name] without quotes, or name it"),
            ("[s \"x]", "f:1:4: the closing double quote is missing"),
            ("[s \"x\" y]", "f:1:8: expected `]`"),
            ("[s \"a\\nb\"]", "f:1:7: only \\\" and \\\\ may follow a backslash here"),
            (
                "[s]\nk = \"abc\nd\"",
                "f:2:5: the closing double quote is missing on this line; a quote that belongs to the value is written \\\"",
            ),
            (
                "[s]\nk = \"abc",
                "f:2:5: the closing double quote is missing on this line; a quote that belongs to the value is written \\\"",
            ),
            ("[s]\nk = C:\\temp", "f:2:8: a backslash has to be in double quotes and doubled: \"\\\\\""),
            ("[s]\nk = a\\", "f:2:7: a backslash has to be in double quotes and doubled: \"\\\\\""),
            (
                "[s]\nk = \"C:\\temp\\x\"",
                "f:2:14: only \\\\, \\\", \\n and \\t are known after a backslash in double quotes",
            ),
            ("\u{feff}[s]", "f:1:1: the file begins with a byte order mark: save it as UTF-8 without one"),
            ("[s]\nk = a\0b", "f:2:6: NUL is not text"),
            ("# \0", "f:1:3: NUL is not text"),
        ] {
            assert_eq!(errors(text)[0], expected, "{text:?}");
        }
    }

    #[test]
    fn all_faults_are_told_and_the_rest_is_read() {
        let text = "[s]\na_b = 1\nk = v\n[x\ny = lost\n[t \"u]\n[t \"u\nz = 1\n[s]\nk = \"w\n";
        let lines: Vec<u32> = {
            let mut report = Report::default();
            let mut file = File::parse("f", text, &mut report);
            assert_eq!(file.take_section("s").take::<String>("k", &mut report).as_deref(), Some("v"));
            assert_eq!(file.sections.len(), 0);
            report.errors.iter().map(|note| note.place.line).collect()
        };
        assert_eq!(lines, [2, 4, 6, 7, 10]);
        assert_eq!(errors("a = 1\nb = 2\n").len(), 1, "a missing header is told once");
    }

    #[test]
    fn subsection_names_keep_their_case_and_escapes() {
        let mut report = Report::default();
        let mut file = File::parse("f", r#"[Class "A \"b\" \\c #;"]"#, &mut report);
        let names: Vec<String> = file.take_subsections("class").into_keys().collect();
        assert_eq!(names, ["A \"b\" \\c #;"]);
    }

    #[test]
    fn a_comment_that_cuts_a_value_off_is_told() {
        for (line, column) in [
            ("k = ab#c", Some(7)),
            ("k = ab;c", Some(7)),
            ("k=#abc", Some(3)),
            ("k = ab # c", None),
            ("k = # c", None),
            ("k = \"ab\"#c", None),
            ("k = \"ab#c\"", None),
        ] {
            let mut report = Report::default();
            let mut file = File::parse("f", &format!("[s]\n{line}\n"), &mut report);
            file.take_section("s").take::<String>("k", &mut report);
            let columns: Vec<u32> = report.warnings.iter().map(|note| note.place.column).collect();
            assert_eq!(columns, Vec::from_iter(column), "{line}");
        }
    }
}
