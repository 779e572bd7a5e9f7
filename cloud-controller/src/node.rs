//! Nodes: labels, addresses and provider IDs from their servers.
//!
//! ```text
//! watch of Nodes ──> queue ──> controller ── finder ──┐              ┌── matching    which server, and is it believed
//!                                                     ├──> plan ─────┼── metadata    provider ID, labels
//! every few minutes ─────────> refresh ───── survey ──┘              └── addresses   for the status
//! ```
//!
//! Nodes are never deleted here.

pub mod addresses;
mod controller;
mod finder;
pub mod matching;
pub mod metadata;
mod metrics;
pub mod plan;
mod refresh;
mod survey;

pub use controller::{Controller, Dependencies};
pub use metrics::NodeMetrics;
