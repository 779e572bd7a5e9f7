//! Messages of the services, fit for logs, events and terminals.

/// Longest foreign message we repeat, in bytes.
const LONGEST: usize = 400;

/// A message on one line, cut and escaped.
pub(crate) fn printable(message: &str) -> String {
    text::printable(&message.trim().replace(['\n', '\r', '\t'], " "), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_without_control_characters() {
        assert_eq!(printable(" a\x1b[31mred\nb\u{202e}c "), "a\\u{1b}[31mred b\\u{202e}c");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let cut = printable(&"ü".repeat(5_000));
        assert!(cut.len() <= LONGEST && cut.ends_with('…'), "{}", cut.len());
    }
}
