//! One CSV record by the rules of Go's `encoding/csv`, which pflag uses for list flags.

/// The fields of the first record; an empty text has none.
///
/// # Errors
/// A quote within an unquoted field, or a quoted field that does not end as it should.
pub(super) fn record(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text.split(['\r', '\n']).next().filter(|_| !text.contains('"')).unwrap_or(text);
    if rest.is_empty() {
        return Ok(fields);
    }
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => plain_field(rest)?,
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// A field and what follows its comma, if there is one.
type Field<'a> = (String, Option<&'a str>);

fn plain_field(text: &str) -> Result<Field<'_>, String> {
    let (field, after) = text.split_once(',').map_or((text, None), |(field, after)| (field, Some(after)));
    if field.contains('"') {
        return Err("a double quote stands within a field".to_owned());
    }
    Ok((field.to_owned(), after))
}

fn quoted_field(text: &str) -> Result<Field<'_>, String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"').ok_or("the closing double quote is missing")?;
        field.push_str(before);
        match after.chars().next() {
            Some('"') => {
                field.push('"');
                rest = &after[1..];
            }
            Some(',') => return Ok((field, Some(&after[1..]))),
            None | Some('\n' | '\r') => return Ok((field, None)),
            Some(_) => return Err("a double quote stands within a field".to_owned()),
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
        ] {
            assert_eq!(record(text).unwrap(), fields, "{text:?}");
        }
    }

    #[test]
    fn what_go_refuses() {
        for text in ["a\"b", "\"a", "\"a\"b", "a,\"b"] {
            assert!(record(text).is_err(), "{text:?}");
        }
    }
}
