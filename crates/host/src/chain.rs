//! An error with everything behind it, in one line.

use std::error::Error;
use std::fmt;

/// Prints an error and its sources, `: ` between them. Errors print their own level only.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            write!(out, ": {source}")?;
            next = source.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the outer")]
    struct Outer(#[source] std::fmt::Error);

    #[test]
    fn every_level_is_printed_once() {
        let outer = Outer(std::fmt::Error);
        assert_eq!(Chain(&outer).to_string(), format!("the outer: {}", std::fmt::Error));
    }
}
