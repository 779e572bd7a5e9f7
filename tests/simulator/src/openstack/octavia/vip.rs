//! The virtual IP of a new load balancer: from a port, a network or a subnet (`octavia/api/v2/controllers/load_balancer.py`).

use super::body::Fields;
use super::model::{Provider, Vip};
use super::refusal::Refusal;
use crate::openstack::keystone::Who;
use crate::openstack::neutron;
use crate::openstack::state::State;

/// What the virtual IP is to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    port: Option<String>,
    address: Option<String>,
    subnet: String,
    network: String,
}

fn missing(what: &str, id: &str) -> Refusal {
    Refusal::new(400, &format!("{what} {id} not found."))
}

/// Reads what the body says of the virtual IP, and whether that exists.
pub(super) fn plan(state: &State, who: &Who, fields: &Fields<'_>) -> Result<Plan, Refusal> {
    let port = fields.uuid("vip_port_id")?.flatten();
    let network = fields.uuid("vip_network_id")?.flatten();
    let subnet = fields.uuid("vip_subnet_id")?.flatten();
    let address = fields.ip("vip_address")?.flatten();
    match (port, network, subnet) {
        (Some(port), _, subnet) => of_port(state, who, port, subnet.as_ref(), address.as_ref()),
        (None, Some(network), subnet) => of_network(state, who, network, subnet, address),
        (None, None, Some(subnet)) => {
            let network =
                neutron::vip::subnet(state, &subnet, who).ok_or_else(|| missing("Subnet", &subnet))?.network;
            Ok(Plan { port: None, address, subnet, network })
        }
        (None, None, None) => {
            Err(Refusal::validation("VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id."))
        }
    }
}

fn of_port(
    state: &State,
    who: &Who,
    id: String,
    subnet: Option<&String>,
    address: Option<&String>,
) -> Result<Plan, Refusal> {
    let port = neutron::vip::port(state, &id, who).ok_or_else(|| missing("Port", &id))?;
    if !port.device.is_empty() {
        let what = format!("Port {id} is already used by device {} ", port.device);
        return Err(Refusal::validation(&what));
    }
    let found = match (subnet, address) {
        (Some(subnet), _) => {
            if neutron::vip::subnet(state, subnet, who).is_none() {
                return Err(missing("Subnet", subnet));
            }
            let found = port.addresses.iter().find(|(own, _)| own == subnet);
            found.ok_or("No VIP address found on the specified VIP port within the specified subnet.")
        }
        (None, Some(address)) => {
            let found = port.addresses.iter().find(|(_, own)| own == address);
            found.ok_or("Specified VIP address not found on the specified VIP port.")
        }
        (None, None) => match port.addresses.as_slice() {
            [one] => Ok(one),
            _ => Err(
                "VIP port's subnet could not be determined. Please specify either a VIP subnet or address.",
            ),
        },
    };
    let (subnet, address) = found.map_err(Refusal::validation)?.clone();
    Ok(Plan { port: Some(id), address: Some(address), subnet, network: port.network })
}

fn of_network(
    state: &State,
    who: &Who,
    network: String,
    subnet: Option<String>,
    address: Option<String>,
) -> Result<Plan, Refusal> {
    let subnets = neutron::vip::subnets(state, &network, who).ok_or_else(|| missing("Network", &network))?;
    let subnet = match (subnet, &address) {
        (Some(subnet), _) if subnets.contains(&subnet) => subnet,
        (Some(subnet), _) => return Err(missing("Subnet", &subnet)),
        (None, Some(address)) => {
            let holds = |subnet: &String| neutron::vip::holds(state, subnet, address);
            subnets.into_iter().find(holds).ok_or_else(|| {
                Refusal::validation("Supplied network does not contain a subnet for VIP address specified.")
            })?
        }
        (None, None) => {
            // The first of IPv4, else the first.
            let is_v4 = |id: &&String| neutron::vip::subnet(state, id, who).is_some_and(|found| !found.is_v6);
            subnets
                .iter()
                .find(is_v4)
                .or(subnets.first())
                .cloned()
                .ok_or_else(|| Refusal::validation("Supplied network does not contain a subnet."))?
        }
    };
    Ok(Plan { port: None, address, subnet, network })
}

/// Makes the port, or takes the one that was given.
pub(super) fn allocate(
    state: &mut State,
    load_balancer: &str,
    provider: Provider,
    project: &str,
    plan: Plan,
) -> Result<Vip, Refusal> {
    let Plan { port, address, subnet, network } = plan;
    if let (Some(port), Some(address)) = (&port, &address) {
        if provider == Provider::Amphora {
            neutron::vip::adopt(state, port, load_balancer);
        }
        let (address, port) = (address.clone(), port.clone());
        return Ok(Vip { address, port, subnet, network, owned: false });
    }
    let (name, owner) = match provider {
        Provider::Amphora => (format!("octavia-lb-{load_balancer}"), "Octavia"),
        Provider::Ovn => (format!("ovn-lb-vip-{load_balancer}"), "ovn-lb:vip"),
    };
    let wanted = neutron::vip::VipPort {
        network: network.clone(),
        subnet: subnet.clone(),
        address,
        project: project.to_owned(),
        name,
        device: format!("lb-{load_balancer}"),
        owner: owner.to_owned(),
    };
    let refused = |(status, message): (u16, String)| match (status, provider) {
        (409, _) => Refusal::new(409, &format!("The VIP IP address is already in use: {message}")),
        (_, Provider::Amphora) => Refusal::provider("amphora", "BadRequestException: 400"),
        (_, Provider::Ovn) => Refusal::provider("ovn", &message),
    };
    let (port, address) = neutron::vip::create(state, wanted).map_err(refused)?;
    Ok(Vip { address, port, subnet, network, owned: true })
}
