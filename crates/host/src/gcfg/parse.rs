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

use super::{Entry, Error, Section, same};

pub(super) fn parse(file: &Arc<str>, text: &str) -> Result<Vec<Section>, Error> {
    let mut parser = Parser { file, rest: text, line: 1, column: 1 };
    if let Some(nul) = text.find('\0') {
        while parser.rest.len() > text.len() - nul {
            parser.next();
        }
        return Err(parser.error("NUL is not text"));
    }
    let mut sections: Vec<Section> = Vec::new();
    let mut current: Option<usize> = None;
    loop {
        parser.skip_blanks();
        match parser.peek() {
            None => return Ok(sections),
            Some('\n' | ';' | '#') => {}
            Some('[') => {
                let line = parser.line;
                let (name, subsection) = parser.header()?;
                let known =
                    sections.iter().position(|have| same(&have.name, &name) && have.subsection == subsection);
                current = Some(known.unwrap_or_else(|| {
                    sections.push(Section::new(file.clone(), name, subsection, line));
                    sections.len() - 1
                }));
            }
            Some(c) if is_letter(c) => {
                let entry = parser.entry()?;
                let Some(section) = current.and_then(|at| sections.get_mut(at)) else {
                    return Err(parser.error_at(
                        entry.line,
                        entry.column,
                        "a section header has to come before the first key",
                    ));
                };
                section.entries.push(entry);
            }
            Some(c) => return Err(parser.unexpected(c, "expected a section header or a key")),
        }
        parser.end_of_line()?;
    }
}

struct Parser<'a> {
    file: &'a Arc<str>,
    rest: &'a str,
    line: u32,
    column: u32,
}

impl Parser<'_> {
    fn header(&mut self) -> Result<(String, Option<String>), Error> {
        self.next();
        self.skip_blanks();
        if !self.peek().is_some_and(is_letter) {
            return Err(self.error("expected the section's name: letters, digits and `-`"));
        }
        let name = self.word();
        self.skip_blanks();
        let mut subsection = None;
        if self.peek() == Some('"') {
            let (line, column) = (self.line, self.column);
            let text = self.subsection()?;
            if text.is_empty() {
                return Err(self.error_at(line, column, "the subsection's name is empty"));
            }
            subsection = Some(text);
            self.skip_blanks();
        }
        match self.peek() {
            Some(']') => self.next(),
            _ if subsection.is_some() => return Err(self.error("expected `]`")),
            _ => return Err(self.error("expected `]` or a subsection in double quotes")),
        };
        Ok((name, subsection))
    }

    fn subsection(&mut self) -> Result<String, Error> {
        let (line, column) = (self.line, self.column);
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => match self.peek() {
                    Some(c @ ('"' | '\\')) => {
                        self.next();
                        text.push(c);
                    }
                    _ => return Err(self.error("only \\\" and \\\\ may follow a backslash here")),
                },
                None | Some('\n') => {
                    return Err(self.error_at(line, column, "the closing double quote is missing"));
                }
                Some(c) => text.push(c),
            }
        }
    }

    fn entry(&mut self) -> Result<Entry, Error> {
        let (line, column) = (self.line, self.column);
        let key = self.word();
        self.skip_blanks();
        let value = match self.peek() {
            None | Some('\n' | ';' | '#') => None,
            Some('=') => {
                self.next();
                self.skip_blanks();
                Some(self.value()?)
            }
            Some(c) => return Err(self.unexpected(c, "expected `=`; keys are of letters, digits and `-`")),
        };
        Ok(Entry { key, value, line, column })
    }

    fn value(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        // Trailing blanks do not count unless they were quoted.
        let mut end = 0;
        let mut quote: Option<(u32, u32)> = None;
        while let Some(c) = self.peek() {
            if c == '\n' || quote.is_none() && matches!(c, ';' | '#') {
                break;
            }
            let (line, column) = (self.line, self.column);
            self.next();
            match c {
                '"' => quote = if quote.is_some() { None } else { Some((line, column)) },
                '\\' => self.escape(quote.is_some(), &mut text)?,
                // Files written on Windows.
                '\r' => continue,
                c => text.push(c),
            }
            if quote.is_some() || !is_blank(c) {
                end = text.len();
            }
        }
        if let Some((line, column)) = quote {
            return Err(self.error_at(line, column, "the closing double quote is missing"));
        }
        text.truncate(end);
        Ok(text)
    }

    /// What follows a backslash in a value.
    fn escape(&mut self, quoted: bool, text: &mut String) -> Result<(), Error> {
        let next = self.peek();
        match next {
            Some('"') => text.push('"'),
            Some('\\') if quoted => text.push('\\'),
            Some('n') if quoted => text.push('\n'),
            Some('t') if quoted => text.push('\t'),
            Some('\n') if !quoted => {}
            Some('\r') if !quoted && self.rest.starts_with("\r\n") => {
                self.next();
            }
            _ if quoted => {
                return Err(
                    self.error("only \\\\, \\\", \\n and \\t are known after a backslash in double quotes")
                );
            }
            _ => return Err(self.error("a backslash has to be in double quotes and doubled: \"\\\\\"")),
        }
        self.next();
        Ok(())
    }

    fn end_of_line(&mut self) -> Result<(), Error> {
        self.skip_blanks();
        if matches!(self.peek(), Some(';' | '#')) {
            while self.peek().is_some_and(|c| c != '\n') {
                self.next();
            }
        }
        match self.next() {
            None | Some('\n') => Ok(()),
            Some(_) => Err(self.error("expected the end of the line or a comment")),
        }
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

    fn unexpected(&self, c: char, expected: &str) -> Error {
        let hint = match c {
            '\u{feff}' => " (the file begins with a byte order mark)",
            '_' => " (found `_`)",
            _ => "",
        };
        self.error(&format!("{expected}{hint}"))
    }

    fn error(&self, message: &str) -> Error {
        self.error_at(self.line, self.column, message)
    }

    fn error_at(&self, line: u32, column: u32, message: &str) -> Error {
        Error { file: self.file.clone(), line, column, message: message.to_owned() }
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
    use super::super::File;

    fn value(line: &str) -> Option<String> {
        let mut file =
            File::parse("f", &format!("[s]\n{line}\n")).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        file.take_section("s").take_with("k", |value| Ok(value.map(str::to_owned))).unwrap().unwrap()
    }

    fn error(text: &str) -> String {
        File::parse("f", text).map(|_| ()).expect_err(text).to_string()
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
            assert!(File::parse("f", text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn errors_tell_where() {
        for (text, expected) in [
            ("k=v", "f:1:1: a section header has to come before the first key"),
            ("[s]\nk_v = 1", "f:2:2: expected `=`; keys are of letters, digits and `-` (found `_`)"),
            ("[s]\nk v", "f:2:3: expected `=`; keys are of letters, digits and `-`"),
            ("[s]\n1k = v", "f:2:1: expected a section header or a key"),
            ("[s]\n= v", "f:2:1: expected a section header or a key"),
            ("[s] k=v", "f:1:6: expected the end of the line or a comment"),
            ("[a.b]", "f:1:3: expected `]` or a subsection in double quotes"),
            ("[]", "f:1:2: expected the section's name: letters, digits and `-`"),
            ("[1]", "f:1:2: expected the section's name: letters, digits and `-`"),
            ("[s", "f:1:3: expected `]` or a subsection in double quotes"),
            ("[s\n]", "f:1:3: expected `]` or a subsection in double quotes"),
            ("[s \"\"]", "f:1:4: the subsection's name is empty"),
            ("[s \"x]", "f:1:4: the closing double quote is missing"),
            ("[s \"x\" y]", "f:1:8: expected `]`"),
            ("[s \"a\\nb\"]", "f:1:7: only \\\" and \\\\ may follow a backslash here"),
            ("[s]\nk = \"abc\nd\"", "f:2:5: the closing double quote is missing"),
            ("[s]\nk = \"abc", "f:2:5: the closing double quote is missing"),
            ("[s]\nk = C:\\temp", "f:2:8: a backslash has to be in double quotes and doubled: \"\\\\\""),
            ("[s]\nk = a\\", "f:2:7: a backslash has to be in double quotes and doubled: \"\\\\\""),
            (
                "[s]\nk = \"C:\\temp\\x\"",
                "f:2:14: only \\\\, \\\", \\n and \\t are known after a backslash in double quotes",
            ),
            (
                "\u{feff}[s]",
                "f:1:1: expected a section header or a key (the file begins with a byte order mark)",
            ),
            ("[s]\nk = a\0b", "f:2:6: NUL is not text"),
            ("# \0", "f:1:3: NUL is not text"),
        ] {
            assert_eq!(error(text), expected, "{text:?}");
        }
    }

    #[test]
    fn subsection_names_keep_their_case_and_escapes() {
        let mut file = File::parse("f", r#"[Class "A \"b\" \\c #;"]"#).unwrap();
        let names: Vec<String> = file.take_subsections("class").into_keys().collect();
        assert_eq!(names, ["A \"b\" \\c #;"]);
    }

    #[test]
    fn whatever_the_bytes_parsing_ends_without_panic() {
        let mut rng = fastrand::Rng::with_seed(1);
        let pieces = [
            "[", "]", "\"", "\\", "\n", "=", "#", ";", " ", "k", "s", "ä", "\r", "\0", "_", "-", "1", "\t",
            "\u{feff}",
        ];
        for _ in 0..20_000 {
            let text: String = (0..rng.usize(..24)).map(|_| pieces[rng.usize(..pieces.len())]).collect();
            if let Ok(file) = File::parse("f", &text) {
                file.finish();
            }
        }
    }
}
