//! A load balancer with everything in it, made by one `POST /loadbalancers`.

use std::collections::BTreeMap;

use super::body::{Fields, must};
use super::lifecycle::Part;
use super::model::{Listener, LoadBalancer, Monitor, Pool, Vip};
use super::refusal::Refusal;
use super::{listener, load_balancer, member, monitor, pool};
use crate::openstack::ask::Ask;
use crate::openstack::neutron;
use crate::openstack::state::State;

/// What is to be in the load balancer.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) listeners: Vec<Listener>,
    pub(super) pools: Vec<Pool>,
    pub(super) monitors: Vec<Monitor>,
}

/// Further addresses, one a subnet, all of the same network.
pub(super) fn additional_vips(
    state: &mut State,
    ask: &Ask<'_>,
    fields: &Fields<'_>,
    made: &mut LoadBalancer,
) -> Result<(), Refusal> {
    for vip in fields.objects("additional_vips", &[&["subnet_id", "ip_address", "port_id"]])? {
        let subnet = must("subnet_id", vip.uuid("subnet_id"))?;
        let address = vip.ip("ip_address")?.flatten();
        let used = std::iter::once(&made.vip).chain(&made.additional_vips).any(|own| own.subnet == subnet);
        if used {
            let what = "Duplicate VIP subnet(s) specified. Only one IP can be bound per subnet.";
            return Err(Refusal::validation(what));
        }
        let found = neutron::vip::subnet(state, &subnet, ask.who)
            .ok_or_else(|| Refusal::validation(&format!("Subnet {subnet} not found")))?;
        if found.network != made.vip.network {
            return Err(Refusal::validation("All VIP subnets must belong to the same network."));
        }
        let address = neutron::vip::add_address(state, &made.vip.port, &subnet, address)
            .map_err(|(status, message)| Refusal::new(status, &message))?;
        let (port, network) = (made.vip.port.clone(), found.network);
        // The port goes with the first address.
        made.additional_vips.push(Vip { address, port, subnet, network, owned: false });
    }
    Ok(())
}

/// Reads listeners and pools, and checks all that Octavia and the provider check.
pub(super) fn read(
    state: &mut State,
    ask: &Ask<'_>,
    fields: &Fields<'_>,
    made: &LoadBalancer,
) -> Result<Graph, Refusal> {
    let profile = state.profile;
    let (pool_attributes, listener_attributes) =
        (pool::graph_attributes(profile), listener::graph_attributes(profile));
    let mut asked = fields.objects("pools", &[&pool_attributes])?;
    let listeners = fields.objects("listeners", &[&listener_attributes])?;
    let (project, id) = (made.common.project.clone(), made.common.id.clone());
    let addresses = made.addresses();
    // A pool within a listener is moved up; one that is only a name stands for one of the others.
    let mut named: Vec<Option<String>> = Vec::new();
    for one in &listeners {
        let Some(inner) = one.object("default_pool", &[&pool_attributes])? else {
            named.push(None);
            continue;
        };
        let name = pool_name(&inner)?;
        if inner.len() > 1 {
            asked.push(inner);
        }
        named.push(Some(name));
    }
    let mut graph = Graph::default();
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    state.octavia.check_quota(&project, "pool", asked.len())?;
    for one in &asked {
        let name = pool_name(one)?;
        for attribute in ["protocol", "lb_algorithm"] {
            if one.raw(attribute).is_none() {
                let what = format!("Pool definition for '{name}' missing required attribute: {attribute}");
                return Err(Refusal::validation(&what));
            }
        }
        let made = read_pool(state, one, &project, &id, &mut graph)?;
        if ids.insert(name, made).is_some() {
            let what = "Pool names must be unique when creating a fully populated loadbalancer.";
            return Err(Refusal::validation(what));
        }
    }
    if let Some(name) = named.iter().flatten().find(|name| !ids.contains_key(*name)) {
        let what = format!("Pool '{name}' was referenced but no full definition was found.");
        return Err(Refusal::validation(&what));
    }
    state.octavia.check_quota(&project, "listener", listeners.len())?;
    for (one, name) in listeners.iter().zip(named) {
        let mut listener = listener::read(state, one, &project, &id, &addresses)?;
        listener.default_pool = name.and_then(|name| ids.get(&name).cloned());
        if let Some(pool) =
            graph.pools.iter().find(|pool| Some(&pool.common.id) == listener.default_pool.as_ref())
        {
            listener::check_protocols(&listener.protocol, &pool.protocol)?;
        }
        listener::check_port(graph.listeners.iter(), &listener)?;
        graph.listeners.push(listener);
    }
    load_balancer::check_graph(state, ask, made, &graph)?;
    Ok(graph)
}

fn pool_name(fields: &Fields<'_>) -> Result<String, Refusal> {
    let name = fields.text("name", 255)?.flatten().filter(|name| !name.is_empty());
    name.ok_or_else(|| {
        Refusal::validation("Pools must be named when creating a fully populated loadbalancer.")
    })
}

/// One pool with its members and monitor; gives its id.
fn read_pool(
    state: &mut State,
    fields: &Fields<'_>,
    project: &str,
    load_balancer: &str,
    graph: &mut Graph,
) -> Result<String, Refusal> {
    let mut pool = pool::read(state, fields, project, load_balancer)?;
    if let Some(asked) = fields.object("healthmonitor", &[&monitor::graph_attributes()])? {
        state.octavia.check_quota(project, "healthmonitor", 1 + graph.monitors.len())?;
        let monitor = monitor::read(state, &asked, &pool)?;
        pool.monitor = Some(monitor.common.id.clone());
        graph.monitors.push(monitor);
    }
    let asked = fields.objects("members", &[&member::graph_attributes(state.profile)])?;
    let before: usize = graph.pools.iter().map(|pool| pool.members.len()).sum();
    state.octavia.check_quota(project, "member", before + asked.len())?;
    let mut taken = std::collections::BTreeSet::new();
    for one in &asked {
        let member = member::read(state, one, pool.monitor.is_some())?;
        if !taken.insert((member.address.clone(), member.port)) {
            return Err(Refusal::new(
                409,
                &format!(
                    "Another member on this pool is already using ip {} on protocol_port {}",
                    member.address, member.port
                ),
            ));
        }
        pool.members.insert(state.ids.uuid().into(), member);
    }
    let id = pool.common.id.clone();
    graph.pools.push(pool);
    Ok(id)
}

/// The pieces in which ovn makes it: load balancer, listeners, then each pool, its monitor, its members.
pub(super) fn pieces(graph: &Graph) -> Vec<Vec<Part>> {
    let mut pieces = vec![vec![Part::LoadBalancer]];
    pieces.extend(graph.listeners.iter().map(|listener| vec![Part::Listener(listener.common.id.clone())]));
    for pool in &graph.pools {
        pieces.push(vec![Part::Pool(pool.common.id.clone())]);
        pieces.extend(pool.monitor.iter().map(|monitor| vec![Part::Monitor(monitor.clone())]));
        if !pool.members.is_empty() {
            pieces.push(vec![Part::Members(pool.common.id.clone())]);
        }
    }
    pieces
}

/// Puts it into the tables.
pub(super) fn add(state: &mut State, graph: Graph) {
    for pool in graph.pools {
        state.octavia.add_pool(pool);
    }
    for monitor in graph.monitors {
        state.octavia.add_monitor(monitor);
    }
    for listener in graph.listeners {
        state.octavia.add_listener(listener);
    }
}
