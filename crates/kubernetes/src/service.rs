//! A Service, as far as a load balancer depends on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::key::ObjectKey;
use crate::meta::Meta;
use crate::object::Object;

/// A Service without what no load balancer depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Identity: another Service of the same name has another one.
    pub uid: String,
    /// Version of the object as read.
    pub resource_version: String,
    /// A deletion timestamp is set.
    pub deleting: bool,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// `metadata.annotations`, without kubectl's copy of the applied object.
    pub annotations: BTreeMap<String, String>,
    /// `spec.type` is `LoadBalancer`.
    pub is_load_balancer: bool,
    /// `spec.loadBalancerClass`: set means that somebody else looks after it.
    pub load_balancer_class: Option<String>,
    /// `spec.ports` in their order.
    pub ports: Vec<ServicePort>,
    /// `spec.ipFamilies` in their order, the first is the primary one.
    pub ip_families: Vec<IpFamily>,
    /// `spec.loadBalancerIP`.
    pub load_balancer_ip: Option<String>,
    /// `spec.loadBalancerSourceRanges`.
    pub source_ranges: Vec<String>,
    /// `spec.sessionAffinity` is `ClientIP`.
    pub client_ip_affinity: bool,
    /// `spec.externalTrafficPolicy` is `Local`.
    pub external_traffic_policy_local: bool,
    /// `spec.healthCheckNodePort`, 0 where there is none.
    pub health_check_node_port: u16,
    /// `spec.allocateLoadBalancerNodePorts`, true unless the Service says otherwise.
    pub allocate_node_ports: bool,
    /// `status.loadBalancer.ingress`.
    pub ingress: Vec<Ingress>,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// Name, empty where the only port has none.
    pub name: String,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Port of the load balancer.
    pub port: u16,
    /// Port of the nodes, 0 where none is allocated.
    pub node_port: u16,
    /// Application protocol, a hint.
    pub app_protocol: Option<String>,
}

/// Transport protocol of a Service port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, also where the field is empty.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// Address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// One entry of `status.loadBalancer.ingress`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ingress {
    /// Address of the load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Name of the load balancer, shown instead of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// `VIP` or `Proxy`; only together with `ip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_mode: Option<String>,
}

impl Service {
    /// Whether it carries this finalizer.
    pub fn has_finalizer(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|present| present == finalizer)
    }
}

impl Object for Service {
    type Key = ObjectKey;
    type Wire = WireService;
    const KIND: &'static str = "Service";
    const PLURAL: &'static str = "services";

    fn key(&self) -> ObjectKey {
        self.key.clone()
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

/// The JSON of a Service. Unknown values of an enumeration are read as the default: one odd object must not stop the watch.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
#[doc(hidden)]
pub struct WireService {
    metadata: Meta,
    spec: WireSpec,
    status: WireStatus,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireSpec {
    r#type: String,
    load_balancer_class: Option<String>,
    ports: Vec<WirePort>,
    ip_families: Vec<String>,
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Option<String>,
    load_balancer_source_ranges: Vec<String>,
    session_affinity: String,
    external_traffic_policy: String,
    health_check_node_port: i64,
    allocate_load_balancer_node_ports: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WirePort {
    name: String,
    protocol: String,
    port: i64,
    node_port: i64,
    app_protocol: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireStatus {
    load_balancer: WireLoadBalancer,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireLoadBalancer {
    ingress: Vec<Ingress>,
}

impl From<WireService> for Service {
    fn from(wire: WireService) -> Self {
        let WireService { metadata, spec, status } = wire;
        let meta = metadata.without_bulk();
        Self {
            key: ObjectKey::new(meta.namespace, meta.name),
            uid: meta.uid,
            resource_version: meta.resource_version,
            deleting: meta.deletion_timestamp.is_some(),
            finalizers: meta.finalizers,
            annotations: meta.annotations,
            is_load_balancer: spec.r#type == "LoadBalancer",
            load_balancer_class: spec.load_balancer_class,
            ports: spec.ports.into_iter().map(ServicePort::from).collect(),
            ip_families: spec.ip_families.iter().filter_map(|family| IpFamily::parse(family)).collect(),
            load_balancer_ip: spec.load_balancer_ip.filter(|ip| !ip.is_empty()),
            source_ranges: spec.load_balancer_source_ranges,
            client_ip_affinity: spec.session_affinity == "ClientIP",
            external_traffic_policy_local: spec.external_traffic_policy == "Local",
            health_check_node_port: port(spec.health_check_node_port),
            allocate_node_ports: spec.allocate_load_balancer_node_ports.unwrap_or(true),
            ingress: status.load_balancer.ingress,
        }
    }
}

impl From<WirePort> for ServicePort {
    fn from(wire: WirePort) -> Self {
        Self {
            name: wire.name,
            protocol: match wire.protocol.as_str() {
                "UDP" => Protocol::Udp,
                "SCTP" => Protocol::Sctp,
                _ => Protocol::Tcp,
            },
            port: port(wire.port),
            node_port: port(wire.node_port),
            app_protocol: wire.app_protocol,
        }
    }
}

impl IpFamily {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "IPv4" => Some(Self::V4),
            "IPv6" => Some(Self::V6),
            _ => None,
        }
    }
}

fn port(number: i64) -> u16 {
    u16::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(json: serde_json::Value) -> Service {
        serde_json::from_value::<WireService>(json).unwrap().into()
    }

    #[test]
    fn reads_what_a_load_balancer_depends_on() {
        let service = service(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "front", "namespace": "web", "uid": "u1", "resourceVersion": "7", "creationTimestamp": null,
                "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["service.kubernetes.io/load-balancer-cleanup"],
                "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
                "annotations": {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
            },
            "spec": {
                "type": "LoadBalancer", "ipFamilies": ["IPv6", "IPv4"], "loadBalancerIP": "192.0.2.1",
                "loadBalancerSourceRanges": ["192.0.2.0/24"], "sessionAffinity": "ClientIP", "externalTrafficPolicy": "Local",
                "healthCheckNodePort": 31000, "allocateLoadBalancerNodePorts": false, "loadBalancerClass": "x",
                "ports": [{"name": "dns", "protocol": "UDP", "port": 53, "nodePort": 30053, "targetPort": "dns", "appProtocol": "dns"}]
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9", "ipMode": "VIP", "ports": []}]}}
        }));
        assert_eq!(
            service,
            Service {
                key: ObjectKey::new("web", "front"),
                uid: "u1".into(),
                resource_version: "7".into(),
                deleting: true,
                finalizers: vec!["service.kubernetes.io/load-balancer-cleanup".into()],
                annotations: BTreeMap::from([("a".into(), "b".into())]),
                is_load_balancer: true,
                load_balancer_class: Some("x".into()),
                ports: vec![ServicePort {
                    name: "dns".into(),
                    protocol: Protocol::Udp,
                    port: 53,
                    node_port: 30053,
                    app_protocol: Some("dns".into())
                }],
                ip_families: vec![IpFamily::V6, IpFamily::V4],
                load_balancer_ip: Some("192.0.2.1".into()),
                source_ranges: vec!["192.0.2.0/24".into()],
                client_ip_affinity: true,
                external_traffic_policy_local: true,
                health_check_node_port: 31000,
                allocate_node_ports: false,
                ingress: vec![Ingress {
                    ip: Some("192.0.2.9".into()),
                    hostname: None,
                    ip_mode: Some("VIP".into())
                }],
            }
        );
    }

    #[test]
    fn the_least_a_service_can_say_is_enough() {
        let service = service(json!({"metadata": {"name": "a", "namespace": "b"}}));
        assert!(service.allocate_node_ports && !service.is_load_balancer && service.ports.is_empty());
    }
}
