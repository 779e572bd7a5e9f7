//! Metrics about requests. Do not change names and labels: dashboards and alerts use client-go's.

use std::time::Duration;

use http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What one [`Cluster`](crate::Cluster) counts. Clones share the counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<VerbLabels, Histogram, fn() -> Histogram>,
    slow_paths: Family<LeaseLabels, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    code: String,
    host: String,
    method: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct VerbLabels {
    host: String,
    verb: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LeaseLabels {
    name: String,
}

/// client-go's, in seconds.
const BUCKETS: [f64; 12] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0];

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            slow_paths: Family::default(),
        }
    }
}

impl Metrics {
    /// Adds the metrics to `registry`, which appends `_total` to counters.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Number of HTTP requests, partitioned by status code, method, and host";
        registry.register("rest_client_requests", help, self.requests.clone());
        let help = "Request latency in seconds until the answer begins, by verb and host";
        registry.register("rest_client_request_duration_seconds", help, self.durations.clone());
        let help = "Renewals that had to read the lease first";
        registry.register("leader_election_slowpath", help, self.slow_paths.clone());
    }

    /// One request; `code` is `None` if there was no answer.
    pub(crate) fn request(&self, host: &str, method: &Method, code: Option<u16>, took: Duration) {
        let code = code.map_or_else(|| "<error>".to_owned(), |code| code.to_string());
        let (host, method) = (host.to_owned(), method.to_string());
        self.durations
            .get_or_create(&VerbLabels { host: host.clone(), verb: method.clone() })
            .observe(took.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { code, host, method }).inc();
    }

    pub(crate) fn slow_path(&self, lease: &str) {
        self.slow_paths.get_or_create(&LeaseLabels { name: lease.to_owned() }).inc();
    }
}
