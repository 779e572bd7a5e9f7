//! Pools (`octavia/api/v2/controllers/pool.py`).

use std::collections::BTreeMap;

use serde_json::json;

use super::body::{Fields, must};
use super::lifecycle::{self, Kind, Part};
use super::listener::{check_locked, check_protocols, take_common};
use super::model::{Common, Persistence, Pool, Status};
use super::refusal::Refusal;
use super::{list, policy, provider};
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::profile::Profile;
use crate::openstack::state::State;

const CHANGEABLE: &[&str] = &[
    "name",
    "description",
    "admin_state_up",
    "lb_algorithm",
    "session_persistence",
    "tags",
    "tls_container_ref",
    "ca_tls_container_ref",
    "crl_container_ref",
    "tls_enabled",
];
/// `members` and `healthmonitor` are taken by the types everywhere, but only `POST /loadbalancers` makes them.
const ON_CREATE: &[&str] = &["protocol", "members", "healthmonitor"];
const BY_ITSELF: &[&str] = &["project_id", "tenant_id", "loadbalancer_id", "listener_id"];
const KEPT: &[&str] = &[
    "tls_container_ref",
    "ca_tls_container_ref",
    "crl_container_ref",
    "tls_enabled",
    "tls_ciphers",
    "tls_versions",
    "alpn_protocols",
];

fn newer(profile: Profile) -> Vec<&'static str> {
    let newest = profile.octavia_newest();
    let all = [(18, "tls_ciphers"), (18, "tls_versions"), (24, "alpn_protocols")];
    all.iter().filter(|(since, _)| newest >= *since).map(|(_, name)| *name).collect()
}

fn protocols(profile: Profile) -> Vec<&'static str> {
    let newest = profile.octavia_newest();
    let mut all = vec!["TCP", "HTTP", "HTTPS", "PROXY", "UDP"];
    all.extend((newest >= 22).then_some("PROXYV2"));
    all.extend((newest >= 23).then_some("SCTP"));
    all
}

const ALGORITHMS: &[&str] = &["LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP", "SOURCE_IP_PORT"];

/// The attributes that a pool may have within `POST /loadbalancers`.
pub(super) fn graph_attributes(profile: Profile) -> Vec<&'static str> {
    [CHANGEABLE, ON_CREATE, &newer(profile)].concat()
}

/// A pool as its body describes it, without what is in it.
pub(super) fn read(
    state: &mut State,
    fields: &Fields<'_>,
    project: &str,
    load_balancer: &str,
) -> Result<Pool, Refusal> {
    let protocol = must("protocol", fields.one_of("protocol", &protocols(state.profile)))?;
    let algorithm = must("lb_algorithm", fields.one_of("lb_algorithm", ALGORITHMS))?;
    let id = state.ids.uuid();
    let mut pool = Pool {
        common: Common::new(id, project, state.wall),
        load_balancer: load_balancer.to_owned(),
        protocol,
        algorithm,
        persistence: None,
        monitor: None,
        members: BTreeMap::new(),
        kept: serde_json::Map::new(),
    };
    take(&mut pool, fields)?;
    Ok(pool)
}

fn take(pool: &mut Pool, fields: &Fields<'_>) -> Result<(), Refusal> {
    take_common(&mut pool.common, fields)?;
    if let Some(algorithm) = fields.one_of("lb_algorithm", ALGORITHMS)?.flatten() {
        pool.algorithm = algorithm;
    }
    if fields.has("session_persistence") {
        pool.persistence = persistence(pool, fields)?;
    }
    fields.flag("tls_enabled")?;
    pool.kept.extend(fields.kept(KEPT));
    Ok(())
}

fn persistence(pool: &Pool, fields: &Fields<'_>) -> Result<Option<Persistence>, Refusal> {
    let allowed = ["type", "cookie_name", "persistence_timeout", "persistence_granularity"];
    let Some(asked) = fields.object("session_persistence", &[&allowed])? else { return Ok(None) };
    let kinds = ["HTTP_COOKIE", "APP_COOKIE", "SOURCE_IP"];
    let before = pool.persistence.as_ref().map(|before| before.kind.clone());
    let kind = match asked.one_of("type", &kinds)?.flatten().or(before) {
        Some(kind) => kind,
        None => must("type", Ok(None))?,
    };
    let found = Persistence {
        kind,
        cookie: asked.text("cookie_name", 255)?.flatten(),
        timeout: asked.integer("persistence_timeout", 0, i64::MAX)?.flatten(),
        granularity: asked.ip("persistence_granularity")?.flatten(),
    };
    let is_datagram = matches!(pool.protocol.as_str(), "UDP" | "SCTP");
    let bare = found.timeout.is_none() && found.granularity.is_none();
    if is_datagram && found.cookie.is_some() {
        return Err(Refusal::validation("Cookie names are not supported for UDP/SCTP pools."));
    }
    if is_datagram && found.kind != "SOURCE_IP" {
        let what = format!(
            "Session persistence of type {} is not supported for UDP/SCTP protocol pools.",
            found.kind
        );
        return Err(Refusal::validation(&what));
    }
    if !is_datagram && !bare {
        let what = "persistence_timeout and persistence_granularity is only for UDP and SCTP protocol pools.";
        return Err(Refusal::validation(what));
    }
    match (&found.cookie, found.kind == "APP_COOKIE") {
        (Some(_), false) => Err(Refusal::validation(
            "Field \"cookie_name\" can only be specified with session persistence of type \"APP_COOKIE\".",
        )),
        (None, true) => Err(Refusal::validation(
            "Field \"cookie_name\" must be specified when using the \"APP_COOKIE\" session persistence type.",
        )),
        _ => Ok(Some(found)),
    }
}

pub(super) fn list(state: &State, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let project = list::project(ask)?;
    let octavia = &state.octavia;
    let asked = ask.query("loadbalancer_id").or_else(|| ask.query("load_balancer_id"));
    let few = asked.map(|id| octavia.load_balancers.get(id).map_or(&[][..], |found| &found.pools));
    let rows: Vec<&Pool> = match few {
        Some(few) => few.iter().filter_map(|id| octavia.pools.get(id)).collect(),
        None => octavia.pools.values().collect(),
    };
    let own = rows.into_iter().filter(|one| project.is_none_or(|project| one.common.project == project));
    list::page(ask, "pools", own, octavia.options.page, |one| octavia.show_pool(one, state.profile))
}

pub(super) fn get(state: &State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let pool = state.octavia.pool(id)?;
    policy::may_read(ask.who, &pool.common.project)?;
    Ok(Reply::new(200, json!({"pool": state.octavia.show_pool(pool, state.profile)})))
}

pub(super) fn create(state: &mut State, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let allowed = [CHANGEABLE, ON_CREATE, BY_ITSELF, &newer(state.profile)];
    let fields = Fields::root(&ask.body, "pool_", "pool", &allowed)?;
    let listener_id = fields.uuid("listener_id")?.flatten();
    let parent = match (fields.uuid("loadbalancer_id")?.flatten(), &listener_id) {
        (Some(parent), _) => parent,
        (None, Some(listener)) => state.octavia.listener(listener)?.load_balancer.clone(),
        (None, None) => {
            return Err(Refusal::validation("Must provide at least one of: loadbalancer_id, listener_id"));
        }
    };
    let load_balancer = state.octavia.load_balancer(&parent)?;
    let (project, by) = (load_balancer.common.project.clone(), load_balancer.provider);
    policy::may_write(ask.who, &project)?;
    let pool = read(state, &fields, &project, &parent)?;
    let listener = listener_id.as_deref().map(|id| state.octavia.listener(id)).transpose()?;
    if let Some(listener) = listener {
        check_protocols(&listener.protocol, &pool.protocol)?;
    }
    state.octavia.check_quota(&project, "pool", 1)?;
    if listener.is_some_and(|listener| listener.default_pool.is_some()) {
        return Err(Refusal::new(409, "This listener already has a default pool"));
    }
    check_locked(state, &parent)?;
    if fields.raw("members").is_some() || fields.raw("healthmonitor").is_some() {
        // The row's constructor does not know them.
        return Err(Refusal::new(500, "members and healthmonitor are only for POST /loadbalancers"));
    }
    provider::check_pool(by, &pool, state.profile)?;
    lifecycle::lock(state, &parent)?;
    let (id, now) = (pool.common.id.clone(), state.wall);
    state.octavia.add_pool(pool);
    let mut parts = vec![Part::Pool(id.clone())];
    if let Some(listener_id) = listener_id
        && let Some(listener) = state.octavia.listeners.get_mut(&listener_id)
    {
        listener.default_pool = Some(id.clone());
        listener.common.set(Status::PendingUpdate, now);
        parts.push(Part::Listener(listener_id));
    }
    lifecycle::begin(state, &parent, Kind::Write, vec![parts], ask.fails);
    let shown = state.octavia.show_pool(state.octavia.pool(&id)?, state.profile);
    Ok(Reply::new(201, json!({ "pool": shown })))
}

pub(super) fn update(state: &mut State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let fields = Fields::root(&ask.body, "pool_", "pool", &[CHANGEABLE, &newer(state.profile)])?;
    let mut pool = state.octavia.pool(id)?.clone();
    let parent = pool.load_balancer.clone();
    policy::may_write(ask.who, &pool.common.project)?;
    take(&mut pool, &fields)?;
    check_locked(state, &parent)?;
    provider::check_pool(state.octavia.load_balancer(&parent)?.provider, &pool, state.profile)?;
    lifecycle::lock(state, &parent)?;
    let mut parts = lifecycle::mark_listeners_of(state, id);
    pool.common.set(Status::PendingUpdate, state.wall);
    state.octavia.pools.insert(id.to_owned(), pool);
    parts.push(Part::Pool(id.to_owned()));
    lifecycle::begin(state, &parent, Kind::Write, vec![parts], ask.fails);
    let shown = state.octavia.show_pool(state.octavia.pool(id)?, state.profile);
    Ok(Reply::new(200, json!({ "pool": shown })))
}

pub(super) fn delete(state: &mut State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let pool = state.octavia.pool(id)?;
    let (parent, monitor) = (pool.load_balancer.clone(), pool.monitor.clone());
    let has_members = !pool.members.is_empty();
    policy::may_write(ask.who, &pool.common.project)?;
    lifecycle::lock(state, &parent)?;
    let listeners = lifecycle::mark_listeners_of(state, id);
    let now = state.wall;
    if let Some(pool) = state.octavia.pools.get_mut(id) {
        pool.common.set(Status::PendingDelete, now);
    }
    // ovn deletes what is in it first, and calls the load balancer ACTIVE after each.
    let mut pieces: Vec<Vec<Part>> = Vec::new();
    pieces.extend(monitor.map(|monitor| vec![Part::Monitor(monitor)]));
    pieces.extend(has_members.then(|| vec![Part::Members(id.to_owned())]));
    pieces.push([listeners, vec![Part::Pool(id.to_owned())]].concat());
    lifecycle::begin(state, &parent, Kind::Write, pieces, ask.fails);
    Ok(Reply::empty(204))
}
