//! Nova: servers, as a project sees them.

mod create;
mod flavors;
mod list;
mod microversion;
mod operator;
mod servers;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::ask::{Ask, Reply};
use super::state::{self, State};
use flavors::Flavor;
use microversion::Version;
use servers::{Server, Status};
use show::{Scene, View};

pub use operator::ServerDraft;
pub(crate) use operator::dump;

/// The words that are no ids in Nova's paths.
pub(crate) const WORDS: &[&str] = &["v2.1", "servers", "detail", "flavors", "os-interface", "action"];

/// What Nova knows.
#[derive(Clone, Debug)]
pub(crate) struct Nova {
    servers: BTreeMap<String, Server>,
    flavors: Vec<Flavor>,
    down_cells: BTreeSet<u8>,
    /// The zone of its only host.
    zone: String,
    /// How long a change of a port takes to be known.
    hearing: Duration,
}

impl Default for Nova {
    fn default() -> Self {
        let small = Flavor { id: "1".to_owned(), name: "m1.small".to_owned(), vcpus: 1, ram: 2048, disk: 20 };
        Self {
            servers: BTreeMap::new(),
            flavors: vec![small],
            down_cells: BTreeSet::new(),
            zone: "nova".to_owned(),
            hearing: Duration::from_secs(2),
        }
    }
}

/// What Nova does by itself.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A server has been started.
    Spawned { server: String, fails: bool },
    /// A server has been taken away.
    Gone { server: String },
    /// A server has been stopped or started.
    Turned { server: String, to: Status },
    /// Something about a server's ports has become known.
    Heard { server: String },
}

/// Answers a request.
pub(crate) fn answer(state: &mut State, ask: &Ask<'_>) -> Reply {
    if ask.path.is_empty() {
        // The list of versions has none itself.
        let old = json!({
            "id": "v2.0", "status": "DEPRECATED", "version": "", "min_version": "", "updated": "2011-01-21T11:33:21Z",
            "links": [{"rel": "self", "href": format!("{}/v2/", ask.base)}],
        });
        return Reply::new(200, json!({"versions": [old, version_two(state, ask)]})).without_id();
    }
    let version = match microversion::asked(state.profile, ask) {
        Ok(version) => version,
        Err(refusal) => return refusal,
    };
    let reply = route(state, ask, version).unwrap_or_else(|refusal| refusal);
    if reply.body.is_string() {
        // Said before anything looked at versions.
        return reply;
    }
    microversion::stated(reply, version)
}

/// Lets an event happen.
pub(crate) fn advance(state: &mut State, event: Event) {
    match event {
        Event::Spawned { server, fails } => servers::spawned(state, &server, fails),
        Event::Gone { server } => servers::gone(state, &server),
        Event::Turned { server, to } => servers::turned(state, &server, to),
        Event::Heard { server } => servers::hear(state, &server),
    }
}

/// Neutron says that something about a server's port has changed.
pub(crate) fn port_changed(state: &mut State, device: &str) {
    if state.nova.servers.contains_key(device) {
        let heard = Event::Heard { server: device.to_owned() };
        state.schedule(state.nova.hearing, state::Event::Nova(heard));
    }
}

fn route(state: &mut State, ask: &Ask<'_>, version: Version) -> Result<Reply, Reply> {
    match (ask.method.as_str(), ask.path.as_slice()) {
        ("GET", ["v2.1"]) => {
            let mut version = version_two(state, ask);
            let guide =
                json!({"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"});
            version["links"] = json!([version["links"][0], guide]);
            let kind = "application/vnd.openstack.compute+json;version=2.1";
            version["media-types"] = json!([{"base": "application/json", "type": kind}]);
            Ok(Reply::new(200, json!({ "version": version })))
        }
        ("GET", ["v2.1", "servers"]) => list::answer(state, ask, version, false),
        ("GET", ["v2.1", "servers", "detail"]) => list::answer(state, ask, version, true),
        ("POST", ["v2.1", "servers"]) => create::create(state, ask, version),
        ("GET", ["v2.1", "servers", id]) => one(state, ask, id, version),
        ("DELETE", ["v2.1", "servers", id]) => create::delete(state, ask, id),
        ("POST", ["v2.1", "servers", id, "action"]) => create::act(state, ask, id),
        ("GET", ["v2.1", "servers", id, "os-interface"]) => interfaces(state, ask, id, version),
        (_, ["v2.1", "flavors", rest @ ..]) => flavors::answer(state, ask, version, rest),
        _ => Err(nowhere()),
    }
}

/// The document of the API's only version.
fn version_two(state: &State, ask: &Ask<'_>) -> Value {
    let (major, minor) = state.profile.nova_newest();
    json!({
        "id": "v2.1", "status": "CURRENT", "version": format!("{major}.{minor}"), "min_version": "2.1",
        "updated": "2013-07-23T11:33:21Z", "links": [{"rel": "self", "href": format!("{}/v2.1/", ask.base)}],
    })
}

/// A server of the project, whether or not its cell answers.
fn own<'a>(state: &'a State, ask: &Ask<'_>, id: &str) -> Result<&'a Server, Reply> {
    let found = state.nova.servers.get(id).filter(|server| server.status != Status::Deleted);
    found
        .filter(|server| ask.who.is_admin() || server.project == ask.who.project)
        .ok_or_else(|| error(404, &format!("Instance {id} could not be found.")))
}

fn one(state: &State, ask: &Ask<'_>, id: &str, version: Version) -> Result<Reply, Reply> {
    let server = own(state, ask, id)?;
    let scene = Scene { nova: &state.nova, neutron: &state.neutron, version, base: ask.base };
    let shown = if !state.nova.down_cells.contains(&server.cell) {
        scene.full(server, View::One)
    } else if version >= (2, 69) {
        scene.of_down_cell(server, View::One)
    } else {
        return Err(unexpected("nova.exception.NovaException"));
    };
    Ok(Reply::new(200, json!({ "server": shown })))
}

/// The server's ports.
fn interfaces(state: &State, ask: &Ask<'_>, id: &str, version: Version) -> Result<Reply, Reply> {
    own(state, ask, id)?;
    let ports = servers::ports(&state.neutron, id);
    let shown = ports.map(|port| {
        let fixed_ips: Vec<_> = port
            .fixed_ips
            .iter()
            .map(|fixed| json!({"subnet_id": fixed.subnet_id, "ip_address": fixed.ip}))
            .collect();
        let mut shown = json!({
            "net_id": port.network_id, "port_id": port.standard.id, "mac_addr": port.mac,
            "port_state": port.status, "fixed_ips": fixed_ips,
        });
        if version >= (2, 70) {
            shown["tag"] = Value::Null;
        }
        shown
    });
    Ok(Reply::new(200, json!({"interfaceAttachments": shown.collect::<Vec<_>>()})))
}

/// An error in Nova's form.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    // The keys of nova/api/openstack/wsgi.py; other statuses have `computeFault`.
    let key = match status {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    };
    Reply::new(status, json!({key: {"code": status, "message": message}}))
}

/// An exception that nobody caught.
fn unexpected(class: &str) -> Reply {
    let text = format!(
        "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log if possible.\n<class '{class}'>"
    );
    error(500, &text)
}

/// A URL that leads nowhere: the router in front of the API answers, with a page.
fn nowhere() -> Reply {
    let page = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  The resource could not be found.<br /><br />\n\n\n\n </body>\n</html>";
    Reply::new(404, page.into())
}

fn no_method() -> Reply {
    error(405, "The method specified is not allowed for this resource.")
}

#[cfg(test)]
mod tests;
