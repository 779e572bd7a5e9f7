//! A keyed work queue: every key at most once, at most one run per key, in a fixed order.
//!
//! - First come, first served within a lane. [`Lane::Edit`] goes before [`Lane::Resync`], so that a change a user has just
//!   made does not wait behind a start-up flood; after [`EDITS_IN_A_ROW`] edits one resync gets its turn all the same.
//!   Of several workers half are kept free of resyncs, which may take minutes each.
//! - A key added while its work runs is run once more afterwards.
//! - Failed work is tried again after 5 s, doubling up to 300 s; adding the key runs it at once.
//! - Panicking work counts as failed and hurts nobody else.
//!
//! The queue knows nothing of what its keys mean, and all its times are tokio's, so tests run in virtual time.

mod metrics;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use metrics::QueueMetrics;

/// The first wait after failed work; each further failure doubles it.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(5);
/// The longest wait after failed work.
pub const BACKOFF_LIMIT: Duration = Duration::from_secs(300);
/// How many edits may overtake a waiting resync before it gets a turn.
pub const EDITS_IN_A_ROW: u32 = 8;
/// How long [`Queue::run`] waits, once cancelled, for work in flight.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(8);
/// How long work gets to end by itself before it is dropped for only waiting.
pub const DRAIN_GRACE: Duration = Duration::from_millis(300);

/// How many changes of the outside world, made by work, have no answer yet.
pub type InFlight = watch::Receiver<usize>;

/// Who waits for the work: a user who has just changed something, or nobody in particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// An object has changed.
    Edit,
    /// Start-up, periodic repair, and retries after failures.
    Resync,
}

/// What becomes of a key when its work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing more to do; forgets earlier failures.
    Done,
    /// Not a failure, only too early: run again after this time, in the same lane.
    RetryAfter(Duration),
    /// Failed: run again after the key's growing delay.
    Backoff,
}

/// The queue; clones are handles to the same one.
pub struct Queue<K> {
    shared: Arc<Shared<K>>,
    in_flight: Option<InFlight>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), in_flight: self.in_flight.clone() }
    }
}

struct Shared<K> {
    state: Mutex<State<K>>,
    /// Woken whenever there may be something new to start or an earlier time to wait for.
    changed: Notify,
    name: &'static str,
    metrics: QueueMetrics,
}

struct State<K> {
    keys: BTreeMap<K, Entry>,
    /// Keys that may start now, in the order in which they will.
    ready: BTreeMap<Turn, K>,
    /// Keys that may start later, by time.
    delayed: BTreeSet<(Instant, u64, K)>,
    turns: u64,
    edits_in_a_row: u32,
    /// Resyncs that are running.
    resyncs: usize,
}

/// A place in the line: lane first, then order of arrival.
type Turn = (Lane, u64);

/// What is known of one key; gone as soon as there is nothing to remember.
#[derive(Default)]
struct Entry {
    /// Place in `ready`, and since when.
    waiting: Option<(Turn, Instant)>,
    /// Place in `delayed`, and the lane to join when the time comes.
    delayed: Option<(Instant, u64, Lane)>,
    /// The lane of the run in progress.
    running: Option<Lane>,
    /// Added while running: the lane for the next run.
    again: Option<Lane>,
    failures: u32,
}

impl Entry {
    fn is_forgotten(&self) -> bool {
        self.waiting.is_none() && self.delayed.is_none() && self.running.is_none() && self.failures == 0
    }
}

impl<K: Ord + Clone + Display + Send + 'static> Queue<K> {
    /// An empty queue; `name` is the value of the `name` label of its metrics.
    pub fn new(name: &'static str, metrics: &QueueMetrics) -> Self {
        metrics.announce(name);
        let state = State {
            keys: BTreeMap::new(),
            ready: BTreeMap::new(),
            delayed: BTreeSet::new(),
            turns: 0,
            edits_in_a_row: 0,
            resyncs: 0,
        };
        let shared =
            Shared { state: Mutex::new(state), changed: Notify::new(), name, metrics: metrics.clone() };
        Self { shared: Arc::new(shared), in_flight: None }
    }

    /// The same queue, whose work may be dropped, once [`run`](Self::run) is cancelled, while nothing is in flight. The
    /// caller sees to it that from the cancellation on no change begins.
    #[must_use]
    pub fn with_in_flight(mut self, in_flight: InFlight) -> Self {
        self.in_flight = Some(in_flight);
        self
    }

    /// Asks for a run of `key` as soon as possible, whatever delay it was waiting out.
    pub fn add(&self, key: K, lane: Lane) {
        self.locked(|state| state.add(key, lane, Instant::now()));
    }

    /// Asks for a run of `key` after `delay`, unless one is due earlier anyway.
    pub fn add_after(&self, key: K, delay: Duration) {
        self.locked(|state| {
            let now = Instant::now();
            if delay.is_zero() {
                state.add(key, Lane::Resync, now)
            } else {
                state.delay(key, now + delay, Lane::Resync);
                false
            }
        });
    }

    /// How many keys wait for their turn, those whose time has not come left out.
    pub fn len(&self) -> usize {
        self.lock().ready.len()
    }

    /// Whether no key waits for its turn.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs `work` for the keys, at most `workers` at once, until cancelled.
    ///
    /// Then nothing new starts, and work in flight gets [`DRAIN_LIMIT`] to end. Returns how many runs had to be
    /// abandoned: unless that is 0, a request of ours may still be on its way.
    pub async fn run<F, Fut>(&self, workers: usize, cancel: CancellationToken, work: F) -> usize
    where
        F: Fn(K) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send + 'static,
    {
        let mut runs = Runs { queue: self, tasks: JoinSet::new(), keys: BTreeMap::new() };
        while !cancel.is_cancelled() {
            let due = self.mature();
            while runs.tasks.len() < workers.max(1)
                && let Some(key) = self.take(workers.div_ceil(2))
            {
                runs.start(key, work.clone());
            }
            // A key that came since then has left a permit in `changed`.
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(finished) = runs.tasks.join_next_with_id() => runs.finish(finished),
                () = self.shared.changed.notified() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
        runs.drain().await;
        runs.keys.len()
    }

    /// Waits until nothing is in flight, for ever if nobody counts that.
    async fn quiet(&self) {
        let Some(mut in_flight) = self.in_flight.clone() else { return std::future::pending().await };
        sleep(DRAIN_GRACE).await;
        // Whoever counted is gone: nothing is in flight any more.
        let _ = in_flight.wait_for(|count| *count == 0).await;
    }

    /// Puts in line whatever is due, and tells when more will be.
    fn mature(&self) -> Option<Instant> {
        let mut state = self.lock();
        let matured = state.mature(Instant::now());
        let due = state.delayed.first().map(|(at, ..)| *at);
        let depth = state.ready.len();
        drop(state);
        self.shared.metrics.added(self.shared.name, matured);
        self.shared.metrics.depth(self.shared.name, depth);
        due
    }

    /// Takes the next key in line and marks it as running. No more than `resyncs` resyncs run at once.
    fn take(&self, resyncs: usize) -> Option<K> {
        let mut state = self.lock();
        let taken = state.take(Instant::now(), resyncs);
        let depth = state.ready.len();
        drop(state);
        self.shared.metrics.depth(self.shared.name, depth);
        let (key, waited) = taken?;
        self.shared.metrics.waited(self.shared.name, waited);
        Some(key)
    }

    fn conclude(&self, key: &K, verdict: Verdict) {
        if verdict != Verdict::Done {
            self.shared.metrics.retried(self.shared.name);
        }
        self.locked(|state| state.conclude(key, verdict, Instant::now()));
    }

    /// Changes the state; `change` says whether a key has joined the line.
    fn locked(&self, change: impl FnOnce(&mut State<K>) -> bool) {
        let mut state = self.lock();
        let added = change(&mut state);
        let depth = state.ready.len();
        drop(state);
        self.shared.metrics.added(self.shared.name, usize::from(added));
        self.shared.metrics.depth(self.shared.name, depth);
        self.shared.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        // Nothing panics while holding the lock; if it ever did, the data would still be consistent enough to go on.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The runs in flight of one call of [`Queue::run`].
struct Runs<'a, K> {
    queue: &'a Queue<K>,
    tasks: JoinSet<Verdict>,
    keys: BTreeMap<Id, K>,
}

impl<K: Ord + Clone + Display + Send + 'static> Runs<'_, K> {
    fn start<F, Fut>(&mut self, key: K, work: F)
    where
        F: Fn(K) -> Fut + Send + 'static,
        Fut: Future<Output = Verdict> + Send + 'static,
    {
        let argument = key.clone();
        // The call itself is inside the task: it may panic before it returns a future.
        let task = self.tasks.spawn(async move { work(argument).await });
        self.queue.shared.metrics.started(self.queue.shared.name, task.id());
        self.keys.insert(task.id(), key);
    }

    /// Lets the runs end, or drops those that only wait. What is left in `keys` has not ended.
    async fn drain(&mut self) {
        let deadline = Instant::now() + DRAIN_LIMIT;
        let queue = self.queue;
        let mut quiet = pin!(queue.quiet());
        loop {
            tokio::select! {
                biased;
                finished = self.tasks.join_next_with_id() => match finished {
                    Some(finished) => self.finish(finished),
                    None => return,
                },
                () = &mut quiet => break,
                () = sleep_until(deadline) => {
                    for key in self.keys.values() {
                        warn!(queue = queue.shared.name, key = %key, "work abandoned at shutdown");
                    }
                    return;
                }
            }
        }
        for key in self.keys.values() {
            info!(queue = queue.shared.name, key = %key, "work that only waits dropped at shutdown");
        }
        self.tasks.shutdown().await;
        self.keys.clear();
    }

    fn finish(&mut self, finished: Result<(Id, Verdict), JoinError>) {
        let queue = self.queue;
        let (id, verdict) = match finished {
            Ok((id, verdict)) => (id, verdict),
            Err(failed) => {
                if failed.is_panic() {
                    queue.shared.metrics.panicked(queue.shared.name);
                    let key = self.keys.get(&failed.id()).map(ToString::to_string);
                    error!(queue = queue.shared.name, key, "work panicked, will be tried again");
                }
                (failed.id(), Verdict::Backoff)
            }
        };
        queue.shared.metrics.finished(queue.shared.name, id);
        if let Some(key) = self.keys.remove(&id) {
            queue.conclude(&key, verdict);
        }
    }
}

impl<K: Ord + Clone> State<K> {
    /// Puts the key in line; true if it was not there already.
    fn add(&mut self, key: K, lane: Lane, now: Instant) -> bool {
        let entry = self.keys.entry(key.clone()).or_default();
        if let Some((at, nth, _)) = entry.delayed.take() {
            self.delayed.remove(&(at, nth, key.clone()));
        }
        if entry.running.is_some() {
            entry.again = Some(entry.again.map_or(lane, |earlier| earlier.min(lane)));
            return false;
        }
        let since = match entry.waiting {
            Some((turn, _)) if turn.0 <= lane => return false,
            Some((turn, since)) => {
                self.ready.remove(&turn);
                Some(since)
            }
            None => None,
        };
        self.turns += 1;
        let turn = (lane, self.turns);
        entry.waiting = Some((turn, since.unwrap_or(now)));
        self.ready.insert(turn, key);
        since.is_none()
    }

    /// Has the key join `lane` at `at`, unless it waits already or is due earlier.
    fn delay(&mut self, key: K, at: Instant, lane: Lane) {
        let entry = self.keys.entry(key.clone()).or_default();
        if entry.waiting.is_some() {
            return;
        }
        if let Some((earlier, nth, _)) = entry.delayed {
            if earlier <= at {
                return;
            }
            self.delayed.remove(&(earlier, nth, key.clone()));
        }
        self.turns += 1;
        entry.delayed = Some((at, self.turns, lane));
        self.delayed.insert((at, self.turns, key));
    }

    /// Puts in line whatever is due; returns how many keys that were.
    fn mature(&mut self, now: Instant) -> usize {
        let mut matured = 0;
        while let Some((at, ..)) = self.delayed.first()
            && *at <= now
            && let Some((_, _, key)) = self.delayed.pop_first()
        {
            let lane =
                self.keys.get(&key).and_then(|entry| entry.delayed).map_or(Lane::Resync, |(.., lane)| lane);
            matured += usize::from(self.add(key, lane, now));
        }
        matured
    }

    fn take(&mut self, now: Instant, resyncs: usize) -> Option<(K, Duration)> {
        let is_open = self.resyncs < resyncs.max(1);
        let oldest_resync =
            self.ready.range((Lane::Resync, 0)..).next().map(|(turn, _)| *turn).filter(|_| is_open);
        let turn = match (self.ready.first_key_value().map(|(turn, _)| *turn)?, oldest_resync) {
            ((Lane::Edit, _), Some(resync)) if self.edits_in_a_row >= EDITS_IN_A_ROW => resync,
            ((Lane::Resync, _), None) => return None,
            (first, _) => first,
        };
        self.edits_in_a_row =
            if turn.0 == Lane::Edit && oldest_resync.is_some() { self.edits_in_a_row + 1 } else { 0 };
        let key = self.ready.remove(&turn)?;
        let entry = self.keys.entry(key.clone()).or_default();
        let since = entry.waiting.take().map_or(now, |(_, since)| since);
        entry.running = Some(turn.0);
        self.resyncs += usize::from(turn.0 == Lane::Resync);
        Some((key, now - since))
    }

    /// Ends a run; true if the key has joined the line again.
    fn conclude(&mut self, key: &K, verdict: Verdict, now: Instant) -> bool {
        let Some(entry) = self.keys.get_mut(key) else { return false };
        let ran = entry.running.take();
        self.resyncs -= usize::from(ran == Some(Lane::Resync));
        let lane = ran.unwrap_or(Lane::Resync);
        let again = entry.again.take();
        match verdict {
            Verdict::Done => entry.failures = 0,
            Verdict::RetryAfter(delay) => {
                entry.failures = 0;
                self.delay(key.clone(), now + delay, lane);
            }
            Verdict::Backoff => {
                let delay = backoff(entry.failures);
                entry.failures = entry.failures.saturating_add(1);
                self.delay(key.clone(), now + delay, Lane::Resync);
            }
        }
        if let Some(lane) = again {
            return self.add(key.clone(), lane, now);
        }
        if self.keys.get(key).is_some_and(Entry::is_forgotten) {
            self.keys.remove(key);
        }
        false
    }
}

/// The wait after so many failures in a row: 5 s, 10 s, 20 s … 300 s.
fn backoff(failures: u32) -> Duration {
    BACKOFF_FIRST.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(BACKOFF_LIMIT)
}

impl<K> Drop for Shared<K> {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Keys that nobody will run any more are no backlog.
        state.ready.clear();
        self.metrics.depth(self.name, 0);
    }
}
