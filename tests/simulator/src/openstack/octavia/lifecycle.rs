//! What happens between a write and ACTIVE: locks, the provider at work, and its end.
//!
//! The amphora provider does a write as one piece, during which the whole load balancer is locked. The ovn provider puts
//! pieces into a queue and declares the load balancer ACTIVE after each of them: a load balancer is ACTIVE before its
//! children are, and may be ACTIVE for a moment while it is being deleted.

use std::time::Duration;

use super::model::{Listener, LoadBalancer, Monitor, Pool, Provider, Status};
use super::refusal::Refusal;
use super::{Event, Octavia};
use crate::openstack::neutron;
use crate::openstack::state::{self, State};

/// How long something takes: drawn evenly between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The least.
    pub least: Duration,
    /// The most.
    pub most: Duration,
}

impl Span {
    /// Between so many milliseconds.
    pub const fn millis(least: u64, most: u64) -> Self {
        Self { least: Duration::from_millis(least), most: Duration::from_millis(most) }
    }

    fn draw(self, rng: &mut fastrand::Rng) -> Duration {
        self.least + self.most.saturating_sub(self.least).mul_f64(rng.f64())
    }
}

/// How long a provider takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// To make a load balancer.
    pub create: Span,
    /// To change anything in it.
    pub write: Span,
    /// To delete it.
    pub delete: Span,
    /// For each further piece of a write that has several (ovn).
    pub step: Span,
}

impl Build {
    /// As seen with virtual machines on usual hardware.
    pub const AMPHORA: Self = Self {
        create: Span::millis(8_000, 12_000),
        write: Span::millis(300, 2_000),
        delete: Span::millis(1_500, 4_000),
        step: Span::millis(0, 0),
    };

    /// As seen with OVN.
    pub const OVN: Self = Self {
        create: Span::millis(1_000, 3_000),
        write: Span::millis(300, 1_200),
        delete: Span::millis(300, 1_500),
        step: Span::millis(50, 300),
    };

    /// The same time for each write, whatever it is.
    pub const fn fixed(time: Duration) -> Self {
        let span = Span { least: time, most: time };
        Self { create: span, write: span, delete: span, step: Span::millis(0, 0) }
    }
}

/// A piece of a provider's work.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    parts: Vec<Part>,
    takes: Duration,
    fails: bool,
    /// With it the load balancer is gone.
    ends_all: bool,
}

/// What a piece of work is about.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    LoadBalancer,
    Listener(String),
    Pool(String),
    /// All members of this pool that wait for something.
    Members(String),
    Monitor(String),
}

/// What kind of write it is, for its duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Create,
    Write,
    Delete,
}

/// Locks a load balancer for a change, or says that it is locked.
pub(super) fn lock(state: &mut State, id: &str) -> Result<(), Refusal> {
    let now = state.wall;
    match state.octavia.load_balancers.get_mut(id) {
        Some(found) if found.common.status == Status::Active => {
            found.common.set(Status::PendingUpdate, now);
            Ok(())
        }
        _ => Err(Refusal::immutable("Load Balancer", id)),
    }
}

/// Marks what a change of a pool's inside concerns: the pool, and the listeners that use it.
pub(super) fn mark_pool(state: &mut State, pool: &str) -> Vec<Part> {
    let now = state.wall;
    let mut parts = mark_listeners_of(state, pool);
    if let Some(found) = state.octavia.pools.get_mut(pool) {
        found.common.set(Status::PendingUpdate, now);
        parts.push(Part::Pool(pool.to_owned()));
    }
    parts
}

/// Marks the listeners that use a pool.
pub(super) fn mark_listeners_of(state: &mut State, pool: &str) -> Vec<Part> {
    let now = state.wall;
    let listeners = state.octavia.listeners_of(pool);
    for id in &listeners {
        if let Some(listener) = state.octavia.listeners.get_mut(id) {
            listener.common.set(Status::PendingUpdate, now);
        }
    }
    listeners.into_iter().map(Part::Listener).collect()
}

/// Gives the provider its work. `pieces` are done one after the other by ovn, and as one by amphora.
pub(super) fn begin(state: &mut State, id: &str, kind: Kind, pieces: Vec<Vec<Part>>, fails: bool) {
    let Some(provider) = state.octavia.load_balancers.get(id).map(|found| found.provider) else { return };
    let build = state.octavia.options.build(provider);
    let whole = match kind {
        Kind::Create => build.create,
        Kind::Write => build.write,
        Kind::Delete => build.delete,
    };
    let pieces = if provider == Provider::Ovn { pieces } else { vec![pieces.concat()] };
    let failing = if fails { state.rng.usize(..pieces.len()) } else { usize::MAX };
    let count = pieces.len();
    for (index, parts) in pieces.into_iter().enumerate() {
        let span = if index == 0 { whole } else { build.step };
        let takes = span.draw(&mut state.rng);
        let ends_all = kind == Kind::Delete && index + 1 == count;
        let task = Task { parts, takes, fails: index == failing, ends_all };
        if let Some(found) = state.octavia.load_balancers.get_mut(id) {
            found.tasks.push_back(task);
            if found.tasks.len() == 1 {
                schedule(state, id, takes);
            }
        }
    }
}

fn schedule(state: &mut State, id: &str, after: Duration) {
    state.schedule(after, state::Event::Octavia(Event::Done(id.to_owned())));
}

/// The first piece of work on a load balancer is done.
pub(super) fn done(state: &mut State, id: &str) {
    let Some(task) = state.octavia.load_balancers.get_mut(id).and_then(|found| found.tasks.pop_front())
    else {
        return;
    };
    if task.ends_all && !task.fails {
        return remove(state, id);
    }
    for part in &task.parts {
        settle(state, part, task.fails);
    }
    let now = state.wall;
    let Some(found) = state.octavia.load_balancers.get_mut(id) else { return };
    let concerns_it = task.ends_all || task.parts.iter().any(|part| matches!(part, Part::LoadBalancer));
    // ovn: an error of a child is the child's alone.
    let error = task.fails && (concerns_it || found.provider == Provider::Amphora);
    found.common.set(if error { Status::Error } else { Status::Active }, now);
    found.common.operating = match (error, found.common.enabled) {
        (true, _) => "ERROR",
        (false, true) => "ONLINE",
        (false, false) => "OFFLINE",
    };
    if error {
        // What was to be made in it will not be.
        found.tasks.clear();
    }
    if let Some(next) = found.tasks.front().map(|task| task.takes) {
        schedule(state, id, next);
    }
}

/// Ends what a part was waiting for.
fn settle(state: &mut State, part: &Part, fails: bool) {
    let now = state.wall;
    let octavia = &mut state.octavia;
    let end = |status: Status| match status {
        _ if fails => Some(Status::Error),
        Status::PendingDelete => None,
        _ => Some(Status::Active),
    };
    match part {
        Part::LoadBalancer => {}
        Part::Listener(id) => {
            let Some(listener) = octavia.listeners.get_mut(id) else { return };
            if let Some(status) = end(listener.common.status) {
                listener.common.set(status, now);
                listener.common.operating = operating(listener.common.enabled, fails);
            } else {
                octavia.forget_listener(id);
            }
        }
        Part::Pool(id) => {
            let Some(pool) = octavia.pools.get_mut(id) else { return };
            if let Some(status) = end(pool.common.status) {
                pool.common.set(status, now);
                pool.common.operating = operating(pool.common.enabled, fails);
            } else {
                octavia.forget_pool(id);
            }
        }
        Part::Monitor(id) => {
            let Some(monitor) = octavia.monitors.get_mut(id) else { return };
            if let Some(status) = end(monitor.common.status) {
                monitor.common.set(status, now);
                monitor.common.operating = operating(monitor.common.enabled, fails);
            } else {
                octavia.forget_monitor(id);
            }
        }
        Part::Members(id) => {
            let Some(pool) = octavia.pools.get_mut(id) else { return };
            let monitored = pool.monitor.is_some();
            pool.members.retain(|_, member| match member.status {
                Status::Active | Status::Error => true,
                status => match end(status) {
                    None => false,
                    Some(status) => {
                        member.status = status;
                        member.updated = Some(now);
                        member.operating = match (fails, member.enabled, monitored) {
                            (true, ..) => "ERROR",
                            (_, false, _) => "OFFLINE",
                            (_, _, false) => "NO_MONITOR",
                            _ => "ONLINE",
                        };
                        true
                    }
                },
            });
        }
    }
}

fn operating(enabled: bool, fails: bool) -> &'static str {
    match (fails, enabled) {
        (true, _) => "ERROR",
        (false, true) => "ONLINE",
        (false, false) => "OFFLINE",
    }
}

/// A load balancer is gone, with everything in it.
pub(super) fn remove(state: &mut State, id: &str) {
    let Some(gone) = state.octavia.load_balancers.remove(id) else { return };
    for listener in &gone.listeners {
        state.octavia.listeners.remove(listener);
    }
    for pool in &gone.pools {
        if let Some(pool) = state.octavia.pools.remove(pool)
            && let Some(monitor) = pool.monitor
        {
            state.octavia.monitors.remove(&monitor);
        }
    }
    for vip in std::iter::once(&gone.vip).chain(&gone.additional_vips) {
        neutron::vip::release(state, &vip.port, vip.owned);
    }
}

impl Octavia {
    /// The listeners whose default pool this is.
    pub(super) fn listeners_of(&self, pool: &str) -> Vec<String> {
        let Some(load_balancer) =
            self.pools.get(pool).and_then(|pool| self.load_balancers.get(&pool.load_balancer))
        else {
            return Vec::new();
        };
        let uses = |id: &&String| {
            self.listeners.get(*id).is_some_and(|listener| listener.default_pool.as_deref() == Some(pool))
        };
        load_balancer.listeners.iter().filter(uses).cloned().collect()
    }

    pub(super) fn add(&mut self, load_balancer: LoadBalancer) {
        self.load_balancers.insert(load_balancer.common.id.clone(), load_balancer);
    }

    pub(super) fn add_listener(&mut self, listener: Listener) {
        if let Some(parent) = self.load_balancers.get_mut(&listener.load_balancer) {
            parent.listeners.push(listener.common.id.clone());
        }
        self.listeners.insert(listener.common.id.clone(), listener);
    }

    pub(super) fn add_pool(&mut self, pool: Pool) {
        if let Some(parent) = self.load_balancers.get_mut(&pool.load_balancer) {
            parent.pools.push(pool.common.id.clone());
        }
        self.pools.insert(pool.common.id.clone(), pool);
    }

    pub(super) fn add_monitor(&mut self, monitor: Monitor) {
        if let Some(pool) = self.pools.get_mut(&monitor.pool) {
            pool.monitor = Some(monitor.common.id.clone());
        }
        self.monitors.insert(monitor.common.id.clone(), monitor);
    }

    fn forget_listener(&mut self, id: &str) {
        if let Some(gone) = self.listeners.remove(id)
            && let Some(parent) = self.load_balancers.get_mut(&gone.load_balancer)
        {
            parent.listeners.retain(|own| own != id);
        }
    }

    fn forget_pool(&mut self, id: &str) {
        for listener in self.listeners_of(id) {
            if let Some(listener) = self.listeners.get_mut(&listener) {
                listener.default_pool = None;
            }
        }
        let Some(gone) = self.pools.remove(id) else { return };
        if let Some(parent) = self.load_balancers.get_mut(&gone.load_balancer) {
            parent.pools.retain(|own| own != id);
        }
        if let Some(monitor) = gone.monitor {
            self.monitors.remove(&monitor);
        }
    }

    fn forget_monitor(&mut self, id: &str) {
        if let Some(gone) = self.monitors.remove(id)
            && let Some(pool) = self.pools.get_mut(&gone.pool)
        {
            pool.monitor = None;
        }
    }
}
