//! Foreign text: capped in length, without control characters.

/// Returns `text` with everything that could steer a terminal or forge a log line escaped, at most `max` bytes long.
///
/// Control characters (C0, C1, DEL), separators of lines and paragraphs, and what changes the direction of text or shows nothing become `\u{..}`;
/// text that was cut ends in `…`.
pub fn printable(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        let start = out.len();
        if is_unsafe(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        if out.len() > max {
            out.truncate(start);
            while out.len() + '…'.len_utf8() > max && out.pop().is_some() {}
            if max >= '…'.len_utf8() {
                out.push('…');
            }
            break;
        }
    }
    out
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays() {
        assert_eq!(printable("größer als 5 °C", 100), "größer als 5 °C");
    }

    #[test]
    fn control_and_bidi_characters_are_spelled_out() {
        assert_eq!(printable("a\x1b[31mb\nc\u{202e}d", 100), "a\\u{1b}[31mb\\u{a}c\\u{202e}d");
    }

    #[test]
    fn long_text_is_cut_at_a_character_within_the_limit() {
        for max in 3..20 {
            let cut = printable(&"äöü".repeat(20), max);
            assert!(cut.len() <= max && cut.ends_with('…'), "{max}: {cut}");
        }
        assert_eq!(printable("abc", 3), "abc");
        assert_eq!(printable("abcd", 2), "");
    }
}
