//! `cloud.conf`: the git-config dialect of the Go library gcfg, read exactly as its users' files are written.
//!
//! [`File`] holds the sections, those of one name merged. A program *takes* the keys it knows from each [`Section`]; what
//! is left over is reported as a [`Warning`] with its line, since Go ignores unknown keys without a word. Errors carry
//! file, line and column, and never a value: any value may be a secret.
//!
//! ```
//! # fn main() -> Result<(), host::gcfg::Error> {
//! let mut file = host::gcfg::File::parse("cloud.conf", "[Networking]\npublic-network-name = ext\nipv6 = no\n")?;
//! let mut networking = file.take_section("Networking");
//! let public = networking.take_list("public-network-name")?;
//! let mut warnings = networking.finish();
//! warnings.extend(file.finish());
//! assert_eq!(public, ["ext"]);
//! assert_eq!(warnings[0].to_string(), "cloud.conf:3: unknown key `ipv6` in [Networking]");
//! # Ok(())
//! # }
//! ```

mod parse;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use value::Value;

/// A parsed file whose sections wait to be taken.
#[derive(Debug)]
pub struct File {
    name: Arc<str>,
    sections: Vec<Section>,
}

/// A section, or a subsection, with the keys that have not been taken yet.
pub struct Section {
    file: Arc<str>,
    /// As first written.
    name: String,
    subsection: Option<String>,
    /// Line of the first header; 0 for a section that is not in the file.
    line: u32,
    entries: Vec<Entry>,
}

/// One line `key = value`, or `key` alone.
#[derive(Clone)]
struct Entry {
    key: String,
    value: Option<String>,
    line: u32,
    column: u32,
}

/// What is wrong with the file, and where. Never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct Error {
    /// Name of the file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened, or is not UTF-8.
    #[error("cannot read {path}")]
    Io {
        /// Path as given.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not in gcfg's form.
    #[error(transparent)]
    Syntax(#[from] Error),
}

/// Something in the file that is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Name of the file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// What is ignored.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl File {
    /// Parses `text`; `name` is used in messages.
    ///
    /// # Errors
    /// The first offence against the grammar.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let name: Arc<str> = name.into();
        let sections = parse::parse(&name, text)?;
        Ok(Self { name, sections })
    }

    /// Reads and parses the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read, is not UTF-8, or offends against the grammar.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|source| ReadError::Io { path: name.clone(), source })?;
        Ok(Self::parse(&name, &text)?)
    }

    /// Takes the section `[name]`, an empty one if the file has none. Upper and lower case are equal in names.
    pub fn take_section(&mut self, name: &str) -> Section {
        let found = self
            .sections
            .iter()
            .position(|section| section.subsection.is_none() && same(&section.name, name));
        found.map_or_else(
            || Section::new(self.name.clone(), name.to_owned(), None, 0),
            |at| self.sections.remove(at),
        )
    }

    /// Takes all `[name "subsection"]`, and `[name]` as the one called "". Case matters in subsections.
    pub fn take_subsections(&mut self, name: &str) -> BTreeMap<String, Section> {
        let (taken, rest) =
            std::mem::take(&mut self.sections).into_iter().partition(|section| same(&section.name, name));
        self.sections = rest;
        let taken: Vec<Section> = taken;
        taken.into_iter().map(|section| (section.subsection.clone().unwrap_or_default(), section)).collect()
    }

    /// A warning for each section that nobody took.
    pub fn finish(self) -> Vec<Warning> {
        let unknown = |section: &Section| Warning {
            file: self.name.clone(),
            line: section.line,
            message: format!("unknown section {}", section.title()),
        };
        self.sections.iter().map(unknown).collect()
    }
}

impl Section {
    fn new(file: Arc<str>, name: String, subsection: Option<String>, line: u32) -> Self {
        Self { file, name, subsection, line, entries: Vec::new() }
    }

    /// `[Name]` or `[Name "subsection"]`.
    pub fn title(&self) -> String {
        match &self.subsection {
            None => format!("[{}]", self.name),
            Some(subsection) => format!("[{} {:?}]", self.name, subsection),
        }
    }

    /// The file has this section.
    pub fn is_present(&self) -> bool {
        self.line != 0
    }

    /// Takes `key`. Where it is given several times the last one counts, but all have to be valid.
    ///
    /// # Errors
    /// A value is not of the type.
    pub fn take<T: Value>(&mut self, key: &str) -> Result<Option<T>, Error> {
        self.take_with(key, T::parse)
    }

    /// Takes `key` by a function from its text (`None` where the key stands alone); its error is a message that does not
    /// repeat the value.
    ///
    /// # Errors
    /// What the function says, with the position.
    pub fn take_with<T>(
        &mut self,
        key: &str,
        parse: impl Fn(Option<&str>) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let mut last = None;
        for entry in self.remove(key) {
            let value = parse(entry.value.as_deref()).map_err(|message| self.error(&entry, &message))?;
            last = Some(value);
        }
        Ok(last)
    }

    /// Takes a list: each `key = value` adds to it, `key` alone empties it.
    ///
    /// # Errors
    /// None today; as the other readers.
    pub fn take_list(&mut self, key: &str) -> Result<Vec<String>, Error> {
        let mut list = Vec::new();
        for entry in self.remove(key) {
            match entry.value {
                Some(value) => list.push(value),
                None => list.clear(),
            }
        }
        Ok(list)
    }

    /// The position of `key`, for messages about its meaning; to be asked before it is taken.
    pub fn position(&self, key: &str) -> Option<(u32, u32)> {
        self.entries.iter().rfind(|entry| same(&entry.key, key)).map(|entry| (entry.line, entry.column))
    }

    /// A warning for each key that nobody took.
    pub fn finish(self) -> Vec<Warning> {
        let title = self.title();
        let unknown = |entry: &Entry| Warning {
            file: self.file.clone(),
            line: entry.line,
            message: format!("unknown key `{}` in {title}", entry.key),
        };
        self.entries.iter().map(unknown).collect()
    }

    fn remove(&mut self, key: &str) -> Vec<Entry> {
        self.entries.extract_if(.., |entry| same(&entry.key, key)).collect()
    }

    fn error(&self, entry: &Entry, message: &str) -> Error {
        Error {
            file: self.file.clone(),
            line: entry.line,
            column: entry.column,
            message: format!("{}: {message}", entry.key),
        }
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.entries.iter().map(|entry| entry.key.as_str()).collect();
        f.debug_struct("Section").field("title", &self.title()).field("keys", &keys).finish_non_exhaustive()
    }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File::parse("cloud.conf", text).unwrap()
    }

    #[test]
    fn names_ignore_case_and_repeated_sections_merge() {
        let mut file = file("[GLOBAL]\nRegion=a\n[Route]\n[global]\nREGION = b\nauth-url = u\n");
        let mut global = file.take_section("Global");
        assert_eq!(global.take::<String>("region").unwrap().as_deref(), Some("b"));
        assert_eq!(global.take::<String>("auth-url").unwrap().as_deref(), Some("u"));
        assert!(global.finish().is_empty());
    }

    #[test]
    fn an_invalid_value_is_an_error_even_if_a_later_one_is_valid() {
        let mut section = file("[a]\nx = maybe\nx = yes\n").take_section("a");
        assert_eq!(
            section.take::<bool>("x").unwrap_err().to_string(),
            "cloud.conf:2:1: x: expected true, yes, on or 1, or false, no, off or 0"
        );
    }

    #[test]
    fn lists_grow_and_a_bare_key_empties_them() {
        let mut section = file("[a]\nx = 1\nx = 2\nx\nx = 3\nX =\n").take_section("a");
        assert_eq!(section.take_list("x").unwrap(), ["3", ""]);
    }

    #[test]
    fn subsections_are_told_apart_by_case_and_the_plain_section_is_one_of_them() {
        let mut file = file("[Class]\nx=0\n[class \"A\"]\nx=1\n[CLASS \"a\"]\nx=2\n[class \"A\"]\nx=3\n");
        let mut classes = file.take_subsections("Class");
        let x = |classes: &mut BTreeMap<String, Section>, name: &str| {
            classes.get_mut(name).unwrap().take::<i64>("x").unwrap()
        };
        assert_eq!(
            [x(&mut classes, ""), x(&mut classes, "A"), x(&mut classes, "a")],
            [Some(0), Some(3), Some(2)]
        );
        assert!(file.finish().is_empty());
    }

    #[test]
    fn what_nobody_takes_is_a_warning_with_its_line() {
        let mut file = file("[Global]\nregion=a\n\nfoo\n[BlockStorage]\nx=1\n[Global \"two\"]\n");
        let mut global = file.take_section("global");
        global.take::<String>("region").unwrap();
        let mut warnings = global.finish();
        warnings.extend(file.finish());
        let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "cloud.conf:4: unknown key `foo` in [Global]",
                "cloud.conf:5: unknown section [BlockStorage]",
                "cloud.conf:7: unknown section [Global \"two\"]"
            ]
        );
    }

    #[test]
    fn neither_debug_nor_errors_show_values() {
        let text = "[Global]\npassword = s3cret\nuse-clouds = s3cret\n";
        let mut file = file(text);
        assert!(!format!("{file:?}").contains("s3cret"));
        let mut global = file.take_section("Global");
        let error = global.take::<bool>("use-clouds").unwrap_err();
        assert!(
            !format!(
                "{error:?} {error} {global:?} {:?}",
                global.take_with::<()>("password", |_| Err("no".into()))
            )
            .contains("s3cret")
        );
    }

    #[test]
    fn a_missing_section_is_empty() {
        let mut section = file("").take_section("Route");
        assert!(!section.is_present());
        assert_eq!(section.take::<String>("router-id").unwrap(), None);
    }
}
