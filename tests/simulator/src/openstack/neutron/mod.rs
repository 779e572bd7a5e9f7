//! Neutron: networks, subnets, ports, floating IPs, routers, security groups.

use serde_json::json;

use super::ask::{Ask, Reply};
use super::state::State;

/// The words that are no ids in Neutron's paths.
pub(crate) const WORDS: &[&str] = &[
    "v2.0",
    "networks",
    "subnets",
    "ports",
    "floatingips",
    "routers",
    "security-groups",
    "security-group-rules",
    "extensions",
    "tags",
    "add_extraroutes",
    "remove_extraroutes",
    "quotas",
];

/// What Neutron knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neutron {}

/// What Neutron does by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {}

/// Answers a request.
pub(crate) fn answer(_state: &mut State, _ask: &Ask<'_>) -> Reply {
    error(404, "HTTPNotFound", "The resource could not be found.")
}

/// Lets an event happen.
pub(crate) fn advance(_state: &mut State, event: Event) {
    match event {}
}

/// An error in Neutron's form.
pub(crate) fn error(status: u16, kind: &str, message: &str) -> Reply {
    Reply::new(status, json!({"NeutronError": {"type": kind, "message": message, "detail": ""}}))
}
