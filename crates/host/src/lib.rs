//! The shell of a process: configuration file, flags, logs, metrics, health, the HTTPS endpoint, signals.
//!
//! It knows neither OpenStack nor Kubernetes; what is particular to a program is handed in.

pub mod cloud_conf;
pub mod duration;
pub mod endpoint;
pub mod flags;
pub mod gcfg;
pub mod health;
pub mod logging;
pub mod metrics;
pub mod serve;
pub mod signals;
pub mod tls;
