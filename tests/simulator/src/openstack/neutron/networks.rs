//! Networks.

use serde_json::{Map, Value, json};

use super::Neutron;
use super::attributes::{
    ADMIN_STATE, Attribute, Body, DESCRIPTION, ID, NAME, PROJECT, REVISION, STATUS, TAGS, TENANT,
};
use super::fault::Fault;
use super::form::{self, Form};
use super::object::{Kind, Object, Standard, Table};
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
    Attribute::new("shared", Form::Boolean).post().put().filter().admin(),
    Attribute::new("router:external", Form::Boolean).post().put().filter().admin(),
    Attribute::new("port_security_enabled", Form::Boolean).post().put(),
    Attribute::new("mtu", Form::Integer(68, 65535)).post().put().filter(),
];

/// What is left of 1500 bytes inside a tunnel.
const GENEVE_MTU: i64 = 1442;

/// A network.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) standard: Standard,
    pub(crate) is_external: bool,
    pub(crate) is_shared: bool,
    pub(crate) is_up: bool,
    /// What new ports have.
    pub(crate) port_security: bool,
    pub(crate) mtu: i64,
    /// Its subnets, oldest first.
    pub(crate) subnets: Vec<String>,
}

impl Network {
    /// A network without subnets.
    pub(crate) fn new(standard: Standard) -> Self {
        let (is_external, is_shared, is_up, port_security) = (false, false, true, true);
        Self { standard, is_external, is_shared, is_up, port_security, mtu: GENEVE_MTU, subnets: Vec::new() }
    }
}

impl Object for Network {
    const KIND: Kind = Kind {
        singular: "network",
        plural: "networks",
        missing: ("NetworkNotFound", "Network {} could not be found."),
        attributes: &[ATTRIBUTES, &TAGS],
    };

    fn table(neutron: &Neutron) -> &Table<Self> {
        &neutron.networks
    }

    fn table_mut(neutron: &mut Neutron) -> &mut Table<Self> {
        &mut neutron.networks
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn show(&self, _neutron: &Neutron, who: &Who) -> Map<String, Value> {
        let mut shown = self.standard.show(json!({
            "admin_state_up": self.is_up,
            "status": "ACTIVE",
            "shared": self.is_shared,
            "router:external": self.is_external,
            "subnets": self.subnets,
            "mtu": self.mtu,
            "port_security_enabled": self.port_security,
            "availability_zone_hints": [],
            "availability_zones": [],
            "ipv4_address_scope": null,
            "ipv6_address_scope": null,
            "dns_domain": "",
            "l2_adjacency": true,
            "qinq": false,
            "vlan_transparent": false,
            "qos_policy_id": null,
        }));
        if self.is_external {
            shown.insert("is_default".to_owned(), false.into());
        }
        if who.is_admin() {
            let kind = if self.is_external { "flat" } else { "geneve" };
            shown.insert("provider:network_type".to_owned(), kind.into());
        }
        shown
    }

    fn show_new(&self, shown: &mut Map<String, Value>) {
        // Lists and reads say it of external networks only.
        shown.insert("is_default".to_owned(), false.into());
    }

    fn has(&self, attribute: &str, value: &str) -> bool {
        let flag = |truth: bool| form::boolean(&Value::from(value)).is_ok_and(|asked| asked == truth);
        match attribute {
            "router:external" => flag(self.is_external),
            "shared" => flag(self.is_shared),
            "admin_state_up" => flag(self.is_up),
            "status" => value == "ACTIVE",
            "mtu" => self.mtu.to_string() == value,
            _ => false,
        }
    }

    fn is_public(&self) -> bool {
        self.is_shared || self.is_external
    }

    fn create(state: &mut State, body: &Body, _who: &Who) -> Result<String, Fault> {
        let standard = super::new_standard(state, body);
        let id = standard.id.clone();
        let mut network = Network::new(standard);
        take(&mut network, body);
        state.neutron.networks.insert(id.clone(), network);
        Ok(id)
    }

    fn update(state: &mut State, id: &str, body: &Body, who: &Who) -> Result<(), Fault> {
        let wall = state.wall;
        let network: &mut Network = super::object::find_mut(&mut state.neutron, id, who)?;
        network.standard.take(body);
        take(network, body);
        network.standard.touch(wall);
        Ok(())
    }

    /// Deletes a network and its subnets, unless ports are on it that are not Neutron's own.
    fn delete(state: &mut State, id: &str, _who: &Who) -> Result<(), Fault> {
        let neutron = &mut state.neutron;
        let is_used = |port: &super::Port| port.network_id == id && !port.is_neutrons_own();
        let used: Vec<&str> = neutron
            .ports
            .values()
            .filter(|port| is_used(port))
            .map(|port| port.standard.id.as_str())
            .collect();
        if !used.is_empty() {
            let text = format!(
                "Unable to complete operation on network {id}. There are one or more ports still in use on the network, id for these ports is: {}.",
                used.join(",")
            );
            return Err(Fault::conflict("NetworkInUse", text));
        }
        neutron.ports.retain(|_, port| port.network_id != id);
        neutron.subnets.retain(|_, subnet| subnet.network_id != id);
        neutron.networks.remove(id);
        Ok(())
    }
}

fn take(network: &mut Network, body: &Body) {
    let flag = |name: &str, field: &mut bool| *field = body.flag(name).unwrap_or(*field);
    flag("admin_state_up", &mut network.is_up);
    flag("shared", &mut network.is_shared);
    flag("router:external", &mut network.is_external);
    flag("port_security_enabled", &mut network.port_security);
    if network.is_external {
        network.mtu = 1500;
    }
    network.mtu = body.number("mtu").unwrap_or(network.mtu);
}
