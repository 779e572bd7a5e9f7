//! What runs scenarios: worlds, processes, troubles, invariants, reports.

mod checker;
mod converged;
mod dump;
mod hands;
mod invariants;
mod log;
mod program;
mod report;
mod run;
mod scenario;
mod shrink;
mod stage;
mod trouble;

pub(crate) use report::{Statistics, real_time};
pub(crate) use run::Run;
pub(crate) use scenario::{Outcome, Scenario, alone, line, untouched};
pub(crate) use shrink::shrink;
pub(crate) use stage::{Provider, Setup};
pub(crate) use trouble::{At, Dice, Trouble, status};
