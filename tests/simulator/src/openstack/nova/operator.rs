//! What administrators do with servers, and what becomes of them without anybody's request.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::flavors::Flavor;
use super::servers::{self, Server, Status};
use super::show::{Scene, View};
use crate::openstack::neutron::{self, Draft};
use crate::openstack::operator::Operator;
use crate::openstack::state::State;

/// A server to be made. It is ACTIVE at once.
#[derive(Clone, Debug, Default)]
pub struct ServerDraft {
    /// Its name.
    pub name: String,
    /// Its id; without, a new one.
    pub id: Option<String>,
    /// Whose it is; without, the first project's.
    pub project: Option<String>,
    /// Networks that it has a port on, in this order.
    pub networks: Vec<String>,
    /// Its zone; without, `nova`.
    pub zone: Option<String>,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// The part of Nova that knows it; the first is 1.
    pub cell: Option<u8>,
}

impl ServerDraft {
    /// A server of the first project with one port.
    pub fn new(name: &str, network: &str) -> Self {
        Self { name: name.to_owned(), networks: vec![network.to_owned()], ..Self::default() }
    }
}

impl Operator {
    /// Makes a server that runs; its id.
    ///
    /// # Panics
    ///
    /// If a network does not exist or has no address left.
    pub fn server(&self, draft: &ServerDraft) -> String {
        self.state(|state| make(state, draft))
    }

    /// Takes a server away at once, with its ports. False if there is none.
    pub fn delete_server(&self, id: &str) -> bool {
        self.state(|state| {
            let exists = state.nova.servers.contains_key(id);
            servers::gone(state, id);
            exists
        })
    }

    /// Sets the status of a server: `ACTIVE`, `SHUTOFF`, `ERROR`, `BUILD`. False if there is no such server or status.
    pub fn server_status(&self, id: &str, status: &str) -> bool {
        let status =
            Status::ALL.into_iter().find(|known| known.name() == status && *known != Status::Deleted);
        self.state(|state| {
            let exists = state.nova.servers.contains_key(id);
            if let Some(status) = status {
                servers::turned(state, id, status);
            }
            exists && status.is_some()
        })
    }

    /// Sets a server's addresses for access, empty for none. False if there is no such server.
    pub fn server_access(&self, id: &str, v4: &str, v6: &str) -> bool {
        self.state(|state| {
            let Some(server) = state.nova.servers.get_mut(id) else { return false };
            v4.clone_into(&mut server.access_v4);
            v6.clone_into(&mut server.access_v6);
            true
        })
    }

    /// Changes the name of a server. False if there is no such server.
    pub fn rename_server(&self, id: &str, name: &str) -> bool {
        self.state(|state| {
            let wall = state.wall;
            let Some(server) = state.nova.servers.get_mut(id) else { return false };
            name.clone_into(&mut server.name);
            server.updated = wall;
            true
        })
    }

    /// Lets a cell go down or come back.
    pub fn cell(&self, cell: u8, is_up: bool) {
        self.state(|state| {
            if is_up {
                state.nova.down_cells.remove(&cell);
            } else {
                state.nova.down_cells.insert(cell);
            }
        });
    }

    /// Adds a flavor, or renames the one with this id.
    pub fn flavor(&self, id: &str, name: &str, vcpus: u32, ram: u32, disk: u32) {
        self.state(|state| {
            state.nova.flavors.retain(|flavor| flavor.id != id);
            state.nova.flavors.push(Flavor { id: id.to_owned(), name: name.to_owned(), vcpus, ram, disk });
        });
    }

    /// How long Nova takes to hear of changes of ports and floating IPs.
    pub fn nova_hears_after(&self, after: Duration) {
        self.state(|state| state.nova.hearing = after);
    }
}

fn make(state: &mut State, draft: &ServerDraft) -> String {
    let id = draft.id.clone().unwrap_or_else(|| state.ids.uuid());
    let project = draft.project.clone().unwrap_or_else(|| state.keystone.first_project().to_owned());
    let zone = draft.zone.clone().unwrap_or_else(|| state.nova.zone.clone());
    let mut own_ports = std::collections::BTreeSet::new();
    for network in &draft.networks {
        let port = Draft {
            network_id: network.clone(),
            project_id: project.clone(),
            device_id: id.clone(),
            device_owner: format!("compute:{zone}"),
            ..Draft::default()
        };
        let port = neutron::make_port(state, port);
        assert!(port.is_ok(), "no port for {}: {port:?}", draft.name);
        own_ports.extend(port);
    }
    let server = Server {
        id: id.clone(),
        name: draft.name.clone(),
        project,
        user: "operator".to_owned(),
        status: Status::Active,
        zone,
        flavor: state.nova.flavors.first().map(|flavor| flavor.id.clone()).unwrap_or_default(),
        image: String::new(),
        metadata: draft.metadata.clone(),
        access_v4: String::new(),
        access_v6: String::new(),
        created: state.wall,
        updated: state.wall,
        launched: Some(state.wall),
        terminated: None,
        cell: draft.cell.unwrap_or(1),
        addresses: BTreeMap::new(),
        own_ports,
    };
    let host = server.host_name();
    for port in state.neutron.ports.values_mut().filter(|port| port.device_id == id) {
        "ACTIVE".clone_into(&mut port.status);
        port.dns_name.clone_from(&host);
    }
    state.nova.servers.insert(id.clone(), server);
    servers::hear(state, &id);
    id
}

/// All servers that exist by id, as an administrator sees them.
pub(crate) fn dump(state: &State) -> Map<String, Value> {
    let version = state.profile.nova_newest();
    let scene = Scene { nova: &state.nova, neutron: &state.neutron, version, base: "" };
    let exist = state.nova.servers.values().filter(|server| server.status != Status::Deleted);
    let shown: Map<_, _> = exist.map(|server| (server.id.clone(), scene.full(server, View::One))).collect();
    let mut all = Map::new();
    all.insert("servers".to_owned(), json!(shown));
    all
}
