//! Ports: what they are, how they are shown and found.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::attributes::{
    ADMIN_STATE, Attribute, Body, DESCRIPTION, ID, NAME, PROJECT, REVISION, STATUS, TAGS, TENANT,
};
use super::fault::Fault;
use super::form::{self, Form};
use super::object::{Kind, Object, Standard, Table};
use super::{Neutron, port_changes};
use crate::openstack::keystone::Who;
use crate::openstack::state::State;

const ATTRIBUTES: &[Attribute] = &[
    ID,
    NAME,
    DESCRIPTION,
    PROJECT,
    TENANT,
    ADMIN_STATE,
    STATUS,
    REVISION,
    Attribute::new("network_id", Form::Uuid).required().filter(),
    Attribute::new("mac_address", Form::Text(32)).filter(),
    Attribute::new("device_id", Form::Text(255)).post().put().filter(),
    Attribute::new("device_owner", Form::Text(255)).post().put().filter(),
    Attribute::new("fixed_ips", Form::FixedIps).post().put().filter(),
    Attribute::new("security_groups", Form::Uuids).post().put().filter(),
    Attribute::new("allowed_address_pairs", Form::AddressPairs).post().put(),
    Attribute::new("port_security_enabled", Form::Boolean).post().put(),
    Attribute::new("binding:vnic_type", Form::OneOf(&["normal", "direct", "macvtap", "baremetal"]))
        .post()
        .put(),
    Attribute::new("ip_allocation", Form::Text(16)).filter(),
];

/// A port.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) standard: Standard,
    pub(crate) network_id: String,
    pub(crate) mac: String,
    pub(crate) device_id: String,
    pub(crate) device_owner: String,
    /// `DOWN`, `ACTIVE`, `BUILD`, `ERROR`, `N/A`.
    pub(crate) status: String,
    pub(crate) is_up: bool,
    pub(crate) fixed_ips: Vec<FixedIp>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) pairs: Vec<AddressPair>,
    pub(crate) is_secured: bool,
    /// Its name in the DNS, which Nova gives it.
    pub(crate) dns_name: String,
    /// The trunk whose parent it is.
    pub(crate) trunk: Option<Trunk>,
}

/// An address of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FixedIp {
    pub(crate) subnet_id: String,
    pub(crate) ip: IpAddr,
}

/// An address that a port may use besides its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressPair {
    /// An address or a range, as it was written.
    pub(crate) ip: String,
    pub(crate) mac: String,
}

/// A trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trunk {
    pub(crate) id: String,
    /// Ports of its VLANs.
    pub(crate) sub_ports: Vec<String>,
}

impl Port {
    /// Whether it is one that Neutron made for itself, which goes with its network.
    pub(super) fn is_neutrons_own(&self) -> bool {
        matches!(self.device_owner.as_str(), "network:dhcp" | "network:distributed" | "network:floatingip" if !self.device_id.is_empty())
            && self.device_owner != "network:floatingip"
    }

    /// Whether it belongs to a router.
    pub(super) fn is_of_router(&self) -> bool {
        matches!(
            self.device_owner.as_str(),
            "network:router_interface" | "network:router_gateway" | "network:ha_router_replicated_interface"
        )
    }

    /// Whether it has this address.
    pub(crate) fn has_ip(&self, ip: &str) -> bool {
        self.fixed_ips.iter().any(|fixed| fixed.ip.to_string() == ip)
    }
}

impl Object for Port {
    const KIND: Kind = Kind {
        singular: "port",
        plural: "ports",
        missing: ("PortNotFound", "Port {} could not be found."),
        attributes: &[ATTRIBUTES, &TAGS],
    };

    fn table(neutron: &Neutron) -> &Table<Self> {
        &neutron.ports
    }

    fn table_mut(neutron: &mut Neutron) -> &mut Table<Self> {
        &mut neutron.ports
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn show(&self, neutron: &Neutron, _who: &Who) -> Map<String, Value> {
        let fixed_ips: Vec<_> = self
            .fixed_ips
            .iter()
            .map(|fixed| json!({"subnet_id": fixed.subnet_id, "ip_address": fixed.ip}))
            .collect();
        let pairs: Vec<_> =
            self.pairs.iter().map(|pair| json!({"ip_address": pair.ip, "mac_address": pair.mac})).collect();
        let mut shown = self.standard.show(json!({
            "network_id": self.network_id,
            "mac_address": self.mac,
            "device_id": self.device_id,
            "device_owner": self.device_owner,
            "status": self.status,
            "admin_state_up": self.is_up,
            "fixed_ips": fixed_ips,
            "security_groups": self.security_groups,
            "allowed_address_pairs": pairs,
            "extra_dhcp_opts": [],
            "port_security_enabled": self.is_secured,
            "binding:vnic_type": "normal",
            "qos_policy_id": null,
            "qos_network_policy_id": null,
            "ip_allocation": "immediate",
            "dns_name": self.dns_name,
            "dns_assignment": self.dns_assignment(),
        }));
        if let Some(trunk) = &self.trunk {
            shown.insert("trunk_details".to_owned(), trunk.show(neutron));
        }
        shown
    }

    fn has(&self, attribute: &str, value: &str) -> bool {
        match attribute {
            "device_id" => self.device_id == value,
            "device_owner" => self.device_owner == value,
            "network_id" => self.network_id == value,
            "mac_address" => self.mac == value,
            "status" => self.status == value,
            "admin_state_up" => form::boolean(&Value::from(value)).is_ok_and(|asked| asked == self.is_up),
            "fixed_ips" => match value.split_once('=') {
                Some(("ip_address", ip)) => self.has_ip(ip),
                Some(("subnet_id", id)) => self.fixed_ips.iter().any(|fixed| fixed.subnet_id == id),
                _ => false,
            },
            "security_groups" => self.security_groups.iter().any(|group| group == value),
            "ip_allocation" => value == "immediate",
            _ => false,
        }
    }

    fn create(state: &mut State, body: &Body, who: &Who) -> Result<String, Fault> {
        port_changes::create(state, body, who)
    }

    fn update(state: &mut State, id: &str, body: &Body, who: &Who) -> Result<(), Fault> {
        port_changes::update(state, id, body, who)
    }

    fn delete(state: &mut State, id: &str, _who: &Who) -> Result<(), Fault> {
        port_changes::delete(state, id)
    }
}

impl Port {
    fn dns_assignment(&self) -> Vec<Value> {
        let name = |ip: &IpAddr| match self.dns_name.as_str() {
            "" => format!("host-{}", ip.to_string().replace(['.', ':'], "-")),
            name => name.to_owned(),
        };
        let one = |fixed: &FixedIp| {
            let name = name(&fixed.ip);
            json!({"ip_address": fixed.ip, "hostname": name, "fqdn": format!("{name}.lab.local.")})
        };
        self.fixed_ips.iter().map(one).collect()
    }
}

impl Trunk {
    fn show(&self, neutron: &Neutron) -> Value {
        let sub_port = |(at, id): (usize, &String)| {
            let mac = neutron.ports.get(id).map(|port| port.mac.as_str());
            json!({"port_id": id, "segmentation_type": "vlan", "segmentation_id": at + 101, "mac_address": mac})
        };
        let sub_ports: Vec<_> = self.sub_ports.iter().enumerate().map(sub_port).collect();
        json!({"trunk_id": self.id, "sub_ports": sub_ports})
    }
}
