//! Finds the server of a Node, at little cost when many Nodes come at once.
//!
//! One list of servers and one of ports serve all Nodes that appear together; single servers are read only when the
//! list does not have them, as with a cell that is down or a server in another state than expected.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kubernetes::Node;
use openstack::compute::ServerFilter;
use openstack::network::{Port, PortFilter};
use openstack::{Cloud, FlavorId, Inventory, Ports, Server, ServerId, Servers};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::matching::{self, Lookup};
use super::metadata;

/// How long the first of many new Nodes waits for company.
const COMPANY: Duration = Duration::from_millis(30);

/// A list may be this much older than the Node: its server and ports are up for longer before a kubelet registers.
const HEAD_START: Duration = Duration::from_secs(2);

/// A server and its ports.
#[derive(Clone, Debug)]
pub struct Found {
    /// The server.
    pub server: Server,
    /// Its ports in Neutron's order.
    pub ports: Vec<Port>,
}

/// Why no server was found.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// There is none in this project.
    #[error("no server has {0}")]
    None(String),
    /// There are several.
    #[error("{count} servers have the name {name:?}, and the Node's system UUID is none of their ids")]
    Several {
        /// The name.
        name: String,
        /// How many have it.
        count: usize,
    },
    /// The Node names a server that does not agree with it.
    #[error(
        "the Node names server {server} ({name:?}), but neither has its name nor reports one of its addresses"
    )]
    NotBelieved {
        /// The server.
        server: ServerId,
        /// The server's name.
        name: String,
    },
    /// The cloud could not be asked.
    #[error("the cloud cannot be asked")]
    Cloud(#[from] openstack::Error),
}

/// Finds servers.
pub struct Finder {
    cloud: Cloud,
    inventory: Arc<Inventory>,
    flavors: Mutex<BTreeMap<FlavorId, Option<String>>>,
}

impl Finder {
    /// A finder that shares `inventory` with others.
    pub fn new(cloud: Cloud, inventory: Arc<Inventory>) -> Self {
        Self { cloud, inventory, flavors: Mutex::default() }
    }

    /// Lists that began at most `max_age` ago.
    pub async fn lists(&self, max_age: Duration) -> Result<(Arc<Servers>, Arc<Ports>), openstack::Error> {
        tokio::try_join!(self.inventory.servers(max_age), self.inventory.ports(max_age))
    }

    /// The server of `node`, which has just appeared or is tried again.
    ///
    /// # Errors
    /// See [`NotFound`].
    pub async fn find(&self, node: &Node, lookup: &Lookup) -> Result<Found, NotFound> {
        let since = Instant::now();
        sleep(COMPANY).await;
        for head_start in [HEAD_START, Duration::ZERO] {
            let (servers, ports) = self.lists(since.elapsed() + head_start).await?;
            let found = pick(node, lookup, &servers, &ports);
            if !matches!(found, Err(NotFound::None(_))) {
                return found;
            }
        }
        self.find_singly(node, lookup).await
    }

    /// Asks for this one server alone.
    async fn find_singly(&self, node: &Node, lookup: &Lookup) -> Result<Found, NotFound> {
        let compute = self.cloud.compute();
        let (id, name) = match lookup {
            Lookup::Named(id) => (Some(id), None),
            Lookup::Search { uuid, name } => (uuid.as_ref(), Some(name)),
        };
        if let Some(id) = id {
            match compute.server(id).await {
                Ok(server) => {
                    let found = self.with_ports(server).await?;
                    return believed(node, found);
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(name) = name {
            let filter = ServerFilter { name_regex: Some(format!("^{}$", quoted(name))) };
            let mut servers: Vec<Server> = compute.servers(&filter).await?;
            // Whether letters' case counts is for Nova's database to say; for us it does.
            servers.retain(|server| server.name == *name);
            if servers.len() > 1 {
                return Err(NotFound::Several { name: name.clone(), count: servers.len() });
            }
            if let Some(server) = servers.pop() {
                return Ok(self.with_ports(server).await?);
            }
        }
        Err(NotFound::None(description(lookup)))
    }

    async fn with_ports(&self, server: Server) -> Result<Found, openstack::Error> {
        let filter = PortFilter { device_id: Some(server.id.to_string()), ..PortFilter::default() };
        let ports = self.cloud.network().ports(&filter).await?;
        Ok(Found { server, ports })
    }

    /// The instance type for the labels: the flavor's name where that can be a label, else its id.
    ///
    /// `None` where the flavor is unknown by now: that keeps no Node waiting.
    ///
    /// # Errors
    /// The cloud could not be asked.
    pub async fn instance_type(&self, server: &Server) -> Result<Option<String>, openstack::Error> {
        if let Some(name) = metadata::instance_type(server) {
            return Ok(Some(name.to_owned()));
        }
        let Some(id) = &server.flavor.id else { return Ok(None) };
        // Kept locked while asking, so that many servers of one flavor ask once.
        let mut known = self.flavors.lock().await;
        if let Some(name) = known.get(id) {
            return Ok(name.clone());
        }
        let name = match self.cloud.compute().flavor(id).await {
            Ok(flavor) => {
                let name = flavor.name.filter(|name| !name.is_empty() && metadata::is_label_value(name));
                Some(name.unwrap_or_else(|| id.to_string()))
            }
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        known.insert(id.clone(), name.clone());
        Ok(name)
    }
}

/// The server of `node` in the lists.
///
/// # Errors
/// See [`NotFound`].
pub fn pick(node: &Node, lookup: &Lookup, servers: &Servers, ports: &Ports) -> Result<Found, NotFound> {
    let found = |server: &Server| Found {
        server: server.clone(),
        ports: ports.of_device(server.id.as_str()).to_vec(),
    };
    let (id, name) = match lookup {
        Lookup::Named(id) => (Some(id), None),
        Lookup::Search { uuid, name } => (uuid.as_ref(), Some(name)),
    };
    let named = id.and_then(|id| servers.by_id(id)).map(|server| believed(node, found(server)));
    match (named, name) {
        (Some(Ok(found)), _) => Ok(found),
        (Some(Err(error)), None) => Err(error),
        (None, None) => Err(NotFound::None(description(lookup))),
        (named, Some(name)) => match servers.by_name(name).as_slice() {
            [server] => Ok(found(server)),
            [] => Err(named.and_then(Result::err).unwrap_or_else(|| NotFound::None(description(lookup)))),
            several => Err(NotFound::Several { name: name.clone(), count: several.len() }),
        },
    }
}

/// The server of a Node that was initialised before, in the lists; it is not asked again whether to believe it.
pub fn known(lookup: &Lookup, servers: &Servers, ports: &Ports) -> Option<Found> {
    let server = match lookup {
        Lookup::Named(id) => servers.by_id(id)?,
        Lookup::Search { name, .. } => match servers.by_name(name).as_slice() {
            [server] => server,
            _ => return None,
        },
    };
    Some(Found { server: server.clone(), ports: ports.of_device(server.id.as_str()).to_vec() })
}

fn believed(node: &Node, found: Found) -> Result<Found, NotFound> {
    if matching::agrees(node, &found.server, &found.ports) {
        return Ok(found);
    }
    Err(NotFound::NotBelieved { server: found.server.id, name: found.server.name })
}

fn description(lookup: &Lookup) -> String {
    match lookup {
        Lookup::Named(id) => format!("the id {id}"),
        Lookup::Search { uuid: Some(uuid), name } => format!("the id {uuid} or the name {name:?}"),
        Lookup::Search { uuid: None, name } => format!("the name {name:?}"),
    }
}

/// The text with everything escaped that could mean something in a regular expression.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}
