//! The three kinds of patches, as pure functions: JSON patch, merge patch, strategic merge patch.

mod strategic;

use serde_json::{Map, Value};

pub(crate) use strategic::strategic;

/// Why a patch cannot be applied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is not a patch at all (400).
    Malformed(String),
    /// It does not fit the object (422).
    Inapplicable(String),
    /// The server trips over it (500).
    Internal(String),
}

/// A JSON merge patch (RFC 7386).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        target.clone_from(patch);
        return;
    };
    let target = as_map(target);
    for (key, change) in changes {
        if change.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

/// The value as a map, which it becomes if it is none.
fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was made one"),
    }
}

/// A JSON patch (RFC 6902).
pub(crate) fn json_patch(target: &mut Value, patch: &Value) -> Result<(), Unfit> {
    let Value::Array(operations) = patch else {
        return Err(Unfit::Malformed("error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp".into()));
    };
    for operation in operations {
        let text = |key: &str| operation[key].as_str();
        let path = text("path").ok_or_else(|| Unfit::Malformed("operation missing path".into()))?;
        let from = || text("from").ok_or_else(|| Unfit::Malformed("operation missing from".into()));
        let value = || {
            operation
                .get("value")
                .cloned()
                .ok_or_else(|| Unfit::Inapplicable("operation missing value".into()))
        };
        match text("op").unwrap_or_default() {
            "add" => add(target, path, value()?)?,
            "remove" => drop(remove(target, path)?),
            "replace" => {
                let place = target.pointer_mut(path).ok_or_else(|| missing("replace", path))?;
                *place = value()?;
            }
            "move" => {
                let moved = remove(target, from()?)?;
                add(target, path, moved)?;
            }
            "copy" => {
                let copied = target.pointer(from()?).cloned().ok_or_else(|| missing("copy", path))?;
                add(target, path, copied)?;
            }
            "test" => {
                let wanted = operation.get("value").unwrap_or(&Value::Null);
                if target.pointer(path).unwrap_or(&Value::Null) != wanted {
                    return Err(Unfit::Inapplicable(format!("testing value {path} failed")));
                }
            }
            other => return Err(Unfit::Inapplicable(format!("Unexpected kind: {other}"))),
        }
    }
    Ok(())
}

fn missing(operation: &str, path: &str) -> Unfit {
    Unfit::Inapplicable(format!("{operation} operation does not apply: doc is missing path: {path}"))
}

/// The parent of what `path` points to, and the last key.
fn parent<'a>(target: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, key) = path.rsplit_once('/')?;
    Some((target.pointer_mut(parent)?, key.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), Unfit> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    match parent(target, path) {
        Some((Value::Object(map), key)) => {
            map.insert(key, value);
            Ok(())
        }
        Some((Value::Array(list), key)) => {
            let index = if key == "-" { Some(list.len()) } else { key.parse().ok() };
            let index = index.filter(|index| *index <= list.len()).ok_or_else(|| missing("add", path))?;
            list.insert(index, value);
            Ok(())
        }
        _ => Err(missing("add", path)),
    }
}

fn remove(target: &mut Value, path: &str) -> Result<Value, Unfit> {
    let removed = match parent(target, path) {
        Some((Value::Object(map), key)) => map.remove(&key),
        Some((Value::Array(list), key)) => {
            let index = key.parse().ok().filter(|index: &usize| *index < list.len());
            index.map(|index| list.remove(index))
        }
        _ => None,
    };
    removed.ok_or_else(|| missing("remove", path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_replaces_lists_and_removes_by_null() {
        let mut object = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1});
        merge(&mut object, &json!({"a": {"b": null, "c": [3]}, "e": {"f": null, "g": 1}}));
        assert_eq!(object, json!({"a": {"c": [3]}, "d": 1, "e": {"g": 1}}));
    }

    #[test]
    fn a_json_patch_follows_pointers() {
        let mut object = json!({"metadata": {"labels": {"a/b": "1"}, "finalizers": ["x", "y"]}});
        let patch = json!([
            {"op": "test", "path": "/metadata/labels/a~1b", "value": "1"},
            {"op": "replace", "path": "/metadata/labels/a~1b", "value": "2"},
            {"op": "remove", "path": "/metadata/finalizers/0"},
            {"op": "add", "path": "/metadata/finalizers/-", "value": "z"},
            {"op": "copy", "from": "/metadata/labels", "path": "/metadata/copy"},
            {"op": "move", "from": "/metadata/copy", "path": "/spec"},
        ]);
        json_patch(&mut object, &patch).unwrap();
        assert_eq!(
            object,
            json!({"metadata": {"labels": {"a/b": "2"}, "finalizers": ["y", "z"]}, "spec": {"a/b": "2"}})
        );
    }

    #[test]
    fn what_does_not_fit_changes_nothing_silently() {
        for operation in [
            json!({"op": "remove", "path": "/none"}),
            json!({"op": "replace", "path": "/none", "value": 1}),
            json!({"op": "test", "path": "/a", "value": 2}),
            json!({"op": "add", "path": "/a/b/c", "value": 2}),
        ] {
            let answer = json_patch(&mut json!({"a": 1}), &json!([operation]));
            assert!(matches!(answer, Err(Unfit::Inapplicable(_))), "{operation}: {answer:?}");
        }
        assert!(matches!(json_patch(&mut json!({}), &json!({})), Err(Unfit::Malformed(_))));
    }
}
