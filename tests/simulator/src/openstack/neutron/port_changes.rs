//! Making, changing and removing ports, and the addresses they hold.

use std::net::IpAddr;

use serde_json::Value;

use super::attributes::Body;
use super::fault::Fault;
use super::object::{self, Standard};
use super::ports::{AddressPair, FixedIp, Port};
use super::routers::INTERFACE;
use super::{Network, SecurityGroup, Subnet, security_groups};
use crate::openstack::keystone::Who;
use crate::openstack::state::State;

/// A port to be made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) network_id: String,
    pub(crate) project_id: String,
    pub(crate) name: String,
    pub(crate) device_id: String,
    pub(crate) device_owner: String,
    /// Wanted addresses; without, one of each IP version that the network has.
    pub(crate) fixed_ips: Option<Vec<Wanted>>,
    /// Its groups; without, the project's default one.
    pub(crate) security_groups: Option<Vec<String>>,
}

/// An address that is wanted: from a subnet, a certain one, or both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) subnet_id: Option<String>,
    pub(crate) ip: Option<IpAddr>,
}

/// Makes a port. What nobody is to see or pay for (routers' ports, those of floating IPs) has no project.
pub(crate) fn make(state: &mut State, draft: Draft) -> Result<String, Fault> {
    let network =
        state.neutron.networks.get(&draft.network_id).ok_or_else(|| missing_network(&draft.network_id))?;
    let port_security = network.port_security;
    let is_trusted = draft.device_owner.starts_with("network:");
    let fixed_ips = allocate(state, &draft.network_id, draft.fixed_ips.as_deref())?;
    let security_groups = match draft.security_groups {
        Some(groups) => groups,
        None if is_trusted || !port_security => Vec::new(),
        None => vec![security_groups::default_of(state, &draft.project_id)],
    };
    let status = if draft.device_owner == INTERFACE { "ACTIVE" } else { "DOWN" };
    let id = state.ids.uuid();
    let port = Port {
        standard: Standard::new(id.clone(), &draft.project_id, &draft.name, state.wall),
        network_id: draft.network_id,
        mac: new_mac(state),
        device_id: draft.device_id,
        device_owner: draft.device_owner,
        status: status.to_owned(),
        is_up: true,
        fixed_ips,
        security_groups,
        pairs: Vec::new(),
        dns_name: String::new(),
        is_secured: port_security && !is_trusted,
        trunk: None,
    };
    state.neutron.ports.insert(id.clone(), port);
    Ok(id)
}

/// Removes a port, whoever's it is: its addresses are free, floating IPs no longer lead to it.
pub(crate) fn remove(state: &mut State, id: &str) {
    let Some(port) = state.neutron.ports.remove(id) else { return };
    release(state, &port.fixed_ips);
    super::floating_ips::port_is_gone(state, id);
    crate::openstack::nova::port_changed(state, &port.device_id);
}

/// Gives a port one more address.
pub(super) fn add_address(state: &mut State, id: &str, wanted: &Wanted) -> Result<String, Fault> {
    let missing = || <Port as object::Object>::KIND.not_found(id);
    let network_id = state.neutron.ports.get(id).ok_or_else(missing)?.network_id.clone();
    let fixed = take_one(state, &network_id, wanted)?;
    let ip = fixed.ip.to_string();
    if let Some(port) = state.neutron.ports.get_mut(id) {
        port.fixed_ips.push(fixed);
    }
    Ok(ip)
}

pub(super) fn create(state: &mut State, body: &Body, who: &Who) -> Result<String, Fault> {
    let text = |name: &str| body.text(name).unwrap_or_default();
    let network_id = text("network_id");
    let network: &Network = object::find(&state.neutron, &network_id, who)?;
    if network.is_external && !network.is_shared && !who.is_admin() {
        return Err(Fault::forbidden("create_port"));
    }
    let port_security = body.flag("port_security_enabled").unwrap_or(network.port_security);
    let project_id = text("project_id");
    let groups = body.texts("security_groups");
    check_groups(state, groups.as_deref().unwrap_or_default(), who)?;
    check_security(port_security, groups.as_deref(), pairs_given(body))?;
    let draft = Draft {
        network_id,
        project_id,
        name: text("name"),
        device_id: text("device_id"),
        device_owner: text("device_owner"),
        fixed_ips: wanted(body),
        security_groups: if port_security { groups } else { Some(Vec::new()) },
    };
    let id = make(state, draft)?;
    if let Some(port) = state.neutron.ports.get_mut(&id) {
        port.is_secured = port_security;
        port.is_up = body.flag("admin_state_up").unwrap_or(true);
        port.standard.take(body);
        port.pairs = pairs(body, &port.mac).unwrap_or_default();
    }
    Ok(id)
}

pub(super) fn update(state: &mut State, id: &str, body: &Body, who: &Who) -> Result<(), Fault> {
    let port: &Port = object::find(&state.neutron, id, who)?;
    let (network_id, held) = (port.network_id.clone(), port.fixed_ips.clone());
    let port_security = body.flag("port_security_enabled").unwrap_or(port.is_secured);
    let groups = body.texts("security_groups");
    check_groups(state, groups.as_deref().unwrap_or_default(), who)?;
    let port: &Port = object::find_mut(&mut state.neutron, id, who)?;
    let groups_then = groups.as_ref().unwrap_or(&port.security_groups);
    let has_pairs = body.get("allowed_address_pairs").map_or(!port.pairs.is_empty(), |_| pairs_given(body));
    if !port_security && port.is_secured && !groups_then.is_empty() {
        let text = "Port has security group associated. Cannot disable port security or IP address until security group is removed.";
        return Err(Fault::conflict("PortSecurityPortHasSecurityGroup", text));
    }
    check_security(port_security, groups.as_deref(), has_pairs)?;
    if let Some(wanted) = wanted(body) {
        release(state, &held);
        let fixed_ips = match allocate(state, &network_id, Some(&wanted)) {
            Ok(fixed_ips) => fixed_ips,
            Err(fault) => {
                retake(state, &held);
                return Err(fault);
            }
        };
        if let Some(port) = state.neutron.ports.get_mut(id) {
            port.fixed_ips = fixed_ips;
        }
    }
    let wall = state.wall;
    let Some(port) = state.neutron.ports.get_mut(id) else { return Ok(()) };
    let devices = [port.device_id.clone(), body.text("device_id").unwrap_or_default()];
    port.standard.take(body);
    port.is_secured = port_security;
    port.is_up = body.flag("admin_state_up").unwrap_or(port.is_up);
    port.device_id = body.text("device_id").unwrap_or_else(|| std::mem::take(&mut port.device_id));
    port.device_owner = body.text("device_owner").unwrap_or_else(|| std::mem::take(&mut port.device_owner));
    port.security_groups = groups.unwrap_or_else(|| std::mem::take(&mut port.security_groups));
    port.pairs = pairs(body, &port.mac).unwrap_or_else(|| std::mem::take(&mut port.pairs));
    port.standard.touch(wall);
    for device in devices {
        crate::openstack::nova::port_changed(state, &device);
    }
    Ok(())
}

pub(super) fn delete(state: &mut State, id: &str) -> Result<(), Fault> {
    let owner =
        state.neutron.ports.get(id).filter(|port| port.is_of_router()).map(|port| port.device_owner.clone());
    if let Some(owner) = owner {
        let text =
            format!("Port {id} cannot be deleted directly via the port API: has device owner {owner}.");
        return Err(Fault::conflict("ServicePortInUse", text));
    }
    remove(state, id);
    Ok(())
}

fn missing_network(id: &str) -> Fault {
    <Network as object::Object>::KIND.not_found(id)
}

fn check_groups(state: &State, groups: &[String], who: &Who) -> Result<(), Fault> {
    let missing: Vec<&str> = groups
        .iter()
        .filter(|id| object::find::<SecurityGroup>(&state.neutron, id, who).is_err())
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Fault::not_found(
        "SecurityGroupNotFound",
        format!("Security group {} does not exist", missing.join(", ")),
    ))
}

fn check_security(port_security: bool, groups: Option<&[String]>, has_pairs: bool) -> Result<(), Fault> {
    if port_security {
        return Ok(());
    }
    if groups.is_some_and(|groups| !groups.is_empty()) {
        let text =
            "Port security must be enabled and port must have an IP address in order to use security groups.";
        return Err(Fault::new(400, "PortSecurityAndIPRequiredForSecurityGroups", text));
    }
    if has_pairs {
        let text = "Port Security must be enabled in order to have allowed address pairs on a port.";
        return Err(Fault::conflict("AddressPairAndPortSecurityRequired", text));
    }
    Ok(())
}

fn pairs_given(body: &Body) -> bool {
    body.get("allowed_address_pairs").and_then(Value::as_array).is_some_and(|pairs| !pairs.is_empty())
}

fn pairs(body: &Body, mac: &str) -> Option<Vec<AddressPair>> {
    let pairs = body.get("allowed_address_pairs")?.as_array()?;
    let text = |pair: &Value, key: &str| pair[key].as_str().map(str::to_owned);
    let one = |pair: &Value| {
        let mac = text(pair, "mac_address").unwrap_or_else(|| mac.to_owned());
        Some(AddressPair { ip: text(pair, "ip_address")?, mac })
    };
    Some(pairs.iter().filter_map(one).collect())
}

fn wanted(body: &Body) -> Option<Vec<Wanted>> {
    let list = body.get("fixed_ips")?.as_array()?;
    let one = |value: &Value| Wanted {
        subnet_id: value["subnet_id"].as_str().map(str::to_owned),
        ip: value["ip_address"].as_str().and_then(|ip| ip.parse().ok()),
    };
    Some(list.iter().map(one).collect())
}

/// Takes addresses of a network; nothing is taken if one of them cannot be had.
fn allocate(state: &mut State, network_id: &str, wanted: Option<&[Wanted]>) -> Result<Vec<FixedIp>, Fault> {
    let mut taken = Vec::new();
    let result = match wanted {
        Some(wanted) => wanted.iter().try_for_each(|one| {
            taken.push(take_one(state, network_id, one)?);
            Ok(())
        }),
        None => take_each_version(state, network_id, &mut taken),
    };
    if let Err(fault) = result {
        release(state, &taken);
        return Err(fault);
    }
    Ok(taken)
}

fn take_each_version(state: &mut State, network_id: &str, taken: &mut Vec<FixedIp>) -> Result<(), Fault> {
    let subnets =
        state.neutron.networks.get(network_id).map(|network| network.subnets.clone()).unwrap_or_default();
    for version in [4, 6] {
        let mut of_version = subnets
            .iter()
            .filter(|id| state.neutron.subnets.get(*id).is_some_and(|one| one.cidr.version() == version))
            .peekable();
        if of_version.peek().is_none() {
            continue;
        }
        let ids: Vec<String> = of_version.cloned().collect();
        let found = ids.into_iter().find_map(|subnet_id| {
            let ip = state.neutron.subnets.get_mut(&subnet_id)?.take_any()?;
            Some(FixedIp { subnet_id, ip })
        });
        taken.push(found.ok_or_else(|| exhausted(network_id))?);
    }
    Ok(())
}

fn exhausted(network_id: &str) -> Fault {
    Fault::conflict(
        "IpAddressGenerationFailure",
        format!("No more IP addresses available on network {network_id}."),
    )
}

fn take_one(state: &mut State, network_id: &str, wanted: &Wanted) -> Result<FixedIp, Fault> {
    let subnets = &mut state.neutron.subnets;
    let subnet_id = match (&wanted.subnet_id, wanted.ip) {
        (Some(id), _) => {
            let Some(subnet) = subnets.get(id) else {
                return Err(<Subnet as object::Object>::KIND.not_found(id));
            };
            if subnet.network_id != network_id {
                let text = format!(
                    "Failed to create port on network {network_id}, because fixed_ips included invalid subnet {id}"
                );
                return Err(Fault::invalid_input(&text));
            }
            id.clone()
        }
        (None, Some(ip)) => {
            let holds = |subnet: &Subnet| subnet.network_id == network_id && subnet.cidr.contains(ip);
            let found =
                subnets.values().find(|subnet| holds(subnet)).map(|subnet| subnet.standard.id.clone());
            found.ok_or_else(|| {
                let text = format!(
                    "IP address {ip} is not a valid IP for any of the subnets on the specified network."
                );
                Fault::new(400, "InvalidIpForNetwork", text)
            })?
        }
        (None, None) => return Err(Fault::invalid_input("IP allocation requires subnet_id or ip_address")),
    };
    let Some(subnet) = subnets.get_mut(&subnet_id) else { return Err(exhausted(network_id)) };
    let ip = match wanted.ip {
        None => subnet.take_any().ok_or_else(|| exhausted(network_id))?,
        Some(ip) if !subnet.cidr.contains(ip) => {
            let text = format!("IP address {ip} is not a valid IP for the specified subnet.");
            return Err(Fault::new(400, "InvalidIpForSubnet", text));
        }
        Some(ip) if subnet.take_this(ip) => ip,
        Some(ip) => {
            let text = format!("IP address {ip} already allocated in subnet {subnet_id}");
            return Err(Fault::conflict("IpAddressAlreadyAllocated", text));
        }
    };
    Ok(FixedIp { subnet_id, ip })
}

fn release(state: &mut State, fixed_ips: &[FixedIp]) {
    for fixed in fixed_ips {
        if let Some(subnet) = state.neutron.subnets.get_mut(&fixed.subnet_id) {
            subnet.taken.remove(&fixed.ip);
        }
    }
}

fn retake(state: &mut State, fixed_ips: &[FixedIp]) {
    for fixed in fixed_ips {
        if let Some(subnet) = state.neutron.subnets.get_mut(&fixed.subnet_id) {
            subnet.take_this(fixed.ip);
        }
    }
}

fn new_mac(state: &mut State) -> String {
    let [a, b, c, _] = state.rng.u32(..).to_be_bytes();
    format!("fa:16:3e:{a:02x}:{b:02x}:{c:02x}")
}
