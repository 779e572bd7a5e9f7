//! Quotas, providers, flavors, availability zones.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::body::Fields;
use super::model::Provider;
use super::refusal::Refusal;
use super::{Octavia, nowhere, policy};
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::state::State;

/// A flavor of load balancers.
#[derive(Clone, Debug)]
pub(super) struct Flavor {
    pub(super) name: String,
    pub(super) enabled: bool,
    pub(super) provider: String,
}

/// What has a quota: its name, and what a full one is told with.
const LIMITED: [(&str, &str); 7] = [
    ("loadbalancer", "Load Balancer"),
    ("listener", "Listener"),
    ("pool", "Pool"),
    ("healthmonitor", "Health Monitor"),
    ("member", "Member"),
    ("l7policy", "L 7 Policy"),
    ("l7rule", "L 7 Rule"),
];

/// How much of each a project may have; what is not set is unlimited.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotas(BTreeMap<String, BTreeMap<&'static str, i64>>);

impl Quotas {
    fn of(&self, project: &str, kind: &str) -> i64 {
        self.0.get(project).and_then(|own| own.get(kind)).copied().unwrap_or(-1)
    }

    /// Sets one; false if there is no such kind.
    pub(super) fn set(&mut self, project: &str, kind: &str, most: i64) -> bool {
        let Some((kind, _)) = LIMITED.iter().find(|(name, _)| *name == kind) else { return false };
        self.0.entry(project.to_owned()).or_default().insert(kind, most);
        true
    }

    fn show(&self, project: &str) -> Value {
        let mut shown: Map<String, Value> =
            LIMITED.iter().map(|(kind, _)| ((*kind).to_owned(), json!(self.of(project, kind)))).collect();
        // Old spellings that are still shown.
        shown.insert("load_balancer".into(), shown["loadbalancer"].clone());
        shown.insert("health_monitor".into(), shown["healthmonitor"].clone());
        Value::Object(shown)
    }
}

impl Octavia {
    /// That a project may have so many more.
    pub(super) fn check_quota(&self, project: &str, kind: &str, more: usize) -> Result<(), Refusal> {
        let most = self.quotas.of(project, kind);
        let Ok(most) = usize::try_from(most) else { return Ok(()) };
        let own = |id: &String| id == project;
        let used = match kind {
            "loadbalancer" => self.load_balancers.values().filter(|one| own(&one.common.project)).count(),
            "listener" => self.listeners.values().filter(|one| own(&one.common.project)).count(),
            "pool" => self.pools.values().filter(|one| own(&one.common.project)).count(),
            "healthmonitor" => self.monitors.values().filter(|one| own(&one.common.project)).count(),
            "member" => {
                let pools = self.pools.values().filter(|one| own(&one.common.project));
                pools.map(|pool| pool.members.len()).sum()
            }
            _ => 0,
        };
        if more == 0 || used + more <= most {
            return Ok(());
        }
        let told = LIMITED.iter().find(|(name, _)| *name == kind).map_or(kind, |(_, told)| told);
        Err(Refusal::quota(told))
    }
}

/// All that is not load balancing itself.
pub(super) fn route(state: &mut State, ask: &Ask<'_>, rest: &[&str]) -> Result<Reply, Refusal> {
    match (ask.method.as_str(), rest) {
        ("GET", ["quotas", "defaults"]) => Ok(Reply::new(200, json!({"quota": Quotas::default().show("")}))),
        ("GET", ["quotas", project]) => {
            policy::may_read_quota(ask.who, project)?;
            Ok(Reply::new(200, json!({"quota": state.octavia.quotas.show(project)})))
        }
        ("GET", ["quotas", project, "default"]) => {
            policy::may_read_quota(ask.who, project)?;
            Ok(Reply::new(200, json!({"quota": Quotas::default().show("")})))
        }
        ("PUT", ["quotas", project]) => set_quotas(state, ask, project),
        ("DELETE", ["quotas", project]) => {
            policy::may_write_quota(ask.who)?;
            state.octavia.quotas.0.remove(*project);
            Ok(Reply::empty(202))
        }
        ("GET", ["providers"]) => {
            policy::may_read(ask.who, &ask.who.project)?;
            let describe = |name: &String| match Provider::by_name(name) {
                Some(Provider::Ovn) => "Octavia OVN driver.",
                _ => "The Octavia Amphora driver.",
            };
            let providers = state.octavia.options.providers.iter();
            let shown: Vec<Value> =
                providers.map(|name| json!({"name": name, "description": describe(name)})).collect();
            Ok(Reply::new(200, json!({ "providers": shown })))
        }
        ("GET", ["providers", _, "flavor_capabilities" | "availability_zone_capabilities"]) => {
            policy::may_administer(ask.who)?;
            Ok(Reply::new(200, json!({ rest[2]: [] })))
        }
        ("GET", ["flavors"]) => {
            policy::may_read(ask.who, &ask.who.project)?;
            let rows = state.octavia.flavors.iter();
            let named = rows.filter(|(_, flavor)| ask.query("name").is_none_or(|name| name == flavor.name));
            let shown: Vec<Value> = named.map(|(id, flavor)| show_flavor(id, flavor)).collect();
            Ok(Reply::new(200, json!({"flavors": shown, "flavors_links": []})))
        }
        ("GET", ["flavors", id]) => {
            policy::may_read(ask.who, &ask.who.project)?;
            let found = state.octavia.flavors.get(*id).ok_or_else(|| Refusal::not_found("Flavor", id))?;
            Ok(Reply::new(200, json!({"flavor": show_flavor(id, found)})))
        }
        ("GET", ["availabilityzones"]) if state.profile.octavia_newest() >= 14 => {
            policy::may_read(ask.who, &ask.who.project)?;
            let rows = state.octavia.zones.iter();
            let shown: Vec<Value> =
                rows.map(|(name, enabled)| json!({"name": name, "enabled": enabled})).collect();
            Ok(Reply::new(200, json!({"availability_zones": shown, "availability_zones_links": []})))
        }
        _ => Err(nowhere()),
    }
}

fn show_flavor(id: &str, flavor: &Flavor) -> Value {
    json!({"id": id, "name": flavor.name, "enabled": flavor.enabled, "description": "", "flavor_profile_id": id})
}

fn set_quotas(state: &mut State, ask: &Ask<'_>, project: &str) -> Result<Reply, Refusal> {
    policy::may_write_quota(ask.who)?;
    let names: Vec<&str> =
        LIMITED.iter().map(|(kind, _)| *kind).chain(["load_balancer", "health_monitor"]).collect();
    let fields = Fields::root(&ask.body, "quotas", "quota", &[&names])?;
    for name in &names {
        if let Some(most) = fields.integer(name, -1, 2_000_000_000)? {
            let kind = name.replace('_', "");
            state.octavia.quotas.set(project, &kind, most.unwrap_or(-1));
        }
    }
    let mut shown = state.octavia.quotas.show(project);
    shown["project_id"] = project.into();
    shown["tenant_id"] = project.into();
    Ok(Reply::new(202, json!({ "quota": shown })))
}
