//! Extra routes of routers: the whole table at once, or some added and removed (`extraroute-atomic`).

use std::net::IpAddr;

use serde_json::{Value, json};

use super::fault::Fault;
use super::form::{self, Form};
use super::object;
use super::{Router, Subnet};
use crate::openstack::keystone::Who;
use crate::openstack::state::State;

/// A route, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) destination: String,
    pub(crate) nexthop: String,
}

impl Route {
    pub(super) fn show(&self) -> Value {
        json!({"destination": self.destination, "nexthop": self.nexthop})
    }

    pub(super) fn hop(&self) -> Option<IpAddr> {
        self.nexthop.parse().ok()
    }
}

/// Reads a list of routes that has been checked.
pub(super) fn read(value: &Value) -> Vec<Route> {
    let text = |route: &Value, key: &str| route[key].as_str().unwrap_or_default().to_owned();
    let list = value.as_array().into_iter().flatten();
    list.map(|route| Route { destination: text(route, "destination"), nexthop: text(route, "nexthop") })
        .collect()
}

/// What a call does to the table of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Add,
    Remove,
}

/// `add_extraroutes` and `remove_extraroutes`: what is there already or gone already is no error.
pub(super) fn change(
    state: &mut State,
    id: &str,
    body: &Value,
    change: Change,
    who: &Who,
) -> Result<(), Fault> {
    let given = &body["router"]["routes"];
    // The API layer does not check this body, and the plugin trusts it.
    let is_whole = |route: &Value| route.get("destination").is_some() && route.get("nexthop").is_some();
    if !given.as_array().is_some_and(|routes| routes.iter().all(is_whole)) {
        return Err(Fault::unexpected());
    }
    form::check(Form::Routes, "routes", given)?;
    let mut routes = object::find_mut::<Router>(&mut state.neutron, id, who)?.routes.clone();
    for route in read(given) {
        match change {
            Change::Remove => routes.retain(|one| *one != route),
            Change::Add if routes.contains(&route) => {}
            Change::Add => routes.push(route),
        }
    }
    replace(state, id, routes)?;
    let wall = state.wall;
    if let Some(router) = state.neutron.routers.get_mut(id) {
        router.standard.touch(wall);
    }
    Ok(())
}

/// Makes these the routes of a router, if every next hop is on one of its subnets and is not the router itself.
pub(super) fn replace(state: &mut State, id: &str, routes: Vec<Route>) -> Result<(), Fault> {
    let of_router = state.neutron.ports.values().filter(|port| port.device_id == id);
    let own: Vec<_> = of_router.flat_map(|port| &port.fixed_ips).collect();
    let subnets: Vec<&Subnet> =
        own.iter().filter_map(|fixed| state.neutron.subnets.get(&fixed.subnet_id)).collect();
    let refused = |reason: &str| {
        let shown: Vec<_> = routes.iter().map(Route::show).collect();
        let text = format!("Invalid format for routes: {}, {reason}", form::python(&shown.into()));
        Fault::new(400, "InvalidRoutes", text)
    };
    for hop in routes.iter().filter_map(Route::hop) {
        if !subnets.iter().any(|subnet| subnet.cidr.contains(hop)) {
            return Err(refused("the nexthop is not connected with router"));
        }
        if own.iter().any(|fixed| fixed.ip == hop) {
            return Err(refused("the nexthop is used by router"));
        }
    }
    let most = state.neutron.most_routes;
    if routes.len() > most {
        let text = format!(
            "Unable to complete operation for {id}. The number of routes exceeds the maximum {most}."
        );
        return Err(Fault::new(400, "RoutesExhausted", text));
    }
    if let Some(router) = state.neutron.routers.get_mut(id) {
        router.routes = routes;
    }
    Ok(())
}
