//! Subnets, and the addresses that are handed out from them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::attributes::{Attribute, Body, DESCRIPTION, ID, NAME, PROJECT, REVISION, TAGS, TENANT};
use super::fault::Fault;
use super::form::{self, Form};
use super::net::{Cidr, range};
use super::object::{Kind, Object, Standard, Table};
use super::{Network, Neutron};
use crate::openstack::keystone::Who;
use crate::openstack::state::State;

const ATTRIBUTES: &[Attribute] = &[
    ID,
    NAME,
    DESCRIPTION,
    PROJECT,
    TENANT,
    REVISION,
    Attribute::new("network_id", Form::Uuid).required().filter(),
    Attribute::new("ip_version", Form::IpVersion).required().filter(),
    Attribute::new("cidr", Form::Cidr).post().filter(),
    Attribute::new("gateway_ip", Form::AddressOrNull).post().put().filter(),
    Attribute::new("allocation_pools", Form::Pools).post().put(),
    Attribute::new("enable_dhcp", Form::Boolean).post().put().filter(),
    Attribute::new("dns_nameservers", Form::Addresses).post().put(),
    Attribute::new("ipv6_ra_mode", Form::TextOrNull(32)).post().filter(),
    Attribute::new("ipv6_address_mode", Form::TextOrNull(32)).post().filter(),
    Attribute::new("segment_id", Form::UuidOrNull).filter(),
];

/// A subnet.
#[derive(Clone, Debug)]
pub(crate) struct Subnet {
    pub(crate) standard: Standard,
    pub(crate) network_id: String,
    pub(crate) cidr: Cidr,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) pools: Vec<(IpAddr, IpAddr)>,
    pub(crate) dhcp: bool,
    nameservers: Vec<String>,
    ra_mode: Option<String>,
    address_mode: Option<String>,
    /// Whether the network's own visibility is also the subnet's.
    is_public: bool,
    /// Addresses that ports have.
    pub(super) taken: BTreeSet<IpAddr>,
}

impl Subnet {
    /// A subnet with the usual gateway and pools.
    pub(crate) fn new(standard: Standard, network: &Network, cidr: Cidr) -> Self {
        let gateway = Some(cidr.nth(1));
        Self {
            standard,
            network_id: network.standard.id.clone(),
            cidr,
            gateway,
            pools: cidr.default_pools(gateway),
            dhcp: true,
            nameservers: Vec::new(),
            ra_mode: None,
            address_mode: None,
            is_public: network.is_public(),
            taken: BTreeSet::new(),
        }
    }

    /// Takes the lowest free address of the pools.
    pub(super) fn take_any(&mut self) -> Option<IpAddr> {
        let free = self
            .pools
            .iter()
            .flat_map(|(first, last)| range(*first, *last))
            .find(|ip| !self.taken.contains(ip));
        self.taken.extend(free);
        free
    }

    /// Takes this address; false if somebody has it.
    pub(super) fn take_this(&mut self, ip: IpAddr) -> bool {
        self.taken.insert(ip)
    }
}

impl Object for Subnet {
    const KIND: Kind = Kind {
        singular: "subnet",
        plural: "subnets",
        missing: ("SubnetNotFound", "Subnet {} could not be found."),
        attributes: &[ATTRIBUTES, &TAGS],
    };

    fn table(neutron: &Neutron) -> &Table<Self> {
        &neutron.subnets
    }

    fn table_mut(neutron: &mut Neutron) -> &mut Table<Self> {
        &mut neutron.subnets
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn show(&self, neutron: &Neutron, _who: &Who) -> Map<String, Value> {
        let pools: Vec<_> =
            self.pools.iter().map(|(start, end)| json!({"start": start, "end": end})).collect();
        let network = neutron.networks.get(&self.network_id);
        self.standard.show(json!({
            "network_id": self.network_id,
            "ip_version": self.cidr.version(),
            "cidr": self.cidr.to_string(),
            "gateway_ip": self.gateway,
            "allocation_pools": pools,
            "enable_dhcp": self.dhcp,
            "dns_nameservers": self.nameservers,
            "host_routes": [],
            "ipv6_ra_mode": self.ra_mode,
            "ipv6_address_mode": self.address_mode,
            "subnetpool_id": null,
            "service_types": [],
            "router:external": network.is_some_and(|network| network.is_external),
        }))
    }

    fn has(&self, attribute: &str, value: &str) -> bool {
        match attribute {
            "network_id" => self.network_id == value,
            "ip_version" => self.cidr.version().to_string() == value,
            "cidr" => self.cidr.to_string() == value,
            "gateway_ip" => self.gateway.is_some_and(|ip| ip.to_string() == value),
            "enable_dhcp" => form::boolean(&Value::from(value)).is_ok_and(|asked| asked == self.dhcp),
            "ipv6_ra_mode" => self.ra_mode.as_deref() == Some(value),
            "ipv6_address_mode" => self.address_mode.as_deref() == Some(value),
            _ => false,
        }
    }

    /// Subnets of shared networks are everybody's; those of external networks are not, but lists show them.
    fn is_public(&self) -> bool {
        self.is_public
    }

    fn create(state: &mut State, body: &Body, who: &Who) -> Result<String, Fault> {
        let network_id = body.text("network_id").unwrap_or_default();
        let network = super::object::find::<Network>(&state.neutron, &network_id, who)?.clone();
        let Some(cidr) = body.text("cidr").as_deref().and_then(Cidr::parse) else {
            let text = "a subnetpool must be specified in the absence of a cidr";
            return Err(Fault::bad_request("subnets", text));
        };
        if body.number("ip_version") != Some(cidr.version().into()) {
            let text = format!(
                "Invalid input for operation: cidr '{cidr}' does not match the ip_version '{}'.",
                body.number("ip_version").unwrap_or_default()
            );
            return Err(Fault::new(400, "InvalidInput", text));
        }
        let siblings = state.neutron.subnets.values().filter(|one| one.network_id == network_id);
        if let Some(other) = siblings.into_iter().find(|one| one.cidr.overlaps(&cidr)) {
            let text = format!(
                "Requested subnet with cidr: {cidr} for network: {network_id} overlaps with subnet: {}({})",
                other.standard.id, other.cidr
            );
            return Err(Fault::invalid_input(text.trim_end_matches('.')));
        }
        let standard = super::new_standard(state, body);
        let id = standard.id.clone();
        let mut subnet = Subnet::new(standard, &network, cidr);
        if let Some(gateway) = body.get("gateway_ip") {
            subnet.gateway = gateway.as_str().and_then(|ip| ip.parse().ok());
            subnet.pools = cidr.default_pools(subnet.gateway);
        }
        subnet.ra_mode = body.text("ipv6_ra_mode");
        subnet.address_mode = body.text("ipv6_address_mode");
        take(&mut subnet, body);
        state.neutron.subnets.insert(id.clone(), subnet);
        if let Some(network) = state.neutron.networks.get_mut(&network_id) {
            network.subnets.push(id.clone());
            network.standard.touch(state.wall);
        }
        Ok(id)
    }

    fn update(state: &mut State, id: &str, body: &Body, who: &Who) -> Result<(), Fault> {
        let wall = state.wall;
        let subnet: &mut Subnet = super::object::find_mut(&mut state.neutron, id, who)?;
        subnet.standard.take(body);
        if let Some(gateway) = body.get("gateway_ip") {
            subnet.gateway = gateway.as_str().and_then(|ip| ip.parse().ok());
        }
        take(subnet, body);
        subnet.standard.touch(wall);
        Ok(())
    }

    /// Deletes a subnet, unless ports have addresses from it that are not Neutron's own.
    fn delete(state: &mut State, id: &str, _who: &Who) -> Result<(), Fault> {
        let wall = state.wall;
        let neutron = &mut state.neutron;
        let uses = |port: &super::Port| port.fixed_ips.iter().any(|fixed| fixed.subnet_id == id);
        if neutron.ports.values().any(|port| uses(port) && !port.is_neutrons_own()) {
            let text = format!(
                "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet."
            );
            return Err(Fault::conflict("SubnetInUse", text));
        }
        for port in neutron.ports.values_mut() {
            port.fixed_ips.retain(|fixed| fixed.subnet_id != id);
        }
        let network =
            neutron.subnets.remove(id).and_then(|subnet| neutron.networks.get_mut(&subnet.network_id));
        if let Some(network) = network {
            network.subnets.retain(|subnet| subnet != id);
            network.standard.touch(wall);
        }
        Ok(())
    }
}

fn take(subnet: &mut Subnet, body: &Body) {
    subnet.dhcp = body.flag("enable_dhcp").unwrap_or(subnet.dhcp);
    subnet.nameservers =
        body.texts("dns_nameservers").unwrap_or_else(|| std::mem::take(&mut subnet.nameservers));
    if let Some(pools) = body.get("allocation_pools").and_then(Value::as_array) {
        let ip = |pool: &Value, key: &str| pool[key].as_str().and_then(|ip| ip.parse().ok());
        subnet.pools = pools.iter().filter_map(|pool| Some((ip(pool, "start")?, ip(pool, "end")?))).collect();
    }
}
