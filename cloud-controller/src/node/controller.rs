//! Initialises new Nodes as they appear.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kubernetes::{Change, Changes, Cluster, EventTarget, EventType, Node, NodeInit, Recorder, Store};
use openstack::{Cloud, Inventory, ServerId};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::finder::{Finder, NotFound};
use super::matching::{self, Foreign};
use super::metadata;
use super::metrics::NodeMetrics;
use super::plan::{self, Initialisation, NoAddresses, Settings, UNINITIALIZED};
use super::refresh::Refresher;
use super::survey::Survey;
use crate::queue::{Lane, Queue, QueueMetrics, Verdict};

/// Nodes worked on at once, if the user does not ask for more. Each needs two short writes, which the client-side limit
/// of the Kubernetes API spreads anyway.
const WORKERS: usize = 32;
/// Where events come from. Do not change: users filter by it.
const COMPONENT: &str = "cloud-node-controller";

/// What the controller works with.
pub struct Dependencies {
    /// The cloud; it is only read.
    pub cloud: Cloud,
    /// The Kubernetes cluster, its writes fenced.
    pub cluster: Cluster,
    /// All Nodes.
    pub nodes: Store<Node>,
    /// Shared with the load balancer controller.
    pub inventory: Arc<Inventory>,
    /// Where events go.
    pub recorder: Recorder,
    /// What all Nodes have in common.
    pub settings: Settings,
    /// At least so many Nodes are worked on at once.
    pub workers: usize,
    /// How often addresses are refreshed.
    pub refresh_every: Duration,
    /// Where initialisations are counted.
    pub metrics: NodeMetrics,
    /// Where the queue is counted.
    pub queue_metrics: QueueMetrics,
    /// Print plans, write nothing.
    pub dry_run: bool,
}

/// Initialises and refreshes Nodes.
pub struct Controller {
    work: Arc<Work>,
    refresher: Refresher,
    queue: Queue<String>,
    changes: Changes<Node>,
    workers: usize,
    refresh_every: Duration,
}

struct Work {
    cluster: Cluster,
    nodes: Store<Node>,
    finder: Finder,
    recorder: Recorder,
    settings: Settings,
    metrics: NodeMetrics,
    dry_run: bool,
    /// Which Node is being given which server, until the watch shows it.
    claims: Mutex<BTreeMap<ServerId, Arc<Node>>>,
    /// UIDs of Nodes that are initialised, though the watch still shows them otherwise.
    initialised: Mutex<BTreeSet<String>>,
}

/// Why a Node could not be initialised.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("its provider ID is not for this program")]
    Foreign(#[from] Foreign),
    #[error("its server was not found")]
    NotFound(#[from] NotFound),
    #[error("server {server} belongs to Node {}", holder.name)]
    Claimed { server: ServerId, holder: Arc<Node> },
    #[error("its addresses are not those of its server")]
    NoAddresses(#[from] NoAddresses),
    #[error("another Node of this name has taken its place")]
    Replaced,
    #[error("the cloud cannot be asked")]
    Cloud(#[from] openstack::Error),
    #[error("the Node cannot be written")]
    Kubernetes(#[from] kubernetes::Error),
}

impl Controller {
    /// A controller that has done nothing yet.
    pub fn new(dependencies: Dependencies) -> Self {
        let refresher = Refresher {
            cluster: dependencies.cluster.clone(),
            nodes: dependencies.nodes.clone(),
            survey: Survey::new(dependencies.cloud.clone(), Arc::clone(&dependencies.inventory)),
            settings: dependencies.settings.clone(),
            dry_run: dependencies.dry_run,
        };
        let work = Work {
            finder: Finder::new(dependencies.cloud, dependencies.inventory),
            cluster: dependencies.cluster,
            nodes: dependencies.nodes.clone(),
            recorder: dependencies.recorder.component(COMPONENT),
            settings: dependencies.settings,
            metrics: dependencies.metrics,
            dry_run: dependencies.dry_run,
            claims: Mutex::default(),
            initialised: Mutex::default(),
        };
        Self {
            work: Arc::new(work),
            refresher,
            queue: Queue::new("Nodes", &dependencies.queue_metrics),
            changes: dependencies.nodes.subscribe(),
            workers: dependencies.workers.max(WORKERS),
            refresh_every: dependencies.refresh_every,
        }
    }

    /// Runs until `cancel` is cancelled; returns how many runs had to be abandoned then.
    pub async fn run(self, cancel: CancellationToken) -> usize {
        let Self { work, refresher, queue, changes, workers, refresh_every } = self;
        if cancel.run_until_cancelled(work.nodes.ready()).await.is_none() {
            return 0;
        }
        let background = async {
            tokio::join!(work.watch(&queue, changes), refresher.run(refresh_every));
        };
        let initialising = queue.run(workers, cancel.clone(), {
            let work = Arc::clone(&work);
            move |name| {
                let work = Arc::clone(&work);
                async move { work.sync(&name).await }
            }
        });
        tokio::join!(cancel.run_until_cancelled(background), initialising).1
    }
}

impl Work {
    async fn watch(&self, queue: &Queue<String>, mut changes: Changes<Node>) {
        let mut lane = Lane::Resync;
        loop {
            match changes.next().await {
                Change::Synced => lane = Lane::Edit,
                Change::Applied { old, new } => {
                    if !plan::is_uninitialised(&new) {
                        locked(&self.initialised).remove(&new.uid);
                    }
                    let to_do =
                        plan::is_uninitialised(&new) || !metadata::labels_to_follow(&new.labels).is_empty();
                    if to_do && old.is_none_or(|old| plan::is_news(&old, &new)) {
                        queue.add(new.name.clone(), lane);
                    }
                }
                Change::Deleted(last) => {
                    locked(&self.claims).retain(|_, holder| holder.uid != last.uid);
                    locked(&self.initialised).remove(&last.uid);
                }
            }
        }
    }

    async fn sync(&self, name: &str) -> Verdict {
        let Some(node) = self.nodes.get(name).filter(|node| !node.deleting) else { return Verdict::Done };
        let result = if plan::is_uninitialised(&node) {
            // Our own write of the addresses is what brought us here.
            if locked(&self.initialised).contains(&node.uid) {
                return Verdict::Done;
            }
            self.initialise(&node).await
        } else {
            self.follow_labels(&node).await
        };
        let Err(failure) = result else { return Verdict::Done };
        match &failure {
            // Deleted meanwhile.
            Failure::Kubernetes(error) if error.is_not_found() => return Verdict::Done,
            // Stopping; the next leader does it.
            Failure::Kubernetes(kubernetes::Error::Fenced { .. }) => return Verdict::Backoff,
            Failure::Foreign(foreign) => {
                info!(node = name, reason = %foreign, "node left alone");
                return Verdict::Done;
            }
            _ => warn!(node = name, error = %chain(&failure), "node not initialised"),
        }
        self.tell(&node, &failure);
        Verdict::Backoff
    }

    async fn initialise(&self, node: &Arc<Node>) -> Result<(), Failure> {
        let region = self.settings.region.as_deref().unwrap_or_default();
        let lookup = matching::lookup(node, region)?;
        let found = self.finder.find(node, &lookup).await?;
        self.claim(node, &found.server.id)?;
        let instance_type = self.finder.instance_type(&found.server).await?;
        let plan =
            plan::initialise(node, &found.server, &found.ports, instance_type.as_deref(), &self.settings)?;
        info!(node = node.name, server = %found.server.id, dry_run = self.dry_run, %plan, "node initialisation planned");
        if self.dry_run {
            return Ok(());
        }
        // Before the write, since the watch may show it before we are told.
        locked(&self.initialised).insert(node.uid.clone());
        if let Err(failure) = self.write(node, plan).await {
            locked(&self.initialised).remove(&node.uid);
            return Err(failure);
        }
        let age =
            node.created.map_or(0.0, |created| jiff::Timestamp::now().duration_since(created).as_secs_f64());
        self.metrics.initialised(age);
        self.recorder.event(&target(node), EventType::Normal, "Synced", "Node synced successfully");
        Ok(())
    }

    /// Addresses first: once the taint is gone, everybody relies on them.
    async fn write(&self, node: &Node, plan: Initialisation) -> Result<(), Failure> {
        let with_addresses = match &plan.addresses {
            Some(addresses) => Some(self.cluster.set_node_addresses(&node.name, addresses).await?),
            None => None,
        };
        if with_addresses.as_ref().is_some_and(|now| now.uid != node.uid) {
            return Err(Failure::Replaced);
        }
        let init = NodeInit {
            provider_id: Some(plan.provider_id),
            labels: plan.labels,
            annotations: BTreeMap::new(),
            remove_taint: UNINITIALIZED,
        };
        self.cluster.initialize_node(with_addresses.as_ref().unwrap_or(node), &init).await?;
        Ok(())
    }

    async fn follow_labels(&self, node: &Node) -> Result<(), Failure> {
        let labels = metadata::labels_to_follow(&node.labels);
        if labels.is_empty() || self.dry_run {
            return Ok(());
        }
        info!(node = node.name, ?labels, "labels follow their former names");
        self.cluster.update_node_metadata(node, &labels, &BTreeMap::new()).await?;
        Ok(())
    }

    /// Reserves the server for the Node, or says who has it.
    fn claim(&self, node: &Arc<Node>, server: &ServerId) -> Result<(), Failure> {
        let claimed =
            |holder: &Arc<Node>| Failure::Claimed { server: server.clone(), holder: Arc::clone(holder) };
        if let Some(holder) = matching::other_claim(node, server, &self.nodes.all()) {
            return Err(claimed(holder));
        }
        let mut claims = locked(&self.claims);
        match claims.get(server) {
            Some(holder) if holder.name != node.name && self.nodes.get(&holder.name).is_some() => {
                Err(claimed(holder))
            }
            _ => {
                claims.insert(server.clone(), Arc::clone(node));
                Ok(())
            }
        }
    }

    /// Tells the user what keeps a Node from being initialised, where it is more than a hiccup.
    fn tell(&self, node: &Node, failure: &Failure) {
        let (reason, message) = match failure {
            Failure::NotFound(NotFound::Cloud(_)) | Failure::Cloud(_) => ("CloudUnavailable", chain(failure)),
            Failure::NotFound(NotFound::NotBelieved { .. }) => ("ServerRefused", chain(failure)),
            Failure::NotFound(_) => ("ServerNotFound", chain(failure)),
            Failure::NoAddresses(_) => ("AddressesRefused", chain(failure)),
            Failure::Claimed { server, holder } => {
                let message =
                    format!("Node {} claims server {server}, which is this Node's; refused", node.name);
                self.recorder.event(&target(holder), EventType::Warning, "ServerClaimedTwice", message);
                ("ServerClaimedTwice", chain(failure))
            }
            Failure::Foreign(_) | Failure::Replaced | Failure::Kubernetes(_) => return,
        };
        if matches!(reason, "ServerRefused" | "ServerClaimedTwice") {
            self.metrics.refused();
        }
        let message = format!("Node cannot be initialised: {message}");
        self.recorder.event(&target(node), EventType::Warning, reason, message);
    }
}

/// Nothing panics while holding one of these locks, and each guards plain data.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn target(node: &Node) -> EventTarget {
    EventTarget {
        kind: "Node".to_owned(),
        name: node.name.clone(),
        uid: node.uid.clone(),
        api_version: "v1".to_owned(),
        ..EventTarget::default()
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn StdError) -> String {
    text::Chain(error).to_string()
}
