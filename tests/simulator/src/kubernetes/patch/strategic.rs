//! Strategic merge patches: lists that have a merge strategy are merged by key, the others are replaced.

use serde_json::{Map, Value};

use super::{Unfit, as_map};
use crate::kubernetes::kind::Kind;

/// How a list is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    /// Entries that are equal are one.
    Set,
    /// Entries with the same value under this key are one.
    ByKey(&'static str),
    /// As a whole.
    Replace,
}

/// The lists with a strategy, from the `patchStrategy` marks of the API's types.
fn strategy(kind: &Kind, path: &str) -> Strategy {
    match (kind.plural, path) {
        (_, "metadata.finalizers") | ("nodes", "spec.podCIDRs") => Strategy::Set,
        (_, "metadata.ownerReferences") => Strategy::ByKey("uid"),
        (_, "status.conditions") | ("nodes", "status.addresses") => Strategy::ByKey("type"),
        ("services", "spec.ports") => Strategy::ByKey("port"),
        ("serviceaccounts", "secrets") => Strategy::ByKey("name"),
        _ => Strategy::Replace,
    }
}

const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// Applies a strategic merge patch to an object of `kind`.
pub(crate) fn strategic(kind: &Kind, target: &mut Value, patch: &Value) -> Result<(), Unfit> {
    let Value::Object(changes) = patch else {
        return Err(Unfit::Malformed("error decoding patch: json: cannot unmarshal".into()));
    };
    merge_map(kind, "", as_map(target), changes)
}

fn merge_map(
    kind: &Kind,
    path: &str,
    target: &mut Map<String, Value>,
    changes: &Map<String, Value>,
) -> Result<(), Unfit> {
    match changes.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            target.clear();
            target.extend(without_directives(changes));
            return Ok(());
        }
        Some("delete") => {
            target.clear();
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(Unfit::Internal(format!("unknown patch type: {other}"))),
    }
    if let Some(Value::Array(kept)) = changes.get("$retainKeys") {
        target.retain(|key, _| kept.iter().any(|kept| kept == key));
    }
    for (key, change) in changes {
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        if let Some(list) = key.strip_prefix(DELETE_FROM) {
            let Value::Array(gone) = change else { return Err(bad_primitive_list()) };
            if let Some(Value::Array(entries)) = target.get_mut(list) {
                entries.retain(|entry| !gone.contains(entry));
                if entries.is_empty() {
                    target.remove(list);
                }
            }
            continue;
        }
        if key.starts_with('$') {
            continue;
        }
        match change {
            Value::Null => drop(target.remove(key)),
            Value::Object(inner) => {
                let place = target.entry(key.clone()).or_insert(Value::Null);
                merge_map(kind, &below(key), as_map(place), inner)?;
            }
            Value::Array(entries) => {
                let present = match target.remove(key) {
                    Some(Value::Array(present)) => present,
                    _ => Vec::new(),
                };
                let strategy = strategy(kind, &below(key));
                let before = present.clone();
                let merged = merge_list(strategy, kind, &below(key), present, entries)?;
                let order = changes.get(&format!("{ORDER}{key}")).and_then(Value::as_array);
                let merged = ordered(strategy, merged, &before, order.unwrap_or(entries));
                target.insert(key.clone(), Value::Array(merged));
            }
            other => drop(target.insert(key.clone(), other.clone())),
        }
    }
    Ok(())
}

fn merge_list(
    strategy: Strategy,
    kind: &Kind,
    path: &str,
    mut present: Vec<Value>,
    changes: &[Value],
) -> Result<Vec<Value>, Unfit> {
    let Strategy::ByKey(by) = strategy else {
        if strategy == Strategy::Replace {
            return Ok(changes.to_vec());
        }
        for entry in changes {
            if !present.contains(entry) {
                present.push(entry.clone());
            }
        }
        return Ok(present);
    };
    if changes.iter().any(|change| change["$patch"] == "replace") {
        return Ok(changes.iter().filter(|change| change["$patch"] != "replace").cloned().collect());
    }
    for change in changes {
        let Value::Object(fields) = change else { return Err(bad_primitive_list()) };
        let Some(name) = fields.get(by) else {
            return Err(Unfit::Internal(format!(
                "map: {} does not contain declared merge key: {by}",
                go_map(fields)
            )));
        };
        let at = present.iter().position(|entry| entry[by] == *name);
        match (at, fields.get("$patch").and_then(Value::as_str)) {
            (Some(at), Some("delete")) => drop(present.remove(at)),
            (None, Some("delete")) => {}
            (Some(at), _) => merge_map(kind, path, as_map(&mut present[at]), fields)?,
            (None, _) => present.push(Value::Object(without_directives(fields).collect())),
        }
    }
    Ok(present)
}

/// The order that a merged list gets: entries that the patch names come in its order, the others in their own, and
/// where the two meet the old order decides, a new entry going first.
fn ordered(strategy: Strategy, merged: Vec<Value>, before: &[Value], named: &[Value]) -> Vec<Value> {
    let name = |entry: &Value| match strategy {
        Strategy::ByKey(by) => entry[by].clone(),
        _ => entry.clone(),
    };
    let place = |list: &[Value], entry: &Value| list.iter().position(|other| name(other) == name(entry));
    if strategy == Strategy::Replace {
        return merged;
    }
    let (mut patched, kept): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|entry| place(named, entry).is_some());
    patched.sort_by_key(|entry| place(named, entry));
    let (mut patched, mut kept) = (patched.into_iter().peekable(), kept.into_iter().peekable());
    let mut result = Vec::new();
    while let (Some(new), Some(old)) = (patched.peek(), kept.peek()) {
        let old_first =
            matches!((place(before, old), place(before, new)), (Some(old), Some(new)) if old < new);
        result.extend(if old_first { kept.next() } else { patched.next() });
    }
    result.extend(patched.chain(kept));
    result
}

/// As Go prints a map.
fn go_map(fields: &Map<String, Value>) -> String {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}:{}", shown(value))).collect();
    format!("map[{}]", fields.join(" "))
}

fn without_directives(map: &Map<String, Value>) -> impl Iterator<Item = (String, Value)> {
    map.iter()
        .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
}

fn bad_primitive_list() -> Unfit {
    Unfit::Malformed("invalid patch format of primitive list".into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(plural: &str, mut object: Value, patch: &Value) -> Value {
        strategic(Kind::find("", "v1", plural).unwrap(), &mut object, patch).unwrap();
        object
    }

    #[test]
    fn finalizers_are_a_set() {
        let object = json!({"metadata": {"finalizers": ["a"]}});
        let added = patched("services", object, &json!({"metadata": {"finalizers": ["b", "a"]}}));
        assert_eq!(added["metadata"]["finalizers"], json!(["b", "a"]));
        let removal = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "none"]}});
        assert_eq!(patched("services", added, &removal)["metadata"]["finalizers"], json!(["b"]));
    }

    #[test]
    fn conditions_and_addresses_merge_by_type_and_taints_are_replaced() {
        let object = json!({
            "spec": {"taints": [{"key": "a"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "x"}, {"type": "Other"}]}
        });
        let patch = json!({
            "spec": {"taints": [{"key": "b"}]},
            "status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "New"}, {"type": "Other", "$patch": "delete"}]}
        });
        assert_eq!(
            patched("nodes", object, &patch),
            json!({
                "spec": {"taints": [{"key": "b"}]},
                "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "x"}, {"type": "New"}]}
            })
        );
    }

    #[test]
    fn directives_replace_delete_and_order() {
        let object = json!({"spec": {"selector": {"a": "1", "b": "2"}, "ports": [{"port": 1}, {"port": 2}]}});
        let patch = json!({"spec": {
            "selector": {"$patch": "replace", "c": "3"},
            "ports": [{"port": 3}], "$setElementOrder/ports": [{"port": 3}, {"port": 2}, {"port": 1}]
        }});
        assert_eq!(
            patched("services", object, &patch),
            json!({"spec": {"selector": {"c": "3"}, "ports": [{"port": 3}, {"port": 2}, {"port": 1}]}})
        );
    }

    #[test]
    fn an_entry_without_its_key_is_an_error() {
        let kind = Kind::find("", "v1", "nodes").unwrap();
        let patch = json!({"status": {"conditions": [{"status": "True"}]}});
        assert!(matches!(strategic(kind, &mut json!({}), &patch), Err(Unfit::Internal(_))));
    }
}
