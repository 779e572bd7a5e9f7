//! What is to be said about a configuration file: faults and remarks, each with its place.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where something stands: `file:line:column`, or the file alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the file, as given.
    pub file: Arc<str>,
    /// Line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// The file as a whole.
    pub fn file(name: impl Into<Arc<str>>) -> Self {
        Self { file: name.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// Where the keys of a section stand that the file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    header: Place,
    keys: BTreeMap<String, Place>,
}

impl Default for Places {
    fn default() -> Self {
        Self { header: Place::file("cloud.conf"), keys: BTreeMap::new() }
    }
}

impl Places {
    pub(super) fn new(header: Place, keys: impl Iterator<Item = (String, Place)>) -> Self {
        Self { header, keys: keys.collect() }
    }

    /// The file has this key.
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Where the key stands last; where the file lacks it, the section's header, or the file.
    pub fn of(&self, key: &str) -> Place {
        self.keys.get(key).unwrap_or(&self.header).clone()
    }
}

/// Something about the file. Never holds a value that may be secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// What it is about.
    pub place: Place,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Everything that was found about the files of one program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The program cannot start with these.
    pub errors: Vec<Note>,
    /// The program starts, but does not do what the file says here.
    pub warnings: Vec<Note>,
}

impl Report {
    /// Adds a fault.
    pub fn error(&mut self, place: Place, message: impl Into<String>) {
        self.errors.push(Note { place, message: message.into() });
    }

    /// Adds a remark.
    pub fn warn(&mut self, place: Place, message: impl Into<String>) {
        self.warnings.push(Note { place, message: message.into() });
    }

    /// Adds what was found in a part that this program does not depend on.
    pub fn add_as_warnings(&mut self, other: Self) {
        self.warnings.extend(other.errors);
        self.warnings.extend(other.warnings);
    }

    /// In the order of the file.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.errors.sort();
        self.warnings.sort();
        self
    }

    /// The remarks, if there are no faults.
    ///
    /// # Errors
    /// All faults.
    pub fn into_result(self) -> Result<Vec<Note>, Faults> {
        let Self { errors, warnings } = self.sorted();
        if errors.is_empty() { Ok(warnings) } else { Err(Faults(errors)) }
    }
}

/// The faults that keep a program from starting: at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Note>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let notes: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&notes.join("; "))
    }
}
