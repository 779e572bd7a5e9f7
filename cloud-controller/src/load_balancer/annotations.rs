//! The annotations of a Service that shape its load balancer: their names and typed readers.
//!
//! **Do not change: manifests in the field hold these.** To add one: a constant here, a field in
//! [`super::spec::Spec`], and the place in `desired.rs` or `facts.rs` that uses it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// `true`: no floating IP.
pub const INTERNAL: &str = "service.beta.kubernetes.io/openstack-internal-load-balancer";
/// Comma-separated CIDRs, used when `spec.loadBalancerSourceRanges` is empty.
pub const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
/// Name of the `[LoadBalancerClass "…"]` section to use.
pub const CLASS: &str = "loadbalancer.openstack.org/class";
/// Subnet of the virtual IP.
pub const SUBNET_ID: &str = "loadbalancer.openstack.org/subnet-id";
/// Network of the virtual IP.
pub const NETWORK_ID: &str = "loadbalancer.openstack.org/network-id";
/// Existing port to use as virtual IP.
pub const PORT_ID: &str = "loadbalancer.openstack.org/port-id";
/// Subnet that members are reached on.
pub const MEMBER_SUBNET_ID: &str = "loadbalancer.openstack.org/member-subnet-id";
/// External network of the floating IP.
pub const FLOATING_NETWORK_ID: &str = "loadbalancer.openstack.org/floating-network-id";
/// Subnet of the floating IP.
pub const FLOATING_SUBNET_ID: &str = "loadbalancer.openstack.org/floating-subnet-id";
/// Name pattern of the subnet of the floating IP.
pub const FLOATING_SUBNET: &str = "loadbalancer.openstack.org/floating-subnet";
/// Tags of the subnet of the floating IP.
pub const FLOATING_SUBNET_TAGS: &str = "loadbalancer.openstack.org/floating-subnet-tags";
/// `true`: the floating IP outlives the Service.
pub const KEEP_FLOATING_IP: &str = "loadbalancer.openstack.org/keep-floatingip";
/// Most connections a listener takes; -1 is no limit.
pub const CONNECTION_LIMIT: &str = "loadbalancer.openstack.org/connection-limit";
/// Pool algorithm, such as `LEAST_CONNECTIONS`.
pub const LB_METHOD: &str = "loadbalancer.openstack.org/lb-method";
/// `true`, `v1` or `v2`: the PROXY protocol towards members.
pub const PROXY_PROTOCOL: &str = "loadbalancer.openstack.org/proxy-protocol";
/// `true`: HTTP listeners that insert `X-Forwarded-For`.
pub const X_FORWARDED_FOR: &str = "loadbalancer.openstack.org/x-forwarded-for";
/// Barbican container or secret of a terminated TLS listener.
pub const TLS_CONTAINER_REF: &str = "loadbalancer.openstack.org/default-tls-container-ref";
/// Frontend client inactivity timeout, milliseconds.
pub const TIMEOUT_CLIENT_DATA: &str = "loadbalancer.openstack.org/timeout-client-data";
/// Backend member connection timeout, milliseconds.
pub const TIMEOUT_MEMBER_CONNECT: &str = "loadbalancer.openstack.org/timeout-member-connect";
/// Backend member inactivity timeout, milliseconds.
pub const TIMEOUT_MEMBER_DATA: &str = "loadbalancer.openstack.org/timeout-member-data";
/// Time to wait for additional TCP packets for content inspection, milliseconds.
pub const TIMEOUT_TCP_INSPECT: &str = "loadbalancer.openstack.org/timeout-tcp-inspect";
/// `true` or `false`: health monitors.
pub const ENABLE_HEALTH_MONITOR: &str = "loadbalancer.openstack.org/enable-health-monitor";
/// Seconds between two probes.
pub const HEALTH_MONITOR_DELAY: &str = "loadbalancer.openstack.org/health-monitor-delay";
/// Seconds a probe may take.
pub const HEALTH_MONITOR_TIMEOUT: &str = "loadbalancer.openstack.org/health-monitor-timeout";
/// Good probes until a member is ONLINE.
pub const HEALTH_MONITOR_MAX_RETRIES: &str = "loadbalancer.openstack.org/health-monitor-max-retries";
/// Failed probes until a member is ERROR.
pub const HEALTH_MONITOR_MAX_RETRIES_DOWN: &str =
    "loadbalancer.openstack.org/health-monitor-max-retries-down";
/// Octavia flavor.
pub const FLAVOR_ID: &str = "loadbalancer.openstack.org/flavor-id";
/// Octavia availability zone.
pub const AVAILABILITY_ZONE: &str = "loadbalancer.openstack.org/availability-zone";
/// Labels that a node must carry to be a member.
pub const NODE_SELECTOR: &str = "loadbalancer.openstack.org/node-selector";
/// Host name to publish instead of an address.
pub const HOSTNAME: &str = "loadbalancer.openstack.org/hostname";
/// UID of the cluster whose load balancer this Service takes over (after a cluster was rebuilt).
pub const ADOPT: &str = "loadbalancer.openstack.org/adopt";

/// Reads the annotations of one Service and remembers the values that cannot be used.
pub struct Reader<'a> {
    annotations: &'a BTreeMap<String, String>,
    unusable: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A reader of these annotations.
    pub fn new(annotations: &'a BTreeMap<String, String>) -> Self {
        Self { annotations, unusable: Vec::new() }
    }

    /// The value as it stands; a present but empty annotation counts as a value.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.annotations.get(name).map(String::as_str)
    }

    /// A boolean: exactly `true` or `false`, anything else counts as absent and is reported.
    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        match self.text(name)? {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                self.unusable.push(format!("{name}: {other:?} is neither \"true\" nor \"false\""));
                None
            }
        }
    }

    /// A decimal number in `from..=to`; anything else counts as absent and is reported.
    pub fn number<T>(&mut self, name: &'static str, from: T, to: T) -> Option<T>
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let text = self.text(name)?;
        match text.trim().parse::<T>() {
            Ok(number) if number >= from && number <= to => Some(number),
            _ => {
                self.unusable.push(format!("{name}: {text:?} is not a number from {from} to {to}"));
                None
            }
        }
    }

    /// What could not be used, one sentence each.
    pub fn into_unusable(self) -> Vec<String> {
        self.unusable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_cannot_be_used_counts_as_absent_and_is_reported() {
        let annotations = BTreeMap::from([
            (INTERNAL.to_owned(), "yes".to_owned()),
            (CONNECTION_LIMIT.to_owned(), "many".to_owned()),
            (KEEP_FLOATING_IP.to_owned(), "true".to_owned()),
        ]);
        let mut reader = Reader::new(&annotations);
        assert_eq!(reader.boolean(INTERNAL), None);
        assert_eq!(reader.number(CONNECTION_LIMIT, -1, i64::MAX), None);
        assert_eq!(reader.boolean(KEEP_FLOATING_IP), Some(true));
        assert_eq!(reader.boolean(ENABLE_HEALTH_MONITOR), None);
        let unusable = reader.into_unusable();
        assert_eq!(unusable.len(), 2, "{unusable:?}");
        assert!(unusable[0].contains("\"yes\""));
    }

    #[test]
    fn an_empty_annotation_is_a_value() {
        let annotations = BTreeMap::from([(FLOATING_NETWORK_ID.to_owned(), String::new())]);
        assert_eq!(Reader::new(&annotations).text(FLOATING_NETWORK_ID), Some(""));
    }
}
