//! Both worlds of the programs in one process: an OpenStack and a Kubernetes API server that are strict where the real
//! ones are, on virtual time, with faults by script, replayed exactly by seed.
//!
//! It knows none of the product's crates: types of its own, so that an error in theirs is not answered by the same
//! error here.

pub mod fault;
pub mod kubernetes;
pub mod ledger;
pub mod link;
pub mod openstack;
pub mod world;

pub use fault::{Fault, Faults, Rule, Script};
pub use kubernetes::{ApiServer, ApiServerOptions};
pub use ledger::{Entry, Ledger};
pub use link::{Broken, Link, Point};
pub use openstack::{Cloud, CloudOptions};
pub use world::{Moment, World};
