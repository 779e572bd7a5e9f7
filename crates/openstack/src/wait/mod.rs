//! Waiting for load balancers to settle, with few requests for many waiters.
//!
//! Octavia works on a load balancer after it has answered, and takes no other change meanwhile. All waiters of a
//! process share one poller: it reads one list a look (one object, if only one is waited for), often at first and
//! seldom later, within a budget of 60 looks a minute and a burst of 20. It runs only while somebody waits.

mod learnt;
mod pace;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::learnt::{Kind, Learnt};
use self::pace::{Budget, Pace};
use crate::error::{Error, Fault};
use crate::ids::LoadBalancerId;
use crate::load_balancer::{LoadBalancer, LoadBalancerFilter, LoadBalancing, ProvisioningStatus};

/// The name that a wait is reported under.
const CALL: &str = "loadbalancer_wait";

/// Longest a single look may take; a later one may get through.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// Latest first look, whatever was learnt: the guess may be about another kind of change.
const LATEST_FIRST_LOOK: Duration = Duration::from_secs(1);

/// What a waiter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// The end of any change.
    Settled,
    /// The end of a deletion.
    Gone,
}

/// How a load balancer came to rest.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// ACTIVE.
    Active(LoadBalancer),
    /// ERROR.
    Error(LoadBalancer),
    /// It does not exist any more.
    Gone,
}

/// Waits for load balancers; one per process, clones share the poller.
#[derive(Clone, Debug)]
pub struct LoadBalancerWaiter {
    shared: Arc<Shared>,
}

struct Shared {
    api: LoadBalancing,
    state: Mutex<State>,
    /// Somebody came or went.
    changed: Notify,
}

struct State {
    waiters: BTreeMap<u64, Waiter>,
    latest: u64,
    polling: bool,
    budget: Budget,
    learnt: Learnt,
    /// When the last look ended.
    looked: Option<Instant>,
}

struct Waiter {
    id: LoadBalancerId,
    goal: Goal,
    since: Instant,
    pace: Pace,
    /// What is being done to it, and from when on that is usually done; once seen.
    kind: Option<(Kind, Instant)>,
    answer: oneshot::Sender<Result<Settlement, Error>>,
    /// The last look that failed.
    trouble: Option<Error>,
}

/// What one look has found of one load balancer.
type Sight = Result<Option<LoadBalancer>, Error>;

impl LoadBalancerWaiter {
    /// A waiter that reads through `api`.
    pub fn new(api: LoadBalancing) -> Self {
        let state = State {
            waiters: BTreeMap::new(),
            latest: 0,
            polling: false,
            budget: Budget::full(Instant::now()),
            learnt: Learnt::default(),
            looked: None,
        };
        Self { shared: Arc::new(Shared { api, state: Mutex::new(state), changed: Notify::new() }) }
    }

    /// Waits until the load balancer is neither being created, nor changed, nor deleted.
    ///
    /// `since` is when the change was answered: a read that began before it says nothing about it. After `within`
    /// from now the wait ends with [`Fault::Timeout`]. Dropping the future ends it, too.
    pub async fn settled(
        &self,
        id: &LoadBalancerId,
        since: Instant,
        within: Duration,
    ) -> Result<Settlement, Error> {
        self.wait(id, Goal::Settled, since, within).await
    }

    /// Waits until a load balancer whose deletion was accepted is gone, or in ERROR. The OVN driver shows it ACTIVE
    /// for moments in between, when children go first; that ends nothing here.
    pub async fn gone(
        &self,
        id: &LoadBalancerId,
        since: Instant,
        within: Duration,
    ) -> Result<Settlement, Error> {
        self.wait(id, Goal::Gone, since, within).await
    }

    async fn wait(
        &self,
        id: &LoadBalancerId,
        goal: Goal,
        since: Instant,
        within: Duration,
    ) -> Result<Settlement, Error> {
        let deadline = Instant::now() + within;
        let (key, answer) = self.shared.enter(id, goal, since);
        let place = Place { shared: &self.shared, key };
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::new(CALL, Fault::Unavailable("the poller stopped".into()))),
            Err(_) => {
                let error = Error::new(CALL, Fault::Timeout);
                let trouble = place.shared.lock().waiters.get(&key).and_then(|waiter| waiter.trouble.clone());
                Err(match trouble {
                    Some(trouble) => error.caused_by(trouble),
                    None => error,
                })
            }
        }
    }
}

/// A place among the waiters, left when dropped.
struct Place<'a> {
    shared: &'a Shared,
    key: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.shared.lock().waiters.remove(&self.key).is_some() {
            self.shared.changed.notify_one();
        }
    }
}

impl Shared {
    fn enter(
        self: &Arc<Self>,
        id: &LoadBalancerId,
        goal: Goal,
        since: Instant,
    ) -> (u64, oneshot::Receiver<Result<Settlement, Error>>) {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        let first = since + state.learnt.guess(id, goal).clamp(Pace::FIRST, LATEST_FIRST_LOOK);
        let pace = Pace::starting(first);
        let waiter = Waiter { id: id.clone(), goal, since, pace, kind: None, answer: sender, trouble: None };
        state.latest += 1;
        let key = state.latest;
        state.waiters.insert(key, waiter);
        if state.polling {
            self.changed.notify_one();
        } else {
            state.polling = true;
            tokio::spawn(poll(Arc::clone(self)));
        }
        (key, receiver)
    }

    /// When to look next; `None`, and the poller's end, when nobody waits.
    fn next_look(&self) -> Option<Instant> {
        let mut state = self.lock();
        let Some(wanted) = state.waiters.values().map(|waiter| waiter.pace.next).min() else {
            state.polling = false;
            return None;
        };
        let now = Instant::now();
        let spacing = state.budget.spacing(now);
        let allowed = state.looked.map_or(now, |looked| looked + spacing);
        Some(wanted.max(allowed))
    }

    /// Which load balancers a look at `now` is for.
    fn due(&self, now: Instant) -> BTreeSet<LoadBalancerId> {
        let mut state = self.lock();
        state.budget.take(now);
        let near = state.waiters.values().filter(|waiter| waiter.pace.is_near(now));
        let due: BTreeSet<_> = near.map(|waiter| waiter.id.clone()).collect();
        tracing::trace!(due = due.len(), waiting = state.waiters.len(), budget = %state.budget, "looking");
        due
    }

    async fn look(&self, due: &BTreeSet<LoadBalancerId>) -> BTreeMap<LoadBalancerId, Sight> {
        if due.len() <= 1 {
            return join_all(due.iter().map(|id| self.look_at(id))).await.into_iter().collect();
        }
        let all = LoadBalancerFilter::default();
        let found = match tokio::time::timeout(LOOK_TIMEOUT, self.api.load_balancers(&all)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return due.iter().map(|id| (id.clone(), Err(error.clone()))).collect(),
            Err(_) => {
                return due.iter().map(|id| (id.clone(), Err(Error::new(CALL, Fault::Timeout)))).collect();
            }
        };
        let mut sights: BTreeMap<_, _> =
            found.into_iter().map(|found| (found.id.clone(), Ok(Some(found)))).collect();
        // A list is read in pages and may miss one; only the object's own 404 proves that it is gone.
        let missing: Vec<_> = due.iter().filter(|id| !sights.contains_key(*id)).collect();
        {
            let now = Instant::now();
            let mut state = self.lock();
            for _ in &missing {
                state.budget.take(now);
            }
        }
        sights.extend(join_all(missing.into_iter().map(|id| self.look_at(id))).await);
        sights
    }

    async fn look_at(&self, id: &LoadBalancerId) -> (LoadBalancerId, Sight) {
        let sight = match tokio::time::timeout(LOOK_TIMEOUT, self.api.load_balancer(id)).await {
            Ok(Ok(found)) => Ok(Some(found)),
            Ok(Err(error)) if error.is_not_found() => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::new(CALL, Fault::Timeout)),
        };
        (id.clone(), sight)
    }

    /// Tells the waiters what a look that began at `began` has found.
    fn tell(&self, began: Instant, sights: &BTreeMap<LoadBalancerId, Sight>) {
        let now = Instant::now();
        let mut state = self.lock();
        let State { waiters, learnt, looked, .. } = &mut *state;
        *looked = Some(now);
        for sight in sights.values().flatten().flatten() {
            if waiters.values().any(|waiter| waiter.id == sight.id) {
                learnt.saw(sight);
            }
        }
        let settled: Vec<_> = waiters
            .iter_mut()
            .filter(|(_, waiter)| waiter.since <= began)
            .filter_map(|(key, waiter)| Some((*key, waiter.judge(sights.get(&waiter.id)?, now, learnt)?)))
            .collect();
        for (key, result) in settled {
            let Some(waiter) = waiters.remove(&key) else { continue };
            if let Some((kind, _)) = waiter.kind {
                learnt.took(kind, began.saturating_duration_since(waiter.since));
            }
            if matches!(result, Ok(Settlement::Gone)) {
                learnt.forget(&waiter.id);
            }
            // A waiter who has just given up does not mind.
            let _ = waiter.answer.send(result);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// What a sight means for this waiter: an end, or another look later.
    fn judge(&mut self, sight: &Sight, now: Instant, learnt: &Learnt) -> Option<Result<Settlement, Error>> {
        match sight {
            Ok(None) => return Some(Ok(Settlement::Gone)),
            Ok(Some(found)) => match found.provisioning_status {
                ProvisioningStatus::Active if self.goal == Goal::Settled => {
                    return Some(Ok(Settlement::Active(found.clone())));
                }
                ProvisioningStatus::Error => return Some(Ok(Settlement::Error(found.clone()))),
                ProvisioningStatus::Deleted => return Some(Ok(Settlement::Gone)),
                status => {
                    if status.is_pending() && self.kind.is_none() {
                        let kind = Kind::of(found);
                        let expected = self.since + learnt.seldom_before(&kind);
                        self.kind = Some((kind, expected));
                    }
                    match self.kind {
                        Some((_, expected)) if now < expected => self.pace.looked_early(now, expected),
                        _ => self.pace.looked(now),
                    }
                }
            },
            Err(error) if error.is_transient() || matches!(error.fault, Fault::Decode(_)) => {
                self.pace.looked(now);
                self.trouble = Some(error.clone());
            }
            Err(error) => return Some(Err(error.clone())),
        }
        None
    }
}

/// Looks until nobody waits.
async fn poll(shared: Arc<Shared>) {
    let mut watchdog = Watchdog { shared: &shared, finished: false };
    while let Some(at) = shared.next_look() {
        tokio::select! {
            biased;
            () = shared.changed.notified() => continue,
            () = tokio::time::sleep_until(at) => {}
        }
        let began = Instant::now();
        let due = shared.due(began);
        let sights = shared.look(&due).await;
        shared.tell(began, &sights);
    }
    watchdog.finished = true;
}

/// Lets the next waiter start another poller if this one died.
struct Watchdog<'a> {
    shared: &'a Shared,
    finished: bool,
}

impl Drop for Watchdog<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let mut state = self.shared.lock();
            state.polling = false;
            state.waiters.clear();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadBalancerWaiter")
            .field("waiters", &self.lock().waiters.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
