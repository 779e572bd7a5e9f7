//! The laboratory as a whole: its command, what it tells about itself, and who may use it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::cloud::Cloud;
use crate::cluster::Cluster;
use crate::http::Http;

/// Environment variable with the letters of the two Kubernetes clusters to use, the first for most tests.
const CLUSTERS: &str = "E2E_CLUSTERS";

/// One test at a time: they share clusters, nodes and the project.
static IN_USE: Mutex<()> = Mutex::new(());

/// The running laboratory, taken by one test.
pub struct Lab {
    pub(crate) info: Value,
    pub(crate) http: Http,
    cloud: Cloud,
    _taken: MutexGuard<'static, ()>,
}

impl Lab {
    /// Waits for the laboratory and takes it.
    pub fn take() -> Self {
        let taken = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        let info: Value =
            serde_json::from_str(&run(&["info", "--json"])).expect("the laboratory tells about itself");
        let http = Http::new();
        let cloud = Cloud::log_in(&http, &info["openstack"]);
        Self { info, http, cloud, _taken: taken }
    }

    /// OpenStack, as the user that the programs under test are, too.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The cluster that most tests use.
    pub fn cluster(&self) -> Cluster {
        Cluster::connect(self, &clusters().0)
    }

    /// A second cluster in the same OpenStack project; started if it does not run.
    pub fn other_cluster(&self) -> Cluster {
        Cluster::connect(self, &clusters().1)
    }

    /// The value at a JSON pointer in what the laboratory tells about itself.
    pub fn fact(&self, pointer: &str) -> &str {
        self.info
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("lab info has no {pointer}"))
    }
}

/// Runs one of the laboratory's commands and returns what it printed.
pub(crate) fn run(words: &[&str]) -> String {
    try_run(words).unwrap_or_else(|error| panic!("lab {}: {error}", words.join(" ")))
}

/// The same; the error is what it said.
pub(crate) fn try_run(words: &[&str]) -> Result<String, String> {
    let output = Command::new(repository().join("tests/lab/lab"))
        .args(words)
        .output()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package is below the root").to_owned()
}

fn clusters() -> (String, String) {
    let letters = std::env::var(CLUSTERS).unwrap_or_else(|_| "ab".to_owned());
    let (first, second) = letters.split_at_checked(1).expect("two letters");
    (first.to_owned(), second.to_owned())
}
