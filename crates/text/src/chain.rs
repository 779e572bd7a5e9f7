//! An error with everything behind it, in one line.

use std::error::Error;
use std::fmt;

/// Prints an error and its sources, `: ` between them.
///
/// Our errors print their own level only; some foreign ones repeat their source, which is then said once.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        out.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            let level = source.to_string();
            if !said.ends_with(&level) {
                write!(out, ": {level}")?;
                said = level;
            }
            next = source.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Level(&'static str, Option<Box<Level>>);

    impl fmt::Display for Level {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str(self.0)
        }
    }

    impl Error for Level {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_ref().map(|level| level as _)
        }
    }

    fn chain(levels: [&'static str; 3]) -> String {
        let error = levels.into_iter().rev().fold(None, |below, text| Some(Box::new(Level(text, below))));
        Chain(&*error.unwrap()).to_string()
    }

    #[test]
    fn every_level_is_printed() {
        assert_eq!(chain(["not saved", "no connection", "refused"]), "not saved: no connection: refused");
    }

    #[test]
    fn a_level_that_repeats_its_source_does_not_double_it() {
        assert_eq!(chain(["not saved: refused", "refused", "by peer"]), "not saved: refused: by peer");
    }
}
