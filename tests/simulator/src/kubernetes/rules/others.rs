//! Rules for the kinds that need few: events, leases, namespaces, volumes, secrets.

use serde_json::{Value, json};

use super::text;
use crate::kubernetes::kind::Kind;
use crate::kubernetes::refusal::Problem;

pub(super) fn create(kind: &Kind, object: &mut Value) -> Vec<Problem> {
    match kind.plural {
        "events" => {
            fill_event(object);
            check_event(object)
        }
        "leases" => check_lease(object),
        "namespaces" => {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            Vec::new()
        }
        "secrets" => {
            if object["type"].is_null() {
                object["type"] = json!("Opaque");
            }
            Vec::new()
        }
        "persistentvolumes" | "persistentvolumeclaims" => {
            object["status"] = json!({"phase": "Pending"});
            Vec::new()
        }
        _ => Vec::new(),
    }
}

pub(super) fn update(kind: &Kind, old: &Value, object: &mut Value) -> Vec<Problem> {
    match kind.plural {
        "events" => {
            fill_event(object);
            check_event(object)
        }
        "leases" => check_lease(object),
        "secrets" if old["immutable"] == true && old["data"] != object["data"] => {
            vec![Problem::forbidden("data", "field is immutable when `immutable` is set")]
        }
        "persistentvolumes" if source(old) != source(object) => {
            vec![Problem::forbidden(
                "spec.persistentvolumesource",
                "spec.persistentvolumesource is immutable after creation",
            )]
        }
        _ => Vec::new(),
    }
}

fn source(volume: &Value) -> &Value {
    &volume["spec"]["csi"]
}

/// Fields that are not pointers are shown even when they are empty.
fn fill_event(event: &mut Value) {
    for (key, value) in [
        ("source", json!({})),
        ("firstTimestamp", Value::Null),
        ("lastTimestamp", Value::Null),
        ("eventTime", Value::Null),
        ("reportingComponent", json!("")),
        ("reportingInstance", json!("")),
    ] {
        if event.get(key).is_none() {
            event[key] = value;
        }
    }
    // The reporting component is that of the source where nobody says another.
    if event["reportingComponent"] == "" {
        event["reportingComponent"] = event["source"].get("component").cloned().unwrap_or_else(|| json!(""));
    }
}

fn check_event(event: &Value) -> Vec<Problem> {
    let (own, about) = (text(event, "/metadata/namespace"), text(event, "/involvedObject/namespace"));
    // Events about objects without namespace stand in `default`.
    let fits = own == if about.is_empty() { "default" } else { about };
    let mut problems = Vec::new();
    if !fits {
        let why = "does not match event.namespace";
        problems.push(Problem::invalid("involvedObject.namespace", &json!(about), why));
    }
    problems
}

fn check_lease(lease: &Value) -> Vec<Problem> {
    let spec = &lease["spec"];
    let mut problems = Vec::new();
    if spec["leaseDurationSeconds"].as_i64().is_some_and(|seconds| seconds <= 0) {
        let why = "must be greater than 0";
        problems.push(Problem::invalid("spec.leaseDurationSeconds", &spec["leaseDurationSeconds"], why));
    }
    if spec["leaseTransitions"].as_i64().is_some_and(|count| count < 0) {
        let why = "must be greater than or equal to 0";
        problems.push(Problem::invalid("spec.leaseTransitions", &spec["leaseTransitions"], why));
    }
    problems
}
