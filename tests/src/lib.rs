//! The harness of the end-to-end tests: the laboratory (`tests/lab`), seen from Rust.
//!
//! ```text
//! Lab ── Cloud       OpenStack's APIs as the project's user, plain HTTP and JSON
//!    ├── Cluster     Kubernetes' API as an administrator, plain HTTP and JSON
//!    ├── Controller  the program under test, a process
//!    └── Calls       what that process has asked of OpenStack, from the APIs' own access logs
//! ```
//!
//! [`contract`] compares the simulated OpenStack with the laboratory's.
//!
//! Nothing here shares code with the product: what the tests see must not pass through what they test. The process
//! must run inside the laboratory's network namespace (`tests/lab/lab inside …`). A fault panics: the harness has no
//! other way to say that a test failed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a panic is how a test fails"
)]
#![allow(clippy::disallowed_methods, reason = "real processes take real time, on threads of their own")]
#![allow(clippy::print_stderr, reason = "what a test measures is told to whoever runs it")]

mod calls;
mod cloud;
mod cluster;
pub mod contract;
mod controller;
mod fault_proxy;
mod http;
mod keystone;
mod lab;
mod namespace;
mod node;
mod snapshot;
mod traffic;
mod wait;

pub use calls::{Calls, Write};
pub use cloud::Cloud;
pub use cluster::Cluster;
pub use controller::{Controller, Options, lease};
pub use fault_proxy::{Fault, FaultProxy};
pub use keystone::{Keystone, ShortLived};
pub use lab::Lab;
pub use namespace::{Namespace, Service};
pub use node::{Fleet, RealNode, eligible_nodes, real_nodes};
pub use snapshot::Snapshot;
pub use traffic::{Answer, ask, ask_from_node};
pub use wait::{epoch, eventually};
