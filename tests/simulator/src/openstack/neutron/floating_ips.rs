//! Floating IPs: an address of an external network that leads to a port.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::attributes::{Attribute, Body, DESCRIPTION, ID, PROJECT, REVISION, STATUS, TAGS, TENANT};
use super::fault::Fault;
use super::form::Form;
use super::object::{self, Kind, Object, Standard, Table};
use super::port_changes::{self, Draft, Wanted};
use super::{Network, Neutron, Port, routers};
use crate::openstack::keystone::Who;
use crate::openstack::state::{Event, State};

const ATTRIBUTES: &[Attribute] = &[
    ID,
    DESCRIPTION,
    PROJECT,
    TENANT,
    STATUS,
    REVISION,
    Attribute::new("floating_network_id", Form::Uuid).required().filter(),
    Attribute::new("port_id", Form::UuidOrNull).post().put().filter(),
    Attribute::new("fixed_ip_address", Form::AddressOrNull).post().put().filter(),
    Attribute::new("floating_ip_address", Form::AddressOrNull).post().filter().admin(),
    Attribute::new("subnet_id", Form::UuidOrNull).post(),
    Attribute::new("router_id", Form::UuidOrNull).filter(),
];

/// A floating IP.
#[derive(Clone, Debug)]
pub(crate) struct FloatingIp {
    pub(crate) standard: Standard,
    pub(crate) network_id: String,
    pub(crate) address: IpAddr,
    /// The port that holds the address on the external network.
    outer_port: String,
    pub(crate) target: Option<Target>,
    status: &'static str,
}

/// Where a floating IP leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) port_id: String,
    pub(crate) ip: IpAddr,
    pub(crate) router_id: String,
}

impl Object for FloatingIp {
    const KIND: Kind = Kind {
        singular: "floatingip",
        plural: "floatingips",
        missing: ("FloatingIPNotFound", "Floating IP {} could not be found"),
        attributes: &[ATTRIBUTES, &TAGS],
    };

    fn table(neutron: &Neutron) -> &Table<Self> {
        &neutron.floating_ips
    }

    fn table_mut(neutron: &mut Neutron) -> &mut Table<Self> {
        &mut neutron.floating_ips
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn show(&self, neutron: &Neutron, _who: &Who) -> Map<String, Value> {
        let target = self.target.as_ref();
        let port = target.and_then(|target| neutron.ports.get(&target.port_id));
        let details = port.map(|port| {
            json!({
                "name": port.standard.name, "network_id": port.network_id, "mac_address": port.mac,
                "admin_state_up": port.is_up, "status": port.status, "device_id": port.device_id,
                "device_owner": port.device_owner,
            })
        });
        let mut shown = self.standard.show(json!({
            "floating_ip_address": self.address,
            "floating_network_id": self.network_id,
            "port_id": target.map(|target| &target.port_id),
            "fixed_ip_address": target.map(|target| target.ip),
            "router_id": target.map(|target| &target.router_id),
            "status": self.status,
            "port_details": details,
            "port_forwardings": [],
            "qos_policy_id": null,
            "dns_domain": "",
            "dns_name": "",
        }));
        shown.remove("name");
        shown
    }

    fn has(&self, attribute: &str, value: &str) -> bool {
        let target = self.target.as_ref();
        match attribute {
            "floating_network_id" => self.network_id == value,
            "floating_ip_address" => self.address.to_string() == value,
            "port_id" => target.is_some_and(|target| target.port_id == value),
            "fixed_ip_address" => target.is_some_and(|target| target.ip.to_string() == value),
            "router_id" => target.is_some_and(|target| target.router_id == value),
            "status" => self.status == value,
            _ => false,
        }
    }

    fn create(state: &mut State, body: &Body, who: &Who) -> Result<String, Fault> {
        let network_id = body.text("floating_network_id").unwrap_or_default();
        let network: &Network = object::find(&state.neutron, &network_id, who)?;
        if !network.is_external {
            return Err(refused(&format!("Network {network_id} is not a valid external network")));
        }
        let is_v4 =
            |id: &String| state.neutron.subnets.get(id).is_some_and(|subnet| subnet.cidr.version() == 4);
        if !network.subnets.iter().any(is_v4) {
            return Err(refused(&format!("Network {network_id} does not contain any IPv4 subnet")));
        }
        let standard = super::new_standard(state, body);
        let (outer_port, address) = take_address(state, body, &standard, &network_id)?;
        let target = match target(state, body, &standard, &network_id, (address, None), who) {
            Ok(target) => target,
            Err(fault) => {
                port_changes::remove(state, &outer_port);
                return Err(fault);
            }
        };
        let id = standard.id.clone();
        let device = target.as_ref().map(|target| target.port_id.clone());
        state.neutron.floating_ips.insert(
            id.clone(),
            FloatingIp { standard, network_id, address, outer_port, target, status: "DOWN" },
        );
        settle(state, &id);
        super::tell_nova(state, device.as_deref());
        Ok(id)
    }

    fn update(state: &mut State, id: &str, body: &Body, who: &Who) -> Result<(), Fault> {
        let old: FloatingIp = object::find_mut::<FloatingIp>(&mut state.neutron, id, who)?.clone();
        let target = if body.has("port_id") {
            target(state, body, &old.standard, &old.network_id, (old.address, Some(&old)), who)?
        } else if body.text("fixed_ip_address").is_some() {
            return Err(refused("fixed_ip_address cannot be specified without a port_id"));
        } else {
            old.target.clone()
        };
        let wall = state.wall;
        let Some(floating_ip) = state.neutron.floating_ips.get_mut(id) else { return Ok(()) };
        floating_ip.standard.take(body);
        floating_ip.standard.touch(wall);
        floating_ip.target.clone_from(&target);
        settle(state, id);
        for target in [old.target, target].into_iter().flatten() {
            super::tell_nova(state, Some(&target.port_id));
        }
        Ok(())
    }

    fn delete(state: &mut State, id: &str, _who: &Who) -> Result<(), Fault> {
        if let Some(floating_ip) = state.neutron.floating_ips.remove(id) {
            port_changes::remove(state, &floating_ip.outer_port);
            super::tell_nova(state, floating_ip.target.as_ref().map(|target| target.port_id.as_str()));
        }
        Ok(())
    }
}

/// Floating IPs that led to a port which is gone lead nowhere.
pub(super) fn port_is_gone(state: &mut State, port: &str) {
    let wall = state.wall;
    for floating_ip in state.neutron.floating_ips.values_mut() {
        if floating_ip.target.as_ref().is_some_and(|target| target.port_id == port) {
            floating_ip.target = None;
            floating_ip.standard.touch(wall);
            floating_ip.status = "DOWN";
        }
    }
}

/// OVN catches up with a change right after the answer, which still shows the old status.
fn settle(state: &mut State, id: &str) {
    state.schedule(Duration::ZERO, Event::Neutron(super::Event::FloatingIpSettles { id: id.to_owned() }));
}

/// A floating IP is up if it leads somewhere.
pub(super) fn settled(state: &mut State, id: &str) {
    if let Some(floating_ip) = state.neutron.floating_ips.get_mut(id) {
        floating_ip.status = if floating_ip.target.is_some() { "ACTIVE" } else { "DOWN" };
    }
}

/// A port on the external network for a new floating IP, and its address.
fn take_address(
    state: &mut State,
    body: &Body,
    standard: &Standard,
    network_id: &str,
) -> Result<(String, IpAddr), Fault> {
    let wanted = Wanted {
        subnet_id: body.text("subnet_id"),
        ip: body.text("floating_ip_address").and_then(|ip| ip.parse().ok()),
    };
    let is_choice = wanted.subnet_id.is_some() || wanted.ip.is_some();
    let draft = Draft {
        network_id: network_id.to_owned(),
        device_id: standard.id.clone(),
        device_owner: "network:floatingip".to_owned(),
        fixed_ips: is_choice.then(|| vec![wanted]),
        ..Draft::default()
    };
    let port = port_changes::make(state, draft)?;
    let fixed_ips = state.neutron.ports.get(&port).map(|port| port.fixed_ips.clone()).unwrap_or_default();
    if let Some(address) = fixed_ips.iter().map(|fixed| fixed.ip).find(IpAddr::is_ipv4) {
        return Ok((port, address));
    }
    port_changes::remove(state, &port);
    let text = format!("Unable to find any IP address on external network {network_id}.");
    Err(Fault::new(400, "ExternalIpAddressExhausted", text))
}

fn refused(why: &str) -> Fault {
    Fault::bad_request("floatingip", why)
}

/// Where a floating IP shall lead to by a body; `None` is nowhere.
fn target(
    state: &State,
    body: &Body,
    standard: &Standard,
    network_id: &str,
    (address, old): (IpAddr, Option<&FloatingIp>),
    who: &Who,
) -> Result<Option<Target>, Fault> {
    let Some(port_id) = body.text("port_id") else {
        if body.text("fixed_ip_address").is_some() {
            return Err(refused("fixed_ip_address cannot be specified without a port_id"));
        }
        return Ok(None);
    };
    let port: &Port = object::find(&state.neutron, &port_id, who)?;
    if port.standard.project_id != standard.project_id && !who.is_admin() {
        let text = format!(
            "Cannot process floating IP association with Port {port_id}, since that port is owned by a different project"
        );
        return Err(refused(&text));
    }
    let fixed = fixed_ip(port, body.text("fixed_ip_address").as_deref())?;
    let subnet = state.neutron.subnets.get(&fixed.subnet_id);
    let Some(router_id) = subnet.and_then(|subnet| routers::between(&state.neutron, subnet, network_id))
    else {
        let text = format!(
            "External network {network_id} is not reachable from subnet {}.  Therefore, cannot associate Port {port_id} with a Floating IP.",
            fixed.subnet_id
        );
        return Err(Fault::not_found("ExternalGatewayForFloatingIPNotFound", text));
    };
    let target = Target { port_id, ip: fixed.ip, router_id };
    let is_same = |other: &FloatingIp| {
        other.target.as_ref().is_some_and(|other| other.port_id == target.port_id && other.ip == target.ip)
    };
    let keeps = old.is_some_and(|old| old.target.as_ref().is_some_and(|old| old.port_id == target.port_id));
    if !keeps
        && state.neutron.floating_ips.values().any(|other| other.network_id == network_id && is_same(other))
    {
        let text = format!(
            "Cannot associate floating IP {address} ({}) with port {} using fixed IP {}, as that fixed IP already has a floating IP on external network {network_id}.",
            standard.id, target.port_id, target.ip
        );
        return Err(Fault::conflict("FloatingIPPortAlreadyAssociated", text));
    }
    Ok(Some(target))
}

/// The address of a port that a floating IP leads to.
fn fixed_ip<'a>(port: &'a Port, wanted: Option<&str>) -> Result<&'a super::FixedIp, Fault> {
    let id = &port.standard.id;
    if let Some(ip) = wanted {
        if ip.contains(':') {
            return Err(refused(&format!(
                "Cannot process floating IP association with {ip}, since that is not an IPv4 address"
            )));
        }
        let found = port.fixed_ips.iter().find(|fixed| fixed.ip.to_string() == ip);
        return found.ok_or_else(|| refused(&format!("Port {id} does not have fixed ip {ip}")));
    }
    let mut v4 = port.fixed_ips.iter().filter(|fixed| fixed.ip.is_ipv4());
    match (v4.next(), v4.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => {
            Err(refused(&format!("Cannot add floating IP to port {id} that has no fixed IPv4 addresses")))
        }
        (Some(_), Some(_)) => Err(refused(&format!(
            "Port {id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP"
        ))),
    }
}
