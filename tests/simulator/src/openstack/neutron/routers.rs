//! Routers: a gateway to an external network, interfaces on subnets.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::attributes::{
    ADMIN_STATE, Attribute, Body, DESCRIPTION, ID, NAME, PROJECT, REVISION, STATUS, TAGS, TENANT,
};
use super::fault::Fault;
use super::form::Form;
use super::object::{self, Kind, Object, Standard, Table};
use super::port_changes::{self, Draft, Wanted};
use super::routes::{self, Route};
use super::{Network, Neutron, Port, Subnet};
use crate::openstack::keystone::Who;
use crate::openstack::state::State;

pub(super) const INTERFACE: &str = "network:router_interface";
const GATEWAY: &str = "network:router_gateway";

const ATTRIBUTES: &[Attribute] = &[
    ID,
    NAME,
    DESCRIPTION,
    PROJECT,
    TENANT,
    ADMIN_STATE,
    STATUS,
    REVISION,
    Attribute::new("external_gateway_info", Form::Gateway).post().put(),
    Attribute::new("routes", Form::Routes).put(),
];

/// A router.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) standard: Standard,
    is_up: bool,
    gateway: Option<Gateway>,
    pub(crate) routes: Vec<Route>,
}

/// A router's way out.
#[derive(Clone, Debug)]
struct Gateway {
    network_id: String,
    port_id: String,
    snat: bool,
}

impl Router {
    /// What answers about single routes show besides, since nothing filters them.
    pub(super) fn show_unfiltered(&self, shown: &mut Map<String, Value>) {
        let port = self.gateway.as_ref().map(|gateway| gateway.port_id.as_str());
        let more = [
            ("distributed", json!(true)),
            ("ha", json!(true)),
            ("ha_vr_id", json!(0)),
            ("gw_port_id", json!(port)),
        ];
        shown.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
}

impl Object for Router {
    const KIND: Kind = Kind {
        singular: "router",
        plural: "routers",
        missing: ("RouterNotFound", "Router {} could not be found"),
        attributes: &[ATTRIBUTES, &TAGS],
    };

    fn table(neutron: &Neutron) -> &Table<Self> {
        &neutron.routers
    }

    fn table_mut(neutron: &mut Neutron) -> &mut Table<Self> {
        &mut neutron.routers
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn show(&self, neutron: &Neutron, _who: &Who) -> Map<String, Value> {
        let gateway = self.gateway.as_ref().map(|gateway| {
            let port = neutron.ports.get(&gateway.port_id);
            let fixed_ips = port.map(|port| port.fixed_ips.as_slice()).unwrap_or_default();
            let shown: Vec<_> = fixed_ips
                .iter()
                .map(|fixed| json!({"subnet_id": fixed.subnet_id, "ip_address": fixed.ip}))
                .collect();
            json!({
                "network_id": gateway.network_id, "enable_snat": gateway.snat,
                "external_fixed_ips": shown,
            })
        });
        // The newer form of the same leaves out what the router has as a whole.
        let gateways: Vec<Value> = gateway
            .iter()
            .map(|gateway| json!({"network_id": gateway["network_id"], "external_fixed_ips": gateway["external_fixed_ips"]}))
            .collect();
        let routes: Vec<_> = self.routes.iter().map(Route::show).collect();
        self.standard.show(json!({
            "admin_state_up": self.is_up,
            "status": "ACTIVE",
            "external_gateway_info": gateway,
            "external_gateways": gateways,
            "enable_snat": self.gateway.as_ref().is_none_or(|gateway| gateway.snat),
            "routes": routes,
            "availability_zone_hints": [],
            "availability_zones": [],
            "flavor_id": null,
            "enable_default_route_bfd": false,
            "enable_default_route_ecmp": false,
        }))
    }

    fn has(&self, attribute: &str, value: &str) -> bool {
        match attribute {
            "status" => value == "ACTIVE",
            "admin_state_up" => {
                super::form::boolean(&Value::from(value)).is_ok_and(|asked| asked == self.is_up)
            }
            _ => false,
        }
    }

    fn create(state: &mut State, body: &Body, who: &Who) -> Result<String, Fault> {
        let standard = super::new_standard(state, body);
        let id = standard.id.clone();
        let is_up = body.flag("admin_state_up").unwrap_or(true);
        state
            .neutron
            .routers
            .insert(id.clone(), Router { standard, is_up, gateway: None, routes: Vec::new() });
        if let Some(info) = body.get("external_gateway_info")
            && let Err(fault) = set_gateway(state, &id, info, who)
        {
            state.neutron.routers.remove(&id);
            return Err(fault);
        }
        Ok(id)
    }

    fn update(state: &mut State, id: &str, body: &Body, who: &Who) -> Result<(), Fault> {
        object::find_mut::<Router>(&mut state.neutron, id, who)?;
        if let Some(wanted) = body.get("routes") {
            let wanted = routes::read(wanted);
            routes::replace(state, id, wanted)?;
        }
        if let Some(info) = body.get("external_gateway_info") {
            set_gateway(state, id, info, who)?;
        }
        let wall = state.wall;
        if let Some(router) = state.neutron.routers.get_mut(id) {
            router.standard.take(body);
            router.is_up = body.flag("admin_state_up").unwrap_or(router.is_up);
            router.standard.touch(wall);
        }
        Ok(())
    }

    fn delete(state: &mut State, id: &str, _who: &Who) -> Result<(), Fault> {
        let of_router = state
            .neutron
            .ports
            .values()
            .filter(|port| port.device_id == id && port.device_owner == INTERFACE);
        let ports: Vec<&str> = of_router.map(|port| port.standard.id.as_str()).collect();
        if !ports.is_empty() {
            let text = format!("Router {id} has ports still attached: {}", ports.join(", "));
            return Err(Fault::conflict("RouterInUse", text));
        }
        clear_gateway(state, id)?;
        state.neutron.routers.remove(id);
        Ok(())
    }
}

/// The router that leads from a subnet to an external network; one that is the subnet's gateway comes first.
pub(super) fn between(neutron: &Neutron, subnet: &Subnet, external: &str) -> Option<String> {
    let leads_out = |router: &str| {
        let gateway = neutron.routers.get(router).and_then(|router| router.gateway.as_ref());
        gateway.is_some_and(|gateway| gateway.network_id == external)
    };
    let interfaces =
        neutron.ports.values().filter(|port| port.device_owner == INTERFACE && leads_out(&port.device_id));
    let on_subnet = interfaces.flat_map(|port| port.fixed_ips.iter().map(move |fixed| (port, fixed)));
    let mut candidates: Vec<(&str, IpAddr)> = on_subnet
        .filter(|(_, fixed)| fixed.subnet_id == subnet.standard.id)
        .map(|(port, fixed)| (port.device_id.as_str(), fixed.ip))
        .collect();
    candidates.sort_by_key(|(_, ip)| Some(*ip) != subnet.gateway);
    candidates.first().map(|(router, _)| (*router).to_owned())
}

fn set_gateway(state: &mut State, id: &str, info: &Value, who: &Who) -> Result<(), Fault> {
    let Some(network_id) = info["network_id"].as_str() else { return clear_gateway(state, id) };
    let network: &Network = object::find(&state.neutron, network_id, who)?;
    if !network.is_external {
        let text = format!("Network {network_id} is not an external network");
        return Err(Fault::bad_request("router", &text));
    }
    let network_id = network_id.to_owned();
    clear_gateway(state, id)?;
    let draft = Draft {
        network_id: network_id.clone(),
        device_id: id.to_owned(),
        device_owner: GATEWAY.to_owned(),
        ..Draft::default()
    };
    let port_id = port_changes::make(state, draft)?;
    let snat = info["enable_snat"].as_bool().unwrap_or(true);
    if let Some(router) = state.neutron.routers.get_mut(id) {
        router.gateway = Some(Gateway { network_id, port_id, snat });
    }
    Ok(())
}

fn clear_gateway(state: &mut State, id: &str) -> Result<(), Fault> {
    let Some(gateway) = state.neutron.routers.get(id).and_then(|router| router.gateway.clone()) else {
        return Ok(());
    };
    let leads_here = |router: &str| router == id;
    if state
        .neutron
        .floating_ips
        .values()
        .filter_map(|one| one.target.as_ref())
        .any(|target| leads_here(&target.router_id))
    {
        let text = format!(
            "Gateway cannot be updated for router {id}, since a gateway to external network {} is required by one or more floating IPs.",
            gateway.network_id
        );
        return Err(Fault::conflict("RouterExternalGatewayInUseByFloatingIp", text));
    }
    port_changes::remove(state, &gateway.port_id);
    if let Some(router) = state.neutron.routers.get_mut(id) {
        router.gateway = None;
    }
    Ok(())
}

/// `add_router_interface` with a subnet.
pub(super) fn add_interface(state: &mut State, id: &str, body: &Value, who: &Who) -> Result<Value, Fault> {
    object::find_mut::<Router>(&mut state.neutron, id, who)?;
    let Some(subnet_id) = body["subnet_id"].as_str().map(str::to_owned) else {
        return Err(Fault::bad_request("router", "Either subnet_id or port_id must be specified"));
    };
    let subnet: &Subnet = object::find(&state.neutron, &subnet_id, who)?;
    let Some(gateway) = subnet.gateway else {
        return Err(Fault::bad_request("router", "Subnet for router interface must have a gateway IP"));
    };
    if state.neutron.ports.values().any(|port| port.device_id == id && has_address_of(port, &subnet_id)) {
        let text = format!("Router already has a port on subnet {subnet_id}");
        return Err(Fault::bad_request("router", &text));
    }
    let project_id =
        state.neutron.routers.get(id).map(|router| router.standard.project_id.clone()).unwrap_or_default();
    let draft = Draft {
        network_id: subnet.network_id.clone(),
        project_id,
        device_id: id.to_owned(),
        device_owner: INTERFACE.to_owned(),
        fixed_ips: Some(vec![Wanted { subnet_id: Some(subnet_id.clone()), ip: Some(gateway) }]),
        ..Draft::default()
    };
    let port_id = port_changes::make(state, draft)?;
    Ok(interface(&state.neutron, id, &port_id, &subnet_id))
}

/// `remove_router_interface` with a subnet.
pub(super) fn remove_interface(state: &mut State, id: &str, body: &Value, who: &Who) -> Result<Value, Fault> {
    object::find_mut::<Router>(&mut state.neutron, id, who)?;
    let subnet_id = body["subnet_id"].as_str().unwrap_or_default().to_owned();
    let subnet = object::find::<Subnet>(&state.neutron, &subnet_id, who)?.clone();
    let of_router = |port: &&Port| port.device_id == id && has_address_of(port, &subnet_id);
    let Some(port_id) = state.neutron.ports.values().find(of_router).map(|port| port.standard.id.clone())
    else {
        let text = format!("Router {id} has no interface on subnet {subnet_id}");
        return Err(Fault::not_found("RouterInterfaceNotFoundForSubnet", text));
    };
    let needed = |by: &str, kind| {
        let text = format!(
            "Router interface for subnet {subnet_id} on router {id} cannot be deleted, as it is required by one or more {by}."
        );
        Fault::conflict(kind, text)
    };
    let targets = state.neutron.floating_ips.values().filter_map(|one| one.target.as_ref());
    if targets.into_iter().any(|target| target.router_id == id && subnet.cidr.contains(target.ip)) {
        return Err(needed("floating IPs", "RouterInterfaceInUseByFloatingIP"));
    }
    let routes = state.neutron.routers.get(id).map(|router| router.routes.as_slice()).unwrap_or_default();
    if routes.iter().any(|route| route.hop().is_some_and(|hop| subnet.cidr.contains(hop))) {
        return Err(needed("routes", "RouterInterfaceInUseByRoute"));
    }
    let shown = interface(&state.neutron, id, &port_id, &subnet_id);
    port_changes::remove(state, &port_id);
    Ok(shown)
}

fn has_address_of(port: &Port, subnet_id: &str) -> bool {
    port.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet_id)
}

fn interface(neutron: &Neutron, id: &str, port_id: &str, subnet_id: &str) -> Value {
    let project = neutron.routers.get(id).map(|router| router.standard.project_id.as_str());
    json!({
        "id": id, "project_id": project, "port_id": port_id, "subnet_id": subnet_id,
        "subnet_ids": [subnet_id], "network_id": neutron.ports.get(port_id).map(|port| &port.network_id),
    })
}
