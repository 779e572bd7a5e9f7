//! The shell of a process: configuration file, flags, logs, metrics, health, the HTTPS endpoint, signals.
//!
//! It knows neither OpenStack nor Kubernetes; what is particular to a program is handed in.

pub mod duration;
pub mod gcfg;
pub mod text;
