//! Networks that other parts of the script build on.

use serde_json::json;

use crate::contract::step::{Step, delete, post, put};

/// A network `{net}` with a subnet `{subnet}` behind a router `{router}` to the external network.
pub(super) fn build(name: &str, range: &str) -> Vec<Step> {
    let gateway = json!({"network_id": "{public}"});
    vec![
        post("neutron/v2.0/networks", json!({"network": {"name": name}}), 201)
            .saves("net", "/network/id")
            .into(),
        post(
            "neutron/v2.0/subnets",
            json!({"subnet": {"network_id": "{net}", "cidr": range, "ip_version": 4, "name": name}}),
            201,
        )
        .saves("subnet", "/subnet/id")
        .into(),
        post(
            "neutron/v2.0/routers",
            json!({"router": {"name": name, "external_gateway_info": gateway}}),
            201,
        )
        .saves("router", "/router/id")
        .saves("gateway", "/router/external_gateway_info/external_fixed_ips/0/ip_address")
        .into(),
        put("neutron/v2.0/routers/{router}/add_router_interface", json!({"subnet_id": "{subnet}"}), 200)
            .saves("interface", "/port_id")
            .into(),
    ]
}

/// Takes it away again.
pub(super) fn tear_down() -> Vec<Step> {
    vec![
        put("neutron/v2.0/routers/{router}/remove_router_interface", json!({"subnet_id": "{subnet}"}), 200)
            .into(),
        delete("neutron/v2.0/routers/{router}", 204).into(),
        delete("neutron/v2.0/subnets/{subnet}", 204).into(),
        delete("neutron/v2.0/networks/{net}", 204).into(),
    ]
}
