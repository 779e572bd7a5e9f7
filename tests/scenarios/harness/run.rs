//! One run: the worlds, the processes in them, what goes wrong, and the way to the verdict.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use simulator::link::Point;
use simulator::{Link, Rule, Script};
use tokio::time::{Instant, sleep, sleep_until};

use super::checker::{Checker, Finding};
use super::converged::differences;
use super::program::{Outcome, Process, Recipe, Wrap};
use super::report::Statistics;
use super::stage::{NAMES, Stage};
use super::trouble::Trouble;

/// How long a program that ended by itself stays away: a kubelet's first pause is longer.
const RESTART: Duration = Duration::from_secs(2);
/// How long a run is watched after everything is as it should be.
const QUIET: Duration = Duration::from_secs(120);
/// Requests to the cloud that idle programs may make in that time, by leader.
const IDLE_REQUESTS: usize = 10;

/// A run under way; clones share it.
#[derive(Clone)]
pub(crate) struct Run(Arc<Shared>);

struct Shared {
    stage: Stage,
    checker: Checker,
    slots: Vec<Slot>,
    began: Instant,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

/// The place of one replica.
struct Slot {
    cluster: usize,
    recipe: Recipe,
    state: Mutex<SlotState>,
}

#[derive(Default)]
struct SlotState {
    link: Option<Link>,
    process: Option<Process>,
    starts: u32,
    /// Where the next incarnations are killed: the first the first, and so on.
    kills: VecDeque<(Point, u64, Duration, &'static str)>,
    /// No more starts.
    over: bool,
}

impl Run {
    /// Sets the worlds up; no program runs yet.
    pub(crate) fn new(stage: Stage, replicas: usize, wrap: Wrap) -> Self {
        let checker = stage.checker();
        let slots = (0..stage.clusters())
            .flat_map(|cluster| (0..replicas).map(move |_| cluster))
            .map(|cluster| Slot { cluster, recipe: stage.recipe(cluster, wrap), state: Mutex::default() })
            .collect();
        Self(Arc::new(Shared { stage, checker, slots, began: Instant::now(), counts: Mutex::default() }))
    }

    /// The worlds.
    pub(crate) fn stage(&self) -> &Stage {
        &self.0.stage
    }

    /// The invariants.
    pub(crate) fn checker(&self) -> &Checker {
        &self.0.checker
    }

    /// Starts the programs and whatever goes wrong.
    pub(crate) fn start(&self, troubles: &[Trouble]) {
        // Rules count from the world's beginning, scripts from the programs'.
        let before = u64::try_from(self.stage().world.since_beginning(self.0.began).as_millis()).unwrap_or(0);
        let rules = troubles.iter().filter_map(|trouble| match trouble {
            Trouble::Fault(rule) => Some(Rule {
                from_ms: rule.from_ms + before,
                until_ms: rule.until_ms.map(|until| until + before),
                ..rule.clone()
            }),
            _ => None,
        });
        self.stage().world.faults().follow(Script { rules: rules.collect() });
        for trouble in troubles {
            if let Trouble::Kill { replica, point, n, back_after_ms } = trouble {
                let kill = (Point::from(*point), *n, Duration::from_millis(*back_after_ms), trouble.kind());
                self.slot(*replica).lock().kills.push_back(kill);
            }
        }
        for slot in 0..self.0.slots.len() {
            tokio::spawn(self.clone().keep_running(slot));
        }
        for trouble in
            troubles.iter().filter(|trouble| !matches!(trouble, Trouble::Fault(_) | Trouble::Kill { .. }))
        {
            tokio::spawn(self.clone().happen(trouble.clone()));
        }
    }

    /// Runs one replica, again and again.
    async fn keep_running(self, slot: usize) {
        let slot = &self.0.slots[slot];
        let mut number = 0;
        for (at, other) in self.0.slots.iter().enumerate() {
            if std::ptr::eq(other, slot) {
                number = at;
            }
        }
        loop {
            let (link, kill) = {
                let mut state = slot.lock();
                if state.over {
                    return;
                }
                state.starts += 1;
                let name = format!("{}-{number}.{}", NAMES[slot.cluster], state.starts);
                let link = self.stage().world.link(&name);
                let kill = state.kills.pop_front();
                if let Some((point, n, ..)) = kill {
                    link.kill_at(point, n);
                }
                state.process = Some(Process::start(&slot.recipe, link.clone()));
                state.link = Some(link.clone());
                (link, kill)
            };
            let mut pause = RESTART;
            tokio::select! {
                biased;
                () = link.died() => {
                    if let Some((.., back_after, kind)) = kill {
                        self.count(kind);
                        pause = back_after;
                    }
                    if let Some(process) = slot.lock().process.take() {
                        process.kill();
                    }
                }
                ended = ended(slot) => {
                    // With the process all that it had begun is gone.
                    if let Some(process) = slot.lock().process.take() {
                        process.kill();
                    }
                    self.checker().found("no-panic", Finding::of(ended.err()));
                }
            }
            sleep(pause).await;
        }
    }

    /// One thing that goes wrong at its time.
    async fn happen(self, trouble: Trouble) {
        let at = |ms: u64| self.0.began + Duration::from_millis(ms);
        match &trouble {
            Trouble::Fault(_) | Trouble::Kill { .. } => {}
            Trouble::Stop { replica, at_ms, .. } => {
                sleep_until(at(*at_ms)).await;
                if let Some(process) = &self.slot(*replica).lock().process {
                    process.terminate();
                    self.count(trouble.kind());
                }
            }
            Trouble::Partition { replica, service, how, from_ms, until_ms } => {
                sleep_until(at(*from_ms)).await;
                let link = self.slot(*replica).lock().link.clone();
                if let Some(link) = link {
                    link.cut(service, (*how).into());
                    self.count(trouble.kind());
                    sleep_until(at(*until_ms)).await;
                    link.mend(service);
                }
            }
            Trouble::Forget { at_ms } => {
                sleep_until(at(*at_ms)).await;
                self.stage().forget();
                self.count(trouble.kind());
            }
        }
    }

    /// Stops the first process of a cluster and waits until another has been started in its place.
    pub(crate) async fn restart(&self, cluster: usize) {
        let slot = self.0.slots.iter().find(|slot| slot.cluster == cluster).unwrap();
        let before = slot.lock().starts;
        if let Some(process) = &slot.lock().process {
            process.terminate();
        }
        while slot.lock().starts == before {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends all troubles; what is on its way still arrives.
    pub(crate) fn heal(&self) {
        for (kind, count) in self.stage().world.faults().fired() {
            *self.counts().entry(kind).or_default() += count;
        }
        self.stage().world.faults().follow(Script::default());
        self.stage().repair();
        for slot in &self.0.slots {
            let mut state = slot.lock();
            state.kills.clear();
            if let Some(link) = &state.link {
                link.kill_at(Point::Leaves, u64::MAX);
                for service in ["", "keystone", "nova", "neutron", "octavia", "kubernetes"] {
                    link.mend(service);
                }
            }
        }
    }

    /// Waits until everything is as it should be, at most `bound`; says how long that took.
    pub(crate) async fn converge(&self, bound: Duration) -> Duration {
        let began = Instant::now();
        loop {
            let wrong = self.differences();
            if wrong.is_empty() {
                self.checker().found("converges", Finding::Holds);
                return began.elapsed();
            }
            if self.checker().broken().is_some() {
                return began.elapsed();
            }
            if began.elapsed() > bound {
                let why = format!("not so after {bound:?}: {}", wrong.join("; "));
                self.checker().found("converges", Finding::Broken(why));
                return began.elapsed();
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    fn differences(&self) -> Vec<String> {
        let is_late =
            |entry: &simulator::Entry| entry.path == "/v2.0/floatingips" && entry.faults.contains(&"late");
        let late = self.stage().world.ledger().count(is_late) > 0;
        differences(&self.stage().kubernetes(), &self.stage().dump(), late)
    }

    /// Watches that nothing is done when there is nothing to do.
    pub(crate) async fn stay_quiet(&self) {
        // Requests that hang are given up after a minute, which is said then.
        sleep(Duration::from_secs(100)).await;
        let ledger = self.stage().world.ledger();
        let mark = ledger.len();
        sleep(QUIET).await;
        let entries = ledger.since(mark);
        // A refused Service is tried again now and then, and the event that says so is counted up.
        let wrote = entries.iter().find(|entry| {
            let counts_up = entry.method == "PATCH" && entry.path.contains("/events");
            entry.is_write() && !entry.path.contains("/leases") && !counts_up
        });
        let why = wrote.map(|entry| {
            format!(
                "{} sends {} {} though there is nothing to do",
                entry.client, entry.method, entry.raw_path
            )
        });
        self.checker().found("quiet", Finding::of(why));
        let asked = entries.iter().filter(|entry| entry.service != "kubernetes").count();
        let most = IDLE_REQUESTS * self.stage().clusters();
        let why = (asked > most).then(|| {
            let calls: Vec<String> = entries
                .iter()
                .filter(|entry| entry.service != "kubernetes")
                .map(simulator::Entry::call)
                .take(20)
                .collect();
            format!(
                "{asked} requests to the cloud in {QUIET:?} of idleness, {most} are enough: {}",
                calls.join(", ")
            )
        });
        self.checker().found("few-polls", Finding::of(why));
        let wrong = self.differences();
        let why = (!wrong.is_empty()).then(|| format!("no longer so: {}", wrong.join("; ")));
        self.checker().found("stays", Finding::of(why));
    }

    /// Stops all programs, and looks at what can only be said at the end.
    pub(crate) async fn end(&self) {
        let mut processes = Vec::new();
        for slot in &self.0.slots {
            let mut state = slot.lock();
            state.over = true;
            processes.extend(state.process.take());
        }
        for process in &processes {
            process.terminate();
        }
        let began = Instant::now();
        for process in processes {
            self.checker().found("no-panic", Finding::of(process.ended().await.err()));
            process.kill();
        }
        let late = began.elapsed() > Duration::from_secs(12);
        let why = late.then(|| format!("programs took {:?} to stop", began.elapsed()));
        self.checker().found("stops", Finding::of(why));
        let (searched, leaks) = self.stage().log.searched();
        assert!(searched > 0, "nothing was searched for secrets");
        self.checker().found("no-secrets", Finding::of(leaks.first().cloned()));
    }

    /// What was counted.
    pub(crate) fn statistics(&self) -> Statistics {
        Statistics {
            runs: 1,
            requests: self.stage().world.ledger().len() as u64,
            virtual_time: self.0.began.elapsed(),
            happened: self.counts().iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            planned: BTreeMap::new(),
            evaluated: self
                .checker()
                .evaluated()
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
            starts: self.0.slots.iter().map(|slot| u64::from(slot.lock().starts)).sum(),
        }
    }

    fn slot(&self, replica: usize) -> &Slot {
        &self.0.slots[replica % self.0.slots.len()]
    }

    fn count(&self, kind: &'static str) {
        *self.counts().entry(kind).or_default() += 1;
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the slot's process has ended by itself.
async fn ended(slot: &Slot) -> Outcome {
    let process = slot.lock().process.as_ref().map(Process::ended);
    match process {
        Some(end) => end.await,
        None => std::future::pending().await,
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
