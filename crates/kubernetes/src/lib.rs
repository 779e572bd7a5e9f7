//! Everything the programs say to the Kubernetes API server, in plain structs.
//!
//! ```text
//!  Cluster::connect ──┬── services(), nodes() ──> Watch ──> Store (latest) + Changes (what happened)
//!                     ├── service and node writes      fenced by the leader's write window
//!                     ├── Recorder                     core/v1 Events
//!                     ├── Leadership                   Lease ──> Fence
//!                     └── Reviewer                     TokenReview, SubjectAccessReview
//! ```
//!
//! This is the one crate that names kube; it decides nothing about load balancers or nodes.

mod cluster;
mod connect;
mod error;
mod event;
mod fence;
mod key;
mod lease;
mod limiter;
mod meta;
mod metrics;
mod node;
mod object;
mod review;
mod service;
#[cfg(test)]
mod testing;
mod watch;
mod writes;

pub use cluster::{Chunks, Cluster};
pub use connect::ConnectOptions;
pub use error::Error;
pub use event::{EventTarget, EventType, Recorder};
pub use fence::{Fence, WriteWindow};
pub use key::ObjectKey;
pub use lease::{Leadership, LeaseOptions, Lost};
pub use limiter::{Limiter, Priority};
pub use metrics::Metrics;
pub use node::{AddressKind, Condition, Node, NodeAddress, Ready, Taint};
pub use object::Object;
pub use review::{Lifetimes, Requester, Reviewer, UserInfo, Verdict};
pub use service::{Ingress, IpFamily, Protocol, Service, ServicePort};
pub use watch::{Change, Changes, Store, Watch};
pub use writes::NodeInit;
