//! Metrics of the node controller, named as Kubernetes' own cloud node controller names them.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// How long new Nodes wait for us, and what was refused.
#[derive(Clone, Debug)]
pub struct NodeMetrics {
    taint_removal_delay: Histogram,
    first_sync_delay: Histogram,
    refused: Counter,
}

impl Default for NodeMetrics {
    fn default() -> Self {
        // The buckets of Kubernetes: 1, 4, 16 … 1024 s.
        let delays = || Histogram::new((0..6).map(|exponent| 4_f64.powi(exponent)));
        Self { taint_removal_delay: delays(), first_sync_delay: delays(), refused: Counter::default() }
    }
}

impl NodeMetrics {
    /// Adds them to what the process exposes.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "node_controller_cloud_provider_taint_removal_delay_seconds",
            "Number of seconds after node creation when NodeController removed the cloud-provider taint of a single node",
            self.taint_removal_delay.clone(),
        );
        registry.register(
            "node_controller_initial_node_sync_delay_seconds",
            "Number of seconds after node creation when NodeController finished the initial synchronization of a single node",
            self.first_sync_delay.clone(),
        );
        registry.register(
            "node_controller_refused_servers",
            "Number of times that a Node was not given the server it claims",
            self.refused.clone(),
        );
    }

    /// A Node was initialised, so many seconds after its creation.
    pub(super) fn initialised(&self, age: f64) {
        self.taint_removal_delay.observe(age);
        self.first_sync_delay.observe(age);
    }

    /// A Node was refused a server.
    pub(super) fn refused(&self) {
        self.refused.inc();
    }
}
