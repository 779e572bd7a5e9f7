//! The files of the repository, and small ways to look into them.

use std::fs;
use std::path::{Path, PathBuf};

/// Directories that are not ours to judge: built things and git's own.
const SKIPPED: [&str; 4] = ["target", ".git", "__pycache__", ".venv"];

/// A text file of the repository.
pub(crate) struct Text {
    /// Path from the repository's root, with `/`.
    pub(crate) path: String,
    /// What it says.
    pub(crate) content: String,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// All text files, in order of their paths.
pub(crate) fn texts() -> Vec<Text> {
    let root = root();
    let mut found = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            let name = entry.file_name();
            if SKIPPED.iter().any(|skipped| name == *skipped) {
                // In a second work tree `.git` is a file.
                continue;
            }
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file()
                && let Ok(content) = fs::read_to_string(entry.path())
            {
                let path = entry.path().strip_prefix(&root).unwrap().display().to_string();
                found.push(Text { path, content });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 100, "found only {} files below {}", found.len(), root.display());
    found
}

/// The files whose names end so.
pub(crate) fn with_ending(endings: &[&str]) -> Vec<Text> {
    texts().into_iter().filter(|text| endings.iter().any(|ending| text.path.ends_with(ending))).collect()
}

/// The Rust files of the product: everything but the tests' package.
pub(crate) fn product() -> Vec<Text> {
    let files: Vec<Text> =
        with_ending(&[".rs"]).into_iter().filter(|text| !text.path.starts_with("tests/")).collect();
    assert!(files.len() > 50, "found only {} product files", files.len());
    files
}

/// All Rust code, tests included, as one text.
pub(crate) fn all_rust() -> String {
    texts().iter().filter(|text| text.is("rs")).map(|text| text.content.as_str()).collect()
}

/// One file, which must be there.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl Text {
    /// Whether its name has this extension.
    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == extension)
    }

    /// The lines of code with their numbers: no comment lines, and nothing from the module of unit tests on, which is
    /// at the end of a file by custom. Empty for a file of tests.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = ["tests.rs", "testing.rs"].iter().any(|name| self.path.ends_with(name))
            || self.path.contains("/tests/");
        self.content
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .take_while(move |(_, line)| !is_test && *line != "mod tests {")
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// `path:line` of every line of code for which `wrong` holds.
    pub(crate) fn offences(&self, wrong: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.code().filter(|(_, line)| wrong(line));
        lines.map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim())).collect()
    }
}

/// Fails with one line for each offence.
pub(crate) fn assert_none(rule: &str, offences: impl IntoIterator<Item = String>) {
    let offences: Vec<String> = offences.into_iter().collect();
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}
