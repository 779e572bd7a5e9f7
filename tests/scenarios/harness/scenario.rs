//! What a scenario is, and how one is run under a seed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use openstack::Transport;
use simulator::Entry;
use tokio::time::Instant;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;

use super::log::Log;
use super::program::Wrap;
use super::report::{Failure, Statistics};
use super::run::Run;
use super::shrink::shrink;
use super::stage::{Setup, Stage};
use super::trouble::{Dice, Trouble};

/// So many runs are spent on making a failing script smaller.
const SHRINKING: usize = 60;
/// How long the worlds stand before the programs start.
const BEFORE: Duration = Duration::from_secs(60);
/// So many of the last requests and log lines are shown.
const SHOWN: usize = 60;

/// One scenario.
pub(crate) struct Scenario {
    /// Its name.
    pub(crate) name: &'static str,
    /// The worlds at the beginning, for a seed.
    pub(crate) setup: fn(&mut fastrand::Rng) -> Setup,
    /// In which time troubles happen.
    pub(crate) within: Duration,
    /// What goes wrong, for a seed.
    pub(crate) troubles: fn(&mut Dice<'_>) -> Vec<Trouble>,
    /// What users and operators do meanwhile.
    pub(crate) act: fn(Run) -> BoxFuture<'static, ()>,
    /// How long it may take, after all troubles have ended, until all is as it should be.
    pub(crate) bound: Duration,
}

/// What came of a run.
pub(crate) struct Outcome {
    /// Counts.
    pub(crate) statistics: Statistics,
    /// Why it failed, if it did.
    pub(crate) failure: Option<Failure>,
    /// All requests.
    pub(crate) ledger: Vec<Entry>,
    /// How long it took until all was as it should be after the troubles' end.
    pub(crate) settled: Duration,
}

impl Scenario {
    /// The script of a seed.
    pub(crate) fn script(&self, seed: u64) -> Vec<Trouble> {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x7472_6f75_626c_6573);
        (self.troubles)(&mut Dice::new(&mut rng, self.within))
    }

    /// Runs it under a seed with that seed's script.
    pub(crate) fn run(&'static self, seed: u64) -> Outcome {
        self.run_with(seed, &self.script(seed), untouched)
    }

    /// Runs it under a seed; if it fails, once more and again to make the script smaller.
    pub(crate) fn run_and_shrink(&'static self, seed: u64) -> Outcome {
        let mut outcome = self.run(seed);
        if outcome.failure.is_some() {
            let script = shrink(&self.script(seed), SHRINKING, |script| {
                self.run_with(seed, script, untouched).failure.is_some()
            });
            if let Some(failure) = self.run_with(seed, &script, untouched).failure {
                outcome.failure = Some(failure);
            }
        }
        outcome
    }

    /// Runs it under a seed with this script.
    pub(crate) fn run_with(&'static self, seed: u64, troubles: &[Trouble], wrap: Wrap) -> Outcome {
        // All of the product's randomness on this thread.
        fastrand::seed(seed);
        let runtime = runtime();
        let log = Log::default();
        let clock = Virtual::default();
        let subscriber = tracing_subscriber::registry().with(
            tracing_subscriber::fmt::layer()
                .with_writer(log.clone())
                .with_timer(clock.clone())
                .with_ansi(false),
        );
        let subscriber = subscriber.with(tracing_subscriber::filter::LevelFilter::INFO);
        let _captured = tracing::subscriber::set_default(subscriber);
        let setup = (self.setup)(&mut fastrand::Rng::with_seed(seed ^ 0x0073_6574_7570));
        let (run, mut statistics, settled) = runtime.block_on(async {
            clock.start();
            let stage = Stage::new(seed, &setup, log.clone());
            // What others have there comes to rest before anybody looks.
            tokio::time::sleep(BEFORE).await;
            let run = Run::new(stage, setup.replicas, wrap);
            run.start(troubles);
            (self.act)(run.clone()).await;
            run.heal();
            let settled = run.converge(self.bound).await;
            if run.checker().broken().is_none() {
                run.stay_quiet().await;
            }
            run.end().await;
            let statistics = run.statistics();
            (run, statistics, settled)
        });
        let kinds: std::collections::BTreeSet<&str> = troubles.iter().map(Trouble::kind).collect();
        statistics.planned = kinds.into_iter().map(|kind| (kind.to_owned(), 1)).collect();
        let ledger = run.stage().world.ledger().entries();
        let failure = run.checker().broken().map(|why| Failure {
            scenario: self.name,
            seed,
            troubles: troubles.to_vec(),
            why,
            ledger: tail(ledger.iter().filter(|entry| !entry.path.contains("/leases")).map(line)),
            log: tail(log.last().into_iter()),
        });
        // Whatever the programs left running ends with the runtime, while the log still listens.
        drop(runtime);
        Outcome { statistics, failure, ledger, settled }
    }
}

/// Lets `act` work in worlds where nothing goes wrong, in which the programs already run.
pub(crate) fn alone<F, Fut, T>(seed: u64, setup: &Setup, act: F) -> T
where
    F: FnOnce(Run) -> Fut,
    Fut: Future<Output = T>,
{
    fastrand::seed(seed);
    let runtime = runtime();
    let result = runtime.block_on(async {
        let stage = Stage::new(seed, setup, Log::default());
        tokio::time::sleep(BEFORE).await;
        let run = Run::new(stage, setup.replicas, untouched);
        run.start(&[]);
        let result = act(run.clone()).await;
        run.end().await;
        assert_eq!(run.checker().broken(), None);
        result
    });
    drop(runtime);
    result
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// The way to the cloud as it is.
pub(crate) fn untouched(transport: Transport) -> Transport {
    transport
}

/// The last lines.
fn tail(lines: impl Iterator<Item = String>) -> Vec<String> {
    let lines: Vec<String> = lines.collect();
    lines[lines.len().saturating_sub(SHOWN)..].to_vec()
}

/// One request on one line.
pub(crate) fn line(entry: &Entry) -> String {
    let status = entry.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let lost = if entry.answered.is_none() { " unanswered" } else { "" };
    let faults =
        if entry.faults.is_empty() { String::new() } else { format!(" [{}]", entry.faults.join(" ")) };
    format!(
        "{:>10.3} {} {} {} {} {status}{lost}{faults}",
        entry.begun.as_secs_f64(),
        entry.client,
        entry.method,
        entry.service,
        entry.raw_path
    )
}

/// Log lines bear the same virtual seconds as the ledger.
#[derive(Clone, Default)]
struct Virtual(Arc<OnceLock<Instant>>);

impl Virtual {
    fn start(&self) {
        self.0.get_or_init(Instant::now);
    }
}

impl FormatTime for Virtual {
    fn format_time(&self, w: &mut tracing_subscriber::fmt::format::Writer<'_>) -> std::fmt::Result {
        write!(w, "{:>10.3}", self.0.get().map_or(0.0, |began| began.elapsed().as_secs_f64()))
    }
}
