//! `--vmodule`: verbosity of single source files.

use std::str::FromStr;

/// Patterns of file names with their verbosity: `lease=6,*_balancer=4`. The first that fits counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modules(Vec<(String, i32)>);

impl FromStr for Modules {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || "expected pattern=number, separated by commas".to_owned();
        let module = |item: &str| {
            let (pattern, verbosity) = item.split_once('=').ok_or_else(fault)?;
            let verbosity = verbosity.trim().parse().map_err(|_| fault())?;
            if pattern.trim().is_empty() { Err(fault()) } else { Ok((pattern.trim().to_owned(), verbosity)) }
        };
        let items = text.split(',').filter(|item| !item.trim().is_empty());
        items.map(module).collect::<Result<_, _>>().map(Self)
    }
}

impl Modules {
    /// The verbosity for the source file at this path, whose name counts without its ending.
    pub(super) fn verbosity(&self, file: &str) -> Option<i32> {
        let name = file.rsplit('/').next().unwrap_or(file);
        let stem = name.strip_suffix(".rs").unwrap_or(name);
        self.0
            .iter()
            .find(|(pattern, _)| fits(pattern.as_bytes(), stem.as_bytes()))
            .map(|(_, verbosity)| *verbosity)
    }
}

/// `*` stands for any letters, `?` for one.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skipped| fits(rest, &name[skipped..])),
        (Some((b'?', pattern)), Some((_, name))) => fits(pattern, name),
        (Some((p, pattern)), Some((n, name))) if p == n => fits(pattern, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_fits_counts() {
        let modules: Modules = "lease=6, *_balancer=4,l*=2,?=1".parse().unwrap();
        for (file, verbosity) in [
            ("src/lease.rs", Some(6)),
            ("src/load_balancer.rs", Some(4)),
            ("src/limiter.rs", Some(2)),
            ("x.rs", Some(1)),
            ("src/event.rs", None),
        ] {
            assert_eq!(modules.verbosity(file), verbosity, "{file}");
        }
        assert_eq!("".parse(), Ok(Modules::default()));
        for text in ["lease", "lease=", "=3", "lease=high"] {
            assert!(text.parse::<Modules>().is_err(), "{text}");
        }
    }
}
