//! Foreign text made fit for logs, events and terminals: short, on one line, without control sequences.

use std::fmt::Write as _;

/// Longest foreign message we repeat, in bytes.
const LONGEST: usize = 400;

/// Escapes what could steer a terminal or hide text, and cuts what is too long.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LONGEST));
    for c in text.trim().chars() {
        if out.len() >= LONGEST {
            out.push('…');
            break;
        }
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() || steers_direction(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Characters that change the direction of text, or show nothing at all.
fn steers_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_escaped() {
        assert_eq!(printable("a\x1b[31mred\nb\u{202e}c"), "a\\u{1b}[31mred b\\u{202e}c");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let cut = printable(&"ü".repeat(5_000));
        assert!(cut.len() <= LONGEST + '…'.len_utf8() + 1, "{}", cut.len());
        assert!(cut.ends_with('…'));
    }
}
