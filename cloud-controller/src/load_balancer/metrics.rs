//! Metrics of the load balancer controller, under the names that dashboards know.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// Buckets in seconds.
const BUCKETS: [f64; 20] = [
    0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 17.5, 20.0, 22.5, 25.0, 27.5, 30.0, 50.0,
    75.0, 100.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

/// Counters and durations of reconciles by operation.
#[derive(Clone, Debug)]
pub struct Metrics {
    duration: Family<Operation, Histogram>,
    total: Family<Operation, Counter>,
    errors: Family<Operation, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let buckets = || Histogram::new(BUCKETS.into_iter().chain([1000.0]));
        Self {
            duration: Family::new_with_constructor(buckets),
            total: Family::default(),
            errors: Family::default(),
        }
    }
}

impl Metrics {
    /// Adds the metrics to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "cloudprovider_openstack_reconcile_duration_seconds",
            "Time taken by a reconcile of a load balancer",
            self.duration.clone(),
        );
        registry.register(
            "cloudprovider_openstack_reconcile",
            "Reconciles of load balancers, failed ones included",
            self.total.clone(),
        );
        registry.register(
            "cloudprovider_openstack_reconcile_errors",
            "Failed reconciles of load balancers",
            self.errors.clone(),
        );
    }

    /// Counts one reconcile.
    pub(super) fn reconciled(&self, operation: &'static str, time: Duration, failed: bool) {
        let operation = Operation { operation };
        self.duration.get_or_create(&operation).observe(time.as_secs_f64());
        self.total.get_or_create(&operation).inc();
        if failed {
            self.errors.get_or_create(&operation).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_dashboards_know() {
        let metrics = Metrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        metrics.reconciled("loadbalancer_ensure", Duration::from_secs(3), true);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "cloudprovider_openstack_reconcile_total{operation=\"loadbalancer_ensure\"} 1",
            "cloudprovider_openstack_reconcile_errors_total{operation=\"loadbalancer_ensure\"} 1",
            "cloudprovider_openstack_reconcile_duration_seconds_count{operation=\"loadbalancer_ensure\"} 1",
            "cloudprovider_openstack_reconcile_duration_seconds_bucket{le=\"5.0\",operation=\"loadbalancer_ensure\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
