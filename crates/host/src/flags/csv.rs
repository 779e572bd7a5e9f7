//! One CSV record by the rules of Go's `encoding/csv`, which pflag uses for list flags.

/// The fields of the first record; an empty text has none.
///
/// # Errors
/// A quote within an unquoted field, a quoted field that does not end as it should, or nothing but empty lines.
pub(super) fn record(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = lines(text);
    let mut line = lines.find(|line| !["", "\n"].contains(&line.as_str())).ok_or("only empty lines")?;
    let mut fields = Vec::new();
    loop {
        let Some(quoted) = line.strip_prefix('"') else {
            let (field, after) = match line.split_once(',') {
                Some((field, after)) => (field, Some(after.to_owned())),
                None => (line.trim_end_matches('\n'), None),
            };
            if field.contains('"') {
                return Err("a double quote stands within a field".to_owned());
            }
            fields.push(field.to_owned());
            match after {
                Some(after) => line = after,
                None => return Ok(fields),
            }
            continue;
        };
        let (field, after) = quoted_field(quoted.to_owned(), &mut lines)?;
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => line = String::from(after),
            None if after.is_empty() || after == "\n" => return Ok(fields),
            None => return Err("a double quote stands within a field".to_owned()),
        }
    }
}

/// The lines with their ends, which are `\n` even where the text has `\r\n`; a `\r` at the very end is dropped.
fn lines(text: &str) -> impl Iterator<Item = String> {
    text.split_inclusive('\n').map(|line| match line.strip_suffix("\r\n") {
        Some(line) => format!("{line}\n"),
        None => line.strip_suffix('\r').unwrap_or(line).to_owned(),
    })
}

/// A field after its opening quote, which may take up several lines, and what follows the closing one.
fn quoted_field(
    mut line: String,
    lines: &mut impl Iterator<Item = String>,
) -> Result<(String, String), String> {
    let mut field = String::new();
    loop {
        let Some((before, after)) = line.split_once('"') else {
            field.push_str(&line);
            line = lines.next().ok_or("the closing double quote is missing")?;
            continue;
        };
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                line = String::from(after);
            }
            None => return Ok((field, after.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::record;

    #[test]
    fn records() {
        for (text, fields) in [
            ("", &[][..]),
            ("a", &["a"][..]),
            ("a,b", &["a", "b"][..]),
            ("a,", &["a", ""][..]),
            (",", &["", ""][..]),
            (" a , b", &[" a ", " b"][..]),
            ("\"a\"", &["a"][..]),
            ("\"a,b\",c", &["a,b", "c"][..]),
            ("\"a\"\"b\"", &["a\"b"][..]),
            ("\"\"", &[""][..]),
            ("a\nb", &["a"][..]),
            ("\r\na\r", &["a"][..]),
            ("\"a\r\nb\",c\n", &["a\nb", "c"][..]),
        ] {
            assert_eq!(record(text).unwrap(), fields, "{text:?}");
        }
    }

    #[test]
    fn what_go_refuses() {
        for text in ["a\"b", "\"a", "\"a\"b", "a,\"b", "\n"] {
            assert!(record(text).is_err(), "{text:?}");
        }
    }
}
