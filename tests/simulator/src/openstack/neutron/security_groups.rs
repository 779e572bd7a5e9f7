//! Security groups.

use serde_json::{Map, Value, json};

use super::Neutron;
use super::attributes::{Attribute, Body, DESCRIPTION, ID, NAME, PROJECT, REVISION, TAGS, TENANT};
use super::fault::Fault;
use super::form::{self, Form};
use super::object::{self, Kind, Object, Standard, Table};
use super::rules::{self, Rule};
use crate::openstack::keystone::Who;
use crate::openstack::state::State;

const ATTRIBUTES: &[Attribute] = &[
    ID,
    NAME,
    DESCRIPTION,
    PROJECT,
    TENANT,
    REVISION,
    Attribute::new("stateful", Form::Boolean).post().put().filter(),
    Attribute::new("shared", Form::Boolean).filter(),
];

const DEFAULT: &str = "default";

/// A security group.
#[derive(Clone, Debug)]
pub(crate) struct SecurityGroup {
    pub(crate) standard: Standard,
    stateful: bool,
}

impl Object for SecurityGroup {
    const KIND: Kind = Kind {
        singular: "security_group",
        plural: "security_groups",
        missing: ("SecurityGroupNotFound", "Security group {} does not exist"),
        attributes: &[ATTRIBUTES, &TAGS],
    };

    fn table(neutron: &Neutron) -> &Table<Self> {
        &neutron.security_groups
    }

    fn table_mut(neutron: &mut Neutron) -> &mut Table<Self> {
        &mut neutron.security_groups
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn show(&self, neutron: &Neutron, who: &Who) -> Map<String, Value> {
        let rules: Vec<_> = neutron
            .rules
            .values()
            .filter(|rule| rule.group == self.standard.id)
            .map(|rule| rule.show_embedded(neutron, who))
            .collect();
        self.standard.show(json!({"security_group_rules": rules, "stateful": self.stateful, "shared": false}))
    }

    fn show_in_list(&self, shown: &mut Map<String, Value>) {
        for rule in shown.get_mut("security_group_rules").and_then(Value::as_array_mut).into_iter().flatten()
        {
            rule["belongs_to_default_sg"] = Value::Null;
        }
    }

    fn has(&self, attribute: &str, value: &str) -> bool {
        let flag = |truth: bool| form::boolean(&Value::from(value)).is_ok_and(|asked| asked == truth);
        match attribute {
            "stateful" => flag(self.stateful),
            "shared" => flag(false),
            _ => false,
        }
    }

    fn create(state: &mut State, body: &Body, _who: &Who) -> Result<String, Fault> {
        let project_id = body.text("project_id").unwrap_or_default();
        if body.text("name").is_some_and(|name| name.eq_ignore_ascii_case(DEFAULT)) {
            return Err(Fault::conflict(
                "SecurityGroupDefaultAlreadyExists",
                "Default security group already exists.",
            ));
        }
        default_of(state, &project_id);
        let standard = super::new_standard(state, body);
        let id = standard.id.clone();
        add(state, standard, body.flag("stateful").unwrap_or(true));
        Ok(id)
    }

    fn update(state: &mut State, id: &str, body: &Body, who: &Who) -> Result<(), Fault> {
        let wall = state.wall;
        let group: &mut SecurityGroup = object::find_mut(&mut state.neutron, id, who)?;
        if group.is_default() && body.has("name") {
            return Err(Fault::conflict(
                "SecurityGroupCannotUpdateDefault",
                "Updating default security group not allowed.",
            ));
        }
        group.standard.take(body);
        group.stateful = body.flag("stateful").unwrap_or(group.stateful);
        group.standard.touch(wall);
        Ok(())
    }

    fn delete(state: &mut State, id: &str, who: &Who) -> Result<(), Fault> {
        let neutron = &mut state.neutron;
        if neutron.ports.values().any(|port| port.security_groups.iter().any(|group| group == id)) {
            return Err(Fault::conflict("SecurityGroupInUse", format!("Security Group {id} in use.")));
        }
        if neutron.security_groups.get(id).is_some_and(SecurityGroup::is_default) && !who.is_admin() {
            let text = "Insufficient rights for removing default security group.";
            return Err(Fault::conflict("SecurityGroupCannotRemoveDefault", text));
        }
        neutron.security_groups.remove(id);
        neutron
            .rules
            .retain(|_, rule: &mut Rule| rule.group != id && rule.remote_group.as_deref() != Some(id));
        Ok(())
    }
}

impl SecurityGroup {
    pub(super) fn is_default(&self) -> bool {
        self.standard.name == DEFAULT
    }
}

/// The project's default group, which exists as soon as somebody needs it.
pub(super) fn default_of(state: &mut State, project_id: &str) -> String {
    let groups = state.neutron.security_groups.values();
    let mut own = groups.filter(|group| group.standard.project_id == project_id);
    if let Some(found) = own.find(|group| group.is_default()) {
        return found.standard.id.clone();
    }
    let id = state.ids.uuid();
    let mut standard = Standard::new(id.clone(), project_id, DEFAULT, state.wall);
    "Default security group".clone_into(&mut standard.description);
    add(state, standard, true);
    id
}

/// Adds a group with the rules that every new one has.
fn add(state: &mut State, standard: Standard, stateful: bool) {
    let group = SecurityGroup { standard, stateful };
    let id = group.standard.id.clone();
    for ethertype in ["IPv4", "IPv6"] {
        rules::add_initial(state, &group, "egress", ethertype, None);
        if group.is_default() {
            rules::add_initial(state, &group, "ingress", ethertype, Some(id.clone()));
        }
    }
    state.neutron.security_groups.insert(id, group);
}
