//! Ports of load balancers' virtual IPs, for Octavia.

use std::net::IpAddr;

use super::object::{self, Object};
use super::port_changes::{self, Draft, Wanted};
use super::{Network, Port, Subnet};
use crate::openstack::keystone::Who;
use crate::openstack::state::State;

/// What Octavia asks of a port that it is given.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) network: String,
    /// Who uses it, empty for nobody.
    pub(crate) device: String,
    /// Subnets and addresses.
    pub(crate) addresses: Vec<(String, String)>,
}

/// What Octavia asks of a subnet.
#[derive(Clone, Debug)]
pub(crate) struct KnownSubnet {
    pub(crate) network: String,
    pub(crate) is_v6: bool,
}

/// A port that Octavia wants.
#[derive(Clone, Debug)]
pub(crate) struct VipPort {
    pub(crate) network: String,
    pub(crate) subnet: String,
    pub(crate) address: Option<String>,
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) device: String,
    pub(crate) owner: String,
}

/// A port that the user may see.
pub(crate) fn port(state: &State, id: &str, who: &Who) -> Option<Known> {
    let port: &Port = object::find(&state.neutron, id, who).ok()?;
    let addresses = port.fixed_ips.iter().map(|fixed| (fixed.subnet_id.clone(), fixed.ip.to_string()));
    Some(Known {
        network: port.network_id.clone(),
        device: port.device_id.clone(),
        addresses: addresses.collect(),
    })
}

/// A subnet that the user may see.
pub(crate) fn subnet(state: &State, id: &str, who: &Who) -> Option<KnownSubnet> {
    let subnet = state.neutron.subnets.get(id)?;
    let network = state.neutron.networks.get(&subnet.network_id)?;
    // Those of an external network are nobody's, but may be named.
    let visible = subnet.is_visible(who) || network.is_external;
    visible.then(|| KnownSubnet { network: subnet.network_id.clone(), is_v6: subnet.cidr.version() == 6 })
}

/// The subnets of a network that the user may see, oldest first.
pub(crate) fn subnets(state: &State, network: &str, who: &Who) -> Option<Vec<String>> {
    let network: &Network = object::find(&state.neutron, network, who).ok()?;
    Some(network.subnets.clone())
}

/// Whether an address is in a subnet.
pub(crate) fn holds(state: &State, subnet: &str, address: &str) -> bool {
    let subnet: Option<&Subnet> = state.neutron.subnets.get(subnet);
    subnet.zip(address.parse::<IpAddr>().ok()).is_some_and(|(subnet, ip)| subnet.cidr.contains(ip))
}

/// Makes a port; gives its id and address, or status and text of Neutron's refusal.
pub(crate) fn create(state: &mut State, wanted: VipPort) -> Result<(String, String), (u16, String)> {
    let ip = wanted.address.and_then(|address| address.parse().ok());
    let is_amphoras = wanted.owner == "Octavia";
    let draft = Draft {
        network_id: wanted.network,
        project_id: wanted.project,
        name: wanted.name,
        device_id: wanted.device,
        device_owner: wanted.owner,
        fixed_ips: Some(vec![Wanted { subnet_id: Some(wanted.subnet), ip }]),
        // The driver of ovn says nothing of groups, so that the project's default one applies.
        security_groups: is_amphoras.then(Vec::new),
    };
    let id = port_changes::make(state, draft).map_err(|fault| (fault.status, fault.message))?;
    if is_amphoras {
        // The address only; the amphorae's own ports carry the traffic. Its group belongs to Octavia's project.
        let group = state.ids.uuid();
        if let Some(port) = state.neutron.ports.get_mut(&id) {
            port.is_up = false;
            port.security_groups.push(group);
        }
    }
    let address = state.neutron.ports.get(&id).and_then(|port| port.fixed_ips.first());
    let address = address.map(|fixed| fixed.ip.to_string()).unwrap_or_default();
    Ok((id, address))
}

/// Gives a port one more address; gives the address, or status and text of Neutron's refusal.
pub(crate) fn add_address(
    state: &mut State,
    port: &str,
    subnet: &str,
    address: Option<String>,
) -> Result<String, (u16, String)> {
    let ip = address.and_then(|address| address.parse().ok());
    let wanted = Wanted { subnet_id: Some(subnet.to_owned()), ip };
    port_changes::add_address(state, port, &wanted).map_err(|fault| (fault.status, fault.message))
}

/// Notes that a load balancer uses a port that somebody else made.
pub(crate) fn adopt(state: &mut State, port: &str, load_balancer: &str) {
    let now = state.wall;
    if let Some(port) = state.neutron.ports.get_mut(port) {
        port.device_id = format!("lb-{load_balancer}");
        "Octavia".clone_into(&mut port.device_owner);
        port.standard.touch(now);
    }
}

/// A load balancer is gone: its own port goes with it, another is free again.
pub(crate) fn release(state: &mut State, port: &str, owned: bool) {
    if owned {
        return port_changes::remove(state, port);
    }
    let now = state.wall;
    if let Some(port) = state.neutron.ports.get_mut(port).filter(|port| port.device_id.starts_with("lb-")) {
        port.device_id.clear();
        port.device_owner.clear();
        port.standard.touch(now);
    }
}
