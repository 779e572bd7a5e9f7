//! The lane of a load balancer that is there: listeners, pools, members, monitors.

use openstack::PoolId;
use openstack::load_balancer::{
    HealthMonitorUpdate, Listener, ListenerUpdate, LoadBalancer, Pool, PoolUpdate,
};

use super::{Call, Obstacle, PoolRef, body};
use crate::load_balancer::desired::{Desired, DesiredListener, DesiredMonitor, DesiredPort};
use crate::load_balancer::observe::Observed;

/// The parts of the lane, in the order in which they run.
#[derive(Default)]
struct Lane {
    members: Vec<Call>,
    freeing: Vec<Call>,
    settings: Vec<Call>,
    leftovers: Vec<Call>,
}

/// Plans everything inside the load balancer.
pub(super) fn plan(
    desired: &Desired,
    observed: &Observed,
    load_balancer: &LoadBalancer,
) -> Result<Vec<Call>, Obstacle> {
    let ours = Ours { desired, observed };
    let mut lane = Lane::default();
    let mut new_ports = Vec::new();
    for port in &desired.ports {
        match find(observed, port) {
            Some(listener) if ours.listener(listener) => match ours.pool_of(listener) {
                Some(pool) if pool.protocol == port.pool.protocol => {
                    update_pool(port, pool, &ours, &mut lane);
                    update_listener(port, listener, desired, &mut lane);
                }
                Some(pool) => {
                    // The protocol of a pool cannot be changed: a new pool takes its place.
                    lane.freeing.push(Call::DeletePool(pool.id.clone()));
                    new_ports.push(NewPort::PoolOf(listener, port));
                    update_listener(port, listener, desired, &mut lane);
                }
                None => {
                    new_ports.push(NewPort::PoolOf(listener, port));
                    update_listener(port, listener, desired, &mut lane);
                }
            },
            Some(foreign) => return Err(taken(port, foreign)),
            None => {
                // Octavia allows one listener a port and transport protocol: an own one that became something
                // else is in the way, a foreign one is an obstacle.
                if let Some(blocking) = blocking(observed, port) {
                    if !ours.listener(blocking) {
                        return Err(taken(port, blocking));
                    }
                    lane.freeing.extend(ours.delete(blocking));
                }
                new_ports.push(NewPort::Whole(port));
            }
        }
    }
    for listener in &observed.listeners {
        let wanted = desired.ports.iter().any(|port| is_for(listener, port));
        let blocking = desired.ports.iter().any(|port| blocks(listener, port));
        if !wanted && !blocking && ours.listener(listener) {
            lane.leftovers.extend(ours.delete(listener));
        }
    }
    let reused: Vec<&PoolId> = new_ports.iter().filter_map(|port| ours.orphan(port.port())).collect();
    let orphans = ours.orphans().filter(|pool| !reused.contains(&&pool.id));
    lane.freeing.extend(orphans.map(|pool| Call::DeletePool(pool.id.clone())));

    let mut calls = lane.members;
    calls.append(&mut lane.freeing);
    for port in new_ports {
        port.plan(&ours, load_balancer, &mut calls);
    }
    calls.append(&mut lane.settings);
    calls.append(&mut lane.leftovers);
    Ok(calls)
}

/// Tells own children from foreign ones.
struct Ours<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
}

impl<'a> Ours<'a> {
    /// A listener is ours if it carries our tag, or no tag at all: then it was made before tags were supported,
    /// on a load balancer that is ours.
    fn listener(&self, listener: &Listener) -> bool {
        listener.tags.contains(&self.desired.name) || listener.tags.iter().all(String::is_empty)
    }

    fn pool_of(&self, listener: &Listener) -> Option<&'a Pool> {
        let id = listener.default_pool_id.as_ref()?;
        self.observed.pools.iter().find(|pool| pool.id == *id)
    }

    /// Pools with a name of ours that no listener uses: an earlier run was cut off before it made the listener.
    fn orphans(&self) -> impl Iterator<Item = &'a Pool> {
        let suffix = format!("_{}", self.desired.name);
        self.observed.pools.iter().filter(move |pool| {
            let index = pool.name.strip_prefix("pool_").and_then(|rest| rest.strip_suffix(&suffix));
            let used = self
                .observed
                .listeners
                .iter()
                .any(|listener| listener.default_pool_id.as_ref() == Some(&pool.id));
            index.is_some_and(|index| index.parse::<usize>().is_ok()) && pool.listeners.is_empty() && !used
        })
    }

    /// The orphan that can serve this port.
    fn orphan(&self, port: &DesiredPort) -> Option<&'a PoolId> {
        let fits = |pool: &&Pool| {
            pool.name == port.pool.name
                && pool.protocol == port.pool.protocol
                && pool.lb_algorithm == port.pool.algorithm
                && pool.healthmonitor_id.is_none()
        };
        self.orphans().find(fits).map(|pool| &pool.id)
    }

    /// Pool first: cut off in between, the tagged listener is found again.
    fn delete(&self, listener: &Listener) -> impl Iterator<Item = Call> + use<> {
        let pool = self.pool_of(listener).map(|pool| Call::DeletePool(pool.id.clone()));
        pool.into_iter().chain([Call::DeleteListener(listener.id.clone())])
    }
}

/// A port for which something has to be made.
enum NewPort<'a> {
    /// Everything.
    Whole(&'a DesiredPort),
    /// All but the listener.
    PoolOf(&'a Listener, &'a DesiredPort),
}

impl<'a> NewPort<'a> {
    fn port(&self) -> &'a DesiredPort {
        match self {
            Self::Whole(port) | Self::PoolOf(_, port) => port,
        }
    }

    fn plan(&self, ours: &Ours<'_>, load_balancer: &LoadBalancer, calls: &mut Vec<Call>) {
        let port = self.port();
        let whole = matches!(self, Self::Whole(_));
        let pool = if let Some(orphan) = ours.orphan(port).filter(|_| whole) {
            PoolRef::Known(orphan.clone())
        } else {
            let mut create = body::pool(&port.pool);
            match self {
                Self::Whole(_) => create.loadbalancer_id = Some(load_balancer.id.clone()),
                Self::PoolOf(listener, _) => create.listener_id = Some(listener.id.clone()),
            }
            calls.push(Call::CreatePool(create));
            PoolRef::MadeBy(calls.len() - 1)
        };
        if let Some(members) = port.members.as_deref().filter(|members| !members.is_empty()) {
            let members = body::members(members, &[], ours.desired.member_subnet.as_ref());
            calls.push(Call::SetMembers(pool.clone(), members));
        }
        if let Some(monitor) = &port.monitor {
            calls.push(Call::CreateMonitor(pool.clone(), body::monitor(monitor)));
        }
        if whole {
            let create = body::listener_of(&load_balancer.id, &port.listener, ours.desired);
            calls.push(Call::CreateListener(pool, create));
        }
    }
}

fn taken(port: &DesiredPort, listener: &Listener) -> Obstacle {
    Obstacle::PortTaken {
        port: port.listener.port,
        protocol: transport(port.listener.protocol),
        listener: listener.id.clone(),
    }
}

/// Transport protocol under an Octavia protocol.
fn transport(protocol: &str) -> &'static str {
    match protocol {
        "UDP" => "UDP",
        "SCTP" => "SCTP",
        _ => "TCP",
    }
}

fn is_for(listener: &Listener, port: &DesiredPort) -> bool {
    listener.protocol_port == port.listener.port && listener.protocol == port.listener.protocol
}

fn blocks(listener: &Listener, port: &DesiredPort) -> bool {
    listener.protocol_port == port.listener.port
        && transport(&listener.protocol) == transport(port.listener.protocol)
        && listener.protocol != port.listener.protocol
}

fn find<'a>(observed: &'a Observed, port: &DesiredPort) -> Option<&'a Listener> {
    observed.listeners.iter().find(|listener| is_for(listener, port))
}

fn blocking<'a>(observed: &'a Observed, port: &DesiredPort) -> Option<&'a Listener> {
    observed.listeners.iter().find(|listener| blocks(listener, port))
}

fn update_pool(port: &DesiredPort, pool: &Pool, ours: &Ours<'_>, lane: &mut Lane) {
    let present = ours.observed.members.get(&pool.id).map(Vec::as_slice).unwrap_or_default();
    if let Some(wanted) = &port.members {
        let have: std::collections::BTreeSet<_> = present
            .iter()
            .map(|member| {
                (member.name.as_str(), member.address.clone(), member.protocol_port, member.monitor_port)
            })
            .collect();
        let want: std::collections::BTreeSet<_> = wanted
            .iter()
            .map(|member| {
                (member.name.as_str(), member.address.to_string(), member.port, member.monitor_port)
            })
            .collect();
        if have != want {
            let members = body::members(wanted, present, ours.desired.member_subnet.as_ref());
            lane.members.push(Call::SetMembers(PoolRef::Known(pool.id.clone()), members));
        }
    }
    if pool.lb_algorithm != port.pool.algorithm {
        let update = PoolUpdate { lb_algorithm: Some(port.pool.algorithm.clone()), ..PoolUpdate::default() };
        lane.settings.push(Call::UpdatePool(pool.id.clone(), update));
    }
    update_monitor(port.monitor.as_ref(), pool, ours, lane);
}

fn update_monitor(wanted: Option<&DesiredMonitor>, pool: &Pool, ours: &Ours<'_>, lane: &mut Lane) {
    let present = pool
        .healthmonitor_id
        .as_ref()
        .and_then(|id| ours.observed.monitors.iter().find(|monitor| monitor.id == *id));
    let make =
        |wanted: &DesiredMonitor| Call::CreateMonitor(PoolRef::Known(pool.id.clone()), body::monitor(wanted));
    match (wanted, present) {
        (None, None) => {}
        (Some(wanted), None) => lane.settings.push(make(wanted)),
        (None, Some(present)) => lane.settings.push(Call::DeleteMonitor(present.id.clone())),
        (Some(wanted), Some(present)) if present.kind != wanted.kind => {
            lane.settings.push(Call::DeleteMonitor(present.id.clone()));
            lane.settings.push(make(wanted));
        }
        (Some(wanted), Some(present)) => {
            let settings = wanted.settings;
            let same = present.name == wanted.name
                && present.delay == settings.delay
                && present.timeout == settings.timeout
                && present.max_retries == settings.max_retries
                && present.max_retries_down == settings.max_retries_down;
            if !same {
                let update = HealthMonitorUpdate {
                    name: Some(wanted.name.clone()),
                    delay: Some(settings.delay),
                    timeout: Some(settings.timeout),
                    max_retries: Some(settings.max_retries),
                    max_retries_down: Some(settings.max_retries_down),
                    ..HealthMonitorUpdate::default()
                };
                lane.settings.push(Call::UpdateMonitor(present.id.clone(), update));
            }
        }
    }
}

fn update_listener(port: &DesiredPort, listener: &Listener, desired: &Desired, lane: &mut Lane) {
    let update = listener_changes(&port.listener, listener, desired);
    if update != ListenerUpdate::default() {
        lane.settings.push(Call::UpdateListener(listener.id.clone(), update));
    }
}

/// The settings that differ; nothing that Octavia filled in by itself counts as a difference.
fn listener_changes(wanted: &DesiredListener, present: &Listener, desired: &Desired) -> ListenerUpdate {
    let mut update = ListenerUpdate::default();
    if desired.tags_supported && !present.tags.contains(&desired.name) {
        let kept = present.tags.iter().filter(|tag| !tag.is_empty());
        update.tags = Some(kept.chain([&desired.name]).cloned().collect());
    }
    if wanted.connection_limit != present.connection_limit {
        update.connection_limit = Some(wanted.connection_limit);
    }
    if wanted.insert_headers != present.insert_headers && wanted.protocol == "HTTP" {
        update.insert_headers = Some(wanted.insert_headers.clone());
    }
    if let Some(cidrs) = &wanted.allowed_cidrs {
        let set = |cidrs: &[String]| cidrs.iter().cloned().collect::<std::collections::BTreeSet<_>>();
        if set(cidrs) != set(present.allowed_cidrs.as_deref().unwrap_or_default()) {
            update.allowed_cidrs = Some(cidrs.clone());
        }
    }
    if let Some(timeouts) = wanted.timeouts {
        let changed = |wanted: u64, present: Option<u64>| Some(wanted).filter(|_| present != Some(wanted));
        update.timeout_client_data = changed(timeouts.client_data, present.timeout_client_data);
        update.timeout_member_connect = changed(timeouts.member_connect, present.timeout_member_connect);
        update.timeout_member_data = changed(timeouts.member_data, present.timeout_member_data);
        update.timeout_tcp_inspect = changed(timeouts.tcp_inspect, present.timeout_tcp_inspect);
    }
    update
}
