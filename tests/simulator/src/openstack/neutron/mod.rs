//! Neutron: networks, subnets, ports, floating IPs, routers, security groups.
//!
//! Checked against ML2/OVN. A kind of object has one file that says what it is ([`object::Object`]) and what may be
//! done with it; this one finds the kind by the path and does what is common to all.

mod attributes;
mod extensions;
mod fault;
mod floating_ips;
mod form;
mod list;
mod net;
mod networks;
mod object;
mod operator;
mod port_changes;
mod ports;
mod quotas;
mod routers;
mod routes;
mod rules;
mod security_groups;
mod subnets;
mod tags;
pub(crate) mod vip;

use serde_json::{Value, json};

use super::ask::{Ask, Reply};
use super::state::State;
use attributes::{Body, Purpose};
use object::{Object, Standard};

pub(crate) use fault::Fault;
pub(crate) use floating_ips::{FloatingIp, Target};
pub(crate) use list::Order;
pub(crate) use networks::Network;
pub(crate) use object::Table;
pub use operator::Place;
pub(crate) use operator::dump;
pub(crate) use port_changes::{Draft, Wanted, make as make_port, remove as remove_port};
pub(crate) use ports::{FixedIp, Port};
pub(crate) use quotas::Quotas;
pub(crate) use routers::Router;
pub(crate) use rules::Rule;
pub(crate) use security_groups::SecurityGroup;
pub(crate) use subnets::Subnet;

/// The words that are no ids in Neutron's paths.
pub(crate) const WORDS: &[&str] = &[
    "v2.0",
    "networks",
    "subnets",
    "ports",
    "floatingips",
    "routers",
    "security-groups",
    "security-group-rules",
    "extensions",
    "tags",
    "add_extraroutes",
    "remove_extraroutes",
    "add_router_interface",
    "remove_router_interface",
    "quotas",
];

/// Most extra routes of a router, Neutron's own default (`max_routes`).
const MOST_ROUTES: usize = 30;

/// What Neutron knows.
#[derive(Clone, Debug)]
pub(crate) struct Neutron {
    pub(crate) networks: Table<Network>,
    pub(crate) subnets: Table<Subnet>,
    pub(crate) ports: Table<Port>,
    pub(crate) floating_ips: Table<FloatingIp>,
    pub(crate) routers: Table<Router>,
    pub(crate) security_groups: Table<SecurityGroup>,
    pub(crate) rules: Table<Rule>,
    pub(crate) quotas: Quotas,
    /// In what order lists come.
    pub(crate) order: Order,
    pub(crate) most_routes: usize,
}

impl Default for Neutron {
    fn default() -> Self {
        Self {
            networks: Table::new(),
            subnets: Table::new(),
            ports: Table::new(),
            floating_ips: Table::new(),
            routers: Table::new(),
            security_groups: Table::new(),
            rules: Table::new(),
            quotas: Quotas::default(),
            order: Order::default(),
            most_routes: MOST_ROUTES,
        }
    }
}

/// What Neutron does by itself.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A floating IP has the status that follows from where it leads.
    FloatingIpSettles { id: String },
}

/// Answers a request.
pub(crate) fn answer(state: &mut State, ask: &Ask<'_>) -> Reply {
    route(state, ask).unwrap_or_else(Reply::from)
}

/// Lets an event happen.
pub(crate) fn advance(state: &mut State, event: Event) {
    match event {
        Event::FloatingIpSettles { id } => floating_ips::settled(state, &id),
    }
}

/// An error in Neutron's form.
pub(crate) fn error(status: u16, kind: &'static str, message: &str) -> Reply {
    Fault::new(status, kind, message).into()
}

fn route(state: &mut State, ask: &Ask<'_>) -> Result<Reply, Fault> {
    match ask.path.as_slice() {
        [] => Ok(extensions::versions(ask)),
        ["v2.0"] => Ok(extensions::resources(ask)),
        ["v2.0", "extensions", rest @ ..] => extensions::answer(state.profile, ask, rest.first().copied()),
        ["v2.0", "quotas", project] => quotas::answer(state, ask, project),
        ["v2.0", "networks", rest @ ..] => resource::<Network>(state, ask, rest),
        ["v2.0", "subnets", rest @ ..] => resource::<Subnet>(state, ask, rest),
        ["v2.0", "ports", rest @ ..] => resource::<Port>(state, ask, rest),
        ["v2.0", "floatingips", rest @ ..] => resource::<FloatingIp>(state, ask, rest),
        ["v2.0", "routers", id, action] if !matches!(*action, "tags") => {
            router_action(state, ask, id, action)
        }
        ["v2.0", "routers", rest @ ..] => resource::<Router>(state, ask, rest),
        ["v2.0", "security-groups", rest @ ..] => resource::<SecurityGroup>(state, ask, rest),
        ["v2.0", "security-group-rules", rest @ ..] if !rest.contains(&"tags") => {
            resource::<Rule>(state, ask, rest)
        }
        _ => Err(Fault::nowhere()),
    }
}

/// What can be done with the objects of a kind.
fn resource<T: Object>(state: &mut State, ask: &Ask<'_>, rest: &[&str]) -> Result<Reply, Fault> {
    match (ask.method.as_str(), rest) {
        ("GET", []) => {
            if T::KIND.singular == "security_group" {
                security_groups::default_of(state, &ask.who.project);
            }
            list::list::<T>(&state.neutron, ask)
        }
        ("POST", []) => create::<T>(state, ask),
        ("GET", [id]) => {
            let fields: Vec<&str> = list::values(&ask.query, "fields").collect();
            let found: &T = object::find(&state.neutron, id, ask.who)?;
            let shown = list::chosen(found.show(&state.neutron, ask.who), &fields);
            Ok(Reply::new(200, json!({ T::KIND.singular: shown })))
        }
        ("PUT", [id]) => {
            unchanged_since::<T>(state, ask, id)?;
            let Some(object) = ask.body.get(T::KIND.singular) else { return Err(no_object::<T>(&ask.body)) };
            let body = Body::read(object, T::KIND.singular, &T::KIND.table(), Purpose::Change, ask.who)?;
            object::find_mut::<T>(&mut state.neutron, id, ask.who)?;
            T::update(state, id, &body, ask.who)?;
            Ok(Reply::new(200, json!({ T::KIND.singular: shown::<T>(state, ask, id) })))
        }
        ("DELETE", [id]) => {
            unchanged_since::<T>(state, ask, id)?;
            object::find_mut::<T>(&mut state.neutron, id, ask.who)?;
            T::delete(state, id, ask.who)?;
            Ok(Reply::empty(204))
        }
        (_, [id, "tags", tag @ ..]) if tag.len() < 2 => {
            tags::answer::<T>(state, ask, id, tag.first().copied())
        }
        (_, [] | [_]) => Err(Fault::no_method()),
        _ => Err(Fault::nowhere()),
    }
}

/// Makes one object, or several of a kind: all of them or none.
fn create<T: Object>(state: &mut State, ask: &Ask<'_>) -> Result<Reply, Fault> {
    let kind = T::KIND;
    let Some(bulk) = ask.body.get(kind.plural) else {
        let Some(object) = ask.body.get(kind.singular) else { return Err(no_object::<T>(&ask.body)) };
        let body = Body::read(object, kind.singular, &kind.table(), Purpose::Create, ask.who)?;
        quotas::check(state, &body.text("project_id").unwrap_or_default(), kind.singular, 1)?;
        let id = T::create(state, &body, ask.who)?;
        return Ok(Reply::new(201, json!({ kind.singular: shown_new::<T>(state, ask, &id) })));
    };
    let objects = bulk.as_array().filter(|objects| !objects.is_empty());
    let objects = objects.ok_or_else(|| Fault::malformed("Resources required"))?;
    let table = kind.table();
    let read = |object: &Value| {
        let object = object.get(kind.singular).unwrap_or(object);
        Body::read(object, kind.singular, &table, Purpose::Create, ask.who)
    };
    let bodies: Vec<Body> = objects.iter().map(read).collect::<Result<_, _>>()?;
    let project = bodies.first().and_then(|body| body.text("project_id")).unwrap_or_default();
    quotas::check(state, &project, kind.singular, bodies.len())?;
    let before = state.neutron.clone();
    let made: Result<Vec<String>, Fault> =
        bodies.iter().map(|body| T::create(state, body, ask.who)).collect();
    match made {
        Ok(ids) => {
            let shown: Vec<Value> = ids.iter().map(|id| shown_new::<T>(state, ask, id)).collect();
            Ok(Reply::new(201, json!({ kind.plural: shown })))
        }
        Err(fault) => {
            state.neutron = before;
            Err(fault)
        }
    }
}

fn shown<T: Object>(state: &State, ask: &Ask<'_>, id: &str) -> Value {
    T::table(&state.neutron).get(id).map(|found| found.show(&state.neutron, ask.who)).into()
}

fn shown_new<T: Object>(state: &State, ask: &Ask<'_>, id: &str) -> Value {
    let mut shown =
        T::table(&state.neutron).get(id).map(|found| (found.show(&state.neutron, ask.who), found));
    if let Some((shown, found)) = &mut shown {
        found.show_new(shown);
    }
    shown.map(|(shown, _)| shown).into()
}

fn no_object<T: Object>(body: &Value) -> Fault {
    if body.as_object().is_none_or(serde_json::Map::is_empty) {
        return Fault::malformed("Resource body required");
    }
    Fault::malformed(format!("Unable to find '{}' in request body", T::KIND.singular))
}

/// Refuses a change of an object that is no longer at the revision that `If-Match` names.
fn unchanged_since<T: Object>(state: &State, ask: &Ask<'_>, id: &str) -> Result<(), Fault> {
    let header = ask.headers.get("if-match").and_then(|value| value.to_str().ok());
    let Some(number) = header.and_then(|tag| tag.trim_matches('"').strip_prefix("revision_number=")) else {
        return Ok(());
    };
    let Ok(number) = number.parse::<u64>() else {
        return Err(Fault::bad_request(
            "if-match",
            "Revision number etag must be in the format of revision_number=<int>",
        ));
    };
    let current = object::find::<T>(&state.neutron, id, ask.who)?.standard().revision;
    if number == current {
        return Ok(());
    }
    let text = format!("Constrained to {number}, but current revision is {current}");
    Err(Fault::new(412, "RevisionNumberConstraintFailed", text))
}

fn router_action(state: &mut State, ask: &Ask<'_>, id: &str, action: &str) -> Result<Reply, Fault> {
    let atomic = extensions::has(state.profile, "extraroute-atomic");
    if ask.method.as_str() != "PUT" {
        return Err(Fault::nowhere());
    }
    let change = match action {
        "add_router_interface" => {
            return routers::add_interface(state, id, &ask.body, ask.who).map(|shown| Reply::new(200, shown));
        }
        "remove_router_interface" => {
            return routers::remove_interface(state, id, &ask.body, ask.who)
                .map(|shown| Reply::new(200, shown));
        }
        "add_extraroutes" if atomic => routes::Change::Add,
        "remove_extraroutes" if atomic => routes::Change::Remove,
        _ => return Err(Fault::nowhere()),
    };
    routes::change(state, id, &ask.body, change, ask.who)?;
    let mut shown =
        state.neutron.routers.get(id).map(|router| (router.show(&state.neutron, ask.who), router));
    if let Some((shown, router)) = &mut shown {
        router.show_unfiltered(shown);
    }
    Ok(Reply::new(200, json!({"router": shown.map(|(shown, _)| shown)})))
}

/// What every new object has, as the body wants it.
fn new_standard(state: &mut State, body: &Body) -> Standard {
    let project = body.text("project_id").unwrap_or_default();
    let mut standard = Standard::new(state.ids.uuid(), &project, "", state.wall);
    standard.take(body);
    standard
}

/// Nova hears that something about a server's port has changed.
fn tell_nova(state: &mut State, port: Option<&str>) {
    let device = port.and_then(|id| state.neutron.ports.get(id)).map(|port| port.device_id.clone());
    if let Some(device) = device {
        super::nova::port_changed(state, &device);
    }
}

#[cfg(test)]
mod tests;
