//! Counters of API calls, by the names and labels that existing dashboards and alerts read.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::error::Fault;

/// Upper bounds in seconds, the defaults of Prometheus clients.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    request: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    request: &'static str,
    outcome: &'static str,
}

/// The metrics of one session.
#[derive(Clone, Debug)]
pub struct Metrics {
    outcomes: Family<Ended, Counter>,
    duration: Family<Request, Histogram>,
    requests: Family<Request, Counter>,
    errors: Family<Request, Counter>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let duration = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        Self { outcomes: Family::default(), duration, requests: Family::default(), errors: Family::default() }
    }

    /// Adds the metrics to a registry. Do not change the names: dashboards in the field read them.
    pub fn register(&self, registry: &mut Registry) {
        // Counters get `_total` appended by the encoder.
        registry.register(
            "openstack_api_request_duration_seconds",
            "Latency of an OpenStack API call",
            self.duration.clone(),
        );
        registry.register(
            "openstack_api_requests",
            "Total number of OpenStack API calls",
            self.requests.clone(),
        );
        registry.register(
            "openstack_api_request_errors",
            "Total number of errors for an OpenStack API call",
            self.errors.clone(),
        );
        registry.register(
            "openstack_api_outcomes",
            "Total number of OpenStack API calls by what came of them",
            self.outcomes.clone(),
        );
    }

    /// Counts one call, its repetitions included. That an object does not exist is an answer, not an error.
    pub(crate) fn observe(&self, request: &'static str, took: Duration, fault: Option<&Fault>) {
        let failed = fault.is_some_and(|fault| *fault != Fault::NotFound);
        let outcome = fault.map_or("ok", Fault::name);
        self.outcomes.get_or_create(&Ended { request, outcome }).inc();
        let labels = Request { request };
        self.duration.get_or_create(&labels).observe(took.as_secs_f64());
        self.requests.get_or_create(&labels).inc();
        if failed {
            self.errors.get_or_create(&labels).inc();
        }
    }
}
