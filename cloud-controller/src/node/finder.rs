//! Finds the server of a Node, at little cost when many Nodes come at once.
//!
//! A Node that comes alone is asked for alone, however many servers the project has. When others come about the same
//! time, one list of servers and one of ports serve them all; single servers are then read only where the lists do not
//! have them, as with a cell that is down.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError};
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

/// Nodes that come within this time belong together. A list may be as much older than the Node, too: its server and ports
/// are up for longer before a kubelet registers.
const TOGETHER: Duration = Duration::from_secs(2);

/// A server and its ports.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The server.
    pub(super) server: Server,
    /// Its ports in Neutron's order.
    pub(super) ports: Vec<Port>,
}

/// Why no server was found.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotFound {
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
pub(super) struct Finder {
    cloud: Cloud,
    inventory: Arc<Inventory>,
    /// Labels by flavor name, or by id where there is no name.
    flavors: Mutex<BTreeMap<String, String>>,
    arrivals: Arrivals,
}

/// When Nodes came, of late.
#[derive(Default)]
struct Arrivals(std::sync::Mutex<VecDeque<Instant>>);

impl Arrivals {
    fn note(&self, now: Instant) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.retain(|time| now - *time < TOGETHER);
        times.push_back(now);
    }

    /// Whether no more than one came of late.
    fn are_single(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() <= 1
    }
}

impl Finder {
    /// A finder that shares `inventory` with others.
    pub(super) fn new(cloud: Cloud, inventory: Arc<Inventory>) -> Self {
        Self { cloud, inventory, flavors: Mutex::default(), arrivals: Arrivals::default() }
    }

    /// Lists that began at most `max_age` ago.
    async fn lists(&self, max_age: Duration) -> Result<(Arc<Servers>, Arc<Ports>), openstack::Error> {
        tokio::try_join!(self.inventory.servers(max_age), self.inventory.ports(max_age))
    }

    /// The server of `node`, which has just appeared or is tried again.
    ///
    /// # Errors
    /// See [`NotFound`].
    pub(super) async fn find(&self, node: &Node, lookup: &Lookup) -> Result<Found, NotFound> {
        let since = Instant::now();
        self.arrivals.note(since);
        sleep(COMPANY).await;
        if self.arrivals.are_single() {
            return self.find_singly(node, lookup).await;
        }
        for head_start in [TOGETHER, Duration::ZERO] {
            let (servers, ports) = self.lists(since.elapsed() + head_start).await?;
            let found = pick(node, lookup, &servers, &ports);
            if !matches!(found, Err(NotFound::None(_))) {
                return found;
            }
        }
        self.find_singly(node, lookup).await
    }

    /// Asks for this one server alone: by id where that is known, then by name.
    async fn find_singly(&self, node: &Node, lookup: &Lookup) -> Result<Found, NotFound> {
        let compute = self.cloud.compute();
        let (id, name) = lookup.parts();
        let (mut servers, mut ports) = (Vec::new(), Vec::new());
        if let Some(id) = id {
            match tokio::try_join!(compute.server(id), self.ports_of(id)) {
                Ok((server, its_ports)) => (servers, ports) = (vec![server], its_ports),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let by_id = pick(node, lookup, &Servers::from(servers.clone()), &Ports::from(ports.clone()));
        let (Err(_), Some(name)) = (&by_id, name) else { return by_id };
        let filter = ServerFilter { name_regex: Some(format!("^{}$", quoted(name))) };
        for server in compute.servers(&filter).await? {
            if servers.iter().all(|known| known.id != server.id) {
                ports.extend(self.ports_of(&server.id).await?);
                servers.push(server);
            }
        }
        pick(node, lookup, &servers.into(), &ports.into())
    }

    async fn ports_of(&self, server: &ServerId) -> Result<Vec<Port>, openstack::Error> {
        let filter = PortFilter { device_id: Some(server.to_string()), ..PortFilter::default() };
        self.cloud.network().ports(&filter).await
    }

    /// The instance type for the labels: the flavor's name where that can be a label, else its id.
    ///
    /// `None` where the cloud does not know the flavor any more: that keeps no Node waiting.
    ///
    /// # Errors
    /// The cloud could not be asked.
    pub(super) async fn instance_type(&self, server: &Server) -> Result<Option<String>, openstack::Error> {
        let flavor = &server.flavor;
        if let Some(name) = metadata::instance_type(server) {
            return Ok(Some(name.to_owned()));
        }
        // Names are unique among the flavors that exist.
        let Some(key) = flavor.original_name.clone().or(flavor.id.as_ref().map(ToString::to_string)) else {
            return Ok(None);
        };
        // Kept locked while asking, so that many servers of one flavor ask once.
        let mut known = self.flavors.lock().await;
        if let Some(label) = known.get(&key) {
            return Ok(Some(label.clone()));
        }
        let asked = match &flavor.id {
            Some(id) => self.name_or_id(id).await.map(Some),
            // The name is known and unusable; the id is shown to those who ask in the old way.
            None => self.cloud.compute().flavor_of(&server.id).await.map(|id| id.map(|id| id.to_string())),
        };
        let label = match asked {
            Ok(label) => label,
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        known.extend(label.clone().map(|label| (key, label)));
        Ok(label)
    }

    async fn name_or_id(&self, id: &FlavorId) -> Result<String, openstack::Error> {
        let name = self.cloud.compute().flavor(id).await?.name;
        Ok(name
            .filter(|name| !name.is_empty() && metadata::is_label_value(name))
            .unwrap_or_else(|| id.to_string()))
    }
}

/// The server of `node` in the lists.
///
/// # Errors
/// See [`NotFound`].
pub(super) fn pick(
    node: &Node,
    lookup: &Lookup,
    servers: &Servers,
    ports: &Ports,
) -> Result<Found, NotFound> {
    let found = |server: &Server| Found {
        server: server.clone(),
        ports: ports.of_device(server.id.as_str()).to_vec(),
    };
    let (id, name) = lookup.parts();
    let named = id.and_then(|id| servers.by_id(id)).map(|server| believed(node, found(server)));
    match (named, name) {
        (Some(Ok(found)), _) => Ok(found),
        (Some(Err(error)), None) => Err(error),
        (None, None) => Err(NotFound::None(description(lookup))),
        (named, Some(name)) => match servers.by_name(name).as_slice() {
            [server] => Ok(found(server)),
            [] => Err(named.and_then(Result::err).unwrap_or_else(|| NotFound::None(description(lookup)))),
            several => Err(NotFound::Several { name: name.to_owned(), count: several.len() }),
        },
    }
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
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const UUID: &str = "6f1d8a55-9d6e-4b0a-a3f4-0f6f2a0c1d2e";

    fn servers(pairs: &[(&str, &str)]) -> Servers {
        let server =
            |(id, name): &(&str, &str)| serde_json::from_value(json!({"id": id, "name": name})).unwrap();
        pairs.iter().map(server).collect::<Vec<Server>>().into()
    }

    fn picked(node: &str, lookup: &Lookup, servers: &Servers) -> Result<String, String> {
        let node = Node { name: node.to_owned(), ..Node::default() };
        pick(&node, lookup, servers, &Ports::default())
            .map(|found| found.server.id.to_string())
            .map_err(|error| error.to_string())
    }

    fn search(uuid: Option<&str>, name: &str) -> Lookup {
        Lookup::Search { uuid: uuid.map(Into::into), name: name.to_owned() }
    }

    #[test]
    fn the_uuid_goes_before_the_name() {
        let servers = servers(&[("other", "n1.example.org"), (UUID, "n1")]);
        assert_eq!(
            picked("n1.example.org", &search(Some(UUID), "n1.example.org"), &servers),
            Ok(UUID.to_owned())
        );
        assert_eq!(
            picked("n1.example.org", &search(None, "n1.example.org"), &servers),
            Ok("other".to_owned())
        );
    }

    #[test]
    fn a_uuid_of_somebody_elses_server_leads_nowhere() {
        let servers = servers(&[(UUID, "victim"), ("own", "n1")]);
        assert_eq!(
            picked("n1", &search(Some(UUID), "n1"), &servers),
            Ok("own".to_owned()),
            "its own, by name"
        );
        let refused = "the Node names server 6f1d8a55-9d6e-4b0a-a3f4-0f6f2a0c1d2e (\"victim\"), but neither has its name nor reports one of its addresses";
        assert_eq!(picked("n2", &search(Some(UUID), "n2"), &servers), Err(refused.to_owned()));
        assert_eq!(picked("n1", &Lookup::Named(UUID.into()), &servers), Err(refused.to_owned()));
    }

    #[test]
    fn names_that_are_not_unique_are_no_match() {
        let servers = servers(&[("a", "n1"), ("b", "n1")]);
        assert_eq!(
            picked("n1", &search(None, "n1"), &servers),
            Err("2 servers have the name \"n1\", and the Node's system UUID is none of their ids".to_owned())
        );
        assert_eq!(
            picked("n2", &search(None, "n2"), &servers),
            Err("no server has the name \"n2\"".to_owned())
        );
    }

    #[test]
    fn names_are_quoted_in_expressions() {
        assert_eq!(quoted("n-1_a.example.org"), "n-1_a\\.example\\.org");
    }
}
