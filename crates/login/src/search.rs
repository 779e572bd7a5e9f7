//! Where `clouds.yaml` and its companions lie.

use std::io;
use std::path::{Path, PathBuf};

use crate::clouds::Documents;

/// What the process was started with, as far as it says where files lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `OS_CLIENT_CONFIG_FILE`: the file to read, if it is there.
    pub clouds_file: Option<PathBuf>,
    /// `OS_CLOUD`: the entry to take where cloud.conf names none.
    pub cloud: Option<String>,
    /// Where the files are looked for, in this order.
    pub directories: Vec<PathBuf>,
}

/// Files that were found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) documents: Documents,
    /// Those that were read.
    pub(crate) files: Vec<PathBuf>,
    /// The file that was to be read, if it is not there.
    pub(crate) missing: Option<PathBuf>,
}

/// Why there is no `clouds.yaml`. Holds paths and places, nothing of what is written there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfound {
    #[error("there is no clouds.yaml: looked for {0}")]
    Nowhere(String),
    #[error("cannot read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{}:{error}", path.display())]
    Malformed { path: PathBuf, error: crate::clouds::Malformed },
}

impl Surroundings {
    /// The places where OpenStack's clients look: the working directory, the user's configuration, the machine's.
    pub fn of(clouds_file: Option<PathBuf>, cloud: Option<String>, home: Option<&Path>) -> Self {
        let user = home.map(|home| home.join(".config/openstack"));
        let directories = [Some(PathBuf::from(".")), user, Some(PathBuf::from("/etc/openstack"))];
        Self {
            clouds_file: clouds_file.filter(|path| !path.as_os_str().is_empty()),
            cloud: cloud.filter(|name| !name.is_empty()),
            directories: directories.into_iter().flatten().collect(),
        }
    }

    /// Reads the files; `clouds_file` of cloud.conf goes before the one of the environment.
    pub(crate) fn read(&self, clouds_file: Option<&Path>) -> Result<Found, Unfound> {
        let mut found = Found::default();
        let named = clouds_file.or(self.clouds_file.as_deref());
        let there = named.filter(|path| path.exists());
        found.missing = named.filter(|_| there.is_none()).map(Path::to_owned);
        let clouds = there.map(Path::to_owned).or_else(|| self.find("clouds"));
        let Some(clouds) = clouds else {
            let candidates = named.map(Path::to_owned).into_iter().chain(self.candidates("clouds"));
            let candidates: Vec<String> = candidates.map(|path| path.display().to_string()).collect();
            return Err(Unfound::Nowhere(candidates.join(", ")));
        };
        found.take(clouds, Documents::clouds)?;
        if let Some(path) = self.find("clouds-public") {
            found.take(path, Documents::public)?;
        }
        if let Some(path) = self.find("secure") {
            found.take(path, Documents::secure)?;
        }
        Ok(found)
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        self.candidates(name).find(|path| path.exists())
    }

    fn candidates(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        self.directories.iter().flat_map(move |directory| {
            ["yaml", "yml"].map(|ending| directory.join(format!("{name}.{ending}")))
        })
    }
}

impl Found {
    fn take(
        &mut self,
        path: PathBuf,
        into: fn(&mut Documents, &str) -> Result<(), crate::clouds::Malformed>,
    ) -> Result<(), Unfound> {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return Err(Unfound::Unreadable { path, error }),
        };
        if let Err(error) = into(&mut self.documents, &text) {
            return Err(Unfound::Malformed { path, error });
        }
        self.files.push(path);
        Ok(())
    }
}
