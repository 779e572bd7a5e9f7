//! From files to a login: what `[Global]` of `cloud.conf` and `clouds.yaml` say about where a cloud is and who we are
//! there, for all programs alike.
//!
//! ```text
//! cloud.conf [Global] ──> host::cloud_conf::Global ──┐
//! clouds.yaml, clouds-public.yaml, secure.yaml ──────┴─ fill ──> identity ──> Login ──> openstack::SessionConfig
//!                                                                        files of it ──> Reloader
//! ```
//!
//! What is written in `[Global]` goes before what is written in `clouds.yaml`.
//!
//! No error or warning repeats a value that may be secret.

mod clouds;
mod global;
mod identity;
mod reload;
mod search;
#[cfg(test)]
mod tests;
mod tls;

pub use clouds::Documents;
pub use global::Login;
pub use reload::{Outcome, ReadError, Reloader, Settings};
pub use search::Surroundings;
pub use tls::{ClientCertificateFiles, TlsFiles, Unreadable};
