//! The servers and ports of all Nodes, for the periodic look at their addresses.
//!
//! As a rule that is one list of each, shared with whoever needs them. In a project with many more servers than Nodes
//! only the Nodes' own are asked for: servers by the beginnings of their names, since a name is all that Nova filters by
//! and its expressions know no alternatives, and ports by server.

use std::collections::{BTreeMap, BTreeSet};
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
/// Most beginnings of names that are asked for one by one; with more of them the whole list is cheaper.
const PREFIXES: usize = 4;

/// Looks at many servers at once.
pub(super) struct Survey {
    cloud: Cloud,
    inventory: Arc<Inventory>,
    /// Servers in the whole project, when last counted.
    in_project: AtomicUsize,
    /// Names of the Nodes' servers, by which they are asked for; none for those that the whole list did not have.
    names: Mutex<BTreeMap<ServerId, Option<String>>>,
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
        let crowded = in_project >= SMALL && in_project > CROWD * nodes.len();
        let own = if crowded { self.names_of(nodes) } else { None };
        let seen = if let Some(names) = &own {
            self.look_at(names).await?
        } else {
            let (servers, ports) = tokio::try_join!(self.inventory.servers(AGE), self.inventory.ports(AGE))?;
            self.in_project.store(servers.len(), Ordering::Relaxed);
            Seen { servers, ports }
        };
        let ids = nodes.iter().filter_map(|node| match node {
            Lookup::Named(id) => Some(id),
            Lookup::Search { .. } => None,
        });
        let names = ids.map(|id| (id.clone(), seen.servers.by_id(id).map(|server| server.name.clone())));
        // One that is missing now may have got another name: the whole list will tell.
        let names = names.filter(|(_, name)| own.is_none() || name.is_some());
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names.collect();
        Ok(seen)
    }

    /// The names of the Nodes' servers, if all are known and few requests do for them.
    fn names_of(&self, nodes: &[Lookup]) -> Option<BTreeSet<String>> {
        let known = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = BTreeSet::new();
        for node in nodes {
            match node {
                Lookup::Search { name, .. } => names.extend([name.clone()]),
                Lookup::Named(id) => names.extend(known.get(id)?.clone()),
            }
        }
        (prefixes(&names).len() <= PREFIXES).then_some(names)
    }

    async fn look_at(&self, names: &BTreeSet<String>) -> Result<Seen, Error> {
        let compute = self.cloud.compute();
        let mut servers: Vec<Server> = Vec::new();
        for prefix in prefixes(names) {
            let filter = ServerFilter { name_regex: Some(format!("^{}", quoted(prefix))) };
            servers.extend(
                compute.servers(&filter).await?.into_iter().filter(|server| names.contains(&server.name)),
            );
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

/// What the names begin with, those together whose first words are the same: as long as possible, as few as needed.
fn prefixes(names: &BTreeSet<String>) -> Vec<&str> {
    let first_word = |name: &str| name.find(['-', '.', '_']).map_or(name.len(), |end| end + 1);
    let mut prefixes: Vec<&str> = Vec::new();
    // Sorted, so those that begin alike stand together.
    for name in names {
        let word = &name[..first_word(name)];
        match prefixes.last_mut() {
            Some(prefix) if prefix.starts_with(word) => {
                let common =
                    prefix.chars().zip(name.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8());
                *prefix = &name[..common.sum()];
            }
            _ => prefixes.push(name),
        }
    }
    prefixes
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<String> {
        let names: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
        prefixes(&names).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn names_with_the_same_first_word_have_one_prefix() {
        assert_eq!(of(&["prod-master-1", "prod-worker-1", "prod-worker-22"]), ["prod-"]);
        assert_eq!(of(&["prod-worker-1", "prod-worker-2", "prod-worker-20"]), ["prod-worker-"]);
        assert_eq!(of(&["a-1", "a-2", "b-1", "b-2"]), ["a-", "b-"]);
        assert_eq!(of(&["n1", "n2"]), ["n1", "n2"], "no word in common");
        assert_eq!(of(&["n1.example.org", "n1.example.com"]), ["n1.example."]);
        assert_eq!(of(&["solo"]), ["solo"]);
        assert_eq!(of(&[]), Vec::<String>::new());
    }
}
