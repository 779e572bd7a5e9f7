//! Neutron's objects: what we read of them, and the bodies that create and change them.
//!
//! Field names and meanings: <https://docs.openstack.org/api-ref/network/v2/>.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ids::{FloatingIpId, NetworkId, PortId, SecurityGroupId, SubnetId};
use crate::json::null_as_default;

/// A port: one network interface.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Port {
    /// Its id.
    pub id: PortId,
    /// Its name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The network it is on.
    pub network_id: NetworkId,
    /// What it is plugged into: a server's, router's or trunk's id, or empty.
    #[serde(default, deserialize_with = "null_as_default")]
    pub device_id: String,
    /// Who uses it: `compute:<zone>`, `network:router_interface`, `trunk:subport`, ….
    #[serde(default, deserialize_with = "null_as_default")]
    pub device_owner: String,
    /// `ACTIVE`, `DOWN`, `BUILD`, `ERROR`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub status: String,
    /// Its addresses, in Neutron's order.
    #[serde(default, deserialize_with = "null_as_default")]
    pub fixed_ips: Vec<FixedIp>,
    /// Its security groups.
    #[serde(default, deserialize_with = "null_as_default")]
    pub security_groups: Vec<SecurityGroupId>,
    /// Whether security groups apply at all; not every cloud says.
    #[serde(default)]
    pub port_security_enabled: Option<bool>,
    /// Its tags.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// Grows with each change.
    #[serde(default, deserialize_with = "null_as_default")]
    pub revision_number: u64,
    /// The trunk it is the parent of, if any.
    #[serde(default)]
    pub trunk_details: Option<TrunkDetails>,
}

/// An address of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    /// The subnet it comes from.
    pub subnet_id: SubnetId,
    /// The address.
    pub ip_address: IpAddr,
}

/// The trunk of a parent port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TrunkDetails {
    /// The trunk's id.
    pub trunk_id: String,
    /// The ports that it carries.
    #[serde(default, deserialize_with = "null_as_default")]
    pub sub_ports: Vec<SubPort>,
}

/// A port carried by a trunk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubPort {
    /// The port.
    pub port_id: PortId,
}

/// Which ports to list; unset fields do not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PortFilter {
    /// What they are plugged into.
    pub device_id: Option<String>,
    /// Plugged into any of these; long lists are asked for in parts.
    pub device_ids: Vec<String>,
    /// The network they are on.
    pub network_id: Option<NetworkId>,
    /// An address that they have.
    pub fixed_ip: Option<IpAddr>,
    /// A security group that they have.
    pub security_group: Option<SecurityGroupId>,
    /// Used by any of these.
    pub device_owner: Vec<String>,
    /// Any of these; long lists are asked for in parts.
    pub ids: Vec<PortId>,
}

/// A floating IP.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FloatingIp {
    /// Its id.
    pub id: FloatingIpId,
    /// The address.
    pub floating_ip_address: IpAddr,
    /// The external network it comes from.
    pub floating_network_id: NetworkId,
    /// The port it leads to.
    #[serde(default)]
    pub port_id: Option<PortId>,
    /// The port's address it leads to.
    #[serde(default)]
    pub fixed_ip_address: Option<IpAddr>,
    /// Its description.
    #[serde(default, deserialize_with = "null_as_default")]
    pub description: String,
    /// Its tags.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// `ACTIVE`, `DOWN`, `ERROR`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub status: String,
}

/// Which floating IPs to list; unset fields do not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FloatingIpFilter {
    /// The port they lead to.
    pub port_id: Option<PortId>,
    /// The address.
    pub floating_ip_address: Option<IpAddr>,
    /// The external network they come from.
    pub floating_network_id: Option<NetworkId>,
    /// The exact description.
    pub description: Option<String>,
    /// All of these tags.
    pub tags: Vec<String>,
}

/// Body of a floating IP to create. Neutron takes no tags here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FloatingIpCreate {
    /// The external network.
    pub floating_network_id: NetworkId,
    /// The port it shall lead to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_id: Option<PortId>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The subnet of the external network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<SubnetId>,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floating_ip_address: Option<IpAddr>,
}

/// Changes of a floating IP; unset fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FloatingIpUpdate {
    /// The port it shall lead to; `Some(None)` detaches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_id: Option<Option<PortId>>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Its name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The network it belongs to.
    pub network_id: NetworkId,
    /// Its address range.
    pub cidr: String,
    /// 4 or 6.
    pub ip_version: u8,
    /// Its tags.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
}

/// Which subnets to list; unset fields do not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubnetFilter {
    /// The network they belong to.
    pub network_id: Option<NetworkId>,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct NetworkInfo {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// Whether floating IPs can come from it.
    #[serde(default, rename = "router:external", deserialize_with = "null_as_default")]
    pub external: bool,
    /// Its subnets.
    #[serde(default, deserialize_with = "null_as_default")]
    pub subnets: Vec<SubnetId>,
}

/// Which networks to list; unset fields do not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkFilter {
    /// Whether floating IPs can come from them.
    pub external: Option<bool>,
    /// The exact name.
    pub name: Option<String>,
}
