//! Everything that reads foreign bytes, given any of them: nothing panics, and what must hold holds.
//!
//! ```text
//! FUZZ_RUNS=10000000 FUZZ_SEED=7 cargo test --release --test fuzz -- --nocapture
//! ```
//!
//! Inputs are mutations of a corpus (`targets.rs`), drawn from a seed that each failure names; without `FUZZ_SEED` it
//! is fixed, so that `make check` is the same everywhere, and `make fuzz` draws a fresh one for what goes beyond.
//! A target is a function that panics when something is wrong.

#![allow(clippy::print_stderr, reason = "what was done is told to whoever runs it")]
#![allow(clippy::disallowed_methods, reason = "real time is measured")]

mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use mutate::Mutator;
use targets::{TARGETS, Target};

/// Executions of each target in an ordinary test run.
const FEW: u64 = 4_000;
/// The longest that one execution may take, on a machine that does much else: more is a way to stall a program.
const LONGEST: Duration = Duration::from_secs(10);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

#[test]
fn no_input_makes_a_reader_panic() {
    let seed = number("FUZZ_SEED").unwrap_or_else(|| match number("FUZZ_RUNS") {
        Some(_) => fastrand::u64(..),
        None => 1,
    });
    let runs = number("FUZZ_RUNS").map_or(FEW, |all| all.div_ceil(TARGETS.len() as u64));
    let start = Instant::now();
    let total: u64 = TARGETS.iter().map(|target| run(target, seed, runs)).sum();
    eprintln!("{total} executions, seed {seed}, {:.0?}", start.elapsed());
}

/// Runs a target on its corpus as it is, and then on mutations of it.
fn run(target: &Target, seed: u64, runs: u64) -> u64 {
    let start = Instant::now();
    let mut mutator = Mutator::new(seed, target.corpus);
    let mut slowest = Duration::ZERO;
    for input in target.corpus {
        check(target, seed, input.as_bytes(), &mut slowest);
    }
    for _ in 0..runs {
        check(target, seed, mutator.next(), &mut slowest);
    }
    let all = runs + target.corpus.len() as u64;
    eprintln!("{:>16}: {all} executions in {:.1?}, the slowest {slowest:.1?}", target.name, start.elapsed());
    all
}

fn check(target: &Target, seed: u64, input: &[u8], slowest: &mut Duration) {
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let took = start.elapsed();
    *slowest = (*slowest).max(took);
    assert!(
        result.is_ok() && took < LONGEST,
        "{} after {took:?}, seed {seed}, on {:?}",
        target.name,
        String::from_utf8_lossy(input)
    );
}

#[test]
fn a_target_that_panics_is_found() {
    let wrong =
        Target { name: "wrong", corpus: &["harmless"], run: |input| assert!(input.len() < 12, "planted") };
    let found = catch_unwind(|| run(&wrong, 1, FEW));
    assert!(found.is_err(), "{FEW} mutations did not find what was planted");
}
