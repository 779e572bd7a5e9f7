//! How long changes of load balancers take in this cloud, learnt from those that were waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Goal;
use crate::ids::LoadBalancerId;
use crate::load_balancer::{LoadBalancer, ProvisioningStatus};

/// Most load balancers whose provider is remembered.
const REMEMBERED: usize = 4096;

/// A kind of change: what Octavia does, and by which provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    provider: Box<str>,
    status: ProvisioningStatus,
}

impl Kind {
    pub(super) fn of(load_balancer: &LoadBalancer) -> Self {
        Self { provider: load_balancer.provider.as_str().into(), status: load_balancer.provisioning_status }
    }
}

/// Moving mean and mean deviation of one kind, in seconds.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    mean: f64,
    deviation: f64,
}

#[derive(Debug, Default)]
pub(super) struct Learnt {
    estimates: BTreeMap<Kind, Estimate>,
    providers: BTreeMap<LoadBalancerId, Box<str>>,
    latest: Option<Box<str>>,
}

impl Learnt {
    /// A change of this kind took this long.
    pub(super) fn took(&mut self, kind: Kind, time: Duration) {
        let time = time.as_secs_f64();
        self.estimates
            .entry(kind)
            .and_modify(|estimate| {
                estimate.deviation += ((time - estimate.mean).abs() - estimate.deviation) / 2.0;
                estimate.mean += (time - estimate.mean) / 4.0;
            })
            .or_insert(Estimate { mean: time, deviation: time / 4.0 });
    }

    /// A load balancer was seen.
    pub(super) fn saw(&mut self, load_balancer: &LoadBalancer) {
        let provider: Box<str> = load_balancer.provider.as_str().into();
        if self.providers.len() >= REMEMBERED {
            self.providers.clear();
        }
        self.providers.insert(load_balancer.id.clone(), provider.clone());
        self.latest = Some(provider);
    }

    /// A load balancer is gone.
    pub(super) fn forget(&mut self, id: &LoadBalancerId) {
        self.providers.remove(id);
    }

    /// Before this time a change of this kind is seldom done; zero if little is known.
    pub(super) fn seldom_before(&self, kind: &Kind) -> Duration {
        self.estimates.get(kind).map_or(Duration::ZERO, |estimate| {
            Duration::from_secs_f64((estimate.mean - 2.0 * estimate.deviation).max(0.0))
        })
    }

    /// The same for a change that was not seen yet. Unless it is a deletion, a load balancer never seen is being
    /// created, and others are being updated.
    pub(super) fn guess(&self, id: &LoadBalancerId, goal: Goal) -> Duration {
        let known = self.providers.get(id);
        let status = match (goal, known) {
            (Goal::Gone, _) => ProvisioningStatus::PendingDelete,
            (Goal::Settled, Some(_)) => ProvisioningStatus::PendingUpdate,
            (Goal::Settled, None) => ProvisioningStatus::PendingCreate,
        };
        known.or(self.latest.as_ref()).map_or(Duration::ZERO, |provider| {
            self.seldom_before(&Kind { provider: provider.clone(), status })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_times_are_learnt_and_scattered_ones_are_not_relied_on() {
        let kind = || Kind { provider: "amphora".into(), status: ProvisioningStatus::PendingCreate };
        let mut learnt = Learnt::default();
        assert_eq!(learnt.seldom_before(&kind()), Duration::ZERO);
        learnt.took(kind(), Duration::from_secs(10));
        assert_eq!(learnt.seldom_before(&kind()), Duration::from_secs(5), "one sample is little");
        for seconds in [10, 11, 10, 9, 10, 10] {
            learnt.took(kind(), Duration::from_secs(seconds));
        }
        let steady = learnt.seldom_before(&kind()).as_secs_f64();
        assert!((8.0..9.9).contains(&steady), "{steady}");
        for seconds in [60, 1, 40, 2, 50, 1] {
            learnt.took(kind(), Duration::from_secs(seconds));
        }
        assert!(learnt.seldom_before(&kind()) < Duration::from_secs(1));
    }
}
