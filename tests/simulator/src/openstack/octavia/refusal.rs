//! Octavia's refusals, in its words (octavia/common/exceptions.py, wsme/exc.py).

use serde_json::{Value, json};

use crate::openstack::ask::Reply;

/// An error in Octavia's form.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    let code = if status >= 500 { "Server" } else { "Client" };
    Reply::new(status, json!({"faultcode": code, "faultstring": message, "debuginfo": null}))
}

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct Refusal(Reply);

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}

impl Refusal {
    pub(super) fn new(status: u16, message: &str) -> Self {
        Self(error(status, message))
    }

    /// What the web framework says, in a form of its own.
    pub(super) fn web(status: u16, title: &str, description: &str) -> Self {
        Self(Reply::new(status, json!({"code": status, "title": title, "description": description})))
    }

    /// What a driver says that has failed.
    pub(super) fn provider(name: &str, what: &str) -> Self {
        Self::new(500, &format!("Provider '{name}' reports error: {what}"))
    }

    pub(super) fn not_found(what: &str, id: &str) -> Self {
        Self::new(404, &format!("{what} {id} not found."))
    }

    pub(super) fn forbidden() -> Self {
        Self::new(403, "Policy does not allow this request to be performed.")
    }

    pub(super) fn quota(resource: &str) -> Self {
        Self::new(403, &format!("Quota has been met for resources: {resource}"))
    }

    pub(super) fn immutable(what: &str, id: &str) -> Self {
        Self::new(409, &format!("{what} {id} is immutable and cannot be updated."))
    }

    pub(super) fn validation(detail: &str) -> Self {
        Self::new(400, &format!("Validation failure: {detail}"))
    }

    pub(super) fn option(value: &str, option: &str) -> Self {
        Self::new(400, &format!("{value} is not a valid option for {option}"))
    }

    /// The provider cannot do that.
    pub(super) fn unsupported(provider: &str, what: &str) -> Self {
        Self::new(501, &format!("Provider '{provider}' does not support a requested option: {what}"))
    }

    /// A value that its attribute does not take.
    pub(super) fn input(attribute: &str, value: &Value, why: &str) -> Self {
        let value = match value {
            Value::Null => "None".to_owned(),
            Value::String(text) => text.clone(),
            // As Python prints it.
            other => other.to_string().replace('"', "'"),
        };
        Self::new(400, &format!("Invalid input for field/attribute {attribute}. Value: '{value}'. {why}"))
    }

    /// Attributes that do not exist; `argument` is where.
    pub(super) fn unknown(argument: &str, attributes: &[&str]) -> Self {
        let plural = if attributes.len() > 1 { "s" } else { "" };
        Self::new(
            400,
            &format!("Unknown attribute{plural} for argument {argument}: {}", attributes.join(", ")),
        )
    }
}
