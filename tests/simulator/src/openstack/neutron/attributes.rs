//! What attributes a resource has, and the reading of request bodies by them.
//!
//! Neutron checks every body against such a table before any code of the resource sees it
//! (`neutron_lib.api.attributes`); so does this. What stands in no table is refused.

use serde_json::{Map, Value};

use super::fault::Fault;
use super::form::{self, Form};
use crate::openstack::keystone::Who;

/// One attribute of a resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    form: Form,
    post: Post,
    put: bool,
    /// Whether lists can be filtered by it.
    pub(super) filter: bool,
    /// Whether only administrators may set it.
    admin: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Post {
    Refused,
    Optional,
    Required,
}

impl Attribute {
    /// An attribute that only Neutron writes.
    pub(super) const fn new(name: &'static str, form: Form) -> Self {
        Self { name, form, post: Post::Refused, put: false, filter: false, admin: false }
    }

    pub(super) fn is_flag(&self) -> bool {
        self.form == Form::Boolean
    }

    /// An attribute that lists can be filtered by.
    pub(super) const fn filter(mut self) -> Self {
        self.filter = true;
        self
    }

    /// An attribute that a POST may give.
    pub(super) const fn post(mut self) -> Self {
        self.post = Post::Optional;
        self
    }

    /// An attribute that a POST must give.
    pub(super) const fn required(mut self) -> Self {
        self.post = Post::Required;
        self
    }

    /// An attribute that a PUT may change.
    pub(super) const fn put(mut self) -> Self {
        self.put = true;
        self
    }

    /// An attribute that is the administrators' to set.
    pub(super) const fn admin(mut self) -> Self {
        self.admin = true;
        self
    }
}

/// `id`.
pub(super) const ID: Attribute = Attribute::new("id", Form::Uuid).filter();
/// `name`.
pub(super) const NAME: Attribute = Attribute::new("name", Form::Text(255)).post().put().filter();
/// `description`.
pub(super) const DESCRIPTION: Attribute =
    Attribute::new("description", Form::Text(255)).post().put().filter();
/// `project_id`.
pub(super) const PROJECT: Attribute = Attribute::new("project_id", Form::Text(255)).post().filter();
/// `tenant_id`, which means the same.
pub(super) const TENANT: Attribute = Attribute::new("tenant_id", Form::Text(255)).post().filter();
/// `admin_state_up`.
pub(super) const ADMIN_STATE: Attribute =
    Attribute::new("admin_state_up", Form::Boolean).post().put().filter();
/// `status`.
pub(super) const STATUS: Attribute = Attribute::new("status", Form::Text(16)).filter();
/// `revision_number`.
pub(super) const REVISION: Attribute = Attribute::new("revision_number", Form::Integer(0, i64::MAX)).filter();
/// `tags` and its relatives, which are filters only; the text in a filter is a list with commas.
pub(super) const TAGS: [Attribute; 4] = [
    Attribute::new("tags", Form::Text(4096)).filter(),
    Attribute::new("tags-any", Form::Text(4096)).filter(),
    Attribute::new("not-tags", Form::Text(4096)).filter(),
    Attribute::new("not-tags-any", Form::Text(4096)).filter(),
];

/// A body that has been checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Body(Map<String, Value>);

/// Whether a body creates or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Create,
    Change,
}

impl Body {
    /// Reads an object of the resource `resource`.
    pub(super) fn read(
        object: &Value,
        resource: &str,
        table: &[Attribute],
        purpose: Purpose,
        who: &Who,
    ) -> Result<Self, Fault> {
        let Some(object) = object.as_object() else {
            return Err(Fault::malformed(format!("Object '{resource}' contains invalid data")));
        };
        let mut given = object.clone();
        owner(&mut given, purpose, who)?;
        let unknown: Vec<&str> = given
            .keys()
            .map(String::as_str)
            .filter(|key| !table.iter().any(|one| one.name == *key))
            .collect();
        if !unknown.is_empty() {
            return Err(Fault::malformed(format!("Unrecognized attribute(s) '{}'", unknown.join(", "))));
        }
        for attribute in table {
            allowed(attribute, given.contains_key(attribute.name), purpose)?;
        }
        let mut checked = Map::new();
        for attribute in table {
            if let Some(value) = given.get(attribute.name) {
                checked
                    .insert(attribute.name.to_owned(), form::check(attribute.form, attribute.name, value)?);
            }
        }
        let privileged = table.iter().find(|one| one.admin && checked.contains_key(one.name));
        if let Some(attribute) = privileged.filter(|_| !who.is_admin()) {
            let verb = if purpose == Purpose::Create { "create" } else { "update" };
            return Err(Fault::forbidden_attribute(&format!("{verb}_{resource}"), attribute.name));
        }
        Ok(Self(checked))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text; `None` if it is not given or null.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().map(str::to_owned)
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let list = self.0.get(name)?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}

/// Fills in whose the object shall be.
fn owner(given: &mut Map<String, Value>, purpose: Purpose, who: &Who) -> Result<(), Fault> {
    let stated = given.get("project_id").or_else(|| given.get("tenant_id")).cloned();
    if stated.as_ref().is_some_and(|stated| *stated != *who.project) && !who.is_admin() {
        let text = "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges";
        return Err(Fault::malformed(text));
    }
    if purpose == Purpose::Create {
        given.insert("project_id".to_owned(), stated.unwrap_or_else(|| who.project.as_str().into()));
    }
    Ok(())
}

fn allowed(attribute: &Attribute, is_given: bool, purpose: Purpose) -> Result<(), Fault> {
    let name = attribute.name;
    match (purpose, attribute.post) {
        (Purpose::Create, Post::Refused) if is_given => {
            Err(Fault::malformed(format!("Attribute '{name}' not allowed in POST")))
        }
        (Purpose::Create, Post::Required) if !is_given => Err(Fault::malformed(format!(
            "Failed to parse request. Required attribute '{name}' not specified"
        ))),
        (Purpose::Change, _) if is_given && !attribute.put => {
            Err(Fault::malformed(format!("Cannot update read-only attribute {name}")))
        }
        _ => Ok(()),
    }
}
