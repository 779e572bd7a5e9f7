//! Listeners (`octavia/api/v2/controllers/listener.py`).

use std::collections::BTreeMap;

use serde_json::json;

use super::body::{Fields, must};
use super::lifecycle::{self, Kind, Part};
use super::list;
use super::model::{Common, Listener, Status};
use super::refusal::Refusal;
use super::{Octavia, policy, provider, show};
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::profile::Profile;
use crate::openstack::state::State;

/// 24 days in milliseconds.
const LONGEST_TIMEOUT: i64 = 24 * 24 * 60 * 60 * 1000;

/// What may be changed later.
const CHANGEABLE: &[&str] = &[
    "name",
    "description",
    "admin_state_up",
    "connection_limit",
    "default_tls_container_ref",
    "sni_container_refs",
    "default_pool_id",
    "insert_headers",
    "timeout_client_data",
    "timeout_member_connect",
    "timeout_member_data",
    "timeout_tcp_inspect",
    "tags",
    "client_ca_tls_container_ref",
    "client_authentication",
    "client_crl_container_ref",
    "allowed_cidrs",
];
const ON_CREATE: &[&str] = &["protocol", "protocol_port", "default_pool", "l7policies"];
const BY_ITSELF: &[&str] = &["project_id", "tenant_id", "loadbalancer_id"];
const KEPT: &[&str] = &[
    "client_ca_tls_container_ref",
    "client_authentication",
    "client_crl_container_ref",
    "tls_ciphers",
    "tls_versions",
    "alpn_protocols",
    "hsts_max_age",
    "hsts_include_subdomains",
    "hsts_preload",
];

/// Attributes that came with a version.
fn newer(profile: Profile) -> Vec<&'static str> {
    let all: [(u16, &[&str]); 3] = [
        (17, &["tls_ciphers", "tls_versions"]),
        (20, &["alpn_protocols"]),
        (27, &["hsts_max_age", "hsts_include_subdomains", "hsts_preload"]),
    ];
    let newest = profile.octavia_newest();
    all.iter().filter(|(since, _)| newest >= *since).flat_map(|(_, names)| names.iter().copied()).collect()
}

fn protocols(profile: Profile) -> Vec<&'static str> {
    let newest = profile.octavia_newest();
    let mut all = vec!["TCP", "HTTPS", "HTTP", "TERMINATED_HTTPS", "UDP"];
    all.extend((newest >= 23).then_some("SCTP"));
    all.extend((newest >= 25).then_some("PROMETHEUS"));
    all
}

/// Pool protocols that a listener's protocol goes with.
pub(super) fn pool_protocols(listener: &str) -> &'static [&'static str] {
    match listener {
        "TCP" => &["HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP"],
        "HTTP" | "TERMINATED_HTTPS" => &["HTTP", "PROXY", "PROXYV2"],
        "HTTPS" => &["HTTPS", "PROXY", "PROXYV2", "TCP"],
        "UDP" => &["UDP"],
        "SCTP" => &["SCTP"],
        _ => &[],
    }
}

pub(super) fn check_protocols(listener: &str, pool: &str) -> Result<(), Refusal> {
    if pool_protocols(listener).contains(&pool) {
        return Ok(());
    }
    let what = format!("The pool protocol '{pool}' is invalid while the listener protocol is '{listener}'.");
    Err(Refusal::validation(&what))
}

/// What two listeners of one port may not share.
pub(super) fn transport(protocol: &str) -> &'static str {
    match protocol {
        "UDP" => "UDP",
        "SCTP" => "SCTP",
        _ => "TCP",
    }
}

/// The attributes that a listener may have within `POST /loadbalancers`.
pub(super) fn graph_attributes(profile: Profile) -> Vec<&'static str> {
    [CHANGEABLE, ON_CREATE, &newer(profile)].concat()
}

/// A listener as its body describes it; `addresses` are the load balancer's.
pub(super) fn read(
    state: &mut State,
    fields: &Fields<'_>,
    project: &str,
    load_balancer: &str,
    addresses: &[String],
) -> Result<Listener, Refusal> {
    let protocol = must("protocol", fields.one_of("protocol", &protocols(state.profile)))?;
    let port = must("protocol_port", fields.port("protocol_port"))?;
    let id = state.ids.uuid();
    let mut listener = Listener {
        common: Common::new(id, project, state.wall),
        load_balancer: load_balancer.to_owned(),
        protocol,
        port,
        connection_limit: -1,
        default_pool: None,
        headers: BTreeMap::new(),
        timeouts: [50_000, 5_000, 50_000, 0],
        cidrs: Vec::new(),
        certificate: None,
        sni: Vec::new(),
        kept: serde_json::Map::new(),
    };
    take(&state.octavia, &mut listener, fields)?;
    let has_tls = listener.certificate.is_some() || !listener.sni.is_empty();
    let is_tls = listener.protocol == "TERMINATED_HTTPS";
    if matches!(listener.protocol.as_str(), "UDP" | "SCTP") && (has_tls || !listener.headers.is_empty()) {
        let what = format!("{} protocol listener does not support TLS.", listener.protocol);
        return Err(Refusal::validation(&what));
    }
    if is_tls && !has_tls {
        let what = "An SNI or default certificate container reference must be provided for TERMINATED_HTTPS protocol listeners.";
        return Err(Refusal::validation(what));
    }
    check(&state.octavia, &listener, addresses)?;
    Ok(listener)
}

/// Takes over what a body says; null is back to what it would be without.
fn take(octavia: &Octavia, listener: &mut Listener, fields: &Fields<'_>) -> Result<(), Refusal> {
    take_common(&mut listener.common, fields)?;
    if let Some(limit) = fields.integer("connection_limit", -1, i64::from(i32::MAX))? {
        listener.connection_limit = limit.unwrap_or(-1);
    }
    if let Some(pool) = fields.uuid("default_pool_id")? {
        listener.default_pool = pool;
    }
    if let Some(headers) = fields.map("insert_headers")? {
        listener.headers = headers.unwrap_or_default();
    }
    let timeouts = [
        ("timeout_client_data", 50_000),
        ("timeout_member_connect", 5_000),
        ("timeout_member_data", 50_000),
        ("timeout_tcp_inspect", 0),
    ];
    for (own, (key, default)) in listener.timeouts.iter_mut().zip(timeouts) {
        if let Some(timeout) = fields.integer(key, 0, LONGEST_TIMEOUT)? {
            *own = timeout.unwrap_or(default);
        }
    }
    if let Some(cidrs) = fields.cidrs("allowed_cidrs")? {
        listener.cidrs = cidrs.unwrap_or_default();
    }
    if let Some(certificate) = fields.text("default_tls_container_ref", 255)? {
        listener.certificate = certificate;
    }
    if let Some(sni) = fields.texts("sni_container_refs", 255)? {
        listener.sni = sni.unwrap_or_default();
    }
    fields.one_of("client_authentication", &["NONE", "OPTIONAL", "MANDATORY"])?;
    listener.kept.extend(fields.kept(KEPT));
    let unreadable: Vec<&String> = listener
        .sni
        .iter()
        .chain(&listener.certificate)
        .filter(|reference| !octavia.certificates.contains(*reference))
        .collect();
    if unreadable.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(400, &format!("Could not retrieve certificate: {unreadable:?}").replace('"', "'")))
}

/// Takes over what all objects have.
pub(super) fn take_common(common: &mut Common, fields: &Fields<'_>) -> Result<(), Refusal> {
    if let Some(name) = fields.text("name", 255)? {
        common.name = name.unwrap_or_default();
    }
    if let Some(description) = fields.text("description", 255)? {
        common.description = description.unwrap_or_default();
    }
    if let Some(enabled) = fields.flag("admin_state_up")? {
        common.enabled = enabled.unwrap_or(true);
    }
    if let Some(tags) = fields.texts("tags", 255)? {
        common.tags = tags.unwrap_or_default();
    }
    Ok(())
}

/// What holds for new and changed listeners alike.
fn check(octavia: &Octavia, listener: &Listener, addresses: &[String]) -> Result<(), Refusal> {
    let protocol = listener.protocol.as_str();
    if !matches!(protocol, "TERMINATED_HTTPS" | "PROMETHEUS")
        && (listener.certificate.is_some() || !listener.sni.is_empty())
    {
        let what =
            format!("Certificate container references are not allowed on {protocol} protocol listeners.");
        return Err(Refusal::validation(&what));
    }
    if !listener.headers.is_empty() {
        if !matches!(protocol, "HTTP" | "TERMINATED_HTTPS") {
            return Err(Refusal::option("insert-headers", &format!("a {protocol} protocol listener.")));
        }
        let known = |name: &str| {
            matches!(name, "X-Forwarded-For" | "X-Forwarded-Port" | "X-Forwarded-Proto")
                || (protocol == "TERMINATED_HTTPS" && name.starts_with("X-SSL-Client-"))
        };
        let names: Vec<&String> = listener.headers.keys().filter(|name| !known(name)).collect();
        if !names.is_empty() {
            return Err(Refusal::option(&format!("{names:?}").replace('"', "'"), "insert_headers"));
        }
    }
    for cidr in &listener.cidrs {
        if !addresses.iter().any(|address| address.contains(':') == cidr.contains(':')) {
            let what = format!("CIDR {cidr} IP version incompatible with all VIPs {addresses:?} IP version.");
            return Err(Refusal::validation(&what.replace('"', "'")));
        }
    }
    if let Some(pool) = &listener.default_pool {
        if protocol == "PROMETHEUS" {
            return Err(Refusal::new(400, "Protocol PROMETHEUS listeners cannot have child objects."));
        }
        let pool = octavia
            .pools
            .get(pool)
            .filter(|found| found.load_balancer == listener.load_balancer)
            .ok_or_else(|| Refusal::not_found("Pool", pool))?;
        check_protocols(protocol, &pool.protocol)?;
    }
    Ok(())
}

/// That no other listener of the load balancer has the port.
pub(super) fn check_port<'a>(
    mut others: impl Iterator<Item = &'a Listener>,
    listener: &Listener,
) -> Result<(), Refusal> {
    let taken = |other: &&Listener| {
        other.port == listener.port && transport(&other.protocol) == transport(&listener.protocol)
    };
    match others.find(taken) {
        None => Ok(()),
        Some(other) => Err(Refusal::new(
            409,
            &format!(
                "Another Listener on this Load Balancer is already using protocol {} and protocol_port {}",
                other.protocol, listener.port
            ),
        )),
    }
}

pub(super) fn list(state: &State, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let project = list::project(ask)?;
    let octavia = &state.octavia;
    let asked = ask.query("loadbalancer_id").or_else(|| ask.query("load_balancer_id"));
    // A load balancer's own are known without looking at all.
    let few = asked.map(|id| octavia.load_balancers.get(id).map_or(&[][..], |found| &found.listeners));
    let rows: Vec<&Listener> = match few {
        Some(few) => few.iter().filter_map(|id| octavia.listeners.get(id)).collect(),
        None => octavia.listeners.values().collect(),
    };
    let own = rows.into_iter().filter(|one| project.is_none_or(|project| one.common.project == project));
    list::page(ask, "listeners", own, octavia.options.page, |one| show::show_listener(one, state.profile))
}

pub(super) fn get(state: &State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let listener = state.octavia.listener(id)?;
    policy::may_read(ask.who, &listener.common.project)?;
    Ok(Reply::new(200, json!({"listener": show::show_listener(listener, state.profile)})))
}

pub(super) fn create(state: &mut State, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let allowed = [CHANGEABLE, ON_CREATE, BY_ITSELF, &newer(state.profile)];
    let fields = Fields::root(&ask.body, "listener_", "listener", &allowed)?;
    let parent = must("loadbalancer_id", fields.uuid("loadbalancer_id"))?;
    let load_balancer = state.octavia.load_balancer(&parent)?;
    let (project, provider) = (load_balancer.common.project.clone(), load_balancer.provider);
    let addresses = load_balancer.addresses();
    policy::may_write(ask.who, &project)?;
    state.octavia.check_quota(&project, "listener", 1)?;
    if fields.raw("default_pool").is_some() {
        // Taken by the types, but nothing comes of it.
        return Err(Refusal::new(500, "default_pool is only for POST /loadbalancers"));
    }
    let listener = read(state, &fields, &project, &parent, &addresses)?;
    let others = state.octavia.load_balancer(&parent)?.listeners.iter();
    check_locked(state, &parent)?;
    check_port(others.filter_map(|id| state.octavia.listeners.get(id)), &listener)?;
    provider::check_listener(provider, &listener)?;
    lifecycle::lock(state, &parent)?;
    let id = listener.common.id.clone();
    state.octavia.add_listener(listener);
    lifecycle::begin(state, &parent, Kind::Write, vec![vec![Part::Listener(id.clone())]], ask.fails);
    let shown = show::show_listener(state.octavia.listener(&id)?, state.profile);
    Ok(Reply::new(201, json!({ "listener": shown })))
}

/// That the load balancer can be changed, before anything else is looked at.
pub(super) fn check_locked(state: &State, id: &str) -> Result<(), Refusal> {
    match state.octavia.load_balancer(id)?.common.status {
        Status::Active => Ok(()),
        _ => Err(Refusal::immutable("Load Balancer", id)),
    }
}

pub(super) fn update(state: &mut State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let fields = Fields::root(&ask.body, "listener_", "listener", &[CHANGEABLE, &newer(state.profile)])?;
    let mut listener = state.octavia.listener(id)?.clone();
    let parent = listener.load_balancer.clone();
    policy::may_write(ask.who, &listener.common.project)?;
    take(&state.octavia, &mut listener, &fields)?;
    let load_balancer = state.octavia.load_balancer(&parent)?;
    let (addresses, provider) = (load_balancer.addresses(), load_balancer.provider);
    check(&state.octavia, &listener, &addresses)?;
    check_locked(state, &parent)?;
    if fields.has("allowed_cidrs") {
        provider::check_listener(provider, &listener)?;
    }
    lifecycle::lock(state, &parent)?;
    listener.common.set(Status::PendingUpdate, state.wall);
    state.octavia.listeners.insert(id.to_owned(), listener);
    lifecycle::begin(state, &parent, Kind::Write, vec![vec![Part::Listener(id.to_owned())]], ask.fails);
    let shown = show::show_listener(state.octavia.listener(id)?, state.profile);
    Ok(Reply::new(200, json!({ "listener": shown })))
}

pub(super) fn delete(state: &mut State, ask: &Ask<'_>, id: &str) -> Result<Reply, Refusal> {
    let listener = state.octavia.listener(id)?;
    let parent = listener.load_balancer.clone();
    policy::may_write(ask.who, &listener.common.project)?;
    lifecycle::lock(state, &parent)?;
    let now = state.wall;
    if let Some(listener) = state.octavia.listeners.get_mut(id) {
        listener.common.set(Status::PendingDelete, now);
    }
    lifecycle::begin(state, &parent, Kind::Write, vec![vec![Part::Listener(id.to_owned())]], ask.fails);
    Ok(Reply::empty(204))
}
