//! One Service from what it asks for to what it gets: the order of the steps, and what each failure means.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kubernetes::{Cluster, ObjectKey, Service};
use openstack::load_balancer::Cascade;
use openstack::{Cloud, Inventory, LoadBalancerId, LoadBalancerWaiter};
use tokio::time::Instant;
use tracing::{info, warn};

use super::desired::{Desired, desired};
use super::execute::{Executor, Failure};
use super::facts::{FactError, FactFinder};
use super::names;
use super::node_set::NodeSet;
use super::observe::{Finding, Observed, Observer, Purpose};
use super::ownership::ClusterMark;
use super::plan::{Call, Obstacle, Plan, doubles, plan, removal};
use super::report::{self, Reporter};
use super::spec::{Identity, Refusal, Spec};
use super::status::{Publication, claimed, publication};
use crate::config::Config;

/// Why a reconcile did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The Service asks for something that it cannot get.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no node to send traffic to, and no load balancer to keep.
    #[error("no node can be a member: none is initialised, selected and not leaving")]
    NoNodes,
    /// Something that is not ours is in the way.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    /// A load balancer of this name is not ours.
    #[error("{0}")]
    Conflict(String),
    /// The cloud cannot be asked for what the plan needs.
    #[error(transparent)]
    Facts(#[from] FactError),
    /// A call to the cloud failed, or had an unexpected result.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The Service could not be written.
    #[error(transparent)]
    Kubernetes(#[from] kubernetes::Error),
}

impl From<openstack::Error> for Trouble {
    fn from(error: openstack::Error) -> Self {
        Self::Failure(Failure::Cloud(error))
    }
}

/// Reconciles Services, one call for one Service at a time.
pub struct Reconciler {
    cloud: Cloud,
    cluster: Cluster,
    config: Arc<Config>,
    cluster_name: String,
    mark: ClusterMark,
    finder: FactFinder,
    executor: Executor,
    reporter: Reporter,
    dry_run: bool,
    remembered: Mutex<BTreeMap<ObjectKey, Remembered>>,
    /// Services whose load balancer was asked for without an answer: until when it may still appear.
    doubtful: Mutex<BTreeMap<ObjectKey, Instant>>,
}

/// How long after its answer was lost a request may still be carried out: it may wait in a proxy, or for a worker.
const DOUBT: Duration = Duration::from_secs(30);

/// What a Service's load balancer looked like when it was last worked on.
#[derive(Clone)]
struct Remembered {
    uid: String,
    observed: Observed,
}

/// The parts a reconciler works with.
pub struct Parts {
    /// The cloud.
    pub cloud: Cloud,
    /// The Kubernetes cluster.
    pub cluster: Cluster,
    /// The configuration.
    pub config: Arc<Config>,
    /// `--cluster-name`.
    pub cluster_name: String,
    /// What tells this cluster from others of the same name.
    pub mark: ClusterMark,
    /// Ports, shared with the node controller.
    pub inventory: Arc<Inventory>,
    /// Shared by all Services.
    pub waiter: LoadBalancerWaiter,
    /// Says things about Services.
    pub reporter: Reporter,
    /// Plans are printed and nothing is written.
    pub dry_run: bool,
}

impl Reconciler {
    /// A reconciler that has seen nothing yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            finder: FactFinder::new(parts.cloud.clone(), parts.inventory),
            executor: Executor::new(&parts.cloud, parts.waiter),
            cloud: parts.cloud,
            cluster: parts.cluster,
            config: parts.config,
            cluster_name: parts.cluster_name,
            mark: parts.mark,
            reporter: parts.reporter,
            dry_run: parts.dry_run,
            remembered: Mutex::default(),
            doubtful: Mutex::default(),
        }
    }

    /// Whether the load balancer of this Service was worked on by this process.
    pub fn has_served(&self, key: &ObjectKey) -> bool {
        self.memory().contains_key(key)
    }

    /// Gives the Service its load balancer. `superseded` tells that the Service or the nodes have changed since.
    pub async fn serve(
        &self,
        service: &Service,
        nodes: &NodeSet,
        superseded: impl Fn() -> bool,
    ) -> Result<(), Trouble> {
        let spec = Spec::read(service, &self.config, &self.cluster_name)?;
        let recalled = self.recall(service).await;
        let is_new = recalled.is_none();
        let mut observed = match recalled {
            Some(observed) => observed,
            None => self.look(&spec, nodes).await?,
        };
        let existing = observed.load_balancer.as_ref();
        if nodes.selected(&spec.node_selector).next().is_none() {
            self.reporter.warning(
                service,
                report::UNAVAILABLE,
                "There are no available nodes for LoadBalancer",
            );
            if existing.is_none() {
                return Err(Trouble::NoNodes);
            }
        }
        let subnet = existing.and_then(|load_balancer| load_balancer.vip_subnet_id.as_ref());
        let facts = self.finder.find(&spec, nodes, subnet).await?;
        if is_new {
            self.reporter.shortfalls(service, &spec, &facts);
        }
        let desired = desired(&spec, nodes, &facts, &self.mark);
        let plan = match plan(&desired, &observed) {
            Err(Obstacle::Broken(id)) if is_unused(&observed, &desired, service) => {
                // A floating IP that the user asked for was there before.
                let keep_floating_ip = spec.requested_floating_ip().is_some();
                let removal = removal(&observed, &desired.marks, keep_floating_ip, Cascade::Yes);
                return self.clear_away(service, &id, &removal, observed).await;
            }
            planned => planned?,
        };
        if self.dry_run {
            info!(service = %service.key, %plan, "dry run, nothing is changed");
            return Ok(());
        }
        let was_begun = service.has_finalizer(names::FINALIZER);
        if !was_begun {
            self.cluster.add_service_finalizer(service, names::FINALIZER).await?;
        }
        let mut outcome = self.run(&plan, &mut observed, service, &superseded).await;
        // The finalizer is written before the request is sent. One that was there before means that the request
        // was sent once already, by us or by a process that is gone, and may have been carried out since we looked.
        let was_made = matches!(plan.lane.first(), Some(Call::CreateLoadBalancer(_)));
        if was_made && matches!(&outcome, Err(Failure::Cloud(error)) if error.may_have_happened()) {
            self.doubtful().insert(service.key.clone(), Instant::now() + DOUBT);
        }
        if was_made && was_begun && outcome.is_ok() {
            outcome = self.drop_doubles(service, &spec.identity, &observed, nodes).await;
        }
        self.publish(service, &spec, &observed, outcome.is_ok()).await?;
        outcome?;
        self.memory().insert(service.key.clone(), Remembered { uid: service.uid.clone(), observed });
        if !plan.is_empty() {
            let (reason, message) = if is_node_change(&plan) {
                (report::UPDATED, "Updated load balancer with new hosts")
            } else {
                (report::ENSURED, "Ensured load balancer")
            };
            self.reporter.normal(service, reason, message);
        }
        Ok(())
    }

    /// Removes a load balancer that failed to build. Everything is read anew then.
    async fn clear_away(
        &self,
        service: &Service,
        id: &LoadBalancerId,
        removal: &Plan,
        mut observed: Observed,
    ) -> Result<(), Trouble> {
        if self.dry_run {
            info!(service = %service.key, plan = %removal, "dry run, nothing is changed");
            return Ok(());
        }
        let message = format!("Load balancer {id} failed to build and was never used; it is made anew");
        self.reporter.warning(service, report::REPLACED, message);
        // First of all: the id of one that is gone would look like a user's.
        if service.annotations.get(names::LOAD_BALANCER_ID).is_some_and(|said| said == id.as_str()) {
            let annotation = BTreeMap::from([(names::LOAD_BALANCER_ID.to_owned(), None)]);
            unless_gone(self.cluster.update_service_annotations(&service.key, annotation).await)?;
        }
        self.run(removal, &mut observed, service, &|| false).await?;
        // Later: the next one may fail to build as well.
        Err(Failure::Broken(id.clone()).into())
    }

    /// Removes what was made for the Service and lets the Service go. `is_there` is false if the Service has
    /// vanished already.
    pub async fn remove(&self, service: &Service, nodes: &NodeSet, is_there: bool) -> Result<(), Trouble> {
        let identity = Identity::read(service, &self.cluster_name);
        let cascade = if self.config.load_balancer.cascade_delete { Cascade::Yes } else { Cascade::No };
        let purpose = if cascade == Cascade::Yes { Purpose::Remove } else { Purpose::RemoveParts };
        let observer = self.observer(purpose, nodes);
        let observed = match observer.observe(&identity).await? {
            Finding::State(observed) => Some(*observed),
            Finding::OtherCluster { id, cluster } => {
                self.left_alone(service, &format!("load balancer {id} belongs to cluster {cluster}"));
                None
            }
            Finding::Unproven(id) => {
                self.left_alone(
                    service,
                    &format!("nothing proves that load balancer {id} is this Service's"),
                );
                None
            }
            Finding::OtherName { load_balancer }
                if load_balancer.tags.contains(&identity.names.load_balancer()) =>
            {
                return Err(Refusal::Unsupported("leaving a shared load balancer").into());
            }
            Finding::OtherName { load_balancer } => {
                self.left_alone(service, &format!("load balancer {} was not made for it", load_balancer.id));
                None
            }
            Finding::Missing(_) => None,
            Finding::Ambiguous(ids) => return Err(ambiguous(&ids)),
        };
        if let Some(mut observed) = observed {
            let marks = self.mark.tags(&identity.uid);
            let plan = removal(&observed, &marks, identity.keep_floating_ip, cascade);
            if self.dry_run {
                info!(service = %service.key, %plan, "dry run, nothing is changed");
                return Ok(());
            }
            if !plan.is_empty() {
                self.reporter.normal(service, report::DELETING, "Deleting load balancer");
            }
            info!(service = %service.key, %plan, "removing load balancer");
            self.executor.execute(&plan, &mut observed, || false).await?;
        }
        if self.dry_run {
            return Ok(());
        }
        self.memory().remove(&service.key);
        let doubt = self.doubtful().remove(&service.key);
        if let Some(until) = doubt.filter(|until| *until > Instant::now()) {
            // Once the finalizer is off nobody looks for it any more.
            tokio::time::sleep_until(until).await;
            return Box::pin(self.remove(service, nodes, is_there)).await;
        }
        if is_there {
            self.release(service).await?;
        }
        self.reporter.normal(service, report::DELETED, "Deleted load balancer");
        Ok(())
    }

    /// Takes our traces off a Service whose load balancer is gone.
    async fn release(&self, service: &Service) -> Result<(), kubernetes::Error> {
        if !service.deleting {
            // It is of another type now. An id that stays would be taken for a user's if the type changes back.
            let ours = [names::LOAD_BALANCER_ID, names::LOAD_BALANCER_ADDRESS];
            let annotations: BTreeMap<_, _> = ours
                .iter()
                .filter(|name| service.annotations.contains_key(**name))
                .map(|name| ((*name).to_owned(), None))
                .collect();
            if !annotations.is_empty() {
                unless_gone(self.cluster.update_service_annotations(&service.key, annotations).await)?;
            }
            if !service.ingress.is_empty() {
                unless_gone(self.cluster.set_service_ingress(&service.key, &[]).await)?;
            }
        }
        unless_gone(self.cluster.remove_service_finalizer(service, names::FINALIZER).await)
    }

    /// What is remembered, if nobody has changed the load balancer since.
    async fn recall(&self, service: &Service) -> Option<Observed> {
        let Remembered { uid, mut observed } = self.memory().remove(&service.key)?;
        let before = observed.load_balancer.clone().filter(|_| uid == service.uid)?;
        // Every change of a part touches the time stamp of the whole.
        match self.executor.settled(&before.id).await {
            Ok(now) if now.updated_at == before.updated_at => {
                observed.load_balancer = Some(now);
                Some(observed)
            }
            _ => None,
        }
    }

    /// Reads the cloud; a load balancer that is being changed is waited for first.
    async fn look(&self, spec: &Spec, nodes: &NodeSet) -> Result<Observed, Trouble> {
        let observer = Observer {
            requested_floating_ip: spec.requested_floating_ip(),
            ..self.observer(Purpose::Serve, nodes)
        };
        let mut finding = observer.observe(&spec.identity).await?;
        if let Finding::State(observed) = &finding
            && let Some(pending) =
                observed.load_balancer.as_ref().filter(|lb| lb.provisioning_status.is_pending())
        {
            match self.executor.settled(&pending.id).await {
                Ok(_) | Err(Failure::Broken(_) | Failure::Vanished(_)) => {}
                Err(failure) => return Err(failure.into()),
            }
            finding = observer.observe(&spec.identity).await?;
        }
        match finding {
            Finding::State(mut observed) => {
                // Made by a process that was killed: it may be ACTIVE and still not be finished.
                if spec.identity.published.is_empty() && !observed.is_broken() {
                    self.executor.quiesce(&mut observed).await?;
                }
                Ok(*observed)
            }
            Finding::OtherCluster { id, cluster } => Err(Trouble::Conflict(format!(
                "load balancer {id} has this Service's name but was made by the cluster with UID {cluster}{}; nothing is changed. \
                 Give the clusters different --cluster-name values, or rename the Service",
                self.mark
                    .uid()
                    .map(|own| format!(", this is the cluster with UID {own}"))
                    .unwrap_or_default()
            ))),
            Finding::Unproven(id) => Err(Trouble::Conflict(format!(
                "load balancer {id} has this Service's name, but neither marks nor its addresses or members show that \
                 it is this Service's; nothing is changed. To take it over, set the annotation {}: {id}",
                names::LOAD_BALANCER_ID
            ))),
            Finding::OtherName { load_balancer } => Err(Trouble::Conflict(format!(
                "load balancer {} ({}) was not made for this Service, and sharing is not supported by this version",
                load_balancer.id, load_balancer.name
            ))),
            Finding::Missing(id) => Err(Trouble::Conflict(format!(
                "load balancer {id}, named by the annotation {}, does not exist",
                names::LOAD_BALANCER_ID
            ))),
            Finding::Ambiguous(ids) => Err(ambiguous(&ids)),
        }
    }

    /// Deletes the load balancers that were made for the Service beside the one that it uses.
    async fn drop_doubles(
        &self,
        service: &Service,
        identity: &Identity,
        used: &Observed,
        nodes: &NodeSet,
    ) -> Result<(), Failure> {
        let mut identity = identity.clone();
        identity.load_balancer_id = used.load_balancer.as_ref().map(|load_balancer| load_balancer.id.clone());
        let finding = self.observer(Purpose::Remove, nodes).observe(&identity).await?;
        let Finding::State(mut found) = finding else { return Ok(()) };
        let plan = doubles(&found);
        if plan.is_empty() {
            return Ok(());
        }
        info!(service = %service.key, %plan, "load balancer was made twice");
        self.executor.execute(&plan, &mut found, || false).await
    }

    async fn run(
        &self,
        plan: &Plan,
        observed: &mut Observed,
        service: &Service,
        superseded: &impl Fn() -> bool,
    ) -> Result<(), Failure> {
        if plan.is_empty() {
            return Ok(());
        }
        info!(service = %service.key, %plan, "changing load balancer");
        if matches!(plan.lane.first(), Some(Call::CreateLoadBalancer(_))) {
            self.reporter.normal(service, report::ENSURING, "Ensuring load balancer");
        }
        self.executor.execute(plan, observed, superseded).await
    }

    /// Writes to the Service what it does not say yet. Of a load balancer that is not ready only the id.
    async fn publish(
        &self,
        service: &Service,
        spec: &Spec,
        observed: &Observed,
        is_ready: bool,
    ) -> Result<(), kubernetes::Error> {
        let Some(load_balancer) = &observed.load_balancer else { return Ok(()) };
        let wanted: Publication = match publication(spec, observed).filter(|_| is_ready) {
            Some(publication) => publication,
            None => claimed(&load_balancer.id),
        };
        let annotations = wanted.missing_annotations(service);
        if !annotations.is_empty() {
            unless_gone(self.cluster.update_service_annotations(&service.key, annotations).await)?;
        }
        if let Some(ingress) = wanted.changed_ingress(service) {
            unless_gone(self.cluster.set_service_ingress(&service.key, ingress).await)?;
        }
        Ok(())
    }

    fn left_alone(&self, service: &Service, why: &str) {
        warn!(service = %service.key, why, "load balancer left alone");
        self.reporter.warning(service, report::CONFLICT, format!("Nothing is deleted: {why}"));
    }

    fn observer<'a>(&'a self, purpose: Purpose, nodes: &'a NodeSet) -> Observer<'a> {
        Observer { purpose, requested_floating_ip: None, cloud: &self.cloud, mark: &self.mark, nodes }
    }

    fn doubtful(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectKey, Instant>> {
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectKey, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A load balancer in ERROR goes without asking only if we made it for this Service and nobody can be using it: no address
/// of it was ever shown.
fn is_unused(observed: &Observed, desired: &Desired, service: &Service) -> bool {
    observed.is_broken() && observed.is_marked(&desired.marks) && service.ingress.is_empty()
}

/// Whether nothing but members changes.
fn is_node_change(plan: &Plan) -> bool {
    plan.address.is_empty() && plan.lane.iter().all(|call| matches!(call, Call::SetMembers(..)))
}

fn ambiguous(ids: &[openstack::LoadBalancerId]) -> Trouble {
    let ids: Vec<&str> = ids.iter().map(openstack::LoadBalancerId::as_str).collect();
    Trouble::Conflict(format!(
        "several load balancers have this Service's name ({}) and their marks do not tell which is ours; nothing is changed",
        ids.join(", ")
    ))
}

/// A Service that is gone needs nothing written.
fn unless_gone<T>(answer: Result<T, kubernetes::Error>) -> Result<(), kubernetes::Error> {
    match answer {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
