//! Health monitors (`octavia/api/v2/controllers/health_monitor.py`).

use serde_json::{Value, json};

use super::body::{Fields, must};
use super::lifecycle::{self, Kind, Part};
use super::listener::take_common;
use super::model::{Common, Monitor, Pool, Status};
use super::refusal::Refusal;
use super::{list, member, policy, provider, show};
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::profile::Profile;
use crate::openstack::state::State;

const CHANGEABLE: &[&str] = &[
    "name",
    "delay",
    "timeout",
    "max_retries_down",
    "max_retries",
    "http_method",
    "url_path",
    "expected_codes",
    "admin_state_up",
    "tags",
    "http_version",
    "domain_name",
];
const ON_CREATE: &[&str] = &["type"];
const BY_ITSELF: &[&str] = &["project_id", "tenant_id", "pool_id"];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "PATCH", "CONNECT"];

fn kinds(profile: Profile) -> Vec<&'static str> {
    let mut all = vec!["HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO", "UDP-CONNECT"];
    all.extend((profile.octavia_newest() >= 23).then_some("SCTP"));
    all
}

/// The attributes that a monitor may have within `POST /loadbalancers`.
pub(super) fn graph_attributes() -> Vec<&'static str> {
    [CHANGEABLE, ON_CREATE].concat()
}

/// A monitor as its body describes it, for a pool that may not be there yet.
pub(super) fn read(state: &mut State, fields: &Fields<'_>, pool: &Pool) -> Result<Monitor, Refusal> {
    let kind = must("type", fields.one_of("type", &kinds(state.profile)))?;
    let number = |key: &str, least, most| must(key, fields.integer(key, least, most));
    let mut monitor = Monitor {
        common: Common::new(state.ids.uuid(), &pool.common.project, state.wall),
        pool: pool.common.id.clone(),
        kind,
        delay: number("delay", 0, i64::MAX)?,
        timeout: number("timeout", 0, i64::MAX)?,
        max_retries: number("max_retries", 1, 10)?,
        max_retries_down: 3,
        method: None,
        path: None,
        codes: None,
        version: None,
        domain: None,
    };
    take(&mut monitor, fields)?;
    if is_http(&monitor.kind) {
        monitor.method.get_or_insert_with(|| "GET".into());
        monitor.path.get_or_insert_with(|| "/".into());
        monitor.codes.get_or_insert_with(|| "200".into());
    }
    check(&monitor, pool)?;
    Ok(monitor)
}

fn is_http(kind: &str) -> bool {
    matches!(kind, "HTTP" | "HTTPS")
}

fn take(monitor: &mut Monitor, fields: &Fields<'_>) -> Result<(), Refusal> {
    take_common(&mut monitor.common, fields)?;
    for (key, own, least, most) in [
        ("delay", &mut monitor.delay, 0, i64::MAX),
        ("timeout", &mut monitor.timeout, 0, i64::MAX),
        ("max_retries", &mut monitor.max_retries, 1, 10),
    ] {
        match fields.integer(key, least, most)? {
            None => {}
            Some(None) => return Err(Refusal::option("None", key)),
            Some(Some(value)) => *own = value,
        }
    }
    if let Some(value) = fields.integer("max_retries_down", 1, 10)? {
        monitor.max_retries_down = value.unwrap_or(3);
    }
    let own = [
        ("http_method", fields.one_of("http_method", METHODS)?, &mut monitor.method, "GET"),
        ("url_path", path(fields)?, &mut monitor.path, "/"),
        ("expected_codes", codes(fields)?, &mut monitor.codes, "200"),
    ];
    for (key, given, own, default) in own {
        let Some(value) = given else { continue };
        if !is_http(&monitor.kind) && value.is_some() {
            return Err(Refusal::option(key, &format!("health monitors of type {}", monitor.kind)));
        }
        *own = is_http(&monitor.kind).then(|| value.unwrap_or_else(|| default.to_owned()));
    }
    if let Some(domain) = fields.text("domain_name", 255)? {
        monitor.domain = domain;
    }
    if let Some(version) = fields.raw("http_version") {
        let known = version.as_f64().filter(|version| [1.0, 1.1].contains(version));
        monitor.version =
            Some(known.ok_or_else(|| {
                Refusal::input("http_version", version, "Value should be one of: 1.0, 1.1")
            })?);
    }
    if monitor.domain.is_some() && monitor.version.is_none() {
        return Err(Refusal::validation("'http_version' must be specified when 'domain_name' is provided."));
    }
    Ok(())
}

fn path(fields: &Fields<'_>) -> super::body::Given<String> {
    let given = fields.text("url_path", 255)?;
    match given {
        Some(Some(path)) if !path.starts_with('/') => {
            Err(Refusal::input("url_path", &Value::String(path), "Value must be a valid URL Path string"))
        }
        given => Ok(given),
    }
}

/// `200`, `200, 201` or `200-204`.
fn codes(fields: &Fields<'_>) -> super::body::Given<String> {
    let given = fields.text("expected_codes", 64)?;
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    match given {
        Some(Some(codes)) => {
            let is_list = codes.split(',').all(|code| is_code(code.trim()));
            let is_range = codes.split_once('-').is_some_and(|(from, to)| is_code(from) && is_code(to));
            if is_list || is_range {
                return Ok(Some(Some(codes)));
            }
            let why = "Value should match the pattern ^(\\d{3}(\\s*,\\s*\\d{3})*)$|^(\\d{3}-\\d{3})$";
            Err(Refusal::input("expected_codes", &Value::String(codes), why))
        }
        given => Ok(given),
    }
}

/// Whether a monitor goes with its pool.
fn check(monitor: &Monitor, pool: &Pool) -> Result<(), Refusal> {
    let kind = monitor.kind.as_str();
    if !matches!(pool.protocol.as_str(), "UDP" | "SCTP") {
        if matches!(kind, "UDP-CONNECT" | "SCTP") {
            let what = format!("The {kind} type is only supported for pools of type UDP/SCTP.");
            return Err(Refusal::validation(&what));
        }
        return Ok(());
    }
    if !matches!(kind, "UDP-CONNECT" | "SCTP" | "TCP" | "HTTP") {
        let what = format!(
            "The associated pool protocol is {}, so only a UDP-CONNECT/SCTP/TCP/HTTP health monitor is supported.",
            pool.protocol
        );
        return Err(Refusal::validation(&what));
    }
    if kind == "UDP-CONNECT" && monitor.delay < 3 {
        let what = format!(
            "The request delay value {} should be larger than 3 for UDP-CONNECT health monitor type.",
            monitor.delay
        );
        return Err(Refusal::validation(&what));
    }
    Ok(())
}

pub(super) fn list(state: &State, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let project = list::project(ask)?;
    let rows = state.octavia.monitors.values();
    let own = rows.filter(|one| project.is_none_or(|project| one.common.project == project));
    list::page(ask, "healthmonitors", own, state.octavia.options.page, |one| show::show_monitor(one))
}

pub(super) fn get(state: &State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let monitor = state.octavia.monitor(id)?;
    policy::may_read(ask.who, &monitor.common.project)?;
    Ok(Reply::new(200, json!({"healthmonitor": show::show_monitor(monitor)})))
}

/// Hands a change of the monitor over to the provider.
fn begin(state: &mut State, parent: &str, pool: &str, id: &str, fails: bool) -> Result<(), Refusal> {
    lifecycle::lock(state, parent)?;
    let mut parts = lifecycle::mark_pool(state, pool);
    parts.push(Part::Monitor(id.to_owned()));
    lifecycle::begin(state, parent, Kind::Write, vec![parts], fails);
    Ok(())
}

pub(super) fn create(state: &mut State, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let allowed = [CHANGEABLE, ON_CREATE, BY_ITSELF];
    let fields = Fields::root(&ask.body, "health_monitor_", "healthmonitor", &allowed)?;
    let pool_id = must("pool_id", fields.uuid("pool_id"))?;
    let parent = member::open_pool(state, ask.who, &pool_id)?;
    let pool = state.octavia.pool(&pool_id)?;
    let (project, has_one) = (pool.common.project.clone(), pool.monitor.is_some());
    let bare = Pool { members: std::collections::BTreeMap::new(), ..pool.clone() };
    let monitor = read(state, &fields, &bare)?;
    state.octavia.check_quota(&project, "healthmonitor", 1)?;
    member::lock(state, &pool_id)?;
    if has_one {
        return Err(Refusal::new(409, "This pool already has a health monitor"));
    }
    provider::check_monitor(state.octavia.load_balancer(&parent)?.provider, &monitor.kind)?;
    let id = monitor.common.id.clone();
    state.octavia.add_monitor(monitor);
    begin(state, &parent, &pool_id, &id, ask.fails)?;
    Ok(Reply::new(201, json!({"healthmonitor": show::show_monitor(state.octavia.monitor(&id)?)})))
}

pub(super) fn update(state: &mut State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let fields = Fields::root(&ask.body, "health_monitor_", "healthmonitor", &[CHANGEABLE])?;
    let mut monitor = state.octavia.monitor(id)?.clone();
    let pool = monitor.pool.clone();
    let parent = member::open_pool(state, ask.who, &pool)?;
    take(&mut monitor, &fields)?;
    check(&monitor, state.octavia.pool(&pool)?)?;
    member::lock(state, &pool)?;
    monitor.common.set(Status::PendingUpdate, state.wall);
    state.octavia.monitors.insert(id.to_owned(), monitor);
    begin(state, &parent, &pool, id, ask.fails)?;
    Ok(Reply::new(200, json!({"healthmonitor": show::show_monitor(state.octavia.monitor(id)?)})))
}

pub(super) fn delete(state: &mut State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let pool = state.octavia.monitor(id)?.pool.clone();
    let parent = member::open_pool(state, ask.who, &pool)?;
    member::lock(state, &pool)?;
    let now = state.wall;
    if let Some(monitor) = state.octavia.monitors.get_mut(id) {
        monitor.common.set(Status::PendingDelete, now);
    }
    begin(state, &parent, &pool, id, ask.fails)?;
    Ok(Reply::empty(204))
}
