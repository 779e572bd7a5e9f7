//! Rules for the metadata of every object.

use serde_json::{Value, json};

use super::{entries, text};
use crate::kubernetes::kind::Kind;
use crate::kubernetes::refusal::Problem;

/// Problems of a new object's name and the like.
pub(crate) fn check_create(kind: &Kind, object: &Value) -> Vec<Problem> {
    let name = text(object, "/metadata/name");
    let mut problems = Vec::new();
    if name.is_empty() {
        problems.push(Problem::required("metadata.name", "name or generateName is required"));
    } else if kind.plural == "services" && !is_label(name) {
        let why = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                   and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                   '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
        problems.push(Problem::invalid("metadata.name", &json!(name), why));
    } else if !is_subdomain(name) {
        problems.push(Problem::invalid("metadata.name", &json!(name), SUBDOMAIN));
    }
    problems.extend(check_labels(object));
    problems
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                         and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                         validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn check_labels(object: &Value) -> Vec<Problem> {
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    let long = |value: &Value| value.as_str().is_some_and(|value| value.len() > 63);
    let odd = |value: &Value| {
        let value = value.as_str().unwrap_or_default();
        let edge = |c: Option<char>| c.is_some_and(|c| !c.is_ascii_alphanumeric());
        edge(value.chars().next())
            || edge(value.chars().last())
            || value.chars().any(|c| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
    };
    let mut problems = Vec::new();
    for (_, value) in labels {
        if long(value) {
            problems.push(Problem::invalid("metadata.labels", value, "must be no more than 63 bytes"));
        }
        if odd(value) {
            problems.push(Problem::invalid("metadata.labels", value, LABEL));
        }
    }
    problems
}

const LABEL: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
                     must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', \
                     regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn is_label(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_subdomain(name: &str) -> bool {
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(plain) && part.ends_with(plain) && part.chars().all(|c| plain(c) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(part)
}

/// What an update need not repeat, and what no update changes.
pub(crate) fn keep_meta(old: &Value, new: &mut Value) {
    for key in
        ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "name", "namespace"]
    {
        if new["metadata"].get(key).is_none_or(Value::is_null) && !old["metadata"][key].is_null() {
            new["metadata"][key] = old["metadata"][key].clone();
        }
    }
    new["metadata"]["creationTimestamp"] = old["metadata"]["creationTimestamp"].clone();
    // Not stored as the server would: it is no part of what our programs read.
    if let Some(meta) = new["metadata"].as_object_mut() {
        meta.remove("managedFields");
        meta.retain(|_, value| !is_empty(value));
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Problems of an update's metadata.
pub(crate) fn check_update(old: &Value, new: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let finalizers = |object: &Value| -> Vec<Value> { entries(object, "/metadata/finalizers").to_vec() };
    if !old["metadata"]["deletionTimestamp"].is_null() {
        let before = finalizers(old);
        let added: Vec<String> = finalizers(new)
            .iter()
            .filter(|finalizer| !before.contains(finalizer))
            .map(ToString::to_string)
            .collect();
        if !added.is_empty() {
            let added = added.join(", ");
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{added}}}"
            );
            problems.push(Problem::forbidden("metadata.finalizers", &why));
        }
    }

    for (index, finalizer) in finalizers(new).into_iter().enumerate() {
        let name = finalizer.as_str().unwrap_or_default();
        if !name.contains('/') && !["kubernetes", "orphan", "foregroundDeletion"].contains(&name) {
            problems.push(Problem::invalid(
                format!("metadata.finalizers[{index}]"),
                &finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
    for key in
        ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        if old["metadata"][key] != new["metadata"][key] {
            problems.push(Problem::invalid(
                format!("metadata.{key}"),
                &new["metadata"][key],
                "field is immutable",
            ));
        }
    }
    problems.extend(check_labels(new));
    problems
}
