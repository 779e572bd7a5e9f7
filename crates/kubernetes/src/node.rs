//! A Node, as far as a cloud provider looks at it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::meta::Meta;
use crate::object::Object;

/// A Node without images, volumes and most conditions, which make up nearly all of its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Name.
    pub name: String,
    /// Identity: another Node of the same name has another one.
    pub uid: String,
    /// Version of the object as read.
    pub resource_version: String,
    /// `spec.providerID`, immutable once set.
    pub provider_id: Option<String>,
    /// `status.nodeInfo.systemUUID`, empty where the kubelet has not reported yet.
    pub system_uuid: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`, without kubectl's copy of the applied object.
    pub annotations: BTreeMap<String, String>,
    /// `status.addresses` in their order.
    pub addresses: Vec<NodeAddress>,
    /// `spec.taints` in their order.
    pub taints: Vec<Taint>,
    /// A deletion timestamp is set.
    pub deleting: bool,
    /// Status of the condition `Ready`.
    pub ready: Ready,
    /// `spec.podCIDRs`.
    pub pod_cidrs: Vec<String>,
    /// The condition `NetworkUnavailable`, if there is one.
    pub network_unavailable: Option<Condition>,
    /// Time of creation.
    pub created: Option<jiff::Timestamp>,
}

/// An address of a Node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NodeAddress {
    /// What kind of address it is.
    #[serde(rename = "type")]
    pub kind: AddressKind,
    /// IP address or name.
    pub address: String,
}

/// Kind of a Node's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AddressKind {
    /// `InternalIP`.
    #[serde(rename = "InternalIP")]
    InternalIp,
    /// `ExternalIP`.
    #[serde(rename = "ExternalIP")]
    ExternalIp,
    /// `Hostname`.
    Hostname,
    /// `InternalDNS`.
    #[serde(rename = "InternalDNS")]
    InternalDns,
    /// `ExternalDNS`.
    #[serde(rename = "ExternalDNS")]
    ExternalDns,
}

/// A taint of a Node. `time_added` is carried so that rewriting the list does not reset others' eviction timers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
    /// When it was added, RFC 3339; set for `NoExecute` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_added: Option<String>,
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ready {
    /// `True`.
    True,
    /// `False`.
    False,
    /// `Unknown`: the node controller has not heard from the kubelet.
    Unknown,
    /// There is no such condition.
    #[default]
    Missing,
}

/// A condition of a Node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Its status, never `Missing`.
    pub status: Ready,
    /// Its machine-readable reason.
    pub reason: String,
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InternalIp => "InternalIP",
            Self::ExternalIp => "ExternalIP",
            Self::Hostname => "Hostname",
            Self::InternalDns => "InternalDNS",
            Self::ExternalDns => "ExternalDNS",
        })
    }
}

impl Ready {
    fn parse(text: &str) -> Self {
        match text {
            "True" => Self::True,
            "False" => Self::False,
            _ => Self::Unknown,
        }
    }
}

impl Object for Node {
    type Key = String;
    type Wire = WireNode;
    const KIND: &'static str = "Node";
    const PLURAL: &'static str = "nodes";

    fn key(&self) -> String {
        self.name.clone()
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

/// The JSON of a Node; what is not named here is skipped while parsing.
#[derive(Default, Deserialize)]
#[serde(default)]
#[doc(hidden)]
pub struct WireNode {
    metadata: Meta,
    spec: WireSpec,
    status: WireStatus,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireSpec {
    #[serde(rename = "providerID")]
    provider_id: Option<String>,
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Vec<String>,
    taints: Vec<Taint>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireStatus {
    addresses: Vec<WireAddress>,
    conditions: Vec<WireCondition>,
    node_info: WireNodeInfo,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireAddress {
    r#type: String,
    address: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireCondition {
    r#type: String,
    status: String,
    reason: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireNodeInfo {
    #[serde(rename = "systemUUID")]
    system_uuid: String,
}

impl From<WireNode> for Node {
    fn from(wire: WireNode) -> Self {
        let WireNode { metadata, spec, status } = wire;
        let meta = metadata.without_bulk();
        let condition = |kind: &str| {
            status.conditions.iter().find(|condition| condition.r#type == kind).map(|condition| Condition {
                status: Ready::parse(&condition.status),
                reason: condition.reason.clone(),
            })
        };
        Self {
            name: meta.name,
            uid: meta.uid,
            resource_version: meta.resource_version,
            provider_id: spec.provider_id.filter(|id| !id.is_empty()),
            system_uuid: status.node_info.system_uuid,
            labels: meta.labels,
            annotations: meta.annotations,
            ready: condition("Ready").map_or(Ready::Missing, |condition| condition.status),
            network_unavailable: condition("NetworkUnavailable"),
            addresses: status.addresses.into_iter().filter_map(WireAddress::known).collect(),
            taints: spec.taints,
            deleting: meta.deletion_timestamp.is_some(),
            pod_cidrs: spec.pod_cidrs,
            created: meta.creation_timestamp.and_then(|time| time.parse().ok()),
        }
    }
}

impl WireAddress {
    fn known(self) -> Option<NodeAddress> {
        let kind = match self.r#type.as_str() {
            "InternalIP" => AddressKind::InternalIp,
            "ExternalIP" => AddressKind::ExternalIp,
            "Hostname" => AddressKind::Hostname,
            "InternalDNS" => AddressKind::InternalDns,
            "ExternalDNS" => AddressKind::ExternalDns,
            _ => return None,
        };
        Some(NodeAddress { kind, address: self.address })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(json: serde_json::Value) -> Node {
        serde_json::from_value::<WireNode>(json).unwrap().into()
    }

    #[test]
    fn reads_what_a_cloud_provider_looks_at() {
        let node = node(json!({
            "metadata": {"name": "n1", "uid": "u", "resourceVersion": "3", "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"a": "b"}},
            "spec": {"providerID": "openstack:///x", "podCIDRs": ["10.0.0.0/24"],
                     "taints": [{"key": "k", "effect": "NoExecute", "timeAdded": "2026-01-02T03:04:05Z"}]},
            "status": {
                "addresses": [{"type": "InternalIP", "address": "10.1.0.4"}, {"type": "Carrier", "address": "pigeon"}],
                "conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"},
                               {"type": "NetworkUnavailable", "status": "False", "reason": "RouteCreated"}],
                "nodeInfo": {"systemUUID": "ABC", "kernelVersion": "6"},
                "images": [{"names": ["x"], "sizeBytes": 1}]
            }
        }));
        assert_eq!(node.provider_id.as_deref(), Some("openstack:///x"));
        assert_eq!(
            node.addresses,
            [NodeAddress { kind: AddressKind::InternalIp, address: "10.1.0.4".into() }]
        );
        assert_eq!(node.taints[0].time_added.as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!((node.ready, node.system_uuid.as_str()), (Ready::Unknown, "ABC"));
        assert_eq!(
            node.network_unavailable,
            Some(Condition { status: Ready::False, reason: "RouteCreated".into() })
        );
        assert_eq!(node.created.unwrap().as_second(), 1_767_323_045);
    }

    #[test]
    fn a_node_without_conditions_is_not_ready() {
        assert_eq!(node(json!({"metadata": {"name": "n"}})).ready, Ready::Missing);
    }

    #[test]
    fn a_taint_survives_a_round_trip() {
        let json =
            json!({"key": "k", "value": "", "effect": "NoExecute", "timeAdded": "2026-01-02T03:04:05Z"});
        let taint: Taint = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(taint).unwrap(), json);
    }
}
