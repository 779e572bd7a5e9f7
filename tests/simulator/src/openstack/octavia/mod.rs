//! Octavia: load balancers.

use serde_json::json;

use super::ask::{Ask, Reply};
use super::state::State;

/// The words that are no ids in Octavia's paths.
pub(crate) const WORDS: &[&str] = &[
    "v2",
    "v2.0",
    "lbaas",
    "octavia",
    "loadbalancers",
    "listeners",
    "pools",
    "members",
    "healthmonitors",
    "l7policies",
    "rules",
    "quotas",
    "defaults",
    "status",
    "statuses",
    "stats",
    "failover",
    "flavors",
    "flavorprofiles",
    "availabilityzones",
    "availabilityzoneprofiles",
    "providers",
    "flavor_capabilities",
    "availability_zone_capabilities",
    "amphorae",
];

/// What Octavia knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Octavia {}

/// What Octavia does by itself.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// What a write has begun is done.
    Settled(String),
}

/// Answers a request.
pub(crate) fn answer(_state: &mut State, _ask: &Ask<'_>) -> Reply {
    error(404, "The requested resource could not be found.")
}

/// Lets an event happen.
pub(crate) fn advance(_state: &mut State, event: Event) {
    match event {
        Event::Settled(id) => drop(id),
    }
}

/// An error in Octavia's form.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    let code = if status >= 500 && status != 501 { "Server" } else { "Client" };
    Reply::new(status, json!({"faultcode": code, "faultstring": message, "debuginfo": null}))
}
