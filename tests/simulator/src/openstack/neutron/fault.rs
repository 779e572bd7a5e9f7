//! Refusals of Neutron: its exceptions, with their types and texts.
//!
//! Types and texts are those of `neutron_lib.exceptions` and of Neutron's extensions; the status follows from the
//! exception's base class (`neutron_lib.api.faults`).

use serde_json::{Value, json};

use crate::openstack::ask::Reply;

/// An exception on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

impl Fault {
    pub(super) fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into() }
    }

    /// A request that does not pass the checks of the API layer.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "HTTPBadRequest", message)
    }

    /// A value that its attribute cannot have.
    pub(super) fn invalid_attribute(attribute: &str, reason: &str) -> Self {
        Self::malformed(format!("Invalid input for {attribute}. Reason: {reason}."))
    }

    /// A value that cannot be converted.
    pub(super) fn invalid_input(what: &str) -> Self {
        Self::new(400, "InvalidInput", format!("Invalid input for operation: {what}."))
    }

    /// A request that makes no sense for what it is about.
    pub(super) fn bad_request(resource: &str, why: &str) -> Self {
        Self::new(400, "BadRequest", format!("Bad {resource} request: {why}."))
    }

    /// Something that does not exist, or is not shown.
    pub(super) fn not_found(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(404, kind, message)
    }

    /// Something that does not exist under this URL, said by the API layer.
    pub(super) fn nowhere() -> Self {
        Self::new(404, "HTTPNotFound", "The resource could not be found.")
    }

    /// Something that others need, or that is taken.
    pub(super) fn conflict(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(409, kind, message)
    }

    /// An exception that nobody expected.
    pub(super) fn unexpected() -> Self {
        let text = "Request Failed: internal server error while processing your request.";
        Self::new(500, "HTTPInternalServerError", text)
    }

    /// A full quota.
    pub(super) fn over_quota(resource: &str) -> Self {
        Self::conflict("OverQuota", format!("Quota exceeded for resources: ['{resource}']."))
    }

    /// Something that the user's roles do not allow.
    pub(super) fn forbidden(rule: &str) -> Self {
        Self::new(403, "PolicyNotAuthorized", format!("rule:{rule} is disallowed by policy"))
    }

    /// An attribute that the user's roles do not allow.
    pub(super) fn forbidden_attribute(rule: &str, attribute: &str) -> Self {
        let text = format!("(rule:{rule} and rule:{rule}:{attribute}) is disallowed by policy");
        Self::new(403, "PolicyNotAuthorized", text)
    }

    /// A method that the URL does not know.
    pub(super) fn no_method() -> Self {
        Self::new(
            405,
            "HTTPMethodNotAllowed",
            "The server could not comply with the request since it is either malformed or otherwise incorrect.",
        )
    }

    pub(super) fn body(&self) -> Value {
        json!({"NeutronError": {"type": self.kind, "message": self.message, "detail": ""}})
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        Self::new(fault.status, fault.body())
    }
}
