//! The servers and ports of all Nodes, for the periodic look at their addresses.
//!
//! As a rule that is one list of each, shared with whoever needs them. In a project with many more servers than Nodes
//! only the Nodes' own are asked for: servers by name, which is the only thing that Nova filters by, and ports by server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openstack::compute::ServerFilter;
use openstack::network::PortFilter;
use openstack::{Cloud, Error, Inventory, Ports, Server, ServerId, Servers};

use super::finder::{Found, quoted};
use super::matching::Lookup;

/// How old shared lists may be.
const AGE: Duration = Duration::from_secs(10);
/// A project is crowded when it has this many times as many servers as there are Nodes …
const CROWD: usize = 2;
/// … and at least so many: shorter lists are cheaper than more requests.
const SMALL: usize = 100;
/// Names in one request: longer addresses than a few kilobytes are refused by some proxies.
const NAMES: usize = 40;

/// Looks at many servers at once.
pub(super) struct Survey {
    cloud: Cloud,
    inventory: Arc<Inventory>,
    /// Servers in the whole project, when last counted.
    in_project: AtomicUsize,
    /// Names of the Nodes' servers, by which they are asked for.
    names: Mutex<BTreeMap<ServerId, String>>,
}

/// What was seen.
pub(super) struct Seen {
    servers: Arc<Servers>,
    ports: Arc<Ports>,
}

impl Survey {
    /// A survey that shares `inventory` with others.
    pub(super) fn new(cloud: Cloud, inventory: Arc<Inventory>) -> Self {
        Self { cloud, inventory, in_project: AtomicUsize::new(0), names: Mutex::default() }
    }

    /// Looks at the servers of all these Nodes. Some may be missing from the answer.
    ///
    /// # Errors
    /// The cloud could not be asked.
    pub(super) async fn look(&self, nodes: &[Lookup]) -> Result<Seen, Error> {
        let in_project = self.in_project.load(Ordering::Relaxed);
        let seen = if in_project >= SMALL && in_project > CROWD * nodes.len() {
            self.look_at_own(nodes).await?
        } else {
            let (servers, ports) = tokio::try_join!(self.inventory.servers(AGE), self.inventory.ports(AGE))?;
            self.in_project.store(servers.len(), Ordering::Relaxed);
            Seen { servers, ports }
        };
        let names = nodes
            .iter()
            .filter_map(|node| seen.server(node))
            .map(|server| (server.id.clone(), server.name.clone()));
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names.collect();
        Ok(seen)
    }

    async fn look_at_own(&self, nodes: &[Lookup]) -> Result<Seen, Error> {
        let compute = self.cloud.compute();
        let known = self.names.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut by_name = Vec::new();
        let mut by_id = Vec::new();
        for node in nodes {
            match node {
                Lookup::Search { name, .. } => by_name.push(name.as_str()),
                Lookup::Named(id) => match known.get(id) {
                    Some(name) => by_name.push(name.as_str()),
                    None => by_id.push(id),
                },
            }
        }
        let mut servers: Vec<Server> = Vec::new();
        for names in by_name.chunks(NAMES) {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            let filter = ServerFilter { name_regex: Some(format!("^({})$", names.join("|"))) };
            servers.extend(compute.servers(&filter).await?);
        }
        for id in by_id {
            match compute.server(id).await {
                Ok(server) => servers.push(server),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let device_ids: Vec<String> = servers.iter().map(|server| server.id.to_string()).collect();
        let ports = if device_ids.is_empty() {
            Vec::new()
        } else {
            self.cloud.network().ports(&PortFilter { device_ids, ..PortFilter::default() }).await?
        };
        Ok(Seen { servers: Arc::new(servers.into()), ports: Arc::new(ports.into()) })
    }
}

impl Seen {
    /// The server of a Node that was initialised before; it is not asked again whether to believe it.
    fn server(&self, node: &Lookup) -> Option<&Server> {
        match node {
            Lookup::Named(id) => self.servers.by_id(id),
            Lookup::Search { name, .. } => match self.servers.by_name(name).as_slice() {
                [server] => Some(server),
                _ => None,
            },
        }
    }

    /// The same with its ports.
    pub(super) fn find(&self, node: &Lookup) -> Option<Found> {
        let server = self.server(node)?;
        Some(Found { server: server.clone(), ports: self.ports.of_device(server.id.as_str()).to_vec() })
    }
}
