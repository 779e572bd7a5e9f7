//! Answers other than success, in the forms and words of the real API server (`apimachinery/pkg/api/errors`).

use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::store::Key;

/// A refusal: what becomes a `Status` object, or a plain text where the real server answers so.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
    /// Seconds, also sent as the header.
    pub(crate) retry_after: Option<u64>,
    /// Filters in front of the API answer in plain text.
    pub(crate) plain: bool,
}

/// One thing wrong with the content of an object.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    field: String,
    reason: &'static str,
    message: String,
}

impl Problem {
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        let message = format!("Invalid value: {}: {why}", quoted(value));
        Self { field: field.into(), reason: "FieldValueInvalid", message }
    }

    pub(crate) fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self { field: field.into(), reason: "FieldValueForbidden", message: format!("Forbidden: {why}") }
    }

    pub(crate) fn required(field: impl Into<String>, why: &str) -> Self {
        let message =
            if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { field: field.into(), reason: "FieldValueRequired", message }
    }

    /// `value` is shown as it is: the server shows its own struct.
    pub(crate) fn duplicate(field: impl Into<String>, value: &str) -> Self {
        let message = format!("Duplicate value: {value}");
        Self { field: field.into(), reason: "FieldValueDuplicate", message }
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let supported = supported.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ");
        let message = format!("Unsupported value: {}: supported values: {supported}", quoted(value));
        Self { field: field.into(), reason: "FieldValueNotSupported", message }
    }
}

fn quoted(value: &Value) -> String {
    value.to_string()
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, reason, message, details: Value::Null, retry_after: None, plain: false }
    }

    fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.details = details(kind.group, kind.plural, name);
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// `what` is the sentence after `forbidden:`.
    pub(crate) fn forbidden(group: &str, resource: &str, name: &str, what: &str) -> Self {
        let qualified = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        let message = match (resource.is_empty(), name.is_empty()) {
            (true, _) => format!("forbidden: {what}"),
            (false, true) => format!("{qualified} is forbidden: {what}"),
            (false, false) => format!("{qualified} \"{name}\" is forbidden: {what}"),
        };
        Self { details: details(group, resource, name), ..Self::new(403, "Forbidden", message) }
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", kind.resource())).about(kind, name)
    }

    /// A path that no handler has: plain text.
    pub(crate) fn not_served() -> Self {
        Self { plain: true, ..Self::new(404, "NotFound", "404 page not found\n") }
    }

    /// A resource that a known group does not have.
    pub(crate) fn unknown_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self { details: json!({}), ..Self::new(404, "NotFound", message) }
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self {
            details: json!({}),
            ..Self::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            )
        }
    }

    pub(crate) fn unsupported_media(supported: &[&str]) -> Self {
        let supported = supported.join(", ");
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {supported}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", kind.resource()))
            .about(kind, name)
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource());
        Self::new(409, "Conflict", message).about(kind, name)
    }

    /// A deletion of another object, or of another version, than is there.
    pub(crate) fn not_the_one(kind: &Kind, name: &str, what: &str, wanted: &str, actual: &str) -> Self {
        let remark = match what {
            "UID" => "deleted and then recreated",
            _ => "modified",
        };
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the {what} in the precondition ({wanted}) does not match the \
             {what} in record ({actual}). The object might have been {remark}",
            kind.qualified_name()
        );
        Self { details: details(kind.group, kind.name, name), ..Self::new(409, "Conflict", message) }
    }

    /// A replacement of another object than is there; the database says it.
    pub(crate) fn another_uid(kind: &Kind, key: &Key, wanted: &str, actual: &str) -> Self {
        let place = match kind.plural {
            "nodes" => "minions",
            "services" => "services/specs",
            other => other,
        };
        let slash = if key.0.is_empty() { "" } else { "/" };
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{place}/{}{slash}{}, ResourceVersion: 0, \
             AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {actual}",
            key.0, key.1
        );
        Self::conflict(kind, &key.1, &why)
    }

    /// The object is not at the version that the writer knows.
    pub(crate) fn stale(kind: &Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// The version is out of reach: a new list is needed.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, problems: &[Problem]) -> Self {
        let mut told: Vec<String> = Vec::new();
        for problem in problems {
            let text = format!("{}: {}", problem.field, problem.message);
            // Told once, although it is listed as often as it was found.
            if !told.contains(&text) {
                told.push(text);
            }
        }
        let told = if let [only] = told.as_slice() { only.clone() } else { format!("[{}]", told.join(", ")) };
        let message = format!("{} \"{name}\" is invalid: {told}", kind.qualified_name());
        let mut refusal = Self::new(422, "Invalid", message);
        refusal.details = details(kind.group, kind.name, name);
        refusal.details["causes"] = problems
            .iter()
            .map(|problem| {
                json!({"reason": problem.reason, "message": problem.message, "field": problem.field})
            })
            .collect();
        refusal
    }

    /// A query parameter of a list or watch that makes no sense.
    pub(crate) fn invalid_options(field: &str, why: &str) -> Self {
        let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: Forbidden: {why}");
        let mut refusal = Self::new(422, "Invalid", message);
        refusal.details = details("meta.k8s.io", "ListOptions", "");
        refusal.details["causes"] = json!([
            {"reason": "FieldValueForbidden", "message": format!("Forbidden: {why}"), "field": field}
        ]);
        refusal
    }

    /// Priority and fairness turn a request away before it is read.
    pub(crate) fn too_many(retry_after: u64) -> Self {
        let message = "Too many requests, please try again later.\n";
        Self { retry_after: Some(retry_after), plain: true, ..Self::new(429, "TooManyRequests", message) }
    }

    pub(crate) fn internal(message: &str) -> Self {
        let mut refusal = Self::new(500, "InternalError", format!("Internal error occurred: {message}"));
        refusal.details = json!({"causes": [{"message": message}]});
        refusal
    }

    /// An error of the storage that no handler knows.
    pub(crate) fn internal_plain(message: &str) -> Self {
        Self { reason: "", ..Self::new(500, "", message) }
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// A patch that does not fit the object.
    pub(crate) fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self { details: json!({}), ..Self::new(422, "Invalid", message) }
    }

    /// A kind of patch that is not known.
    pub(crate) fn unsupported_patch() -> Self {
        Self { details: json!({}), ..Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type") }
    }

    /// A patch after which the object cannot be read.
    pub(crate) fn unreadable_patch(object: &Value, why: &str) -> Self {
        let message = format!("Invalid value: {:?}: {why}", object.to_string());
        let mut refusal = Self::new(422, "Invalid", format!(" \"\" is invalid: patch: {message}"));
        refusal.details =
            json!({"causes": [{"reason": "FieldValueInvalid", "message": message, "field": "patch"}]});
        refusal
    }

    /// A replacement that does not say which version it replaces.
    pub(crate) fn must_name_version(kind: &Kind, name: &str) -> Self {
        let why = "must be specified for an update";
        let mut refusal =
            Self::invalid(kind, name, &[Problem::invalid("metadata.resourceVersion", &json!(0), why)]);
        // The storage says it, which knows resources and no kinds.
        refusal.message = refusal.message.replacen(&kind.qualified_name(), &kind.resource(), 1);
        refusal.details["kind"] = json!(kind.plural);
        refusal
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(503, "ServiceUnavailable", "the server is currently unable to handle the request")
    }

    pub(crate) fn timeout(message: impl Into<String>, retry_after: u64) -> Self {
        let mut refusal = Self::new(504, "Timeout", format!("Timeout: {}", message.into()));
        refusal.details = json!({"retryAfterSeconds": retry_after});
        refusal.retry_after = Some(retry_after);
        refusal
    }

    /// The server does not know such a version yet.
    pub(crate) fn from_the_future(asked: u64, current: u64) -> Self {
        let mut refusal =
            Self::timeout(format!("Too large resource version: {asked}, current: {current}"), 1);
        refusal.details["causes"] =
            json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        refusal
    }

    /// What a fault script wants to be said, in the server's own form or as the page of a proxy.
    pub(crate) fn asked_for(
        code: u16,
        message: Option<&str>,
        retry_after: Option<u64>,
        foreign: bool,
    ) -> Self {
        let usual = match code {
            401 => Self::unauthorized(),
            403 => Self::forbidden("", "", "", "by a fault that was asked for"),
            410 => Self::expired("The provided resource version is too old."),
            429 => Self::too_many(retry_after.unwrap_or(1)),
            503 => Self::unavailable(),
            504 => Self::timeout(
                "request did not complete within the allotted timeout",
                retry_after.unwrap_or(0),
            ),
            500 => Self::internal("etcdserver: request timed out"),
            _ => Self::new(code, "", "a fault that was asked for"),
        };
        let mut refusal = Self { code, retry_after: retry_after.or(usual.retry_after), ..usual };
        if let Some(message) = message {
            message.clone_into(&mut refusal.message);
        }
        if foreign {
            refusal.plain = true;
            refusal.message = format!("<html><body><h1>{code}</h1>a proxy</body></html>");
        }
        refusal
    }

    /// The refusal as an object of kind `Status`.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

/// Empty parts are left out.
fn details(group: &str, kind: &str, name: &str) -> Value {
    let parts = [("name", name), ("group", group), ("kind", kind)];
    let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
    Value::Object(parts.map(|(key, value)| (key.to_owned(), json!(value))).collect::<Map<_, _>>())
}
