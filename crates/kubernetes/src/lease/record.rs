//! The Lease object, what a candidate concludes from it, and the three requests.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::LeaseOptions;
use crate::cluster::{Call, Cluster, ContentType};
use crate::error::Error;
use crate::limiter::Priority;

/// A Lease as the API server holds it. Kept whole, so that writing it back loses nothing.
#[derive(Clone, Debug)]
pub(super) struct Lease(Value);

/// A Lease, and when its record was first seen as it is.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) lease: Lease,
    since: Instant,
}

/// What a candidate or holder does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Another holds it.
    Wait,
    Create,
    Replace(Lease),
}

impl Lease {
    pub(super) fn holder(&self) -> &str {
        self.0["spec"]["holderIdentity"].as_str().unwrap_or_default()
    }

    pub(super) fn uid(&self) -> &str {
        self.0["metadata"]["uid"].as_str().unwrap_or_default()
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(self.0["spec"]["leaseDurationSeconds"].as_u64().unwrap_or(0))
    }

    fn transitions(&self) -> u64 {
        self.0["spec"]["leaseTransitions"].as_u64().unwrap_or(0)
    }

    /// The holder has not written in between. Labels and the like do not count.
    pub(super) fn same_record(&self, other: &Self) -> bool {
        self.0["spec"] == other.0["spec"]
    }

    /// With us as the holder, renewed now.
    pub(super) fn taken(&self, options: &LeaseOptions) -> Self {
        let ours = self.holder() == options.identity;
        let now = micro_time();
        let acquired = if ours { self.0["spec"]["acquireTime"].clone() } else { json!(now) };
        let transitions = if ours { self.transitions() } else { self.transitions() + 1 };
        self.with_spec(json!({
            "holderIdentity": options.identity,
            "leaseDurationSeconds": options.duration.as_secs().max(1),
            "acquireTime": acquired,
            "renewTime": now,
            "leaseTransitions": transitions,
        }))
    }

    /// With no holder, to be taken at once.
    pub(super) fn released(&self) -> Self {
        let now = micro_time();
        self.with_spec(json!({
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": self.transitions(),
        }))
    }

    fn with_spec(&self, spec: Value) -> Self {
        let mut lease = self.0.clone();
        lease["spec"] = spec;
        Self(lease)
    }

    fn new(options: &LeaseOptions) -> Self {
        let empty = Self(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": options.name, "namespace": options.namespace},
        }));
        let mut lease = empty.taken(options);
        lease.0["spec"]["leaseTransitions"] = json!(0);
        lease
    }

    fn path(&self) -> String {
        let meta = &self.0["metadata"];
        let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
        format!("{}/{}", leases(&text("namespace")), text("name"))
    }
}

impl Observed {
    pub(super) fn now(lease: Lease) -> Self {
        Self { lease, since: Instant::now() }
    }

    pub(super) fn is_of(&self, options: &LeaseOptions) -> bool {
        self.lease.holder() == options.identity
    }

    /// When the record stops keeping others off, by our own clock.
    pub(super) fn expires(&self) -> Instant {
        self.since + self.lease.duration()
    }

    pub(super) fn next(observed: Option<&Self>, options: &LeaseOptions, now: Instant) -> Next {
        let Some(observed) = observed else { return Next::Create };
        let free = observed.lease.holder().is_empty() || observed.is_of(options) || observed.expires() <= now;
        if free { Next::Replace(observed.lease.taken(options)) } else { Next::Wait }
    }
}

impl Cluster {
    /// `None` if there is no such Lease.
    pub(super) async fn read_lease(
        &self,
        options: &LeaseOptions,
        timeout: Duration,
    ) -> Result<Option<Lease>, Error> {
        let path = format!("{}/{}", leases(&options.namespace), options.name);
        match self.send(&lease_call(Call::read("lease_get", path), timeout)).await {
            Ok(lease) => Ok(Some(Lease(lease))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn create_lease(
        &self,
        options: &LeaseOptions,
        timeout: Duration,
    ) -> Result<Lease, Error> {
        let lease = Lease::new(options).0;
        let call =
            Call::write("lease_create", Method::POST, leases(&options.namespace), ContentType::Json, lease);
        self.send(&lease_call(call, timeout)).await.map(Lease)
    }

    /// Fails with a conflict unless the Lease still has the version that `lease` was read at.
    pub(super) async fn replace_lease(&self, lease: Lease, timeout: Duration) -> Result<Lease, Error> {
        let call = Call::write("lease_update", Method::PUT, lease.path(), ContentType::Json, lease.0);
        self.send(&lease_call(call, timeout)).await.map(Lease)
    }
}

fn leases(namespace: &str) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
}

/// Before everything else, and never repeated behind the elector's back: its own loop knows how much time is left.
fn lease_call(call: Call, timeout: Duration) -> Call {
    Call { priority: Priority::Lease, fenced: false, retried: false, timeout, ..call }
}

/// Kubernetes' `MicroTime`: always six digits.
fn micro_time() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(identity: &str) -> LeaseOptions {
        LeaseOptions { identity: identity.into(), ..LeaseOptions::new("kube-system", "ccm", "host") }
    }

    fn lease(holder: &str) -> Lease {
        Lease(json!({
            "metadata": {"name": "ccm", "namespace": "kube-system", "resourceVersion": "5", "labels": {"a": "b"}},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "acquireTime": "2026-01-01T00:00:00.000000Z",
                     "renewTime": "2099-01-01T00:00:00.000000Z", "leaseTransitions": 3}
        }))
    }

    #[test]
    fn renewing_keeps_the_time_of_acquisition_and_taking_over_counts() {
        let renewed = lease("a").taken(&options("a")).0;
        assert_eq!(renewed["spec"]["acquireTime"], "2026-01-01T00:00:00.000000Z");
        assert_eq!(renewed["spec"]["leaseTransitions"], 3);
        let taken = lease("b").taken(&options("a")).0;
        assert_ne!(taken["spec"]["acquireTime"], "2026-01-01T00:00:00.000000Z");
        assert_eq!(taken["spec"]["leaseTransitions"], 4);
        assert_eq!(taken["metadata"], lease("b").0["metadata"]);
    }

    #[test]
    fn a_released_lease_has_no_holder_and_is_short() {
        let spec = &lease("a").released().0["spec"];
        assert_eq!(
            (&spec["holderIdentity"], &spec["leaseDurationSeconds"], &spec["leaseTransitions"]),
            (&json!(""), &json!(1), &json!(3))
        );
    }

    #[test]
    fn times_have_six_digits() {
        let time = micro_time();
        assert_eq!(time.len(), "2026-01-01T00:00:00.000000Z".len(), "{time}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_foreign_lease_expires_by_our_clock_whatever_it_says() {
        let observed = Observed::now(lease("b"));
        let now = Instant::now();
        let next =
            |after: u64| Observed::next(Some(&observed), &options("a"), now + Duration::from_secs(after));
        assert!(matches!(next(14), Next::Wait));
        assert!(matches!(next(15), Next::Replace(_)));
        assert!(matches!(Observed::next(None, &options("a"), now), Next::Create));
        let free = Observed::now(lease(""));
        assert!(matches!(Observed::next(Some(&free), &options("a"), now), Next::Replace(_)));
    }
}
