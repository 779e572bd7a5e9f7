//! The whole cloud at one moment, as an administrator sees it.

use std::collections::BTreeSet;

use serde_json::Value;

/// Objects by kind and id; members as a list by their pool's id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dump(Value);

/// Attributes that change by themselves.
const UNSTABLE: [&str; 6] =
    ["operating_status", "updated_at", "revision_number", "status", "power_state", "task_state"];
/// Kinds whose objects nobody but the cloud itself makes or changes.
const INTERNAL: [&str; 1] = ["amphorae"];

impl From<Value> for Dump {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

/// An object's kind and id.
pub(crate) type Place = (String, String);

impl Dump {
    /// The objects of a kind, by id.
    pub(crate) fn all(&self, kind: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.0.get(kind).and_then(Value::as_object).into_iter().flatten()
    }

    /// One object.
    pub(crate) fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.0.get(kind)?.get(id)
    }

    /// Every object with its kind and id.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (Place, &Value)> {
        self.0
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(kind, _)| !INTERNAL.contains(&kind.as_str()))
            .flat_map(|(kind, objects)| {
                objects
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(id, object)| ((kind.clone(), id.clone()), object))
            })
    }

    /// Those that differ from `before`, those that are new or gone included.
    pub(crate) fn changed_since(&self, before: &Self) -> BTreeSet<Place> {
        let mut changed: BTreeSet<Place> = self
            .objects()
            .filter(|((kind, id), now)| before.get(kind, id).is_none_or(|then| differ(then, now)))
            .map(|(place, _)| place)
            .collect();
        changed.extend(
            before.objects().filter(|((kind, id), _)| self.get(kind, id).is_none()).map(|(place, _)| place),
        );
        changed
    }
}

/// Whether two states of one object differ in more than what changes by itself.
pub(crate) fn differ(one: &Value, other: &Value) -> bool {
    one != other && stable(one) != stable(other)
}

fn stable(object: &Value) -> Value {
    match object {
        Value::Object(object) => {
            let kept = object.iter().filter(|(key, _)| !UNSTABLE.contains(&key.as_str()));
            kept.map(|(key, value)| (key.clone(), value.clone())).collect()
        }
        // Members, by pool.
        Value::Array(objects) => objects.iter().map(stable).collect(),
        other => other.clone(),
    }
}

/// A text attribute, empty if missing.
pub(crate) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The ids in an attribute like `[{"id": …}, …]`.
pub(crate) fn ids<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    object.get(key).and_then(Value::as_array).into_iter().flatten().map(|entry| text(entry, "id"))
}
