//! Tests of the repository itself: its sources are read as text and held to the rules that ARCHITECTURE.md states.
//!
//! A rule that a compiler or clippy can hold is not here; see `[workspace.lints]` and `clippy.toml`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod architecture;
mod metrics;
mod pages;
mod sources;
mod tree;
