//! Shared snapshots of the project's servers and their ports.
//!
//! Whoever needs them says how old they may be; a snapshot that is fresh enough is shared, otherwise one list is
//! read for all who ask at the time. That something is missing from a snapshot proves nothing: Nova leaves servers
//! out whose cell is down, and lists are read in pages.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::time::Instant;

use crate::Cloud;
use crate::compute::{Server, ServerFilter};
use crate::error::{Error, Fault};
use crate::ids::{PortId, ServerId};
use crate::network::{Port, PortFilter};

/// Snapshots of servers and ports, refreshed when someone asks for fresher ones. Clones share them.
#[derive(Clone)]
pub struct Inventory {
    cloud: Cloud,
    servers: Arc<Snapshots<Servers>>,
    ports: Arc<Snapshots<Ports>>,
}

/// All servers of the project at one time.
#[derive(Debug, Default)]
pub struct Servers {
    all: Vec<Server>,
    by_id: HashMap<ServerId, usize>,
    by_name: HashMap<Box<str>, Vec<usize>>,
}

/// The servers' ports at one time.
#[derive(Debug, Default)]
pub struct Ports {
    /// Ports of one device stand together, in Neutron's order.
    all: Vec<Port>,
    by_device: HashMap<Box<str>, std::ops::Range<usize>>,
    by_id: HashMap<PortId, usize>,
}

impl Inventory {
    /// An inventory that has read nothing yet.
    pub fn new(cloud: Cloud) -> Self {
        Self { cloud, servers: Arc::default(), ports: Arc::default() }
    }

    /// The servers, as they were at most `max_age` ago.
    pub async fn servers(&self, max_age: Duration) -> Result<Arc<Servers>, Error> {
        let cloud = self.cloud.clone();
        let read = || async move {
            let servers = cloud.compute().servers(&ServerFilter::default()).await?;
            Ok(Servers::from(servers))
        };
        self.servers.get("server_list", max_age, read).await
    }

    /// The servers' ports, as they were at most `max_age` ago. Ports of load balancers, routers and DHCP, of which
    /// a project may have many more, are not read.
    pub async fn ports(&self, max_age: Duration) -> Result<Arc<Ports>, Error> {
        let inventory = self.clone();
        self.ports.get("port_list", max_age, || async move { inventory.read_ports(max_age).await }).await
    }

    /// Neutron cannot filter by the prefix `compute:`, but Nova writes the server's zone behind it. Servers that
    /// seem to have no port then (moved between zones by an old Nova) are asked for by id.
    async fn read_ports(&self, max_age: Duration) -> Result<Ports, Error> {
        let network = self.cloud.network();
        let servers = self.servers(max_age).await?;
        let owners: BTreeSet<_> =
            servers.all.iter().map(|server| format!("compute:{}", server.availability_zone)).collect();
        let mut ports = Vec::new();
        if !owners.is_empty() {
            let filter = PortFilter { device_owner: owners.into_iter().collect(), ..PortFilter::default() };
            ports = network.ports(&filter).await?;
        }
        let found: BTreeSet<&str> = ports.iter().map(|port| port.device_id.as_str()).collect();
        let portless = servers.all.iter().filter(|server| !server.addresses.is_empty());
        let missed: Vec<_> = portless
            .map(|server| server.id.as_str())
            .filter(|id| !found.contains(id))
            .map(str::to_owned)
            .collect();
        if !missed.is_empty() {
            let filter = PortFilter { device_ids: missed, ..PortFilter::default() };
            ports.append(&mut network.ports(&filter).await?);
        }
        Ok(Ports::from(ports))
    }
}

impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inventory").finish_non_exhaustive()
    }
}

impl Servers {
    /// The server with this id.
    pub fn by_id(&self, id: &ServerId) -> Option<&Server> {
        self.by_id.get(id).and_then(|&at| self.all.get(at))
    }

    /// All servers of this name; names are not unique.
    pub fn by_name(&self, name: &str) -> Vec<&Server> {
        self.by_name.get(name).into_iter().flatten().filter_map(|&at| self.all.get(at)).collect()
    }

    /// All servers, in Nova's order.
    pub fn iter(&self) -> std::slice::Iter<'_, Server> {
        self.all.iter()
    }

    /// How many servers there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl<'a> IntoIterator for &'a Servers {
    type Item = &'a Server;
    type IntoIter = std::slice::Iter<'a, Server>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Vec<Server>> for Servers {
    fn from(all: Vec<Server>) -> Self {
        let by_id = all.iter().enumerate().map(|(at, server)| (server.id.clone(), at)).collect();
        let mut by_name: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (at, server) in all.iter().enumerate() {
            by_name.entry(server.name.as_str().into()).or_default().push(at);
        }
        Self { all, by_id, by_name }
    }
}

impl Ports {
    /// The ports of a server, in Neutron's order.
    pub fn of_device(&self, device: &str) -> &[Port] {
        self.by_device.get(device).and_then(|range| self.all.get(range.clone())).unwrap_or_default()
    }

    /// The port with this id.
    pub fn by_id(&self, id: &PortId) -> Option<&Port> {
        self.by_id.get(id).and_then(|&at| self.all.get(at))
    }

    /// How many ports there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl From<Vec<Port>> for Ports {
    fn from(mut all: Vec<Port>) -> Self {
        // A stable sort, so that the ports of one device keep their order.
        all.sort_by(|a, b| a.device_id.cmp(&b.device_id));
        let mut by_device: HashMap<Box<str>, std::ops::Range<usize>> = HashMap::new();
        let mut by_id = HashMap::new();
        for (at, port) in all.iter().enumerate() {
            by_device.entry(port.device_id.as_str().into()).or_insert(at..at).end = at + 1;
            by_id.insert(port.id.clone(), at);
        }
        Self { all, by_device, by_id }
    }
}

type Read<T> = Shared<BoxFuture<'static, Result<Arc<T>, Error>>>;

/// The latest snapshot of one kind, and the read that is under way.
struct Snapshots<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    /// A snapshot, and when its read began.
    latest: Option<(Instant, Arc<T>)>,
    /// A read, and when it began.
    running: Option<(Instant, Read<T>)>,
}

impl<T> Default for Snapshots<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { latest: None, running: None }) }
    }
}

impl<T: Send + Sync + 'static> Snapshots<T> {
    /// A snapshot whose read began at most `max_age` ago: the latest, the one under way, or a new one.
    async fn get<F, R>(
        self: &Arc<Self>,
        call: &'static str,
        max_age: Duration,
        read: F,
    ) -> Result<Arc<T>, Error>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let running = {
            let mut state = self.lock();
            let now = Instant::now();
            let fresh = |began: Instant| now.duration_since(began) <= max_age;
            if let Some((_, snapshot)) = state.latest.as_ref().filter(|(began, _)| fresh(*began)) {
                return Ok(Arc::clone(snapshot));
            }
            let joined =
                state.running.as_ref().filter(|(began, read)| fresh(*began) && read.peek().is_none());
            if let Some((_, running)) = joined {
                running.clone()
            } else {
                let snapshots = Arc::clone(self);
                let read = read();
                // A task of its own: a caller who gives up does not stop the read that others wait for.
                let task = tokio::spawn(async move {
                    let snapshot = Arc::new(read.await?);
                    snapshots.keep(now, &snapshot);
                    Ok(snapshot)
                });
                let stopped =
                    move |_| Err(Error::new(call, Fault::Unavailable("the read was stopped".into())));
                let running = task.map(move |result| result.unwrap_or_else(stopped)).boxed().shared();
                state.running = Some((now, running.clone()));
                running
            }
        };
        running.await
    }

    fn keep(&self, began: Instant, snapshot: &Arc<T>) {
        let mut state = self.lock();
        if state.latest.as_ref().is_none_or(|(latest, _)| *latest <= began) {
            state.latest = Some((began, Arc::clone(snapshot)));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
