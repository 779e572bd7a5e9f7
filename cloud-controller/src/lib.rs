//! The cloud controller manager for OpenStack, as a library: `main.rs` only parses flags and calls in here, so that
//! tests run the whole program in their own process.
//!
//! ```text
//! flags ─┐                          ┌─> node/           labels, addresses, provider ids of Nodes
//!        ├─> app ── leader lease ───┤
//! config ┘     (one holder writes)  └─> load_balancer/  Octavia load balancers of Services
//! ```
//!
//! Both controllers take keys from a [`queue`], decide in pure functions and act through the two clients that
//! `app` hands them.

pub mod app;
pub mod config;
pub mod flags;
pub mod load_balancer;
pub mod node;
pub mod queue;
#[cfg(test)]
mod testing;
