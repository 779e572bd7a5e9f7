//! Runs a plan. Makes no choice of its own: what to call, and in which order, stands in the plan.

use std::time::Duration;

use openstack::load_balancer::{LoadBalancer, LoadBalancing, StatusTree};
use openstack::network::{FloatingIp, FloatingIpCreate, FloatingIpUpdate, Network};
use openstack::{Cloud, Fault, LoadBalancerId, LoadBalancerWaiter, PoolId, PortId, Settlement};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::debug;

use super::observe::Observed;
use super::plan::{AddressCall, Call, Plan, PoolRef, When};

/// How long a load balancer may take to settle after one call. Building one from an image takes minutes.
const SETTLING: Duration = Duration::from_secs(600);
/// How often a call is sent again because somebody else was writing.
const IMMUTABLE_RETRIES: usize = 20;
/// How long all children may take to settle after the load balancer is ACTIVE.
const QUIESCING: Duration = Duration::from_secs(120);
/// First pause between two looks.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why a plan was not finished.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A call failed.
    #[error(transparent)]
    Cloud(#[from] openstack::Error),
    /// The load balancer went into ERROR.
    #[error("load balancer {0} went into ERROR")]
    Broken(LoadBalancerId),
    /// The load balancer disappeared while it was worked on.
    #[error("load balancer {0} was deleted by somebody else")]
    Vanished(LoadBalancerId),
    /// The load balancer is ACTIVE, but not everything in it.
    #[error("load balancer {id}: {} of {} objects are still being changed, {} are in ERROR", tree.pending, tree.objects, tree.errors)]
    Unfinished {
        /// The load balancer.
        id: LoadBalancerId,
        /// What is in it.
        tree: StatusTree,
    },
    /// The Service or the nodes changed: the plan is out of date.
    #[error("superseded by a newer plan")]
    Superseded,
}

/// Providers that finish all children before they call the load balancer ACTIVE.
const AT_ONCE: [&str; 3] = ["amphora", "amphorav2", "octavia"];

/// Runs plans against one cloud.
#[derive(Clone)]
pub struct Executor {
    octavia: LoadBalancing,
    neutron: Network,
    waiter: LoadBalancerWaiter,
}

/// How far the lane has come, for the address track.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    Begun,
    Accepted(PortId),
    Active(PortId),
}

impl Executor {
    /// An executor that shares `waiter` with all others.
    pub fn new(cloud: &Cloud, waiter: LoadBalancerWaiter) -> Self {
        Self { octavia: cloud.load_balancer(), neutron: cloud.network(), waiter }
    }

    /// Waits until the load balancer is not being changed by anybody, and reads it.
    pub async fn settled(&self, id: &LoadBalancerId) -> Result<LoadBalancer, Failure> {
        match self.waiter.settled(id, Instant::now(), SETTLING).await? {
            Settlement::Active(load_balancer) => Ok(load_balancer),
            Settlement::Error(load_balancer) => Err(Failure::Broken(load_balancer.id)),
            Settlement::Gone => Err(Failure::Vanished(id.clone())),
        }
    }

    /// Runs `plan` and keeps `observed` up to date with what it changed.
    ///
    /// `superseded` is asked between two calls; a plan that is out of date is not finished for its own sake.
    pub async fn execute(
        &self,
        plan: &Plan,
        observed: &mut Observed,
        superseded: impl Fn() -> bool,
    ) -> Result<(), Failure> {
        let known =
            observed.load_balancer.as_ref().and_then(|load_balancer| load_balancer.vip_port_id.clone());
        let (progress, mut seen) = watch::channel(known.map_or(Progress::Begun, Progress::Active));
        if plan.address_when == When::First {
            self.run_address(plan, &mut seen).await?;
            observed.floating_ip = None;
            return self.run_lane(plan, observed, progress, superseded).await;
        }
        let (lane, address) = tokio::join!(
            self.run_lane(plan, observed, progress, superseded),
            self.run_address(plan, &mut seen),
        );
        if let Ok(Some(change)) = &address {
            observed.floating_ip.clone_from(change);
        }
        lane.and(address.map(|_| ()))
    }

    async fn run_lane(
        &self,
        plan: &Plan,
        observed: &mut Observed,
        progress: watch::Sender<Progress>,
        superseded: impl Fn() -> bool,
    ) -> Result<(), Failure> {
        let mut made: Vec<Option<PoolId>> = Vec::with_capacity(plan.lane.len());
        for call in &plan.lane {
            if !made.is_empty() && superseded() {
                return Err(Failure::Superseded);
            }
            debug!(%call, "calling Octavia");
            let pool = self.send(call, &made, observed).await?;
            if let Some(port) = vip_port(observed) {
                progress.send_if_modified(|at| advance(at, Progress::Accepted(port)));
            }
            self.settle(call, observed).await?;
            if let Some(port) = vip_port(observed) {
                progress.send_if_modified(|at| advance(at, Progress::Active(port)));
            }
            made.push(pool);
        }
        if plan.lane.is_empty() { Ok(()) } else { self.quiesce(observed).await }
    }

    /// Sends one call; while somebody else changes the load balancer, waits and sends it again.
    async fn send(
        &self,
        call: &Call,
        made: &[Option<PoolId>],
        observed: &mut Observed,
    ) -> Result<Option<PoolId>, Failure> {
        let mut pause = Pause::new();
        for _ in 0..IMMUTABLE_RETRIES {
            match self.send_once(call, made, observed).await {
                Err(Failure::Cloud(error)) if matches!(error.fault, Fault::Immutable(_)) => {
                    let Some(id) = locked_by(call, observed) else { return Err(error.into()) };
                    debug!(%call, lb = %id, "load balancer is being changed, waiting");
                    // Also a child alone can be locked, while the load balancer itself is ACTIVE.
                    pause.wait().await;
                    let _ = self.waiter.settled(&id, Instant::now(), SETTLING).await?;
                }
                answer => return answer,
            }
        }
        self.send_once(call, made, observed).await
    }

    async fn send_once(
        &self,
        call: &Call,
        made: &[Option<PoolId>],
        observed: &mut Observed,
    ) -> Result<Option<PoolId>, Failure> {
        let octavia = &self.octavia;
        let mut new_pool = None;
        match call {
            Call::CreateLoadBalancer(create) => {
                let graph = octavia.create_load_balancer(create).await?;
                observed.record_created(graph);
            }
            Call::UpdateLoadBalancer(update) => {
                if let Some(load_balancer) = &mut observed.load_balancer {
                    *load_balancer = octavia.update_load_balancer(&load_balancer.id, update).await?;
                }
            }
            Call::DeleteLoadBalancer(id, cascade) => {
                gone(octavia.delete_load_balancer(id, *cascade).await)?;
            }
            Call::SetMembers(pool, members) => {
                let pool = resolve(pool, made)?;
                octavia.set_members(&pool, members).await?;
                observed.record_members(&pool, members);
            }
            Call::CreatePool(create) => {
                let mut pool = octavia.create_pool(create).await?;
                new_pool = Some(pool.id.clone());
                if let Some(listener) = &create.listener_id {
                    observed.record_default_pool(listener, &mut pool);
                }
                observed.pools.push(pool);
            }
            Call::UpdatePool(id, update) => {
                let updated = octavia.update_pool(id, update).await?;
                observed.pools.iter_mut().filter(|pool| pool.id == *id).for_each(|pool| {
                    pool.lb_algorithm.clone_from(&updated.lb_algorithm);
                });
            }
            Call::DeletePool(id) => {
                gone(octavia.delete_pool(id).await)?;
                observed.record_pool_deleted(id);
            }
            Call::CreateMonitor(pool, create) => {
                let pool = resolve(pool, made)?;
                let mut create = create.clone();
                create.pool_id = Some(pool.clone());
                let monitor = octavia.create_health_monitor(&create).await?;
                observed.record_monitor(&pool, monitor);
            }
            Call::UpdateMonitor(id, update) => {
                let updated = octavia.update_health_monitor(id, update).await?;
                observed.monitors.retain(|monitor| monitor.id != *id);
                observed.monitors.push(updated);
            }
            Call::DeleteMonitor(id) => {
                gone(octavia.delete_health_monitor(id).await)?;
                observed.record_monitor_deleted(id);
            }
            Call::CreateListener(pool, create) => {
                let mut create = create.clone();
                create.default_pool_id = Some(resolve(pool, made)?);
                observed.listeners.push(octavia.create_listener(&create).await?);
            }
            Call::UpdateListener(id, update) => {
                let updated = octavia.update_listener(id, update).await?;
                observed.listeners.retain(|listener| listener.id != *id);
                observed.listeners.push(updated);
            }
            Call::DeleteListener(id) => {
                gone(octavia.delete_listener(id).await)?;
                observed.listeners.retain(|listener| listener.id != *id);
            }
        }
        Ok(new_pool)
    }

    /// Waits until the call has taken effect.
    async fn settle(&self, call: &Call, observed: &mut Observed) -> Result<(), Failure> {
        if let Call::DeleteLoadBalancer(id, _) = call {
            self.gone(id).await?;
            if observed.load_balancer.as_ref().is_some_and(|load_balancer| load_balancer.id == *id) {
                *observed = Observed::default();
            } else {
                observed.doubles.retain(|double| double.id != *id);
            }
        } else if let Some(load_balancer) = &mut observed.load_balancer {
            *load_balancer = self.settled(&load_balancer.id).await?;
        }
        Ok(())
    }

    /// Waits until a load balancer whose deletion was accepted is gone.
    async fn gone(&self, id: &LoadBalancerId) -> Result<(), Failure> {
        match self.waiter.gone(id, Instant::now(), SETTLING).await? {
            Settlement::Gone => Ok(()),
            Settlement::Error(_) | Settlement::Active(_) => Err(Failure::Broken(id.clone())),
        }
    }

    /// Waits until nothing in the load balancer is being changed, and reads it again. Only then does all of it work:
    /// the OVN driver calls the load balancer ACTIVE while its pools and members are still being made.
    pub async fn quiesce(&self, observed: &mut Observed) -> Result<(), Failure> {
        let Some(load_balancer) = &mut observed.load_balancer else { return Ok(()) };
        if AT_ONCE.contains(&load_balancer.provider.as_str()) {
            return Ok(());
        }
        let deadline = Instant::now() + QUIESCING;
        let mut pause = Pause::new();
        loop {
            let tree = self.octavia.status_tree(&load_balancer.id).await?;
            if tree.is_settled() && tree.errors == 0 {
                break;
            }
            if tree.is_settled() || Instant::now() > deadline {
                return Err(Failure::Unfinished { id: load_balancer.id.clone(), tree });
            }
            pause.wait().await;
        }
        *load_balancer = self.settled(&load_balancer.id).await?;
        Ok(())
    }

    /// Answers with the floating IP that is on the virtual IP now, if anything was changed.
    async fn run_address(
        &self,
        plan: &Plan,
        progress: &mut watch::Receiver<Progress>,
    ) -> Result<Option<Option<FloatingIp>>, Failure> {
        let mut change = None;
        for call in &plan.address {
            if !matches!(call, AddressCall::Create(..) | AddressCall::Attach(_)) {
                debug!(%call, "calling Neutron");
            }
            match call {
                AddressCall::Create(create, tags) => {
                    // Without a port the lane has failed; it says why.
                    let Some(port) = reached(plan.address_when, progress).await else { return Ok(None) };
                    debug!(%call, %port, "calling Neutron");
                    let create = FloatingIpCreate { port_id: Some(port), ..create.clone() };
                    let mut floating_ip = self.neutron.create_floating_ip(&create).await?;
                    if !tags.is_empty() {
                        self.neutron.set_floating_ip_tags(&floating_ip.id, tags).await?;
                        floating_ip.tags.clone_from(tags);
                    }
                    change = Some(Some(floating_ip));
                }
                AddressCall::Attach(id) => {
                    let Some(port) = reached(plan.address_when, progress).await else { return Ok(None) };
                    debug!(%call, %port, "calling Neutron");
                    let update =
                        FloatingIpUpdate { port_id: Some(Some(port)), ..FloatingIpUpdate::default() };
                    change = Some(Some(self.neutron.update_floating_ip(id, &update).await?));
                }
                AddressCall::Tag(id, tags) => self.neutron.set_floating_ip_tags(id, tags).await?,
                AddressCall::Detach(id) => {
                    let update = FloatingIpUpdate { port_id: Some(None), ..FloatingIpUpdate::default() };
                    self.neutron.update_floating_ip(id, &update).await?;
                    change = Some(None);
                }
                AddressCall::Delete(id) => {
                    gone(self.neutron.delete_floating_ip(id).await)?;
                    change = Some(None);
                }
            }
        }
        Ok(change)
    }
}

/// Pauses between two looks: short at first, then a part of the time waited, so that little is added to it.
struct Pause {
    begun: Instant,
    next: Duration,
}

impl Pause {
    fn new() -> Self {
        Self { begun: Instant::now(), next: FIRST_PAUSE }
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        let part = (self.begun.elapsed() / 15).clamp(FIRST_PAUSE * 4, LONGEST_PAUSE);
        self.next = self.next.mul_f64(1.2).min(part);
    }
}

/// What is gone already need not be deleted.
fn gone(answer: Result<(), openstack::Error>) -> Result<(), openstack::Error> {
    answer.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
}

fn vip_port(observed: &Observed) -> Option<PortId> {
    observed.load_balancer.as_ref().and_then(|load_balancer| load_balancer.vip_port_id.clone())
}

/// The load balancer that a call locks.
fn locked_by(call: &Call, observed: &Observed) -> Option<LoadBalancerId> {
    match call {
        Call::DeleteLoadBalancer(id, _) => Some(id.clone()),
        _ => observed.load_balancer.as_ref().map(|load_balancer| load_balancer.id.clone()),
    }
}

fn resolve(pool: &PoolRef, made: &[Option<PoolId>]) -> Result<PoolId, Failure> {
    match pool {
        PoolRef::Known(id) => Ok(id.clone()),
        // A plan refers to calls before; one that does not is a fault of the planner and must not reach the cloud.
        PoolRef::MadeBy(step) => made.get(*step).cloned().flatten().ok_or(Failure::Superseded),
    }
}

/// Progress never goes back.
fn advance(at: &mut Progress, to: Progress) -> bool {
    let forward = !matches!(at, Progress::Active(_)) && *at != to;
    if forward {
        *at = to;
    }
    forward
}

/// The virtual IP's port once the lane has come as far as `when` asks; `None` if it never will.
async fn reached(when: When, progress: &mut watch::Receiver<Progress>) -> Option<PortId> {
    let enough = |at: &Progress| match (when, at) {
        (_, Progress::Begun) | (When::Active, Progress::Accepted(_)) => false,
        (_, Progress::Accepted(_) | Progress::Active(_)) => true,
    };
    match progress.wait_for(enough).await.ok()?.clone() {
        Progress::Accepted(port) | Progress::Active(port) => Some(port),
        Progress::Begun => None,
    }
}
