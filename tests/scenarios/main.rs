//! Whole programs in one process, between a simulated OpenStack and simulated Kubernetes clusters, under virtual time:
//! a few seeds of every scenario in `make check`, many in `make soak`.
//!
//! What goes wrong is a script drawn from the seed; a run is replayed by its seed, and by a smaller script if one
//! suffices. Invariants are evaluated at every write into either world; in the end everything must be as it should be,
//! and quiet.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stderr, reason = "statistics and figures are told to whoever runs it")]

mod boundaries;
mod catalogue;
mod harness;
mod planted;
mod scale;
mod seeds;
