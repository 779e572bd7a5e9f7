//! Every scenario under some seeds, half of them fresh, and under very many.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use simulator::Entry;

use crate::catalogue;
use crate::harness::{Outcome, Scenario, Statistics, Trouble, line, real_time, untouched};

/// Seeds that every run of the tests tries.
const FIXED: [u64; 5] = [1, 2, 3, 4, 5];
/// Seeds that are new in every run of the tests.
const FRESH: usize = 5;
/// Fresh seeds are printed; they are kept short.
const FRESH_BELOW: u64 = 1 << 32;

type Job = (&'static Scenario, u64);

/// Each scenario under each seed.
fn every(seeds: &[u64]) -> Vec<Job> {
    seeds.iter().flat_map(|seed| catalogue::ALL.iter().map(move |scenario| (scenario, *seed))).collect()
}

/// Runs all jobs on `threads` threads; the failures' reports and the counts.
fn run_all(jobs: &[Job], threads: usize) -> (Statistics, Vec<String>) {
    let next = AtomicUsize::new(0);
    let results = Mutex::new((Statistics::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((scenario, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let enough = results.lock().unwrap().1.len() >= 3;
                    if enough {
                        return;
                    }
                    let Outcome { statistics, failure, .. } = scenario.run_and_shrink(*seed);
                    let mut results = results.lock().unwrap();
                    results.0.add(&statistics);
                    results.1.extend(failure.map(|failure| failure.to_string()));
                }
            });
        }
    });
    results.into_inner().unwrap()
}

fn fresh(count: usize) -> Vec<u64> {
    let mut dice = fastrand::Rng::new();
    (0..count).map(|_| dice.u64(..FRESH_BELOW)).collect()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// A trouble that stood in fewer scripts may by chance not have happened.
const OFTEN: u64 = 15;

#[test]
fn every_scenario_holds_under_its_share_of_ten_seeds() {
    let seeds: Vec<u64> = FIXED.into_iter().chain(fresh(FRESH)).collect();
    eprintln!("seeds: {seeds:?}");
    let third = |(number, _): &(usize, Job)| (number + number / catalogue::ALL.len()).is_multiple_of(3);
    let jobs: Vec<Job> = every(&seeds).into_iter().enumerate().filter(third).map(|(_, job)| job).collect();
    let (statistics, failures) = run_all(&jobs, threads());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    eprintln!("{statistics}");
    assert_eq!(
        statistics.idle(OFTEN),
        Vec::<String>::new(),
        "planned and never happened, or never evaluated"
    );
}

#[test]
#[ignore = "takes long: make soak"]
fn every_scenario_holds_under_very_many_seeds() {
    let count = std::env::var("SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000);
    let fixed: Vec<u64> = (1..=count as u64 / 2).collect();
    let seeds: Vec<u64> = fixed.into_iter().chain(fresh(count - count / 2)).collect();
    let began = real_time();
    let (statistics, failures) = run_all(&every(&seeds), threads());
    eprintln!("{statistics}{count} seeds took {:.0?}", began.elapsed());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert_eq!(
        statistics.idle(OFTEN),
        Vec::<String>::new(),
        "planned and never happened, or never evaluated"
    );
}

/// What the report of a failure tells to run.
#[test]
#[ignore = "replays what SCENARIO, SEED and TROUBLES say"]
fn replay() {
    let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is missing"));
    let scenario = catalogue::named(&told("SCENARIO"));
    let seed = told("SEED").parse().unwrap();
    let troubles: Vec<Trouble> = match std::env::var("TROUBLES") {
        Ok(text) => serde_json::from_str(&text).unwrap(),
        Err(_) => scenario.script(seed),
    };
    let outcome = scenario.run_with(seed, &troubles, untouched);
    for entry in &outcome.ledger {
        eprintln!("{}", line(entry));
    }
    eprintln!("{}settled {:?} after the troubles", outcome.statistics, outcome.settled);
    assert!(outcome.failure.is_none(), "{}", outcome.failure.unwrap());
}

/// Events are named after the real time, as client-go does it.
fn without_names_of_events(mut entry: Entry) -> Entry {
    if entry.path.contains("/events") {
        entry.raw_path.clone_from(&entry.path);
    }
    entry
}

#[test]
fn two_runs_of_one_seed_are_the_same_to_the_last_request() {
    for scenario in ["services-come-and-go", "leaders", "odd-lists", "api-server"].map(catalogue::named) {
        let ledger = || scenario.run(11).ledger.into_iter().map(without_names_of_events).collect::<Vec<_>>();
        let (first, second) = (ledger(), ledger());
        let differs = first.iter().zip(&second).position(|(one, other)| one != other);
        let shown = differs.map(|at| (line(&first[at]), line(&second[at])));
        assert_eq!(shown, None, "{}: request {differs:?} of {}", scenario.name, first.len());
        assert_eq!(first.len(), second.len(), "{}", scenario.name);
    }
}
