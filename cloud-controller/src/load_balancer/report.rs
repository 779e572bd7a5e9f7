//! Events on the Service: reasons as operators know them, and what is worth a warning. Pure but for the sending.

use kubernetes::{EventTarget, EventType, Recorder, Service};

use super::facts::Facts;
use super::spec::{Exposure, Spec};

/// Work begins.
pub const ENSURING: &str = "EnsuringLoadBalancer";
/// The load balancer is as it should be.
pub const ENSURED: &str = "EnsuredLoadBalancer";
/// The members follow the nodes.
pub const UPDATED: &str = "UpdatedLoadBalancer";
/// Removal begins.
pub const DELETING: &str = "DeletingLoadBalancer";
/// Nothing is left.
pub const DELETED: &str = "DeletedLoadBalancer";
/// There is no node to send traffic to.
pub const UNAVAILABLE: &str = "UnAvailableLoadBalancer";
/// Something failed; the message says what.
pub const SYNC_FAILED: &str = "SyncLoadBalancerFailed";
/// Removal failed.
pub const DELETE_FAILED: &str = "DeleteLoadBalancerFailed";
/// The load balancer belongs to somebody else.
pub const CONFLICT: &str = "LoadBalancerConflict";
/// A load balancer in ERROR that was never used is made anew.
pub const REPLACED: &str = "LoadBalancerReplaced";
/// No external network is known.
const FORCED_INTERNAL: &str = "LoadBalancerForcedInternal";
/// Source ranges cannot be enforced.
const SOURCE_RANGES_IGNORED: &str = "LoadBalancerSourceRangesIgnored";
/// Availability zones are not supported.
const AVAILABILITY_ZONES_IGNORED: &str = "LoadBalancerAvailabilityZonesIgnored";
/// An annotation cannot be used.
const INVALID_ANNOTATION: &str = "InvalidAnnotation";

/// Component that most events come from.
pub const SERVICE_CONTROLLER: &str = "service-controller";
/// Component of the events about the cloud.
pub const PROVIDER: &str = "cloud-provider-openstack";

/// Says things about Services.
#[derive(Clone)]
pub struct Reporter {
    controller: Recorder,
    provider: Recorder,
}

impl Reporter {
    /// A reporter that writes through `recorder`.
    pub fn new(recorder: &Recorder) -> Self {
        Self { controller: recorder.component(SERVICE_CONTROLLER), provider: recorder.component(PROVIDER) }
    }

    /// All is well.
    pub fn normal(&self, service: &Service, reason: &str, message: impl AsRef<str>) {
        self.controller.event(&target(service), EventType::Normal, reason, message);
    }

    /// Somebody should look.
    pub fn warning(&self, service: &Service, reason: &str, message: impl AsRef<str>) {
        self.controller.event(&target(service), EventType::Warning, reason, message);
    }

    /// What the user asked for and does not get.
    pub fn shortfalls(&self, service: &Service, spec: &Spec, facts: &Facts) {
        for (reason, message) in shortfalls(spec, facts) {
            self.provider.event(&target(service), EventType::Warning, reason, message);
        }
    }
}

fn target(service: &Service) -> EventTarget {
    EventTarget {
        kind: "Service".to_owned(),
        namespace: service.key.namespace.to_string(),
        name: service.key.name.to_string(),
        uid: service.uid.clone(),
        api_version: "v1".to_owned(),
    }
}

/// What the user asked for and this cloud does not give; nothing that nobody asked for.
fn shortfalls(spec: &Spec, facts: &Facts) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> =
        spec.warnings.iter().map(|warning| (INVALID_ANNOTATION, warning.clone())).collect();
    if spec.source_ranges.is_some() && !facts.api.vip_acl {
        let message = format!(
            "Octavia provider {} cannot restrict clients: loadBalancerSourceRanges has no effect and everybody can connect",
            spec.provider
        );
        found.push((SOURCE_RANGES_IGNORED, message));
    }
    if spec.availability_zone.is_some() && !facts.api.availability_zones {
        let message = format!("Octavia provider {} has no availability zones", spec.provider);
        found.push((AVAILABILITY_ZONES_IGNORED, message));
    }
    let external = matches!(spec.exposure, Exposure::External { .. });
    if external && facts.floating_network.is_none() && spec.family != Some(kubernetes::IpFamily::V6) {
        let message =
            "no external network is configured or visible: the Service gets no floating IP and is internal";
        found.push((FORCED_INTERNAL, message.to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_balancer::facts::ApiFeatures;
    use crate::load_balancer::testing::{facts, service, spec, spec_of};

    #[test]
    fn nothing_is_said_about_what_nobody_asked_for() {
        let mut plain = facts();
        plain.api = ApiFeatures::of(27, "ovn");
        assert_eq!(shortfalls(&spec(), &plain), []);
    }

    #[test]
    fn source_ranges_that_cannot_be_enforced_are_said() {
        let mut restricted = service();
        restricted.source_ranges = vec!["192.0.2.0/24".to_owned()];
        let mut ovn = facts();
        ovn.api = ApiFeatures::of(27, "ovn");
        let found = shortfalls(&spec_of(&restricted), &ovn);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "LoadBalancerSourceRangesIgnored");
        assert_eq!(shortfalls(&spec_of(&restricted), &facts()), []);
    }

    #[test]
    fn a_service_without_an_external_network_is_internal_and_told_so() {
        let mut alone = facts();
        alone.floating_network = None;
        assert_eq!(shortfalls(&spec(), &alone)[0].0, "LoadBalancerForcedInternal");
    }
}
