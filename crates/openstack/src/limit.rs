//! How many requests may be in flight to one service: fewer when it complains, slowly more again when it does not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Complaints within this time count as one: they answer requests that were sent together.
const ONE_COMPLAINT: Duration = Duration::from_secs(1);

/// The bound of one service.
#[derive(Debug)]
pub(crate) struct Limit {
    most: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    limit: usize,
    in_flight: usize,
    /// Good answers since the limit last changed.
    good: usize,
    complained: Option<Instant>,
}

/// The right to have one request in flight; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot<'a>(&'a Limit);

impl Limit {
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(1);
        let state = State { limit: most, in_flight: 0, good: 0, complained: None };
        Self { most, state: Mutex::new(state), freed: Notify::new() }
    }

    /// Waits for a slot.
    pub(crate) async fn slot(&self) -> Slot<'_> {
        loop {
            if let Some(slot) = self.try_slot() {
                return slot;
            }
            self.freed.notified().await;
        }
    }

    fn try_slot(&self) -> Option<Slot<'_>> {
        let mut state = self.lock();
        (state.in_flight < state.limit).then(|| {
            state.in_flight += 1;
            Slot(self)
        })
    }

    /// The service asked for fewer requests: half as many from now on.
    pub(crate) fn complaint(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.complained.is_none_or(|at| now.duration_since(at) >= ONE_COMPLAINT) {
            state.complained = Some(now);
            state.limit = (state.limit / 2).max(1);
            state.good = 0;
        }
    }

    /// The service answered: after as many good answers as the limit, one more in flight.
    pub(crate) fn good(&self) {
        let mut state = self.lock();
        if state.limit < self.most {
            state.good += 1;
            if state.good >= state.limit {
                state.limit += 1;
                state.good = 0;
                drop(state);
                self.freed.notify_one();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_free_again_when_dropped() {
        let limit = Limit::new(1);
        let first = limit.slot().await;
        assert!(limit.try_slot().is_none());
        let waiting = async {
            let _slot = limit.slot().await;
            Instant::now()
        };
        let release = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(first);
        };
        let start = Instant::now();
        let (at, ()) = tokio::join!(waiting, release);
        assert_eq!(at - start, Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn complaints_halve_and_good_answers_restore() {
        let limit = Limit::new(8);
        for _ in 0..5 {
            limit.complaint();
        }
        assert_eq!(limit.lock().limit, 4, "complaints of one moment count once");
        tokio::time::advance(ONE_COMPLAINT).await;
        limit.complaint();
        assert_eq!(limit.lock().limit, 2);
        for _ in 0..2 + 3 + 4 + 5 + 6 + 7 + 100 {
            limit.good();
        }
        assert_eq!(limit.lock().limit, 8);
        for _ in 0..9 {
            tokio::time::advance(ONE_COMPLAINT).await;
            limit.complaint();
        }
        assert_eq!(limit.lock().limit, 1, "one request always goes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_waiter_passes_its_turn_on() {
        let limit = Limit::new(1);
        let held = limit.slot().await;
        {
            let cancelled = limit.slot();
            tokio::pin!(cancelled);
            assert!(futures::poll!(&mut cancelled).is_pending());
            drop(held);
        }
        tokio::time::timeout(Duration::from_secs(1), limit.slot()).await.expect("the slot is free");
    }
}
