//! The contract: one script of requests that the simulated OpenStack and the real one answer alike.
//!
//! ```text
//! script ── steps ──> run on the simulator ──> transcript ─┐
//!               └───> run on the laboratory ─> transcript ─┴─> compare ──> differences
//! ```
//!
//! Every step says what status it expects, and both worlds must give it. On the laboratory the answers are compared
//! too, field by field, after what cannot be alike has been taken out: see `normal`. [`coverage`] tells what a
//! program has asked that is not in the script.

mod compare;
pub mod coverage;
mod normal;
mod real;
mod run;
mod script;
mod simulated;
mod step;

pub use compare::differences;
pub use normal::{IGNORED, Ignored};
pub use real::{Real, counted};
pub use run::{Exchange, Transcript, World, run};
pub use script::{Part, parts};
pub use simulated::Simulated;
