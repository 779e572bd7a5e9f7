//! Nodes: labels, addresses and provider IDs from their servers.
//!
//! ```text
//! watch of Nodes ──> queue ──> controller ──┬── matching    which server, and is it believed
//!                                           ├── metadata    provider ID, labels
//! openstack::Inventory ─────────────────────┴── addresses   for the status
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

pub use controller::{Controller, Dependencies};
pub use metrics::NodeMetrics;
