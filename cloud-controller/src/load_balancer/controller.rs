//! Says which Service is worked on and when: watches Services and Nodes, feeds the queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kubernetes::{Change, Changes, Cluster, Node, ObjectKey, Recorder, Service, Store};
use openstack::{Cloud, Inventory, LoadBalancerWaiter};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::execute::Failure;
use super::metrics::Metrics;
use super::names;
use super::node_set::NodeSet;
use super::ownership::ClusterMark;
use super::reconcile::{Parts, Reconciler, Trouble};
use super::report::{self, Reporter};
use crate::config::Config;
use crate::queue::{InFlight, Lane, Queue, QueueMetrics, Verdict};

/// Services worked on at once. Most of the time each of them waits for Octavia.
const WORKERS: usize = 64;
/// How long a change of nodes waits for company: a scale-out is one change, not twenty.
const NODE_CHANGES_GATHER: Duration = Duration::from_millis(100);

/// What the controller works with.
pub struct Dependencies {
    /// The cloud, its writes fenced.
    pub cloud: Cloud,
    /// The Kubernetes cluster, its writes fenced.
    pub cluster: Cluster,
    /// All Services.
    pub services: Store<Service>,
    /// All Nodes.
    pub nodes: Store<Node>,
    /// Where events go.
    pub recorder: Recorder,
    /// The configuration.
    pub config: Arc<Config>,
    /// `--cluster-name`.
    pub cluster_name: String,
    /// What tells this cluster from others of the same name.
    pub mark: ClusterMark,
    /// Shared by all that wait for load balancers.
    pub waiter: LoadBalancerWaiter,
    /// Shared with the node controller.
    pub inventory: Arc<Inventory>,
    /// Where reconciles are counted.
    pub metrics: Metrics,
    /// Where the queue is counted.
    pub queue_metrics: QueueMetrics,
    /// Changes of the cloud without an answer yet.
    pub in_flight: InFlight,
    /// Print plans, write nothing.
    pub dry_run: bool,
}

/// Keeps the load balancers of all Services as they should be.
pub struct Controller {
    work: Arc<Work>,
    queue: Queue<ObjectKey>,
    service_changes: Changes<Service>,
    node_changes: Changes<Node>,
}

/// What the workers share.
struct Work {
    reconciler: Reconciler,
    services: Store<Service>,
    nodes: Store<Node>,
    node_set: watch::Sender<Arc<NodeSet>>,
    /// Services that disappeared although they have a load balancer: somebody took the finalizer away.
    vanished: Mutex<BTreeMap<ObjectKey, Arc<Service>>>,
    reporter: Reporter,
    metrics: Metrics,
}

impl Controller {
    /// A controller that has done nothing yet.
    pub fn new(dependencies: Dependencies) -> Self {
        let reporter = Reporter::new(&dependencies.recorder);
        let reconciler = Reconciler::new(Parts {
            cloud: dependencies.cloud,
            cluster: dependencies.cluster,
            config: dependencies.config,
            cluster_name: dependencies.cluster_name,
            mark: dependencies.mark,
            inventory: dependencies.inventory,
            waiter: dependencies.waiter,
            reporter: reporter.clone(),
            dry_run: dependencies.dry_run,
        });
        Self {
            service_changes: dependencies.services.subscribe(),
            node_changes: dependencies.nodes.subscribe(),
            queue: Queue::new("service", &dependencies.queue_metrics).with_in_flight(dependencies.in_flight),
            work: Arc::new(Work {
                reconciler,
                services: dependencies.services,
                nodes: dependencies.nodes,
                node_set: watch::Sender::default(),
                vanished: Mutex::default(),
                reporter,
                metrics: dependencies.metrics,
            }),
        }
    }

    /// Runs until `cancel` is cancelled, then waits for the work in flight, as long as the queue allows. Returns how many
    /// runs had to be abandoned.
    pub async fn run(self, cancel: CancellationToken) -> usize {
        let Self { work, queue, service_changes, node_changes } = self;
        // No decision on half a list.
        let synced = async { tokio::join!(work.services.ready(), work.nodes.ready()) };
        if cancel.run_until_cancelled(synced).await.is_none() {
            return 0;
        }
        work.refresh_nodes();
        let watching = async {
            tokio::join!(
                watch_services(&work, &queue, service_changes),
                watch_nodes(&work, &queue, node_changes),
            )
        };
        let reconciling = queue.run(WORKERS, cancel.clone(), {
            let work = work.clone();
            move |key| {
                let work = work.clone();
                async move { work.reconcile(&key).await }
            }
        });
        tokio::join!(cancel.run_until_cancelled(watching), reconciling).1
    }
}

async fn watch_services(work: &Work, queue: &Queue<ObjectKey>, mut changes: Changes<Service>) {
    let mut lane = Lane::Resync;
    loop {
        match changes.next().await {
            Change::Synced => lane = Lane::Edit,
            Change::Applied { old, new } => {
                let concerns = wants_load_balancer(&new) || needs_cleanup(&new);
                if concerns && old.is_none_or(|old| asks_for_something_else(&old, &new)) {
                    queue.add(new.key.clone(), lane);
                }
            }
            Change::Deleted(last) => {
                if work.reconciler.has_served(&last.key) {
                    work.vanished().insert(last.key.clone(), last.clone());
                    queue.add(last.key.clone(), Lane::Edit);
                }
            }
        }
    }
}

async fn watch_nodes(work: &Work, queue: &Queue<ObjectKey>, mut changes: Changes<Node>) {
    loop {
        changes.next().await;
        tokio::time::sleep(NODE_CHANGES_GATHER).await;
        while changes.try_next().is_some() {}
        if work.refresh_nodes() {
            let services = work.services.all();
            let served = services.iter().filter(|service| wants_load_balancer(service));
            served.for_each(|service| queue.add(service.key.clone(), Lane::Edit));
        }
    }
}

impl Work {
    async fn reconcile(&self, key: &ObjectKey) -> Verdict {
        let vanished = self.vanished().get(key).cloned();
        if let Some(last) = vanished {
            let verdict = self.remove(&last, false).await;
            if verdict != Verdict::Done {
                return verdict;
            }
            self.vanished().remove(key);
        }
        match self.services.get(key) {
            Some(service) if needs_cleanup(&service) => self.remove(&service, true).await,
            Some(service) if wants_load_balancer(&service) => self.serve(&service).await,
            _ => Verdict::Done,
        }
    }

    async fn serve(&self, service: &Service) -> Verdict {
        let nodes = self.node_set.borrow().clone();
        let superseded = || {
            let newer =
                self.services.get(&service.key).is_none_or(|now| asks_for_something_else(service, &now));
            newer || !Arc::ptr_eq(&nodes, &self.node_set.borrow())
        };
        let begun = Instant::now();
        let outcome = self.reconciler.serve(service, &nodes, superseded).await;
        self.metrics.reconciled("loadbalancer_ensure", begun.elapsed(), outcome.is_err());
        self.verdict(service, outcome, report::SYNC_FAILED)
    }

    async fn remove(&self, service: &Service, is_there: bool) -> Verdict {
        let nodes = self.node_set.borrow().clone();
        let begun = Instant::now();
        let outcome = self.reconciler.remove(service, &nodes, is_there).await;
        self.metrics.reconciled("loadbalancer_delete", begun.elapsed(), outcome.is_err());
        self.verdict(service, outcome, report::DELETE_FAILED)
    }

    /// What a failure means for the next try, and who is told.
    fn verdict(&self, service: &Service, outcome: Result<(), Trouble>, reason: &str) -> Verdict {
        let Err(trouble) = outcome else { return Verdict::Done };
        let verdict = match &trouble {
            Trouble::Failure(Failure::Superseded) => return Verdict::RetryAfter(Duration::ZERO),
            // A change of the Service or of the nodes brings it back.
            Trouble::Refused(_) | Trouble::NoNodes => Verdict::Done,
            _ => Verdict::Backoff,
        };
        let reason = if matches!(trouble, Trouble::Conflict(_)) { report::CONFLICT } else { reason };
        let chain = text::Chain(&trouble);
        error!(service = %service.key, error = %chain, "load balancer not reconciled");
        self.reporter.warning(service, reason, format!("Error syncing load balancer: {chain}"));
        verdict
    }

    /// Takes over the present nodes; says whether the set of members has changed.
    fn refresh_nodes(&self) -> bool {
        let now = NodeSet::of(&self.nodes.all());
        let changed = self.node_set.send_if_modified(|set| {
            let changed = **set != now;
            if changed {
                *set = Arc::new(now);
            }
            changed
        });
        if changed {
            info!(nodes = self.node_set.borrow().len(), "nodes for load balancers changed");
        }
        changed
    }

    fn vanished(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectKey, Arc<Service>>> {
        self.vanished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A Service of this type that names no class of its own.
fn wants_load_balancer(service: &Service) -> bool {
    service.is_load_balancer && service.load_balancer_class.is_none() && !service.deleting
}

/// A Service that carries our finalizer and no longer wants a load balancer.
fn needs_cleanup(service: &Service) -> bool {
    service.has_finalizer(names::FINALIZER) && (service.deleting || !service.is_load_balancer)
}

/// Whether the two differ in anything but what we write ourselves.
fn asks_for_something_else(old: &Service, new: &Service) -> bool {
    let lost_finalizer = old.has_finalizer(names::FINALIZER) && !new.has_finalizer(names::FINALIZER);
    lost_finalizer || without_our_writes(old) != without_our_writes(new)
}

fn without_our_writes(service: &Service) -> Service {
    let mut asked = service.clone();
    asked.resource_version.clear();
    asked.finalizers.clear();
    asked.ingress.clear();
    asked.annotations.remove(names::LOAD_BALANCER_ADDRESS);
    // Once there is an address to publish the id is ours; before, a user may be setting it.
    if !service.ingress.is_empty() || service.annotations.contains_key(names::LOAD_BALANCER_ADDRESS) {
        asked.annotations.remove(names::LOAD_BALANCER_ID);
    }
    asked
}

#[cfg(test)]
mod tests {
    use kubernetes::Ingress;

    use super::*;
    use crate::load_balancer::testing::service;

    #[test]
    fn what_we_write_is_no_change() {
        let before = service();
        let mut after = service();
        after.resource_version = "2".to_owned();
        after.finalizers.push(names::FINALIZER.to_owned());
        after.annotations.insert(names::LOAD_BALANCER_ID.to_owned(), "lb".to_owned());
        after.annotations.insert(names::LOAD_BALANCER_ADDRESS.to_owned(), "203.0.113.7".to_owned());
        after.ingress = vec![Ingress { ip: Some("203.0.113.7".to_owned()), ..Ingress::default() }];
        assert!(!asks_for_something_else(&before, &after));
    }

    #[test]
    fn what_a_user_writes_is_a_change() {
        let before = service();
        let mut port = service();
        port.ports[0].port = 8080;
        let mut annotated = service();
        annotated.annotations.insert("loadbalancer.openstack.org/lb-method".to_owned(), "LEAST".to_owned());
        let mut named = service();
        named.annotations.insert(names::LOAD_BALANCER_ID.to_owned(), "mine".to_owned());
        let mut deleting = service();
        deleting.deleting = true;
        for after in [port, annotated, named, deleting] {
            assert!(asks_for_something_else(&before, &after), "{after:?}");
        }
    }

    #[test]
    fn a_finalizer_that_somebody_took_away_comes_back() {
        let mut before = service();
        before.finalizers.push(names::FINALIZER.to_owned());
        assert!(asks_for_something_else(&before, &service()));
    }

    #[test]
    fn services_of_a_class_are_left_to_their_controller() {
        let mut classy = service();
        classy.load_balancer_class = Some("example.com/internal".to_owned());
        assert!(wants_load_balancer(&service()) && !wants_load_balancer(&classy));
    }

    #[test]
    fn cleanup_needs_our_finalizer() {
        let mut leaving = service();
        leaving.deleting = true;
        assert!(!needs_cleanup(&leaving) && !wants_load_balancer(&leaving));
        leaving.finalizers.push(names::FINALIZER.to_owned());
        assert!(needs_cleanup(&leaving));
        let mut changed = service();
        changed.finalizers.push(names::FINALIZER.to_owned());
        changed.is_load_balancer = false;
        assert!(needs_cleanup(&changed));
    }
}
