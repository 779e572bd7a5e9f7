//! Services of type `LoadBalancer` on Octavia.
//!
//! ```text
//! Service ───spec──> Spec ──┐
//! cloud.conf ───────────────┤
//! Nodes ───node_set─────────┼──desired──> Desired ──┐
//! cloud ────facts──> Facts ─┘                       ├──plan──> Plan ──execute──> status ──> Service
//! cloud ───observe──────────────────> Observed ─────┘            │
//!                                        ▲                       │
//!                                        └── keeps up with ──────┘
//! ```
//!
//! What decides is pure (`spec`, `node_set`, `ownership`, `desired`, `plan`, `status`); what asks or changes the
//! cloud is not (`facts`, `observe`, `execute`); `reconcile` puts them in order for one Service and `controller`
//! says for which Service and when.
//!
//! Where to add things: an annotation in `annotations`, `spec` and then `desired`; a call to Octavia in
//! `plan::Call` and `execute`; a proof of ownership in `ownership`.

pub mod annotations;
pub mod controller;
pub mod desired;
pub mod execute;
pub mod facts;
pub mod metrics;
pub mod names;
pub mod node_set;
pub mod observe;
pub mod ownership;
pub mod plan;
pub mod reconcile;
pub mod report;
pub mod spec;
pub mod status;
#[cfg(test)]
pub(crate) mod testing;

pub use controller::{Controller, Dependencies};
pub use metrics::Metrics;
pub use ownership::ClusterMark;
