//! The network between one process and the worlds: where it is partitioned, and where it is killed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// No connection was made: the request never reached the service.
    #[error("connection refused")]
    Connect,
    /// The connection was lost: the request may have happened.
    #[error("connection reset by peer")]
    Reset,
}

/// A place on a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The process is about to send it.
    Leaves,
    /// The service has done it.
    Effect,
    /// The answer is about to reach the process.
    Arrives,
}

/// What a partition does to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// They fail at once.
    Refused,
    /// Nothing is heard of them.
    Silent,
    /// They arrive and take effect, but nothing comes back.
    Deaf,
}

/// The connection of one process to everything; clones share it.
#[derive(Clone, Debug)]
pub struct Link(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By service; the empty name means all.
    cuts: BTreeMap<String, Cut>,
    passed: BTreeMap<Point, u64>,
    kill_at: Option<(Point, u64)>,
    is_dead: bool,
    /// Who waits for the end, told in the order of their coming.
    mourners: Vec<oneshot::Sender<()>>,
}

impl Link {
    /// A link that nothing is wrong with. `name` is who it is in the ledger.
    pub fn new(name: &str) -> Self {
        Self(Arc::new(Shared { name: name.to_owned(), state: Mutex::default() }))
    }

    /// Who it is.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Partitions the process from `service`, or from everything if that is empty.
    pub fn cut(&self, service: &str, how: Cut) {
        self.lock().cuts.insert(service.to_owned(), how);
    }

    /// Ends a partition that was made by the same name.
    pub fn mend(&self, service: &str) {
        self.lock().cuts.remove(service);
    }

    /// Cuts the process off for ever. What is on its way may still take effect.
    pub fn kill(&self) {
        let mut state = self.lock();
        state.is_dead = true;
        for mourner in state.mourners.drain(..) {
            // Who has stopped waiting does not mind.
            let _ = mourner.send(());
        }
    }

    /// Kills it when its `n`-th request (from 1, counted from its beginning) passes `point`.
    pub fn kill_at(&self, point: Point, n: u64) {
        self.lock().kill_at = Some((point, n));
    }

    /// Whether it was killed.
    pub fn is_dead(&self) -> bool {
        self.lock().is_dead
    }

    /// Waits until it was killed.
    pub async fn died(&self) {
        let told = {
            let mut state = self.lock();
            if state.is_dead {
                return;
            }
            state.mourners.retain(|mourner| !mourner.is_closed());
            let (mourner, told) = oneshot::channel();
            state.mourners.push(mourner);
            told
        };
        // The sender lives as long as this link.
        let _ = told.await;
    }

    /// How many requests have passed `point`.
    pub fn passed(&self, point: Point) -> u64 {
        self.lock().passed.get(&point).copied().unwrap_or(0)
    }

    /// How the process is partitioned from `service`, if it is.
    pub fn cut_from(&self, service: &str) -> Option<Cut> {
        let state = self.lock();
        state.cuts.get("").or_else(|| state.cuts.get(service)).copied()
    }

    /// Counts a request at `point`, killing the process if that is where it ends.
    pub fn pass(&self, point: Point) {
        let mut state = self.lock();
        let count = state.passed.entry(point).or_default();
        *count += 1;
        let now = (point, *count);
        let ends = state.kill_at == Some(now);
        drop(state);
        if ends {
            self.kill();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_request_at_its_point_kills() {
        let link = Link::new("a");
        link.kill_at(Point::Effect, 2);
        link.pass(Point::Leaves);
        link.pass(Point::Leaves);
        link.pass(Point::Effect);
        assert!(!link.is_dead());
        link.pass(Point::Effect);
        assert!(link.is_dead());
        assert_eq!((link.passed(Point::Leaves), link.passed(Point::Arrives)), (2, 0));
    }

    #[test]
    fn a_partition_is_from_one_service_or_from_all() {
        let link = Link::new("a");
        link.cut("nova", Cut::Silent);
        assert_eq!((link.cut_from("nova"), link.cut_from("neutron")), (Some(Cut::Silent), None));
        link.cut("", Cut::Refused);
        assert_eq!(link.cut_from("nova"), Some(Cut::Refused));
        link.mend("");
        link.mend("nova");
        assert_eq!(link.cut_from("nova"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_death_is_seen_by_all_who_wait_and_who_come_later() {
        let link = Link::new("a");
        let waiting = tokio::spawn({
            let link = link.clone();
            async move { link.died().await }
        });
        tokio::task::yield_now().await;
        link.kill();
        waiting.await.unwrap();
        link.died().await;
    }
}
