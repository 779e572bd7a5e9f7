//! What runs come to: statistics over many, and the report of one that failed.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::trouble::Trouble;

/// Counts over one or many runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Statistics {
    /// Runs.
    pub(crate) runs: u64,
    /// Requests to either world.
    pub(crate) requests: u64,
    /// Starts of programs.
    pub(crate) starts: u64,
    /// Virtual time.
    pub(crate) virtual_time: Duration,
    /// How often each kind of trouble happened.
    pub(crate) happened: BTreeMap<String, u64>,
    /// In how many runs' scripts each kind stood.
    pub(crate) planned: BTreeMap<String, u64>,
    /// How often each invariant was evaluated.
    pub(crate) evaluated: BTreeMap<String, u64>,
}

impl Statistics {
    /// Adds those of other runs.
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.requests += other.requests;
        self.starts += other.starts;
        self.virtual_time += other.virtual_time;
        for (mine, theirs) in [
            (&mut self.happened, &other.happened),
            (&mut self.planned, &other.planned),
            (&mut self.evaluated, &other.evaluated),
        ] {
            for (key, count) in theirs {
                *mine.entry(key.clone()).or_default() += count;
            }
        }
    }

    /// Kinds of trouble that stood in at least `often` scripts and never happened, and invariants that were never evaluated.
    pub(crate) fn idle(&self, often: u64) -> Vec<String> {
        let planned = self.planned.iter().filter(|(_, scripts)| **scripts >= often);
        let never = planned.filter(|(kind, _)| self.happened.get(*kind).is_none_or(|count| *count == 0));
        let unseen = self.evaluated.iter().filter(|(_, count)| **count == 0);
        let troubles = never.map(|(kind, _)| format!("trouble {kind}"));
        troubles.chain(unseen.map(|(name, _)| format!("invariant {name}"))).collect()
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.virtual_time.as_secs_f64() / 3600.0;
        writeln!(
            f,
            "{} runs, {} starts of programs, {} requests, {hours:.1} virtual hours",
            self.runs, self.starts, self.requests
        )?;
        writeln!(f, "  {:<22}{:>10}{:>12}", "trouble", "in scripts", "happened")?;
        let kinds: std::collections::BTreeSet<&String> =
            self.planned.keys().chain(self.happened.keys()).collect();
        for kind in kinds {
            let count = |counts: &BTreeMap<String, u64>| counts.get(kind).copied().unwrap_or(0);
            writeln!(f, "  {kind:<22}{:>10}{:>12}", count(&self.planned), count(&self.happened))?;
        }
        writeln!(f, "  {:<22}{:>22}", "invariant", "evaluated")?;
        for (name, count) in &self.evaluated {
            writeln!(f, "  {name:<22}{count:>22}")?;
        }
        Ok(())
    }
}

/// Real time, to say how long many runs took.
#[allow(clippy::disallowed_methods, reason = "virtual time says nothing about how long the tests take")]
pub(crate) fn real_time() -> std::time::Instant {
    std::time::Instant::now()
}

/// A run that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The scenario's name.
    pub(crate) scenario: &'static str,
    /// The seed.
    pub(crate) seed: u64,
    /// What went wrong by script.
    pub(crate) troubles: Vec<Trouble>,
    /// What should not be.
    pub(crate) why: String,
    /// The last requests.
    pub(crate) ledger: Vec<String>,
    /// The last lines of the programs' logs.
    pub(crate) log: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let troubles = serde_json::to_string(&self.troubles).unwrap_or_default();
        let mut text = String::new();
        let _ = writeln!(text, "scenario {} fails under seed {}: {}", self.scenario, self.seed, self.why);
        let _ = writeln!(text, "what went wrong by script, made as small as it would go:");
        for trouble in &self.troubles {
            let _ = writeln!(text, "  {}", serde_json::to_string(trouble).unwrap_or_default());
        }
        let _ = writeln!(text, "last requests:");
        for line in &self.ledger {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text, "last log lines:");
        for line in &self.log {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(
            text,
            "again: SCENARIO={} SEED={} TROUBLES='{troubles}' cargo test -p cloud-tests --test scenarios -- --ignored --exact replay",
            self.scenario, self.seed
        );
        f.write_str(&text)
    }
}
