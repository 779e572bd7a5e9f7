//! Metrics of the program as a whole, under the names that Kubernetes' controller managers use.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::flags::ControllerName;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lease {
    name: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    name: &'static str,
    manager: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    result: &'static str,
}

/// Whether this process leads, and what it runs.
#[derive(Clone, Debug, Default)]
pub(super) struct AppMetrics {
    leading: Family<Lease, Gauge>,
    controllers: Family<Controller, Gauge>,
    reloads: Family<Reload, Counter>,
}

impl AppMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "leader_election_master_status",
            "Whether this process holds the lease: 1 if it does, 0 if it waits for it",
            self.leading.clone(),
        );
        registry.register(
            "running_managed_controllers",
            "Whether the controller runs in this process",
            self.controllers.clone(),
        );
        registry.register(
            "cloudprovider_openstack_credentials_reloads",
            "How often changed credentials or certificates were found, by what came of them",
            self.reloads.clone(),
        );
    }

    /// Counts what came of changed files.
    pub(super) fn reloaded(&self, result: &'static str) {
        self.reloads.get_or_create(&Reload { result }).inc();
    }

    pub(super) fn leads(&self, leads: bool) {
        self.leading.get_or_create(&Lease { name: "cloud-controller-manager" }).set(i64::from(leads));
    }

    pub(super) fn runs(&self, controller: ControllerName) {
        let labels = Controller { name: controller.alias(), manager: "cloud-controller-manager" };
        self.controllers.get_or_create(&labels).set(1);
    }
}
