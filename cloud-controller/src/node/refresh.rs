//! Keeps the addresses of initialised Nodes as the cloud has them: looks now and then, writes what has really changed.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kubernetes::{Cluster, Node, NodeAddress, Store};
use text::Chain;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use super::matching::{self, Lookup};
use super::plan::{self, Settings};
use super::survey::{Seen, Survey};

/// Refreshes addresses.
pub(super) struct Refresher {
    /// Its writes are fenced.
    pub(super) cluster: Cluster,
    pub(super) nodes: Store<Node>,
    pub(super) survey: Survey,
    pub(super) settings: Settings,
    pub(super) dry_run: bool,
}

impl Refresher {
    /// Looks at once, and then again and again.
    pub(super) async fn run(&self, every: Duration) {
        let mut ticks = interval(every.max(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.refresh().await;
        }
    }

    async fn refresh(&self) {
        let region = self.settings.region.as_deref().unwrap_or_default();
        let initialised =
            self.nodes.all().into_iter().filter(|node| !node.deleting && !plan::is_uninitialised(node));
        let (nodes, lookups): (Vec<Arc<Node>>, Vec<Lookup>) = initialised
            .filter_map(|node| matching::lookup(&node, region).ok().map(|lookup| (node, lookup)))
            .unzip();
        if nodes.is_empty() {
            return;
        }
        let began = Instant::now();
        let seen = match self.survey.look(&lookups).await {
            Ok(seen) => seen,
            Err(error) => {
                warn!(error = %Chain(&error), "addresses of nodes not refreshed");
                return;
            }
        };
        // The client-side limit of the Kubernetes API spreads the writes.
        let work: Vec<_> =
            nodes.iter().zip(&lookups).map(|(node, lookup)| self.refresh_one(node, lookup, &seen)).collect();
        let written: usize = join_all(work).await.into_iter().sum();
        debug!(nodes = nodes.len(), written, took = ?began.elapsed(), "addresses of nodes refreshed");
    }

    /// Returns how many writes were made. A Node whose server was not seen keeps what it has: lists leave out servers in
    /// cells that are down.
    async fn refresh_one(&self, node: &Node, lookup: &Lookup, seen: &Seen) -> usize {
        let Some(found) = seen.find(lookup) else {
            debug!(node = node.name, "server of node is not in the list");
            return 0;
        };
        let addresses = match plan::refresh(node, &found.server, &found.ports, &self.settings) {
            Ok(Some(addresses)) => addresses,
            Ok(None) => return 0,
            Err(error) => {
                warn!(node = node.name, error = %Chain(&error), "addresses of node not refreshed");
                return 0;
            }
        };
        let (from, to) = (listed(&node.addresses), listed(&addresses));
        info!(node = node.name, from, to, dry_run = self.dry_run, "addresses of node changed");
        if self.dry_run {
            return 0;
        }
        match self.cluster.set_node_addresses(&node.name, &addresses).await {
            Ok(_) => 1,
            Err(error) => {
                warn!(node = node.name, error = %Chain(&error), "addresses of node not written");
                0
            }
        }
    }
}

fn listed(addresses: &[NodeAddress]) -> String {
    let words = addresses.iter().map(|address| format!("{} {}", address.kind, address.address));
    words.collect::<Vec<_>>().join(", ")
}
