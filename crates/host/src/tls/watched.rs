//! Files that may be replaced while we run: looked at now and then, the last good content stays in use.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::CertificateError;

/// How old the knowledge about the files may be.
pub(super) const FRESH: Duration = Duration::from_secs(5);

type Load<T> = fn(&[PathBuf]) -> Result<T, CertificateError>;

/// What `load` makes of the files at `paths`.
pub(super) struct Watched<T> {
    paths: Vec<PathBuf>,
    load: Load<T>,
    loaded: Mutex<Loaded<T>>,
}

struct Loaded<T> {
    content: Arc<T>,
    changed: Option<Vec<SystemTime>>,
    looked: Instant,
}

impl<T> Watched<T> {
    /// Reads the files for the first time.
    pub(super) fn new(paths: Vec<PathBuf>, load: Load<T>) -> Result<Self, CertificateError> {
        let changed = changed(&paths);
        let content = Arc::new(load(&paths)?);
        Ok(Self { paths, load, loaded: Mutex::new(Loaded { content, changed, looked: Instant::now() }) })
    }

    /// What the files held when they were last read successfully.
    pub(super) fn current(&self) -> Arc<T> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.looked.elapsed() >= FRESH {
            loaded.looked = Instant::now();
            let changed = changed(&self.paths);
            if changed.is_some() && changed != loaded.changed {
                let file = self.paths.first().map(|path| path.display().to_string()).unwrap_or_default();
                match (self.load)(&self.paths) {
                    Ok(content) => {
                        loaded.content = Arc::new(content);
                        loaded.changed = changed;
                        tracing::info!(file, "replaced file taken over");
                    }
                    // Perhaps only some of the files have been written; the next look may find all.
                    Err(error) => {
                        tracing::warn!(file, error = %text::Chain(&error), "replaced file cannot be used, the old one stays");
                    }
                }
            }
        }
        loaded.content.clone()
    }
}

impl<T> std::fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("paths", &self.paths).finish_non_exhaustive()
    }
}

fn changed(paths: &[PathBuf]) -> Option<Vec<SystemTime>> {
    paths.iter().map(|path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok()).collect()
}
