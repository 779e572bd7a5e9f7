//! Servers: what they are, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::Event as NovaEvent;
use crate::openstack::neutron::{self, Neutron, Port};
use crate::openstack::state::{Event, State};

/// A server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) project: String,
    pub(crate) user: String,
    pub(crate) status: Status,
    /// Its zone; empty until it has a host.
    pub(crate) zone: String,
    pub(crate) flavor: String,
    /// Empty for one that boots from a volume.
    pub(crate) image: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) access_v4: String,
    pub(crate) access_v6: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) launched: Option<Timestamp>,
    pub(crate) terminated: Option<Timestamp>,
    /// The part of Nova that knows it.
    pub(crate) cell: u8,
    /// Its addresses by network name, as Nova last heard of them.
    pub(crate) addresses: BTreeMap<String, Vec<Address>>,
    /// Ports that Nova made for it and removes with it.
    pub(super) own_ports: BTreeSet<String>,
}

impl Server {
    /// Its name as far as a host can have it.
    pub(super) fn host_name(&self) -> String {
        self.name.to_ascii_lowercase().replace(['.', '_', ' '], "-")
    }
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Build,
    Active,
    Shutoff,
    Error,
    Deleted,
}

/// An address of a server, as Nova shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) ip: IpAddr,
    pub(crate) is_floating: bool,
    pub(crate) mac: String,
}

/// How long a server takes to start, to be gone, to stop.
const SPAWNING: Duration = Duration::from_secs(3);
const DELETING: Duration = Duration::from_secs(2);
const STOPPING: Duration = Duration::from_secs(1);

impl Status {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Build, Self::Active, Self::Shutoff, Self::Error, Self::Deleted];

    /// As the API says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Build => "BUILD",
            Self::Active => "ACTIVE",
            Self::Shutoff => "SHUTOFF",
            Self::Error => "ERROR",
            Self::Deleted => "DELETED",
        }
    }

    /// `OS-EXT-STS:vm_state`.
    pub(super) fn vm_state(self) -> &'static str {
        match self {
            Self::Build => "building",
            Self::Active => "active",
            Self::Shutoff => "stopped",
            Self::Error => "error",
            Self::Deleted => "deleted",
        }
    }

    /// `OS-EXT-STS:power_state`.
    pub(super) fn power_state(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::Shutoff => 4,
            Self::Build | Self::Error | Self::Deleted => 0,
        }
    }
}

/// Puts a server that was asked for on its way.
pub(super) fn launch(state: &mut State, server: Server, fails: bool) {
    let id = server.id.clone();
    state.nova.servers.insert(id.clone(), server);
    state.schedule(SPAWNING, Event::Nova(NovaEvent::Spawned { server: id, fails }));
}

/// A server is up, or is not.
pub(super) fn spawned(state: &mut State, id: &str, fails: bool) {
    let wall = state.wall;
    let zone = state.nova.zone.clone();
    let Some(server) = state.nova.servers.get_mut(id).filter(|server| server.status == Status::Build) else {
        return;
    };
    server.status = if fails { Status::Error } else { Status::Active };
    server.updated = wall;
    if fails {
        return;
    }
    server.launched = Some(wall);
    if server.zone.is_empty() {
        server.zone = zone;
    }
    let (owner, host) = (format!("compute:{}", server.zone), server.host_name());
    for port in state.neutron.ports.values_mut().filter(|port| port.device_id == id) {
        "ACTIVE".clone_into(&mut port.status);
        port.device_owner.clone_from(&owner);
        port.dns_name.clone_from(&host);
        port.standard.touch(wall);
    }
    hear(state, id);
}

/// Takes a server away after the time that this takes.
pub(super) fn delete_later(state: &mut State, id: &str) {
    state.schedule(DELETING, Event::Nova(NovaEvent::Gone { server: id.to_owned() }));
}

/// Takes a server away: ports that Nova made go with it, others are free again.
pub(super) fn gone(state: &mut State, id: &str) {
    let wall = state.wall;
    let Some(server) = state.nova.servers.get_mut(id).filter(|server| server.status != Status::Deleted)
    else {
        return;
    };
    server.status = Status::Deleted;
    server.updated = wall;
    server.terminated = Some(wall);
    let own = std::mem::take(&mut server.own_ports);
    let ports = state.neutron.ports.values().filter(|port| port.device_id == id);
    let ports: Vec<String> = ports.map(|port| port.standard.id.clone()).collect();
    for port in ports {
        if own.contains(&port) {
            neutron::remove_port(state, &port);
        } else if let Some(port) = state.neutron.ports.get_mut(&port) {
            port.device_id.clear();
            port.device_owner.clear();
            "DOWN".clone_into(&mut port.status);
            port.standard.touch(wall);
        }
    }
}

/// Lets a server reach a status after the time that stopping and starting take.
pub(super) fn turn_later(state: &mut State, id: &str, to: Status) {
    state.schedule(STOPPING, Event::Nova(NovaEvent::Turned { server: id.to_owned(), to }));
}

/// A server has another status.
pub(super) fn turned(state: &mut State, id: &str, to: Status) {
    let wall = state.wall;
    if let Some(server) = state.nova.servers.get_mut(id).filter(|server| server.status != Status::Deleted) {
        server.status = to;
        server.updated = wall;
    }
}

/// Nova learns what addresses a server has. Its `updated` does not move: addresses are kept elsewhere.
pub(super) fn hear(state: &mut State, id: &str) {
    let known = addresses(&state.neutron, id);
    if let Some(server) = state.nova.servers.get_mut(id) {
        server.addresses = known;
    }
}

/// The addresses of a server's ports, each followed by the floating IPs that lead to it.
fn addresses(neutron: &Neutron, id: &str) -> BTreeMap<String, Vec<Address>> {
    let mut known: BTreeMap<String, Vec<Address>> = BTreeMap::new();
    for port in ports(neutron, id) {
        let Some(network) = neutron.networks.get(&port.network_id) else { continue };
        let of_network = known.entry(network.standard.name.clone()).or_default();
        for fixed in &port.fixed_ips {
            let address = |ip, is_floating| Address { ip, is_floating, mac: port.mac.clone() };
            of_network.push(address(fixed.ip, false));
            let leads_here =
                |target: &neutron::Target| target.port_id == port.standard.id && target.ip == fixed.ip;
            let floating =
                neutron.floating_ips.values().filter(|one| one.target.as_ref().is_some_and(leads_here));
            of_network.extend(floating.map(|one| address(one.address, true)));
        }
    }
    known
}

/// The ports of a server.
pub(super) fn ports<'a>(neutron: &'a Neutron, id: &str) -> impl Iterator<Item = &'a Port> {
    let id = id.to_owned();
    neutron.ports.values().filter(move |port| port.device_id == id)
}
