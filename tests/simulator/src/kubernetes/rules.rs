//! What each kind demands of its objects: defaults, what an update keeps, what is refused.

mod meta;
mod node;
mod others;
mod service;

use jiff::Timestamp;
use serde_json::Value;

use super::kind::Kind;
use super::refusal::Problem;

pub(crate) use meta::{check_create, check_update, keep_meta};
pub(crate) use service::Allocator;

/// What is given out or checked across objects.
pub(crate) struct Rules<'a> {
    pub(crate) allocator: &'a mut Allocator,
    pub(crate) rng: &'a mut fastrand::Rng,
}

/// A whole second, as objects tell times.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The text at a pointer, empty if there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The entries of a list at a pointer, none if there is no list.
pub(crate) fn entries<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl Rules<'_> {
    /// Fills in a new object and says what is wrong with it.
    pub(crate) fn create(&mut self, kind: &Kind, object: &mut Value) -> Vec<Problem> {
        match kind.plural {
            "nodes" => node::create(object),
            "services" => service::create(object, self.allocator, self.rng),
            _ => others::create(kind, object),
        }
    }

    /// Makes `new` what is stored: what this request may not change stays as in `old`. Says what is wrong with it.
    pub(crate) fn update(
        &mut self,
        kind: &Kind,
        old: &Value,
        new: &mut Value,
        subresource: &str,
    ) -> Vec<Problem> {
        if subresource == "status" {
            keep(old, new, "spec");
        } else if kind.has_status {
            keep(old, new, "status");
        }
        match kind.plural {
            "nodes" => node::update(old, new),
            "services" => service::update(old, new, subresource == "status", self.allocator, self.rng),
            _ => others::update(kind, old, new),
        }
    }

    /// Takes back what was given to an object that is gone.
    pub(crate) fn released(&mut self, kind: &Kind, object: &Value) {
        if kind.plural == "services" {
            self.allocator.release(object);
        }
    }
}

fn keep(old: &Value, new: &mut Value, part: &str) {
    match (old.get(part), new.as_object_mut()) {
        (Some(value), Some(new)) => drop(new.insert(part.to_owned(), value.clone())),
        (None, Some(new)) => drop(new.remove(part)),
        _ => {}
    }
}
