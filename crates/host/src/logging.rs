//! Logs on standard error, as Kubernetes programs write them: klog's text lines or its JSON.
//!
//! Text that came from elsewhere is escaped, so that nobody can forge a line or steer a terminal. Dependencies are heard
//! from `warn` upwards only, whatever the verbosity: their details may hold request headers.

mod layer;

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use layer::Klog;

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

/// Starts logging for the whole process. To be called once, by `main`.
///
/// # Errors
/// Logging was started before.
pub fn init(format: Format, verbosity: u8) -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
    let subscriber =
        tracing_subscriber::registry().with(Klog::new(format, std::io::stderr)).with(filter(verbosity));
    tracing::subscriber::set_global_default(subscriber)
}

/// klog's verbosity as a level: what tells of changes is shown always, what is looked at from 4, every request from 6.
fn filter(verbosity: u8) -> Targets {
    let level = match verbosity {
        0..=3 => LevelFilter::INFO,
        4..=5 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let dependencies = DEPENDENCIES.iter().map(|name| {
        // kube repeats at `warn` what its caller is told by an error.
        (*name, if name.starts_with("kube") { LevelFilter::ERROR } else { LevelFilter::WARN })
    });
    // Names are compared by prefix, and this one of ours begins like one of theirs.
    Targets::new().with_default(level).with_targets(dependencies).with_target("kubernetes", level)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn verbosity_decides_the_level_but_not_for_dependencies() {
        for (verbosity, level) in
            [(0, Level::INFO), (3, Level::INFO), (4, Level::DEBUG), (6, Level::TRACE), (10, Level::TRACE)]
        {
            let filter = filter(verbosity);
            assert!(filter.would_enable("cloud_controller::node", &level), "{verbosity}");
            assert!(filter.would_enable("kubernetes::lease", &level), "{verbosity}");
            assert!(!filter.would_enable("hyper_util::client", &Level::INFO), "{verbosity}");
            assert!(!filter.would_enable("kube_client::client", &Level::WARN), "{verbosity}");
        }
        assert!(!filter(3).would_enable("openstack", &Level::DEBUG));
        assert!(!filter(5).would_enable("openstack", &Level::TRACE));
    }
}
