//! Requests that make, change and delete servers. The programs make none of them; tests and the contract do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::error;
use super::microversion::Version;
use super::servers::{self, Server, Status};
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::neutron::{self, Draft, Wanted};
use crate::openstack::state::State;

const KEYS: [&str; 7] =
    ["name", "flavorRef", "imageRef", "networks", "metadata", "availability_zone", "security_groups"];

/// Answers `POST /servers`.
pub(super) fn create(state: &mut State, ask: &Ask, version: Version) -> Result<Reply, Reply> {
    let Some(wanted) = ask.body["server"].as_object() else {
        return Err(error(400, "'server' is a required property"));
    };
    if let Some(key) = wanted.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let text = format!(
            "Invalid input for field/attribute server. Value: {}. Additional properties are not allowed ('{key}' was unexpected)",
            ask.body["server"]
        );
        return Err(error(400, &text));
    }
    let text = |key: &str| wanted.get(key).and_then(Value::as_str).unwrap_or_default();
    let required = |key: &str| match wanted.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()) {
        Some(text) => Ok(text.to_owned()),
        None => Err(error(
            400,
            &format!("Invalid input for field/attribute server. '{key}' is a required property"),
        )),
    };
    let (name, flavor) = (required("name")?, required("flavorRef")?);
    if !state.nova.flavors.iter().any(|known| known.id == flavor) {
        return Err(error(400, &format!("Flavor {flavor} could not be found.")));
    }
    let metadata = wanted.get("metadata").and_then(Value::as_object).into_iter().flatten();
    let metadata: BTreeMap<String, String> =
        metadata.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    let id = state.ids.uuid();
    let own_ports = plug(state, ask, &id, wanted.get("networks"), version)?;
    let server = Server {
        id: id.clone(),
        name,
        project: ask.who.project.clone(),
        user: ask.who.user.clone(),
        status: Status::Build,
        zone: String::new(),
        flavor,
        image: text("imageRef").to_owned(),
        metadata,
        access_v4: String::new(),
        access_v6: String::new(),
        created: state.wall,
        updated: state.wall,
        launched: None,
        terminated: None,
        cell: 1,
        addresses: BTreeMap::new(),
        own_ports,
    };
    servers::launch(state, server, ask.fails);
    let href = format!("{}/v2.1/servers/{id}", ask.base);
    let body = json!({"server": {
        "id": id, "OS-DCF:diskConfig": "MANUAL", "adminPass": "only-once", "security_groups": [{"name": "default"}],
        "links": [{"rel": "self", "href": href}, {"rel": "bookmark", "href": format!("{}/servers/{id}", ask.base)}],
    }});
    Ok(Reply::new(202, body).header("location", href))
}

/// Gives a server its ports: those named, and new ones on networks named. The new ones are Nova's.
fn plug(
    state: &mut State,
    ask: &Ask,
    id: &str,
    networks: Option<&Value>,
    version: Version,
) -> Result<BTreeSet<String>, Reply> {
    let wanted = match networks {
        Some(Value::Array(list)) => list.clone(),
        Some(Value::String(word)) if word == "none" && version >= (2, 37) => Vec::new(),
        Some(other) => {
            return Err(error(400, &format!("Invalid input for field/attribute networks. Value: {other}.")));
        }
        None if version >= (2, 37) => {
            return Err(error(
                400,
                "Invalid input for field/attribute server. 'networks' is a required property",
            ));
        }
        None => Vec::new(),
    };
    let mut own = BTreeSet::new();
    for network in wanted {
        if let Some(port) = network["port"].as_str() {
            let found =
                state.neutron.ports.get_mut(port).filter(|port| port.standard.project_id == ask.who.project);
            let found = found.ok_or_else(|| error(400, &format!("Port {port} could not be found.")))?;
            if !found.device_id.is_empty() {
                return Err(error(409, &format!("Port {port} is still in use.")));
            }
            id.clone_into(&mut found.device_id);
            continue;
        }
        let network_id = network["uuid"].as_str().unwrap_or_default().to_owned();
        if !state.neutron.networks.contains_key(&network_id) {
            return Err(error(400, &format!("Network {network_id} could not be found.")));
        }
        let fixed_ip = network["fixed_ip"].as_str().and_then(|ip| ip.parse().ok());
        let draft = Draft {
            network_id,
            project_id: ask.who.project.clone(),
            device_id: id.to_owned(),
            device_owner: format!("compute:{}", state.nova.zone),
            fixed_ips: fixed_ip.map(|ip| vec![Wanted { subnet_id: None, ip: Some(ip) }]),
            ..Draft::default()
        };
        own.insert(neutron::make_port(state, draft).map_err(|fault| error(400, &fault.message))?);
    }
    Ok(own)
}

/// Answers `POST /servers/<id>/action`.
pub(super) fn act(state: &mut State, ask: &Ask, id: &str) -> Result<Reply, Reply> {
    let status = super::own(state, ask, id)?.status;
    let (word, needed, to) =
        match ask.body.as_object().and_then(|body| body.keys().next()).map(String::as_str) {
            Some("os-stop") => ("stop", Status::Active, Status::Shutoff),
            Some("os-start") => ("start", Status::Shutoff, Status::Active),
            _ => return Err(error(400, "There is no such action")),
        };
    if status != needed {
        let text = format!("Cannot '{word}' instance {id} while it is in vm_state {}", status.vm_state());
        return Err(error(409, &text));
    }
    servers::turn_later(state, id, to);
    Ok(Reply::empty(202))
}

/// Answers `DELETE /servers/<id>`.
pub(super) fn delete(state: &mut State, ask: &Ask, id: &str) -> Result<Reply, Reply> {
    super::own(state, ask, id)?;
    servers::delete_later(state, id);
    Ok(Reply::empty(204))
}
