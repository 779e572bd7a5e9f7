//! Tags: `/v2.0/<collection>/<id>/tags`, for every kind of object that has them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fault::Fault;
use super::form;
use super::object::{self, Object};
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::profile::{Profile, Release};
use crate::openstack::state::State;

/// Most characters of a tag, and most tags of an object.
const LONGEST: usize = 255;
const MOST: usize = 50;

/// Answers a request about the tags of an object, or about one of them.
pub(super) fn answer<T: Object>(
    state: &mut State,
    ask: &Ask,
    id: &str,
    tag: Option<&str>,
) -> Result<Reply, Fault> {
    let wall = state.wall;
    let kind = T::KIND;
    let Some(found) = T::table(&state.neutron).get(id) else {
        return Err(missing(state.profile, kind.plural, id));
    };
    if !found.is_visible(ask.who) {
        // Here the policy is asked about the object itself, so that its existence is no secret.
        let verb = match ask.method.as_str() {
            "PUT" => "update",
            "DELETE" => "delete",
            _ => "get",
        };
        return Err(Fault::forbidden(&format!("{verb}_{}:tags", kind.singular)));
    }
    let old = found.standard().tags.clone();
    let no_tag = |tag: &str| Fault::not_found("TagNotFound", format!("Tag {tag} could not be found."));
    let (new, reply) = match (ask.method.as_str(), tag) {
        ("GET", None) => return Ok(Reply::new(200, json!({"tags": old}))),
        ("GET", Some(tag)) if old.contains(tag) => return Ok(Reply::empty(204)),
        ("GET" | "DELETE", Some(tag)) if !old.contains(tag) => return Err(no_tag(tag)),
        ("PUT", None) => (read(&ask.body, kind.plural)?, Reply::new(200, ask.body.clone())),
        ("PUT", Some(tag)) => {
            let mut new = old.clone();
            new.insert(checked(tag)?.to_owned());
            limit(&new, kind.plural)?;
            (new, Reply::new(201, Value::Null))
        }
        ("DELETE", None) => (BTreeSet::new(), Reply::empty(204)),
        ("DELETE", Some(tag)) => {
            let mut new = old.clone();
            new.remove(tag);
            (new, Reply::empty(204))
        }
        _ => return Err(Fault::no_method()),
    };
    let standard = object::find_mut::<T>(&mut state.neutron, id, ask.who)?.standard_mut();
    if standard.tags != new {
        standard.tags = new;
        standard.touch(wall);
    }
    Ok(reply)
}

/// Tags of something that does not exist. New Neutrons fail on it (seen on 29.0.0).
fn missing(profile: Profile, resource: &str, id: &str) -> Fault {
    if profile.release == Release::Newest {
        return Fault::unexpected();
    }
    Fault::not_found("TagResourceNotFound", format!("Resource {resource} {id} could not be found."))
}

/// Reads `{"tags": […]}`.
fn read(body: &Value, resource: &str) -> Result<BTreeSet<String>, Fault> {
    let Some(given) = body.get("tags") else { return Err(Fault::invalid_input("Invalid tags body")) };
    let list = given
        .as_array()
        .ok_or_else(|| Fault::invalid_input(&format!("'{}' is not a list", form::python(given))))?;
    let mut tags = BTreeSet::new();
    for tag in list {
        let Some(tag) = tag.as_str() else {
            return Err(Fault::invalid_input(&format!("'{}' is not a valid string", form::python(tag))));
        };
        if !tags.insert(checked(tag)?.to_owned()) {
            return Err(Fault::invalid_input(&format!("Duplicate items in the list: '{tag}'")));
        }
    }
    limit(&tags, resource)?;
    Ok(tags)
}

fn checked(tag: &str) -> Result<&str, Fault> {
    if tag.chars().count() > LONGEST {
        return Err(Fault::invalid_input(&format!("'{tag}' exceeds maximum length of {LONGEST}")));
    }
    Ok(tag)
}

fn limit(tags: &BTreeSet<String>, resource: &str) -> Result<(), Fault> {
    if tags.len() > MOST {
        let text = format!("The number of tags exceed the per-resource limit of {MOST}");
        return Err(Fault::bad_request(resource, &text));
    }
    Ok(())
}
