//! Logs on standard error, as Kubernetes programs write them: klog's text lines or its JSON.
//!
//! Text that came from elsewhere is escaped, so that nobody can forge a line or steer a terminal. Dependencies are heard
//! from `warn` upwards only, whatever the verbosity: their details may hold request headers.

mod layer;
mod modules;

use std::str::FromStr;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Relaxed;

use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

use layer::Klog;
pub use modules::Modules;

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `I1121 12:00:00.000000       1 file.rs:42] message key="value"`
    #[default]
    Text,
    /// One JSON object a line with `ts`, `caller`, `msg`.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" | "" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json".to_owned()),
        }
    }
}

/// Crates that are not ours and log more than anybody wants.
const DEPENDENCIES: [&str; 12] = [
    "h2",
    "hyper",
    "hyper_util",
    "kube",
    "kube_client",
    "kube_runtime",
    "mio",
    "reqwest",
    "rustls",
    "tokio_util",
    "tonic",
    "tower",
];

/// klog's verbosity, which may change while the process runs.
static VERBOSITY: AtomicI32 = AtomicI32::new(0);

/// Starts logging for the whole process. To be called once, by `main`.
///
/// # Errors
/// Logging was started before.
pub fn init(
    format: Format,
    verbosity: i32,
    modules: Modules,
) -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
    VERBOSITY.store(verbosity, Relaxed);
    let shown = filter_fn(move |metadata| {
        is_shown(self::verbosity(), &modules, metadata.target(), metadata.file(), *metadata.level())
    });
    let subscriber = tracing_subscriber::registry().with(Klog::new(format, std::io::stderr)).with(shown);
    tracing::subscriber::set_global_default(subscriber)
}

/// The verbosity now.
pub fn verbosity() -> i32 {
    VERBOSITY.load(Relaxed)
}

/// Changes the verbosity.
pub fn set_verbosity(verbosity: i32) {
    VERBOSITY.store(verbosity, Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// klog's verbosity as a level: what tells of changes is shown always, what is looked at from 4, every request from 6.
fn level(verbosity: i32) -> Level {
    match verbosity {
        ..=3 => Level::INFO,
        4..=5 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

fn is_shown(verbosity: i32, modules: &Modules, target: &str, file: Option<&str>, wanted: Level) -> bool {
    let root = target.split("::").next().unwrap_or(target);
    if DEPENDENCIES.contains(&root) {
        // kube repeats at `warn` what its caller is told by an error.
        return wanted <= if root.starts_with("kube") { Level::ERROR } else { Level::WARN };
    }
    let of_file = file.and_then(|file| modules.verbosity(file));
    wanted <= level(of_file.unwrap_or(verbosity))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(verbosity: i32, target: &str, level: Level) -> bool {
        is_shown(verbosity, &Modules::default(), target, Some("src/x.rs"), level)
    }

    #[test]
    fn verbosity_decides_the_level_but_not_for_dependencies() {
        for (verbosity, level) in [
            (-1, Level::INFO),
            (0, Level::INFO),
            (3, Level::INFO),
            (4, Level::DEBUG),
            (6, Level::TRACE),
            (10, Level::TRACE),
        ] {
            assert!(shown(verbosity, "openstack::session", level), "{verbosity}");
            assert!(shown(verbosity, "kubernetes::lease", level), "{verbosity}");
            assert!(!shown(verbosity, "hyper_util::client", Level::INFO), "{verbosity}");
            assert!(!shown(verbosity, "kube_client::client", Level::WARN), "{verbosity}");
        }
        assert!(!shown(3, "openstack", Level::DEBUG));
        assert!(!shown(5, "openstack", Level::TRACE));
    }

    #[test]
    fn a_file_has_its_own_verbosity_but_a_dependency_has_not() {
        let modules: Modules = "lease=6".parse().unwrap();
        let shown = |target, file| is_shown(0, &modules, target, Some(file), Level::TRACE);
        assert!(shown("kubernetes::lease", "crates/kubernetes/src/lease.rs"));
        assert!(!shown("kubernetes::event", "crates/kubernetes/src/event.rs"));
        assert!(!shown("hyper::lease", "lease.rs"), "its details may be secret");
    }
}
