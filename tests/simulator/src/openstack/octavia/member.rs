//! Members, one by one and all of a pool at once (`octavia/api/v2/controllers/member.py`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::body::{Fields, must};
use super::lifecycle::{self, Kind, Part};
use super::listener::check_locked;
use super::model::{Member, Status};
use super::refusal::Refusal;
use super::{list, policy, provider, show};
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::keystone::Who;
use crate::openstack::neutron;
use crate::openstack::profile::Profile;
use crate::openstack::state::State;

const CHANGEABLE: &[&str] =
    &["name", "admin_state_up", "weight", "backup", "monitor_port", "monitor_address", "tags"];
const ON_CREATE: &[&str] = &["address", "protocol_port", "subnet_id"];
const BY_ITSELF: &[&str] = &["project_id", "tenant_id"];

fn newer(profile: Profile) -> &'static [&'static str] {
    if profile.octavia_newest() >= 30 { &["request_sriov"] } else { &[] }
}

/// The attributes that a member may have within `POST /loadbalancers`.
pub(super) fn graph_attributes(profile: Profile) -> Vec<&'static str> {
    [CHANGEABLE, ON_CREATE, newer(profile)].concat()
}

/// A member as its body describes it.
pub(super) fn read(state: &mut State, fields: &Fields<'_>, monitored: bool) -> Result<Member, Refusal> {
    let address = must("address", fields.ip("address"))?;
    let port = must("protocol_port", fields.port("protocol_port"))?;
    if address == "169.254.169.254" {
        return Err(Refusal::option(&address, "member address"));
    }
    if fields.flag("request_sriov")?.flatten() == Some(true) {
        return Err(Refusal::new(400, "The load balancer flavor does not allow SR-IOV member ports."));
    }
    let mut member = Member {
        name: "".into(),
        address: address.into(),
        port,
        weight: 1,
        backup: false,
        enabled: true,
        subnet: fields.uuid("subnet_id")?.flatten().map(|id| state.octavia.shared(id)),
        monitor_address: None,
        monitor_port: None,
        tags: Vec::new(),
        status: Status::PendingCreate,
        operating: if monitored { "OFFLINE" } else { "NO_MONITOR" },
        created: state.wall,
        updated: None,
    };
    take(&mut member, fields)?;
    Ok(member)
}

fn take(member: &mut Member, fields: &Fields<'_>) -> Result<(), Refusal> {
    if let Some(name) = fields.text("name", 255)? {
        member.name = name.unwrap_or_default().into();
    }
    if let Some(enabled) = fields.flag("admin_state_up")? {
        member.enabled = enabled.unwrap_or(true);
    }
    if let Some(weight) = fields.integer("weight", 0, 256)? {
        member.weight = weight.and_then(|weight| u16::try_from(weight).ok()).unwrap_or(1);
    }
    if let Some(backup) = fields.flag("backup")? {
        member.backup = backup.unwrap_or(false);
    }
    if let Some(port) = fields.port("monitor_port")? {
        member.monitor_port = port;
    }
    if let Some(address) = fields.ip("monitor_address")? {
        member.monitor_address = address.map(Into::into);
    }
    if let Some(tags) = fields.texts("tags", 255)? {
        member.tags = tags.unwrap_or_default();
    }
    Ok(())
}

/// Whether subnet and provider go with new members.
pub(super) fn check(
    state: &State,
    who: &Who,
    load_balancer: &super::model::LoadBalancer,
    members: &[&Member],
) -> Result<(), Refusal> {
    let subnets: BTreeSet<&str> = members.iter().filter_map(|member| member.subnet.as_deref()).collect();
    for subnet in subnets {
        if neutron::vip::subnet(state, subnet, who).is_none() {
            return Err(Refusal::new(400, &format!("Subnet {subnet} not found.")));
        }
    }
    for member in members {
        let near = neutron::vip::holds(state, &load_balancer.vip.subnet, &member.address);
        provider::check_member(load_balancer.provider, member, &load_balancer.vip.address, near)?;
    }
    Ok(())
}

/// The pool's load balancer, where its inside may be changed.
pub(super) fn open_pool(state: &State, who: &Who, pool: &str) -> Result<String, Refusal> {
    let found = state.octavia.pool(pool)?;
    policy::may_write(who, &found.common.project)?;
    Ok(found.load_balancer.clone())
}

/// A pool that is not ACTIVE itself takes no change of its inside, whatever its load balancer is.
pub(super) fn lock(state: &mut State, pool: &str) -> Result<(), Refusal> {
    let found = state.octavia.pool(pool)?;
    if found.common.status != Status::Active {
        return Err(Refusal::immutable("Pool", pool));
    }
    let parent = found.load_balancer.clone();
    check_locked(state, &parent)
}

pub(super) fn list(state: &State, ask: &Ask<'_>, pool: &str) -> Result<Reply, Refusal> {
    let pool = state.octavia.pool(pool)?;
    policy::may_read(ask.who, &pool.common.project)?;
    list::page(ask, "members", pool.members.iter(), state.octavia.options.page, |(id, member)| {
        show::show_member(id, member, &pool.common.project)
    })
}

pub(super) fn get(state: &State, ask: &Ask<'_>, pool: &str, id: &str) -> Result<Reply, Refusal> {
    let member = state.octavia.member(pool, id)?;
    let project = &state.octavia.pool(pool)?.common.project;
    policy::may_read(ask.who, project)?;
    Ok(Reply::new(200, json!({"member": show::show_member(id, member, project)})))
}

fn shown(state: &State, pool: &str, id: &str) -> Result<serde_json::Value, Refusal> {
    let project = &state.octavia.pool(pool)?.common.project;
    Ok(json!({"member": show::show_member(id, state.octavia.member(pool, id)?, project)}))
}

/// Hands a change of some members over to the provider.
fn begin(state: &mut State, parent: &str, pool: &str, fails: bool) -> Result<(), Refusal> {
    lifecycle::lock(state, parent)?;
    let mut parts = lifecycle::mark_pool(state, pool);
    parts.push(Part::Members(pool.to_owned()));
    lifecycle::begin(state, parent, Kind::Write, vec![parts], fails);
    Ok(())
}

pub(super) fn create(state: &mut State, ask: &Ask<'_>, pool: &str) -> Result<Reply, Refusal> {
    let allowed = [CHANGEABLE, ON_CREATE, BY_ITSELF, newer(state.profile)];
    let fields = Fields::root(&ask.body, "member_", "member", &allowed)?;
    let parent = open_pool(state, ask.who, pool)?;
    let monitored = state.octavia.pool(pool)?.monitor.is_some();
    let member = read(state, &fields, monitored)?;
    let project = state.octavia.pool(pool)?.common.project.clone();
    state.octavia.check_quota(&project, "member", 1)?;
    lock(state, pool)?;
    let same = |other: &Member| other.address == member.address && other.port == member.port;
    if state.octavia.pool(pool)?.members.values().any(same) {
        return Err(Refusal::new(
            409,
            &format!(
                "Another member on this pool is already using ip {} on protocol_port {}",
                member.address, member.port
            ),
        ));
    }
    check(state, ask.who, state.octavia.load_balancer(&parent)?, &[&member])?;
    let id = state.ids.uuid();
    if let Some(found) = state.octavia.pools.get_mut(pool) {
        found.members.insert(id.as_str().into(), member);
    }
    begin(state, &parent, pool, ask.fails)?;
    Ok(Reply::new(201, shown(state, pool, &id)?))
}

pub(super) fn update(state: &mut State, ask: &Ask<'_>, pool: &str, id: &str) -> Result<Reply, Refusal> {
    let fields = Fields::root(&ask.body, "member_", "member", &[CHANGEABLE])?;
    let parent = open_pool(state, ask.who, pool)?;
    let mut member = state.octavia.member(pool, id)?.clone();
    take(&mut member, &fields)?;
    lock(state, pool)?;
    check(state, ask.who, state.octavia.load_balancer(&parent)?, &[&member])?;
    member.status = Status::PendingUpdate;
    member.updated = Some(state.wall);
    if let Some(found) = state.octavia.pools.get_mut(pool) {
        found.members.insert(id.into(), member);
    }
    begin(state, &parent, pool, ask.fails)?;
    Ok(Reply::new(200, shown(state, pool, id)?))
}

pub(super) fn delete(state: &mut State, ask: &Ask<'_>, pool: &str, id: &str) -> Result<Reply, Refusal> {
    let parent = open_pool(state, ask.who, pool)?;
    state.octavia.member(pool, id)?;
    lock(state, pool)?;
    if let Some(member) = state.octavia.pools.get_mut(pool).and_then(|found| found.members.get_mut(id)) {
        member.status = Status::PendingDelete;
    }
    begin(state, &parent, pool, ask.fails)?;
    Ok(Reply::empty(204))
}

/// `PUT` of all members: those that are not named go, unless it is only to add. A member is known by address and port.
pub(super) fn replace(state: &mut State, ask: &Ask<'_>, pool: &str) -> Result<Reply, Refusal> {
    let root = Fields::of(&ask.body, "members_", &[&["members"]])?;
    let allowed = [CHANGEABLE, ON_CREATE, BY_ITSELF, newer(state.profile)];
    let asked = root.objects("members", &allowed)?;
    if !root.has("members") {
        return Err(Refusal::new(500, "'UnsetType' object is not iterable"));
    }
    let only_adds = ask
        .query("additive_only")
        .is_some_and(|word| matches!(word.to_lowercase().as_str(), "true" | "1" | "t" | "y" | "yes" | "on"));
    let parent = open_pool(state, ask.who, pool)?;
    let monitored = state.octavia.pool(pool)?.monitor.is_some();
    let mut given = Vec::with_capacity(asked.len());
    for fields in &asked {
        given.push((read(state, fields, monitored)?, fields));
    }
    lock(state, pool)?;
    let found = state.octavia.pool(pool)?;
    let known: BTreeMap<(&str, u16), &str> =
        found.members.iter().map(|(id, member)| ((&*member.address, member.port), &**id)).collect();
    let mut fresh: BTreeMap<(Box<str>, u16), Member> = BTreeMap::new();
    let mut changed: BTreeMap<Box<str>, Member> = BTreeMap::new();
    for (member, fields) in given {
        let Some(id) = known.get(&(&*member.address, member.port)) else {
            let key = (member.address.clone(), member.port);
            let what = format!(
                "Another member on this pool is already using ip {} on protocol_port {}",
                member.address, member.port
            );
            if fresh.insert(key, member).is_some() {
                return Err(Refusal::new(409, &what));
            }
            continue;
        };
        let mut after = found.members[*id].clone();
        // What is left out is as in a new member, but for name, tags and subnet, which stay.
        (after.weight, after.backup, after.enabled) = (1, false, true);
        (after.monitor_address, after.monitor_port) = (None, None);
        take(&mut after, fields)?;
        after.subnet = member.subnet.or(after.subnet);
        after.status = Status::PendingUpdate;
        after.updated = Some(state.wall);
        if changed.insert((*id).into(), after).is_some() {
            return Err(Refusal::validation("Member must be updated only once in the same request."));
        }
    }
    let gone: Vec<Box<str>> = found.members.keys().filter(|id| !changed.contains_key(*id)).cloned().collect();
    if fresh.is_empty() && changed.is_empty() && gone.is_empty() {
        return Ok(Reply::empty(202));
    }
    let leaving = if only_adds { 0 } else { gone.len() };
    let project = found.common.project.clone();
    state.octavia.check_quota(&project, "member", fresh.len().saturating_sub(leaving))?;
    let all: Vec<&Member> = fresh.values().chain(changed.values()).collect();
    check(state, ask.who, state.octavia.load_balancer(&parent)?, &all)?;
    if let Some(found) = state.octavia.pools.get_mut(pool) {
        for member in fresh.into_values() {
            found.members.insert(state.ids.uuid().into(), member);
        }
        found.members.append(&mut changed);
        for id in gone.iter().filter(|_| !only_adds) {
            if let Some(member) = found.members.get_mut(id) {
                member.status = Status::PendingDelete;
            }
        }
    }
    begin(state, &parent, pool, ask.fails)?;
    Ok(Reply::empty(202))
}
