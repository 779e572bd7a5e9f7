//! From an answer that is not a success to a [`Fault`]: each service has its own form of error bodies.
//!
//! | service | body |
//! |---|---|
//! | Keystone | `{"error": {"code": 401, "title": …, "message": …}}`, also sent by the others' token check |
//! | Nova, Cinder, Manila | `{"itemNotFound": {"code": 404, "message": …}}` |
//! | Neutron | `{"NeutronError": {"type": "OverQuota", "message": …, "detail": …}}` |
//! | Octavia | `{"faultcode": "Client", "faultstring": …, "debuginfo": …}`; Barbican's below a pool that is gone |
//! | Barbican | `{"code": 404, "title": "Not Found", "description": …}` |
//!
//! A body of another form is a proxy's, or of a host that is no OpenStack at all: it is never quoted.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::catalog::ServiceType;
use crate::error::Fault;
use crate::text::printable;
use crate::versions::{Microversion, Range};

/// Largest body that is taken for an error's, in bytes.
const LARGEST_ERROR: usize = 1 << 18;

/// The forms of error bodies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Keystone,
    /// Nova, and the services that began as parts of it.
    Nova,
    Neutron,
    Octavia,
    Barbican,
}

impl Form {
    /// The form that a service's own errors have.
    fn of(service: ServiceType) -> Self {
        match service {
            ServiceType::Identity => Self::Keystone,
            ServiceType::Compute | ServiceType::BlockStorage | ServiceType::SharedFileSystem => Self::Nova,
            ServiceType::Network => Self::Neutron,
            ServiceType::LoadBalancer => Self::Octavia,
            ServiceType::KeyManager => Self::Barbican,
        }
    }

    /// Whether `service` speaks like this when it says that something is not there.
    fn is_spoken_by(self, service: ServiceType) -> bool {
        // Octavia looks up the parent of a nested collection in its router, which answers as Barbican does.
        self == Self::of(service) || (self == Self::Barbican && service == ServiceType::LoadBalancer)
    }
}

/// An error body that was understood.
#[derive(Debug, PartialEq)]
struct Said {
    by: Form,
    /// Neutron's error type, else empty.
    kind: String,
    message: String,
}

/// What the answer of `service` means.
pub(crate) fn fault(service: ServiceType, status: StatusCode, after: Option<Duration>, body: &[u8]) -> Fault {
    let said = read(status, body);
    let message = said.as_ref().map_or_else(|| format!("status {}", status.as_u16()), Said::text);
    match status.as_u16() {
        401 => Fault::Unauthorized(message),
        // Nova, Octavia and Manila answer 403 for a full quota, too.
        403 if message.to_ascii_lowercase().contains("quota") => Fault::Quota(message),
        403 => Fault::Forbidden(message),
        // That an object is gone is believed only if the service itself says so: nodes are deleted on that word.
        404 if said.as_ref().is_some_and(|said| said.by.is_spoken_by(service)) => Fault::NotFound,
        404 => Fault::Unavailable("status 404 from something that is not the service".into()),
        409 => conflict(said, message),
        412 => Fault::Conflict(message),
        // Cinder and Manila name the time 0 when a quota is full.
        413 if after.is_none_or(|after| after.is_zero()) => Fault::Quota(message),
        413 | 429 => Fault::TooMany { after },
        // A provider driver that does not support a feature.
        501 => Fault::Invalid(message),
        408 | 500.. => Fault::Unavailable(message),
        300..=399 => Fault::Invalid(format!("{message}: redirected to another server")),
        _ => Fault::Invalid(message),
    }
}

/// The service's own words, where a fault has no room for them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Remark(String);

/// What the service says besides that something does not exist: in a create it is something that we named.
pub(crate) fn remark(status: StatusCode, body: &[u8]) -> Option<Remark> {
    read(status, body).map(|said| Remark(said.text()))
}

/// The microversions that a service takes, which Nova, Cinder and Manila say when they refuse one (406).
pub(crate) fn microversions(status: StatusCode, body: &[u8]) -> Option<Range> {
    let said = read(status, body)?;
    let after = |words: &str| {
        let rest = said.message.split_once(words)?.1;
        let number = rest.split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?;
        number.trim_end_matches('.').parse::<Microversion>().ok()
    };
    let (least, most) = (after("inimum is ")?, after("aximum is ")?);
    (least <= most).then_some(Range { least, most })
}

/// The id under which the service's logs know the request.
pub(crate) fn request_id(headers: &http::HeaderMap) -> Option<Box<str>> {
    let id = headers
        .get("x-openstack-request-id")
        .or_else(|| headers.get("x-compute-request-id"))?
        .to_str()
        .ok()?;
    let plain = id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain.then(|| id.into())
}

/// Where a body could not be read, without a word of what it says there.
pub(crate) fn unreadable(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // The name of a missing field is ours; all other messages may quote the body.
    let what = if text.starts_with("missing field") { text.split(" at line").next() } else { None };
    let what = what.unwrap_or(match error.classify() {
        serde_json::error::Category::Eof => "body ends early",
        serde_json::error::Category::Data => "value of another type",
        _ => "not JSON",
    });
    format!("{what} (line {} column {})", error.line(), error.column())
}

/// Which of the many meanings of 409 it is.
fn conflict(said: Option<Said>, message: String) -> Fault {
    let Some(said) = said else { return Fault::Conflict(message) };
    match said.by {
        // Neutron answers 409 for a full quota too; only the type tells it from a conflict.
        Form::Neutron => {
            let kind = said.kind.as_str();
            let ends = |ends: &[&str]| ends.iter().any(|end| kind.ends_with(end));
            if kind == "OverQuota" {
                Fault::Quota(message)
            } else if ends(&["InUse", "AlreadyAllocated", "AlreadyAssociated", "InUseByFloatingIP"]) {
                Fault::InUse(message)
            } else if ends(&["Exists", "Duplicate", "AlreadyExists"]) || kind.starts_with("Duplicate") {
                Fault::Duplicate(message)
            } else {
                Fault::Conflict(message)
            }
        }
        // Octavia has no types; these are the texts of its exceptions since Train.
        Form::Octavia => {
            let text = message.to_ascii_lowercase();
            let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
            if has(&["immutable", "invalid state"]) {
                Fault::Immutable(message)
            } else if has(&["quota"]) {
                Fault::Quota(message)
            } else if has(&["is in use", "in use and"]) {
                Fault::InUse(message)
            } else if has(&["already"]) {
                Fault::Duplicate(message)
            } else {
                Fault::Conflict(message)
            }
        }
        Form::Keystone | Form::Nova | Form::Barbican => Fault::Conflict(message),
    }
}

/// Reads an error body; `None` if it is nobody's.
fn read(status: StatusCode, body: &[u8]) -> Option<Said> {
    if body.len() > LARGEST_ERROR {
        return None;
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return None };
    let text = |object: &Map<String, Value>, key: &str| object.get(key)?.as_str().map(str::to_owned);
    if let Some(error) = body.get("NeutronError") {
        let (kind, message) = match error {
            Value::String(message) => (String::new(), message.clone()),
            Value::Object(error) => (text(error, "type").unwrap_or_default(), text(error, "message")?),
            _ => return None,
        };
        return Some(Said { by: Form::Neutron, kind, message });
    }
    if body.contains_key("faultcode") {
        let message = text(&body, "faultstring")?;
        return Some(Said { by: Form::Octavia, kind: String::new(), message });
    }
    let is_status = |code: &Value| code.as_u64() == Some(u64::from(status.as_u16()));
    if body.len() == 3 && body.get("code").is_some_and(is_status) && body.contains_key("title") {
        let message = text(&body, "description")?;
        return Some(Said { by: Form::Barbican, kind: String::new(), message });
    }
    // Both remaining forms are one object with the status and a message in it.
    let (key, Value::Object(error)) = body.iter().next().filter(|_| body.len() == 1)? else { return None };
    if !is_status(error.get("code")?) {
        return None;
    }
    let by = if key == "error" { Form::Keystone } else { Form::Nova };
    Some(Said { by, kind: String::new(), message: text(error, "message")? })
}

impl Said {
    fn text(&self) -> String {
        if self.kind.is_empty() {
            printable(&self.message)
        } else {
            printable(&format!("{}: {}", self.kind, self.message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServiceType::{BlockStorage, Compute, Identity, KeyManager, LoadBalancer, Network, SharedFileSystem};

    fn fault_of(service: ServiceType, status: u16, body: &str) -> Fault {
        fault(service, StatusCode::from_u16(status).unwrap(), None, body.as_bytes())
    }

    fn octavia(status: u16, text: &str) -> Fault {
        let body = serde_json::json!({"faultcode": "Client", "faultstring": text, "debuginfo": null});
        fault_of(LoadBalancer, status, &body.to_string())
    }

    fn neutron(status: u16, kind: &str, text: &str) -> Fault {
        let body = serde_json::json!({"NeutronError": {"type": kind, "message": text, "detail": ""}});
        fault_of(Network, status, &body.to_string())
    }

    #[test]
    fn octavia_faultstrings_tell_the_conflicts_apart() {
        let id = "9f1c2f0e-7a51-4b62-8d0d-5ad7dc1b4a4b";
        for (status, text, kind) in [
            (409, format!("Load Balancer {id} is immutable and cannot be updated."), "immutable"),
            (409, format!("Invalid state PENDING_UPDATE of loadbalancer resource {id}"), "immutable"),
            (409, format!("Pool {id} is in use and cannot be modified."), "in use"),
            (409, "Another Listener on this Load Balancer is already using protocol TCP and protocol_port 80".into(), "duplicate"),
            (409, format!("This pool already has a health monitor {id}"), "duplicate"),
            (403, "Quota has been met for resources: Load Balancer".into(), "quota exceeded"),
            (403, "Policy does not allow this request to be performed.".into(), "forbidden"),
            (400, "Validation failure: bad things".into(), "invalid"),
            (501, "Provider 'ovn' does not support a requested option: OVN provider does not support allowed_cidrs option".into(), "invalid"),
            (500, "Provider 'ovn' reports error: boom".into(), "unavailable"),
        ] {
            let expected = format!("{kind}: {text}");
            assert_eq!(octavia(status, &text).to_string(), expected);
        }
        assert_eq!(octavia(404, "Load Balancer x not found."), Fault::NotFound);
        let members = r#"{"code": 404, "title": "Not Found", "description": "Pool x not found."}"#;
        assert_eq!(fault_of(LoadBalancer, 404, members), Fault::NotFound);
        assert!(matches!(fault_of(Compute, 404, members), Fault::Unavailable(_)), "that is not Nova's");
    }

    #[test]
    fn neutron_types_tell_the_conflicts_apart() {
        let quota = neutron(409, "OverQuota", "Quota exceeded for resources: ['floatingip'].");
        assert_eq!(quota, Fault::Quota("OverQuota: Quota exceeded for resources: ['floatingip'].".into()));
        for kind in
            ["IpAddressInUse", "IpAddressAlreadyAllocated", "FloatingIPPortAlreadyAssociated", "PortInUse"]
        {
            assert!(matches!(neutron(409, kind, "taken"), Fault::InUse(_)), "{kind}");
        }
        assert!(matches!(neutron(409, "SecurityGroupRuleExists", "x"), Fault::Duplicate(_)));
        assert!(matches!(neutron(409, "IpAddressGenerationFailure", "x"), Fault::Conflict(_)));
        assert!(matches!(neutron(412, "RevisionNumberConstraintFailed", "x"), Fault::Conflict(_)));
        assert_eq!(neutron(404, "FloatingIPNotFound", "x"), Fault::NotFound);
        assert!(matches!(neutron(400, "BadRequest", "x"), Fault::Invalid(_)));
    }

    #[test]
    fn nova_and_keystone_bodies_are_read() {
        let nova = |status, body| fault_of(Compute, status, body);
        let gone = r#"{"itemNotFound": {"code": 404, "message": "Instance x could not be found."}}"#;
        assert_eq!(nova(404, gone), Fault::NotFound);
        let conflict = r#"{"conflictingRequest": {"code": 409, "message": "Cannot do it now"}}"#;
        assert_eq!(nova(409, conflict), Fault::Conflict("Cannot do it now".into()));
        let full = r#"{"forbidden": {"code": 403, "message": "Quota exceeded for instances"}}"#;
        assert_eq!(nova(403, full), Fault::Quota("Quota exceeded for instances".into()));
        let token = r#"{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}"#;
        assert!(matches!(nova(401, token), Fault::Unauthorized(text) if text.starts_with("The request you")));
    }

    #[test]
    fn volumes_shares_secrets_and_projects_have_errors_too() {
        let gone = r#"{"itemNotFound": {"code": 404, "message": "Volume x could not be found."}}"#;
        for service in [BlockStorage, SharedFileSystem] {
            assert_eq!(fault_of(service, 404, gone), Fault::NotFound);
            let text = "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded";
            let body = format!(r#"{{"overLimit": {{"code": 413, "message": "{text}", "retryAfter": "0"}}}}"#);
            for after in [None, Some(Duration::ZERO)] {
                let full = fault(service, StatusCode::PAYLOAD_TOO_LARGE, after, body.as_bytes());
                assert_eq!(full, Fault::Quota(text.into()));
            }
        }
        let extend = r#"{"forbidden": {"code": 403, "message": "Requested share exceeds allowed project/user or share type gigabytes quota."}}"#;
        assert!(matches!(fault_of(SharedFileSystem, 403, extend), Fault::Quota(_)));
        let secret = r#"{"code": 404, "title": "Not Found", "description": "Not Found. Sorry but your secret is in another castle."}"#;
        assert_eq!(fault_of(KeyManager, 404, secret), Fault::NotFound);
        let forbidden =
            r#"{"code": 403, "title": "Forbidden", "description": "Secret retrieval attempt not allowed"}"#;
        assert_eq!(
            fault_of(KeyManager, 403, forbidden),
            Fault::Forbidden("Secret retrieval attempt not allowed".into())
        );
        let project =
            r#"{"error": {"code": 404, "message": "Could not find project: x.", "title": "Not Found"}}"#;
        assert_eq!(fault_of(Identity, 404, project), Fault::NotFound);
        assert!(
            matches!(fault_of(KeyManager, 404, project), Fault::Unavailable(_)),
            "that is not Barbican's own"
        );
    }

    #[test]
    fn a_refused_microversion_tells_the_range() {
        let range = |text: &str| {
            let body = format!(r#"{{"computeFault": {{"code": 406, "message": "{text}"}}}}"#);
            microversions(StatusCode::NOT_ACCEPTABLE, body.as_bytes())
        };
        let said =
            range("Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.96.").unwrap();
        assert_eq!((said.least.to_string(), said.most.to_string()), ("2.1".into(), "2.96".into()));
        for odd in ["Minimum is 2.5 and maximum is 2.1.", "Minimum is x", "maximum is 2.1", ""] {
            assert_eq!(range(odd), None, "{odd}");
        }
    }

    #[test]
    fn only_the_services_own_404_means_gone() {
        for body in [
            "",
            "<html>404</html>",
            r#"{"message": "The resource could not be found.<br />", "code": "404 Not Found", "title": "Not Found"}"#,
            r#"{"error": {"code": 404, "message": "no route", "title": "Not Found"}}"#,
            r#"{"faultcode": "Client", "faultstring": "x not found", "debuginfo": null}"#,
        ] {
            assert!(matches!(fault_of(Compute, 404, body), Fault::Unavailable(_)), "{body}");
        }
    }

    #[test]
    fn foreign_bodies_are_never_quoted() {
        for body in [
            "aws_secret_access_key = hunter2",
            r#"{"key": "hunter2"}"#,
            r#"{"a": {"code": 200, "message": "hunter2"}}"#,
        ] {
            for status in [302, 400, 401, 403, 404, 409, 412, 418, 500, 503] {
                let text = format!("{:?}", fault_of(Network, status, body));
                assert!(!text.contains("hunter2"), "{status}: {text}");
            }
        }
    }

    #[test]
    fn messages_are_shortened_and_escaped() {
        let Fault::Invalid(text) = octavia(400, &format!("\x1b[2J{}", "x".repeat(9_000))) else { panic!() };
        assert!(text.starts_with("\\u{1b}[2Jxx") && text.len() < 420, "{text}");
    }

    #[test]
    fn unreadable_bodies_are_described_by_place_only() {
        let error = serde_json::from_str::<Vec<u8>>("[1, \"hunter2\"]").unwrap_err();
        assert_eq!(unreadable(&error), "value of another type (line 1 column 13)");
        let error = crate::json::unwrap::<u8>("pool", b"{}").unwrap_err();
        assert_eq!(unreadable(&error), "missing field `pool` (line 1 column 2)");
    }

    #[test]
    fn request_ids_are_taken_only_if_plain() {
        let id = |value: &'static str| {
            let mut headers = http::HeaderMap::new();
            headers.insert("x-openstack-request-id", http::HeaderValue::from_static(value));
            request_id(&headers)
        };
        assert_eq!(id("req-1f").as_deref(), Some("req-1f"));
        assert_eq!(id("req 1; drop"), None);
    }

    #[test]
    fn rate_limits_carry_their_time() {
        let after = Some(Duration::from_secs(3));
        let many = fault(Compute, StatusCode::TOO_MANY_REQUESTS, after, b"slow down");
        assert_eq!(many, Fault::TooMany { after });
        let over = fault(Compute, StatusCode::PAYLOAD_TOO_LARGE, after, b"");
        assert_eq!(over, Fault::TooMany { after });
    }
}
