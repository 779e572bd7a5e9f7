//! Load balancers (`octavia/api/v2/controllers/load_balancer.py`).

use serde_json::json;

use super::body::Fields;
use super::graph;
use super::lifecycle::{self, Kind, Part};
use super::listener::take_common;
use super::model::{Common, LoadBalancer, Provider, Status, Vip};
use super::refusal::Refusal;
use super::{list, policy, provider, show, vip};
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::profile::Profile;
use crate::openstack::state::State;

const CHANGEABLE: &[&str] = &["name", "description", "admin_state_up", "vip_qos_policy_id", "tags"];
const ON_CREATE: &[&str] = &[
    "vip_address",
    "vip_port_id",
    "vip_subnet_id",
    "vip_network_id",
    "project_id",
    "tenant_id",
    "listeners",
    "pools",
    "provider",
    "flavor_id",
];

fn newer(profile: Profile, creates: bool) -> Vec<&'static str> {
    let newest = profile.octavia_newest();
    let mut names = Vec::new();
    names.extend((newest >= 14 && creates).then_some("availability_zone"));
    names.extend((newest >= 26 && creates).then_some("additional_vips"));
    names.extend((newest >= 29).then_some("vip_sg_ids"));
    names
}

impl LoadBalancer {
    /// The addresses that clients connect to.
    pub(super) fn addresses(&self) -> Vec<String> {
        std::iter::once(&self.vip).chain(&self.additional_vips).map(|vip| vip.address.clone()).collect()
    }
}

pub(super) fn list(state: &State, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let project = list::project(ask)?;
    let octavia = &state.octavia;
    let rows = octavia.load_balancers.values();
    let own = rows.filter(|one| project.is_none_or(|project| one.common.project == project));
    list::page(ask, "loadbalancers", own, octavia.options.page, |one| {
        show::show_load_balancer(one, state.profile)
    })
}

pub(super) fn get(state: &State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let found = state.octavia.load_balancer(id)?;
    policy::may_read(ask.who, &found.common.project)?;
    let fields: Vec<&str> = ask.query_all("fields").collect();
    let shown = list::only(show::show_load_balancer(found, state.profile), &fields);
    Ok(Reply::new(200, json!({ "loadbalancer": shown })))
}

pub(super) fn status(state: &State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let found = state.octavia.load_balancer(id)?;
    policy::may_read(ask.who, &found.common.project)?;
    Ok(Reply::new(200, state.octavia.show_statuses(found)))
}

pub(super) fn stats(state: &State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let found = state.octavia.load_balancer(id)?;
    policy::may_read(ask.who, &found.common.project)?;
    let names = ["bytes_in", "bytes_out", "active_connections", "total_connections", "request_errors"];
    let stats: serde_json::Map<_, _> = names.iter().map(|name| ((*name).to_owned(), json!(0))).collect();
    Ok(Reply::new(200, json!({ "stats": stats })))
}

/// Who is to make it: the flavor's provider, the one asked for, or the default one.
fn choose_provider(state: &State, fields: &Fields<'_>, flavor: Option<&str>) -> Result<Provider, Refusal> {
    let options = &state.octavia.options;
    let asked = fields.text("provider", 64)?.flatten();
    let by_flavor = flavor
        .map(|id| {
            let found = state.octavia.flavors.get(id).filter(|flavor| flavor.enabled);
            found.ok_or_else(|| Refusal::validation("Invalid flavor_id.")).map(|found| found.provider.clone())
        })
        .transpose()?;
    let name = match (asked, by_flavor) {
        (Some(asked), Some(by_flavor)) if asked != by_flavor => {
            let flavor = flavor.unwrap_or_default();
            let what = format!("Flavor '{flavor}' is not compatible with provider '{asked}'");
            return Err(Refusal::new(400, &what));
        }
        (asked, by_flavor) => asked.or(by_flavor).unwrap_or_else(|| options.default_provider.clone()),
    };
    let known = Provider::by_name(&name).filter(|_| options.providers.contains(&name) || name == "octavia");
    known.ok_or_else(|| Refusal::new(400, &format!("Provider '{name}' is not enabled.")))
}

pub(super) fn create(state: &mut State, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let newer = newer(state.profile, true);
    let fields = Fields::root(&ask.body, "load_balancer", "loadbalancer", &[CHANGEABLE, ON_CREATE, &newer])?;
    let project = fields.text("project_id", 36)?.flatten().unwrap_or_else(|| ask.who.project.clone());
    policy::may_write(ask.who, &project)?;
    let plan = vip::plan(state, ask.who, &fields)?;
    let flavor = fields.uuid("flavor_id")?.flatten();
    let zone = fields.text("availability_zone", 255)?.flatten();
    if let Some(zone) = &zone {
        match state.octavia.zones.get(zone) {
            None => return Err(Refusal::validation("Invalid availability zone.")),
            Some(false) => {
                let what =
                    format!("The selected availability_zone is not allowed in this deployment: {zone}");
                return Err(Refusal::new(400, &what));
            }
            Some(true) => {}
        }
    }
    let provider = choose_provider(state, &fields, flavor.as_deref())?;
    if provider == Provider::Ovn && flavor.is_some() {
        let what =
            "Provider 'ovn' does not support a requested action: This provider does not support flavors.";
        return Err(Refusal::new(501, what));
    }
    state.octavia.check_quota(&project, "loadbalancer", 1)?;
    let mut made = LoadBalancer {
        common: Common::new(state.ids.uuid(), &project, state.wall),
        provider,
        vip: Vip::default(),
        additional_vips: Vec::new(),
        security_groups: fields.uuids("vip_sg_ids")?.flatten().unwrap_or_default(),
        qos_policy: fields.uuid("vip_qos_policy_id")?.flatten(),
        flavor,
        zone,
        listeners: Vec::new(),
        pools: Vec::new(),
        tasks: std::collections::VecDeque::new(),
    };
    take_common(&mut made.common, &fields)?;
    let id = made.common.id.clone();
    made.vip = vip::allocate(state, &id, provider, &project, plan)?;
    // What is wrong from here on leaves the port behind: Octavia rolls back its database only (seen on 19.0.0).
    graph::additional_vips(state, ask, &fields, &mut made)?;
    let graph = graph::read(state, ask, &fields, &made)?;
    let pieces = graph::pieces(&graph);
    state.octavia.add(made);
    graph::add(state, graph);
    lifecycle::begin(state, &id, Kind::Create, pieces, ask.fails);
    let made = state.octavia.load_balancer(&id)?;
    Ok(Reply::new(201, json!({"loadbalancer": state.octavia.show_full(made, state.profile)})))
}

pub(super) fn update(state: &mut State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let newer = newer(state.profile, false);
    let fields = Fields::root(&ask.body, "load_balancer", "loadbalancer", &[CHANGEABLE, &newer])?;
    let mut after = state.octavia.load_balancer(id)?.clone();
    policy::may_write(ask.who, &after.common.project)?;
    take_common(&mut after.common, &fields)?;
    if let Some(groups) = fields.uuids("vip_sg_ids")? {
        after.security_groups = groups.unwrap_or_default();
    }
    if let Some(policy) = fields.uuid("vip_qos_policy_id")? {
        after.qos_policy = policy;
    }
    check_state(state, id, &[Status::Active])?;
    after.common.set(Status::PendingUpdate, state.wall);
    state.octavia.add(after);
    lifecycle::begin(state, id, Kind::Write, vec![vec![Part::LoadBalancer]], ask.fails);
    let shown = show::show_load_balancer(state.octavia.load_balancer(id)?, state.profile);
    Ok(Reply::new(200, json!({ "loadbalancer": shown })))
}

/// A load balancer itself says that it is busy in other words than what is in it does.
fn check_state(state: &State, id: &str, right: &[Status]) -> Result<(), Refusal> {
    let status = state.octavia.load_balancer(id)?.common.status;
    if right.contains(&status) {
        return Ok(());
    }
    Err(Refusal::new(409, &format!("Invalid state {} of loadbalancer resource {id}", status.name())))
}

pub(super) fn delete(state: &mut State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let found = state.octavia.load_balancer(id)?;
    let has_children = !found.listeners.is_empty() || !found.pools.is_empty();
    let provider = found.provider;
    policy::may_write(ask.who, &found.common.project)?;
    let cascade = ask.query("cascade").unwrap_or_default().to_lowercase();
    if has_children && !matches!(cascade.as_str(), "true" | "1" | "t" | "y" | "yes" | "on") {
        return Err(Refusal::validation(&format!("Cannot delete Load Balancer {id} - it has children")));
    }
    check_state(state, id, &[Status::Active, Status::Error])?;
    let now = state.wall;
    if let Some(found) = state.octavia.load_balancers.get_mut(id) {
        found.common.set(Status::PendingDelete, now);
    }
    // ovn may call it ACTIVE once more, when what is in it is gone.
    let flickers = provider == Provider::Ovn && has_children && state.rng.u8(..4) == 0;
    let pieces = if flickers { vec![vec![], vec![]] } else { vec![vec![]] };
    lifecycle::begin(state, id, Kind::Delete, pieces, ask.fails);
    Ok(Reply::empty(204))
}

pub(super) fn failover(state: &mut State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let provider = state.octavia.load_balancer(id)?.provider;
    policy::may_administer(ask.who)?;
    check_state(state, id, &[Status::Active, Status::Error])?;
    if provider == Provider::Ovn {
        return Err(Refusal::unsupported("ovn", "OVN provider does not support loadbalancer failover"));
    }
    let now = state.wall;
    if let Some(found) = state.octavia.load_balancers.get_mut(id) {
        found.common.set(Status::PendingUpdate, now);
    }
    lifecycle::begin(state, id, Kind::Create, vec![vec![Part::LoadBalancer]], ask.fails);
    Ok(Reply::empty(202))
}

/// Whether the provider takes all of it.
pub(super) fn check_graph(
    state: &State,
    ask: &Ask<'_>,
    made: &LoadBalancer,
    graph: &graph::Graph,
) -> Result<(), Refusal> {
    for listener in &graph.listeners {
        provider::check_listener(made.provider, listener)?;
    }
    for pool in &graph.pools {
        provider::check_pool(made.provider, pool, state.profile)?;
        let members: Vec<_> = pool.members.values().collect();
        super::member::check(state, ask.who, made, &members)?;
    }
    for monitor in &graph.monitors {
        provider::check_monitor(made.provider, &monitor.kind)?;
    }
    Ok(())
}
