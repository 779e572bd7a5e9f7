//! Leader election over one Lease, compatible with client-go's: both kinds of program may compete for the same Lease.
//!
//! A candidate writes the Lease only under the version it read, so that of two writers one fails. It trusts no clock but
//! its own: a foreign holder's lease has expired when the record has not changed here for the duration that it names. A
//! holder that could not renew for the renew deadline has lost, and the process is to end.
//!
//! While the lease is held a [`WriteWindow`] is published. Both its ends are counted from the *start* of the last
//! renewal that succeeded, which is before the moment from which any other candidate counts:
//! `begin_before` is the start plus the renew deadline, `end_before` the start plus the lease duration. The time between
//! the two (5 s by default) is what a write that began last has left.

mod record;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::event::{EventTarget, EventType, Recorder};
use crate::fence::{Fence, WriteWindow};
use record::{Lease, Next, Observed};

/// Which Lease, and the times of the election.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Name of the Lease.
    pub name: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// How long others keep off a record that does not change. Whole seconds count.
    pub duration: Duration,
    /// A holder that has not renewed for so long has lost.
    pub renew_deadline: Duration,
    /// Pause between renewals, and the longest pause between looks of a candidate.
    pub retry: Duration,
    /// Who we are; must differ between processes.
    pub identity: String,
}

/// A candidate is never slower than this: after a holder has released the Lease somebody should take it within 2 s.
const LONGEST_LOOK: Duration = Duration::from_millis(1500);
/// How long giving the Lease back may take.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

impl LeaseOptions {
    /// The usual times (15 s, 10 s, 2 s) and an identity of host name and a random part.
    pub fn new(namespace: &str, name: &str, host: &str) -> Self {
        Self {
            name: name.into(),
            namespace: namespace.into(),
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            identity: format!("{host}_{}", Uuid::new_v4()),
        }
    }
}

/// The Lease was lost: another process leads, or nobody could be reached in time.
#[derive(Debug, thiserror::Error)]
#[error("leader lease lost: not renewed for {} s", not_renewed_for.as_secs_f32())]
pub struct Lost {
    /// Time since the last renewal that succeeded began.
    pub not_renewed_for: Duration,
    /// What the last attempt failed with; `None` if another process holds the Lease.
    #[source]
    pub last: Option<Error>,
}

/// A candidate for leadership, or the leader: `acquire`, then `hold` until it is time to go, then `release`.
pub struct Leadership {
    cluster: Cluster,
    options: LeaseOptions,
    recorder: Option<Recorder>,
    window: Arc<watch::Sender<Option<WriteWindow>>>,
    mirror: Option<Mirror>,
    observed: Option<Observed>,
    /// Start of the last renewal that succeeded; `None` while not leading.
    renewed: Option<Instant>,
}

type Mirror = Box<dyn Fn(Option<WriteWindow>) + Send + Sync>;

impl Leadership {
    /// A candidate; nothing is sent yet. With a recorder, taking and giving up the lead are told as events on the Lease.
    pub fn new(cluster: Cluster, options: LeaseOptions, recorder: Option<Recorder>) -> Self {
        let window = Arc::new(watch::Sender::new(None));
        Self { cluster, options, recorder, window, mirror: None, observed: None, renewed: None }
    }

    /// The window in which writes may begin.
    pub fn fence(&self) -> Fence {
        self.window.subscribe()
    }

    /// Calls `mirror` with every new window as well, before anybody can see that it has changed here.
    #[must_use]
    pub fn mirrored_to(mut self, mirror: impl Fn(Option<WriteWindow>) + Send + Sync + 'static) -> Self {
        self.mirror = Some(Box::new(mirror));
        self
    }

    /// Who leads, as last seen.
    pub fn holder(&self) -> Option<&str> {
        self.observed.as_ref().map(|observed| observed.lease.holder()).filter(|holder| !holder.is_empty())
    }

    /// Waits until the Lease is ours. Cancel by dropping.
    pub async fn acquire(&mut self) {
        loop {
            match self.try_acquire_or_renew().await {
                Ok(true) => {
                    tracing::info!(lease = self.options.name, identity = self.options.identity, "leading");
                    self.tell("became leader");
                    return;
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(lease = self.options.name, error = %text::Chain(&error), "leader lease not read");
                }
            }
            tokio::time::sleep(self.until_next_look()).await;
        }
    }

    /// Renews until that fails for the renew deadline. May be dropped and called again, as long as that does not take
    /// longer than the deadline.
    pub async fn hold(&mut self) -> Lost {
        loop {
            let Some(renewed) = self.renewed else {
                return Lost { not_renewed_for: Duration::ZERO, last: None };
            };
            let deadline = renewed + self.options.renew_deadline;
            tokio::time::sleep_until((renewed + self.options.retry).min(deadline)).await;
            if let Err(last) = self.renew_until(deadline).await {
                self.close();
                self.renewed = None;
                self.tell("stopped leading");
                return Lost { not_renewed_for: renewed.elapsed(), last };
            }
        }
    }

    /// Gives the Lease back, so that another candidate need not wait for it to expire. To be called when every write has
    /// ended: it closes the write window, but does not wait.
    pub async fn release(mut self) {
        self.close();
        if self.renewed.take().is_none() {
            return;
        }
        self.tell("stopped leading");
        if let Err(error) = tokio::time::timeout(RELEASE_TIMEOUT, self.give_back()).await.unwrap_or(Ok(())) {
            tracing::warn!(lease = self.options.name, error = %text::Chain(&error), "leader lease not given back");
        }
    }

    async fn give_back(&mut self) -> Result<(), Error> {
        let timeout = self.call_timeout();
        for _ in 0..2 {
            let Some(observed) =
                self.observed.take().filter(|observed| observed.lease.holder() == self.options.identity)
            else {
                return Ok(());
            };
            match self.cluster.replace_lease(observed.lease.released(), timeout).await {
                // Somebody touched it, perhaps a renewal of ours whose answer was lost.
                Err(error) if error.is_conflict() => {
                    self.observed = self.cluster.read_lease(&self.options, timeout).await?.map(Observed::now);
                }
                answer => return answer.map(|_| ()),
            }
        }
        Ok(())
    }

    /// Tries again and again until `deadline`. The error is that of the last attempt, `None` if another holds the Lease.
    async fn renew_until(&mut self, deadline: Instant) -> Result<(), Option<Error>> {
        let mut last = None;
        loop {
            match tokio::time::timeout_at(deadline, self.try_acquire_or_renew()).await {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => return Err(None),
                Ok(Err(error)) => last = Some(error),
                Err(_) => return Err(last),
            }
            let pause = Instant::now() + self.options.retry;
            if pause >= deadline {
                tokio::time::sleep_until(deadline).await;
                return Err(last);
            }
            tokio::time::sleep_until(pause).await;
        }
    }

    /// One attempt: whether the Lease is ours afterwards.
    async fn try_acquire_or_renew(&mut self) -> Result<bool, Error> {
        let timeout = self.call_timeout();
        // A holder writes at once upon the version it knows; a candidate has to look first.
        if let Some(observed) =
            self.observed.as_ref().filter(|observed| self.renewed.is_some() && observed.is_of(&self.options))
        {
            let start = Instant::now();
            let renewal = observed.lease.taken(&self.options);
            match self.cluster.replace_lease(renewal, timeout).await {
                Ok(lease) => return Ok(self.succeeded(start, lease)),
                // Not the version we know: look.
                Err(error) if error.is_conflict() || error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        if self.renewed.is_some() {
            self.cluster.metrics().slow_path(&self.options.name);
        }
        let found = self.cluster.read_lease(&self.options, timeout).await?;
        self.observe(found);
        let next = Observed::next(self.observed.as_ref(), &self.options, Instant::now());
        let start = Instant::now();
        let written = match next {
            Next::Wait => return Ok(false),
            Next::Create => self.cluster.create_lease(&self.options, timeout).await,
            Next::Replace(lease) => self.cluster.replace_lease(lease, timeout).await,
        };
        match written {
            Ok(lease) => Ok(self.succeeded(start, lease)),
            // Another candidate was faster; look again at the next turn.
            Err(error) if error.is_conflict() || error.is_already_exists() => {
                if self.renewed.is_some() {
                    Err(error)
                } else {
                    Ok(false)
                }
            }
            Err(error) => Err(error),
        }
    }

    fn observe(&mut self, found: Option<Lease>) {
        let Some(lease) = found else {
            self.observed = None;
            return;
        };
        match &mut self.observed {
            Some(observed) if observed.lease.same_record(&lease) => observed.lease = lease,
            _ => self.observed = Some(Observed::now(lease)),
        }
    }

    fn succeeded(&mut self, start: Instant, lease: Lease) -> bool {
        self.observed = Some(Observed::now(lease));
        self.renewed = Some(start);
        self.publish(Some(WriteWindow {
            begin_before: start + self.options.renew_deadline,
            end_before: start + self.options.duration,
        }));
        true
    }

    fn close(&self) {
        self.publish(None);
    }

    fn publish(&self, window: Option<WriteWindow>) {
        if let Some(mirror) = &self.mirror {
            mirror(window);
        }
        self.window.send_replace(window);
    }

    fn call_timeout(&self) -> Duration {
        self.options.renew_deadline / 2
    }

    /// A candidate looks at random intervals, and at the instant the lease it has seen expires.
    fn until_next_look(&self) -> Duration {
        let longest = self.options.retry.min(LONGEST_LOOK);
        let look = longest.mul_f64(0.5 + 0.5 * fastrand::f64());
        let expiry = self
            .observed
            .as_ref()
            .map(|observed| observed.expires().saturating_duration_since(Instant::now()));
        expiry.filter(|left| !left.is_zero()).map_or(look, |left| look.min(left + Duration::from_millis(1)))
    }

    fn tell(&self, what: &str) {
        let Some(recorder) = &self.recorder else { return };
        let target = EventTarget {
            kind: "Lease".into(),
            namespace: self.options.namespace.clone(),
            name: self.options.name.clone(),
            uid: self.observed.as_ref().map(|observed| observed.lease.uid().to_owned()).unwrap_or_default(),
            api_version: "coordination.k8s.io/v1".into(),
        };
        recorder.event(
            &target,
            EventType::Normal,
            "LeaderElection",
            format!("{} {what}", self.options.identity),
        );
    }
}
