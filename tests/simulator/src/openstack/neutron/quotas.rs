//! Quotas: how many objects of a kind a project may have.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Neutron;
use super::fault::Fault;
use super::object::{Object, Table};
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::state::State;

/// The kinds of objects that have a quota.
const KINDS: [&str; 11] = [
    "network",
    "router_route",
    "subnet",
    "subnetpool",
    "port",
    "router",
    "floatingip",
    "rbac_policy",
    "security_group",
    "security_group_rule",
    "trunk",
];

/// Limits by project and kind; what is not there is not limited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quotas(BTreeMap<(String, &'static str), i64>);

impl Quotas {
    /// Sets a limit; a negative one is none. False if there is no such kind.
    pub(crate) fn set(&mut self, project: &str, kind: &str, most: i64) -> bool {
        let known = KINDS.into_iter().find(|known| *known == kind);
        if let Some(kind) = known {
            self.0.insert((project.to_owned(), kind), most);
        }
        known.is_some()
    }

    fn get(&self, project: &str, kind: &'static str) -> i64 {
        self.0.get(&(project.to_owned(), kind)).copied().unwrap_or_else(|| default(kind))
    }
}

/// What holds for a project without a limit of its own: the laboratory limits nothing but what it has forgotten.
fn default(kind: &str) -> i64 {
    match kind {
        "rbac_policy" => 10,
        "router_route" => 30,
        _ => -1,
    }
}

/// Whether a project may have so many more of a kind.
pub(super) fn check(state: &State, project: &str, kind: &'static str, more: usize) -> Result<(), Fault> {
    let most = state.neutron.quotas.get(project, kind);
    let Ok(most) = usize::try_from(most) else { return Ok(()) };
    if used(&state.neutron, project, kind) + more > most {
        return Err(Fault::over_quota(kind));
    }
    Ok(())
}

fn used(neutron: &Neutron, project: &str, kind: &str) -> usize {
    fn own<T: Object>(table: &Table<T>, project: &str) -> usize {
        table.values().filter(|one| one.standard().project_id == project).count()
    }
    match kind {
        "network" => own(&neutron.networks, project),
        "subnet" => own(&neutron.subnets, project),
        "port" => own(&neutron.ports, project),
        "router" => own(&neutron.routers, project),
        "floatingip" => own(&neutron.floating_ips, project),
        "security_group" => own(&neutron.security_groups, project),
        "security_group_rule" => own(&neutron.rules, project),
        _ => 0,
    }
}

/// Answers `/v2.0/quotas/<project>`.
pub(super) fn answer(state: &mut State, ask: &Ask, project: &str) -> Result<Reply, Fault> {
    if project != ask.who.project && !ask.who.is_admin() {
        return Err(Fault::nowhere());
    }
    match ask.method.as_str() {
        "GET" => {}
        "PUT" if !ask.who.is_admin() => return Err(Fault::forbidden("update_quota")),
        "PUT" => {
            for (kind, most) in ask.body["quota"].as_object().into_iter().flatten() {
                let most = most
                    .as_i64()
                    .ok_or_else(|| Fault::invalid_input(&format!("'{most}' is not an integer")))?;
                if !state.neutron.quotas.set(project, kind, most) {
                    return Err(Fault::malformed(format!("Unrecognized attribute(s) '{kind}'")));
                }
            }
        }
        _ => return Err(Fault::no_method()),
    }
    let shown: Value =
        KINDS.map(|kind| (kind, json!(state.neutron.quotas.get(project, kind)))).into_iter().collect();
    Ok(Reply::new(200, json!({"quota": shown})))
}
