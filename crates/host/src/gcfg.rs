//! `cloud.conf`: the git-config dialect of the Go library gcfg, read exactly as its users' files are written.
//!
//! [`File`] holds the sections, those of one name merged. A program *takes* the keys it knows from each [`Section`]; what
//! is left over becomes a warning, since Go ignores unknown keys without a word. Whatever is found goes to a [`Report`]
//! with file, line and column, all of it and not only the first; never with a value, for any value may be a secret.
//!
//! ```
//! use host::gcfg::{File, Report};
//!
//! let mut report = Report::default();
//! let mut file = File::parse("cloud.conf", "[Networking]\npublic-network-name = ext\nregoin = no\n", &mut report);
//! let mut section = file.take_section("Networking");
//! assert_eq!(section.take::<Vec<String>>("public-network-name", &mut report), Some(vec!["ext".to_owned()]));
//! section.finish(&["public-network-name", "region"], &mut report);
//! assert_eq!(
//!     report.warnings[0].to_string(),
//!     "cloud.conf:3:1: unknown key `regoin` in [Networking], did you mean `region`?"
//! );
//! ```

mod nearest;
mod parse;
mod report;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub(crate) use nearest::nearest;
pub use report::{Faults, Note, Place, Places, Report};
pub use value::{Invalid, Value};

/// A parsed file whose sections wait to be taken.
#[derive(Debug)]
pub struct File {
    name: Arc<str>,
    sections: Vec<Section>,
}

/// A section, or a subsection, with the keys that have not been taken yet.
pub struct Section {
    /// As first written.
    name: String,
    subsection: Option<String>,
    /// Of the first header; line 0 for a section that is not in the file.
    place: Place,
    entries: Vec<Entry>,
}

/// One line `key = value`, or `key` alone.
#[derive(Clone)]
struct Entry {
    key: String,
    value: Option<String>,
    place: Place,
    /// Where a comment begins that touches the value: probably it was meant as part of it.
    comment: Option<Place>,
}

/// A file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}")]
pub struct ReadError {
    path: String,
    source: std::io::Error,
}

impl File {
    /// Parses `text`; `name` is used in messages. Lines that offend against the grammar are reported and left out.
    pub fn parse(name: &str, text: &str, report: &mut Report) -> Self {
        let name: Arc<str> = name.into();
        let sections = parse::parse(&name, text, report);
        Self { name, sections }
    }

    /// Reads and parses the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path, report: &mut Report) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| ReadError { path: name.clone(), source })?;
        Ok(match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(&name, text, report),
            Err(error) => {
                let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let last = good.rsplit('\n').next().unwrap_or_default();
                let count = |number: usize| u32::try_from(number + 1).unwrap_or(u32::MAX);
                let place = Place {
                    file: name.as_str().into(),
                    line: count(good.matches('\n').count()),
                    column: count(last.chars().count()),
                };
                report.error(place, "this is not UTF-8: save the file as UTF-8");
                Self { name: name.into(), sections: Vec::new() }
            }
        })
    }

    /// Adds a file that comes later: its single values win, its lists add up.
    pub fn merge(&mut self, later: Self) {
        for section in later.sections {
            match self
                .sections
                .iter_mut()
                .find(|known| known.is_like(&section.name, section.subsection.as_deref()))
            {
                Some(known) => known.entries.extend(section.entries),
                None => self.sections.push(section),
            }
        }
    }

    /// Takes the section `[name]`, an empty one if the file has none. Upper and lower case are equal in names.
    pub fn take_section(&mut self, name: &str) -> Section {
        match self.sections.iter().position(|section| section.is_like(name, None)) {
            Some(at) => self.sections.remove(at),
            None => Section::new(name.to_owned(), None, Place::file(self.name.clone())),
        }
    }

    /// Takes all `[name "subsection"]`, and `[name]` as the one called "". Case matters in subsections.
    pub fn take_subsections(&mut self, name: &str) -> BTreeMap<String, Section> {
        self.sections
            .extract_if(.., |section| same(&section.name, name))
            .map(|section| (section.subsection.clone().unwrap_or_default(), section))
            .collect()
    }

    /// A warning for each section that nobody took; `known` are the names of those that could have been meant.
    pub fn finish(self, known: &[&str], report: &mut Report) {
        for section in self.sections {
            let meant = meant(&section.name, known, |name| format!("[{name}]"));
            report.warn(section.place.clone(), format!("unknown section {}{meant}", section.title()));
        }
    }
}

impl Section {
    fn new(name: String, subsection: Option<String>, place: Place) -> Self {
        Self { name, subsection, place, entries: Vec::new() }
    }

    fn is_like(&self, name: &str, subsection: Option<&str>) -> bool {
        same(&self.name, name) && self.subsection.as_deref() == subsection
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
        self.place.line != 0
    }

    /// Where its header stands.
    pub fn place(&self) -> Place {
        self.place.clone()
    }

    /// Where its keys stand.
    pub fn places(&self) -> Places {
        let keys = self.entries.iter().map(|entry| (entry.key.to_lowercase(), entry.place.clone()));
        Places::new(self.place.clone(), keys)
    }

    /// Takes `key`. Where it is given several times, all have to be valid; the last one counts, lists add up.
    pub fn take<T: Value>(&mut self, key: &str, report: &mut Report) -> Option<T> {
        let mut value = None;
        for entry in self.entries.extract_if(.., |entry| same(&entry.key, key)) {
            if let Some(comment) = entry.comment {
                let message = "# and ; begin a comment here and cut the value off; if they belong to it, put it into double quotes";
                report.warn(comment, format!("{key}: {message}"));
            }
            match T::add(value.as_ref(), entry.value.as_deref()) {
                Ok(taken) => value = Some(taken),
                Err(Invalid::Fatal(message)) => report.error(entry.place, format!("{key}: {message}")),
                Err(Invalid::Ignored(message)) => {
                    report.warn(entry.place, format!("{key}: {message}; the line is left out"));
                }
            }
        }
        value
    }

    /// A warning for each key that nobody took; `known` are those that could have been meant.
    pub fn finish(self, known: &[&str], report: &mut Report) {
        let title = self.title();
        for entry in self.entries {
            let meant = meant(&entry.key, known, |name| format!("`{name}`"));
            // What stands alone may be the rest of a secret that was broken in two.
            let message = if entry.value.is_none() && meant.is_empty() {
                format!("a word stands here that is no key of {title}")
            } else {
                format!("unknown key `{}` in {title}{meant}", entry.key)
            };
            report.warn(entry.place, message);
        }
    }

    /// Takes all keys that `is_it` holds for, with their places.
    pub fn take_named(&mut self, is_it: impl Fn(&str) -> bool) -> Vec<(String, Place)> {
        let taken = self.entries.extract_if(.., |entry| is_it(&entry.key.to_lowercase()));
        taken.map(|entry| (entry.key.to_lowercase(), entry.place)).collect()
    }
}

fn meant(word: &str, known: &[&str], show: impl Fn(&str) -> String) -> String {
    nearest(word, known.iter().copied())
        .map_or_else(String::new, |name| format!(", did you mean {}?", show(name)))
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
