//! Client-side rate limit towards the API server, shared by everything that talks to it.
//!
//! A token bucket as client-go has it (`--kube-api-qps`, `--kube-api-burst`), with one difference: who waits is served
//! by priority, so that a burst of events never delays the renewal of the leader lease.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Who goes first when tokens are short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// The leader lease.
    Lease,
    /// Reads and writes of objects.
    Object,
    /// Events, which may come late.
    Event,
}

/// Token bucket with priorities. Clones share the bucket.
#[derive(Clone, Debug)]
pub struct Limiter(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    interval: Duration,
    burst: f64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    counted: Instant,
    next_ticket: u64,
    waiting: BTreeSet<(Priority, u64)>,
}

/// client-go's values where the caller gives 0.
const DEFAULT_QPS: f64 = 5.0;
const DEFAULT_BURST: u32 = 10;

impl Limiter {
    /// `qps` calls a second on average and `burst` at once; 0 means client-go's defaults (5 and 10), a negative `qps` no limit.
    pub fn new(qps: f64, burst: u32) -> Self {
        if qps < 0.0 {
            return Self(None);
        }
        let qps = if qps == 0.0 { DEFAULT_QPS } else { qps.max(0.01) };
        let burst = f64::from(if burst == 0 { DEFAULT_BURST } else { burst });
        let state =
            State { tokens: burst, counted: Instant::now(), next_ticket: 0, waiting: BTreeSet::new() };
        Self(Some(Arc::new(Shared {
            interval: Duration::from_secs_f64(1.0 / qps),
            burst,
            state: Mutex::new(state),
            changed: Notify::new(),
        })))
    }

    /// A limiter that never makes anybody wait.
    pub fn unlimited() -> Self {
        Self(None)
    }

    /// Waits for a token; cancel by dropping.
    pub async fn acquire(&self, priority: Priority) {
        let Some(shared) = &self.0 else { return };
        let place = Place::take(shared, priority);
        loop {
            let changed = shared.changed.notified();
            match shared.try_take(place.ticket) {
                Turn::Taken => return,
                Turn::At(due) => tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(due) => {}
                    () = changed => {}
                },
                Turn::Behind => changed.await,
            }
        }
    }
}

enum Turn {
    Taken,
    At(Instant),
    Behind,
}

/// A place in the line, given up when dropped.
struct Place<'a> {
    shared: &'a Shared,
    ticket: (Priority, u64),
}

impl<'a> Place<'a> {
    fn take(shared: &'a Shared, priority: Priority) -> Self {
        let mut state = shared.lock();
        let ticket = (priority, state.next_ticket);
        state.next_ticket += 1;
        state.waiting.insert(ticket);
        drop(state);
        // A new head may have to be told to stop sleeping.
        shared.changed.notify_waiters();
        Self { shared, ticket }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.lock().waiting.remove(&self.ticket);
        self.shared.changed.notify_waiters();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_take(&self, ticket: (Priority, u64)) -> Turn {
        let mut state = self.lock();
        if state.waiting.first() != Some(&ticket) {
            return Turn::Behind;
        }
        let now = Instant::now();
        let gained = now.duration_since(state.counted).as_secs_f64() / self.interval.as_secs_f64();
        state.tokens = (state.tokens + gained).min(self.burst);
        state.counted = now;
        if state.tokens >= 1.0 {
            state.tokens -= 1.0;
            return Turn::Taken;
        }
        // One nanosecond more, so that rounding does not wake us just before the token is there.
        Turn::At(now + self.interval.mul_f64(1.0 - state.tokens) + Duration::from_nanos(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let limiter = Limiter::new(20.0, 30);
        let start = Instant::now();
        for _ in 0..30 {
            limiter.acquire(Priority::Object).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..40 {
            limiter.acquire(Priority::Object).await;
        }
        let taken = start.elapsed();
        assert!(taken >= Duration::from_secs(2) && taken < Duration::from_millis(2100), "{taken:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_lease_overtakes_writes_and_writes_overtake_events() {
        let limiter = Limiter::new(1.0, 1);
        limiter.acquire(Priority::Object).await;
        let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = tokio::task::JoinSet::new();
        for priority in [Priority::Event, Priority::Event, Priority::Object, Priority::Lease] {
            let (limiter, served) = (limiter.clone(), served.clone());
            tasks.spawn(async move {
                limiter.acquire(priority).await;
                served.send(priority).unwrap();
            });
            tokio::task::yield_now().await;
        }
        tasks.join_all().await;
        let mut seen = Vec::new();
        while let Ok(priority) = order.try_recv() {
            seen.push(priority);
        }
        assert_eq!(seen, [Priority::Lease, Priority::Object, Priority::Event, Priority::Event]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_does_not_block_the_line() {
        let limiter = Limiter::new(1.0, 1);
        limiter.acquire(Priority::Object).await;
        let given_up =
            tokio::time::timeout(Duration::from_millis(100), limiter.acquire(Priority::Lease)).await;
        assert!(given_up.is_err());
        let start = Instant::now();
        limiter.acquire(Priority::Event).await;
        assert!(start.elapsed() <= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_negative_rate_means_no_limit() {
        let limiter = Limiter::new(-1.0, 0);
        let start = Instant::now();
        for _ in 0..1000 {
            limiter.acquire(Priority::Event).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
