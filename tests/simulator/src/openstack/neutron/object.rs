//! What all of Neutron's objects have in common, and the tables that hold them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Neutron;
use super::attributes::{Attribute, Body};
use super::fault::Fault;
use crate::openstack::keystone::Who;
use crate::openstack::state::State;

/// Objects of one kind by their ids, which is the order Neutron lists them in.
pub(crate) type Table<T> = BTreeMap<String, T>;

/// What every object has (`standard attributes`).
#[derive(Clone, Debug)]
pub(crate) struct Standard {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) revision: u64,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

impl Standard {
    /// That of a new object.
    pub(crate) fn new(id: String, project_id: &str, name: &str, now: Timestamp) -> Self {
        Self {
            id,
            project_id: project_id.to_owned(),
            name: name.to_owned(),
            description: String::new(),
            tags: BTreeSet::new(),
            revision: 1,
            created: now,
            updated: now,
        }
    }

    /// Notes a change.
    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.revision += 1;
        self.updated = now;
    }

    /// Takes over name and description from a body.
    pub(super) fn take(&mut self, body: &Body) {
        if let Some(name) = body.text("name") {
            self.name = name;
        }
        if let Some(description) = body.text("description") {
            self.description = description;
        }
    }

    /// The attributes as they are shown.
    pub(super) fn show(&self, mut rest: Value) -> Map<String, Value> {
        let mut shown = json!({
            "id": self.id,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "name": self.name,
            "description": self.description,
            "tags": self.tags,
            "revision_number": self.revision,
            "created_at": time(self.created),
            "updated_at": time(self.updated),
        });
        let mut all = shown.as_object_mut().map(std::mem::take).unwrap_or_default();
        all.append(&mut rest.as_object_mut().map(std::mem::take).unwrap_or_default());
        all
    }
}

/// A time as Neutron writes it, to the second.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The names a kind of object goes by.
#[derive(Debug)]
pub(crate) struct Kind {
    /// `security_group`.
    pub(crate) singular: &'static str,
    /// `security_groups`.
    pub(crate) plural: &'static str,
    /// Exception and text that say that there is none; `{}` stands for the id.
    pub(crate) missing: (&'static str, &'static str),
    /// Its attributes.
    pub(super) attributes: &'static [&'static [Attribute]],
}

impl Kind {
    pub(super) fn not_found(&self, id: &str) -> Fault {
        Fault::not_found(self.missing.0, self.missing.1.replace("{}", id))
    }

    /// Whether an attribute is a truth value.
    pub(super) fn is_flag(&self, name: &str) -> bool {
        self.attributes.iter().any(|table| table.iter().any(|one| one.name == name && one.is_flag()))
    }

    pub(super) fn table(&self) -> Vec<Attribute> {
        self.attributes.concat()
    }
}

/// One of Neutron's objects.
pub(super) trait Object: Sized {
    const KIND: Kind;
    /// Whether a foreign one is kept back by the policy instead of the database, which shows in the refusal's text.
    const IS_SEEN_BY_POLICY_ONLY: bool = false;

    fn table(neutron: &Neutron) -> &Table<Self>;
    fn table_mut(neutron: &mut Neutron) -> &mut Table<Self>;
    fn standard(&self) -> &Standard;
    fn standard_mut(&mut self) -> &mut Standard;

    /// As the API shows it, `admin_only` attributes included if the user is one.
    fn show(&self, neutron: &Neutron, who: &Who) -> Map<String, Value>;

    /// What only the answer to a POST shows.
    fn show_new(&self, _shown: &mut Map<String, Value>) {}

    /// What only lists show otherwise.
    fn show_in_list(&self, _shown: &mut Map<String, Value>) {}

    /// Whether an attribute has this value; the value is a filter's.
    fn has(&self, attribute: &str, value: &str) -> bool;

    /// Makes one, and says its id.
    fn create(state: &mut State, body: &Body, who: &Who) -> Result<String, Fault>;

    /// Changes one.
    fn update(state: &mut State, id: &str, body: &Body, who: &Who) -> Result<(), Fault>;

    /// Deletes one, if nothing needs it.
    fn delete(state: &mut State, id: &str, who: &Who) -> Result<(), Fault>;

    /// Whether projects other than its own see it.
    fn is_public(&self) -> bool {
        false
    }

    fn is_visible(&self, who: &Who) -> bool {
        who.is_admin() || self.standard().project_id == who.project || self.is_public()
    }
}

/// The object with this id, if the user may see it.
pub(super) fn find<'a, T: Object>(neutron: &'a Neutron, id: &str, who: &Who) -> Result<&'a T, Fault> {
    T::table(neutron).get(id).filter(|one| one.is_visible(who)).ok_or_else(|| T::KIND.not_found(id))
}

/// The object with this id, if the user may change it.
pub(super) fn find_mut<'a, T: Object>(
    neutron: &'a mut Neutron,
    id: &str,
    who: &Who,
) -> Result<&'a mut T, Fault> {
    let found = T::table_mut(neutron).get_mut(id).ok_or_else(|| T::KIND.not_found(id))?;
    if !found.is_visible(who) {
        return Err(if T::IS_SEEN_BY_POLICY_ONLY { Fault::nowhere() } else { T::KIND.not_found(id) });
    }
    if !who.is_admin() && found.standard().project_id != who.project {
        return Err(Fault::forbidden(&format!("update_{}", T::KIND.singular)));
    }
    Ok(found)
}
