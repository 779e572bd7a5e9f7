//! Nova: servers, as a project sees them.

use serde_json::json;

use super::ask::{Ask, Reply};
use super::state::State;

/// The words that are no ids in Nova's paths.
pub(crate) const WORDS: &[&str] = &["v2.1", "servers", "detail", "flavors", "os-interface"];

/// What Nova knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nova {}

/// What Nova does by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {}

/// Answers a request.
pub(crate) fn answer(_state: &mut State, _ask: &Ask<'_>) -> Reply {
    error(404, "The resource could not be found.")
}

/// Lets an event happen.
pub(crate) fn advance(_state: &mut State, event: Event) {
    match event {}
}

/// An error in Nova's form.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    // The keys of nova/api/openstack/wsgi.py; other statuses have `computeFault`.
    let key = match status {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    };
    Reply::new(status, json!({key: {"code": status, "message": message}}))
}

/// Hears from Neutron that something about a server's port has changed.
pub(crate) fn port_changed(_state: &mut State, _device: &str) {}
