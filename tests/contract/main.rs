//! The same scripts against the simulator and against the real services: what keeps the simulator honest.
//!
//! Always: the simulator's answers against those of the real services, which are recorded here. On the laboratory
//! (feature `lab`): the real services' answers against the same record, so that it does not grow old.

#![allow(clippy::print_stderr, reason = "what differs is told to whoever runs it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod kubernetes;
mod openstack;
