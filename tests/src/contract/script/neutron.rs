//! Neutron: networks, ports, floating IPs, tags, routers, quotas.

use serde_json::{Value, json};

use super::neutron_setup;
use crate::contract::step::{Step, User, call, delete, get, post, put, with};

const NOTHING: &str = "00000000-0000-4000-8000-00000000dead";

pub(super) fn steps() -> Vec<Step> {
    let mut steps = entry();
    steps.extend(neutron_setup::build("contract-net", "10.99.0.0/24"));
    steps.extend(networks());
    steps.extend(ports());
    steps.extend(lists());
    steps.extend(floating_ips());
    steps.extend(targets());
    steps.extend(tags());
    steps.extend(routers());
    steps.extend(quotas());
    steps.extend([
        delete("neutron/v2.0/ports/{port}", 204).into(),
        delete("neutron/v2.0/ports/{port}", 404).into(),
        delete("neutron/v2.0/subnets/{subnet}", 409).into(),
        delete("neutron/v2.0/ports/{second}", 204).into(),
        delete("neutron/v2.0/networks/{net}", 409).into(),
        delete("neutron/v2.0/routers/{router}", 409).into(),
        delete("neutron/v2.0/ports/{interface}", 409).into(),
    ]);
    steps.extend(neutron_setup::tear_down());
    steps
}

fn entry() -> Vec<Step> {
    vec![
        get("neutron/", 200).by(User::Nobody).into(),
        get("neutron/v2.0/extensions", 200).into(),
        get("neutron/v2.0/ports", 401).by(User::Stranger).into(),
        get("neutron/v2.0/ports", 401).by(User::Nobody).into(),
        get("neutron/v2.0/nothing-of-the-kind", 404).into(),
    ]
}

fn networks() -> Vec<Step> {
    vec![
        get("neutron/v2.0/networks?router%3Aexternal=True&name=public", 200).into(),
        get("neutron/v2.0/networks?router%3Aexternal=True", 200).into(),
        get("neutron/v2.0/networks?name=contract-net", 200).into(),
        get("neutron/v2.0/networks/{net}", 200).into(),
        get(&format!("neutron/v2.0/networks/{NOTHING}"), 404).into(),
        get("neutron/v2.0/networks/{net}", 404).by(User::Other).into(),
        delete("neutron/v2.0/networks/{net}", 404).by(User::Other).into(),
        get("neutron/v2.0/subnets?network_id={net}", 200).into(),
        get("neutron/v2.0/subnets?network_id={public}", 200).into(),
        get("neutron/v2.0/subnets/{subnet}", 200).into(),
        get("neutron/v2.0/subnets/{public-subnet}", 200).into(),
        get(&format!("neutron/v2.0/subnets/{NOTHING}"), 404).into(),
        put("neutron/v2.0/networks/{public}", json!({"network": {"name": "mine"}}), 403).into(),
    ]
}

fn ports() -> Vec<Step> {
    let ports = "neutron/v2.0/ports";
    let port = |more: Value| {
        let body = with(json!({"network_id": "{net}"}), &more);
        json!({ "port": body })
    };
    let fixed = |ip: &str| json!([{"subnet_id": "{subnet}", "ip_address": ip}]);
    let change = |body: Value, expect| put("neutron/v2.0/ports/{port}", json!({ "port": body }), expect);
    let pair = json!({"ip_address": "10.244.7.0/24"});
    vec![
        post(ports, port(json!({"name": "contract-port", "device_id": "contract-device", "fixed_ips": fixed("10.99.0.10")})), 201)
            .saves("port", "/port/id")
            .into(),
        post(ports, port(json!({"device_id": "contract-device-2", "fixed_ips": fixed("10.99.0.11"), "description": "second"})), 201)
            .saves("second", "/port/id")
            .into(),
        post(ports, port(json!({"fixed_ips": fixed("10.99.0.10")})), 409).into(),
        post(ports, port(json!({"fixed_ips": fixed("10.98.0.10")})), 400).into(),
        post(ports, port(json!({"fixed_ips": [{"subnet_id": NOTHING}]})), 404).into(),
        post(ports, port(json!({"colour": "red"})), 400).into(),
        post(ports, port(json!({"name": 5})), 400).into(),
        post(ports, port(json!({"status": "ACTIVE"})), 400).into(),
        post(ports, port(json!({"security_groups": [NOTHING]})), 404).into(),
        post(ports, json!({"port": {"name": "x"}}), 400).into(),
        post(ports, json!({"prt": {}}), 400).into(),
        post(ports, json!({"port": {"network_id": NOTHING}}), 404).into(),
        post(ports, json!({"port": {"network_id": "net"}}), 400).into(),
        post(ports, json!({"port": {"network_id": "{public}"}}), 403).into(),
        get("neutron/v2.0/ports/{port}", 200).saves("revision", "/port/revision_number").saves("note 1", "/port/revision_number").into(),
        get(&format!("neutron/v2.0/ports/{NOTHING}"), 404).into(),
        get("neutron/v2.0/ports/{port}", 404).by(User::Other).into(),
        change(json!({"description": "changed"}), 200).header("if-match", "revision_number={revision}").saves("note 2", "/port/revision_number").into(),
        Step::Differ("note 1", "note 2"),
        change(json!({"description": "again"}), 412).header("if-match", "revision_number={revision}").into(),
        change(json!({"allowed_address_pairs": [pair]}), 200).into(),
        change(json!({"allowed_address_pairs": [pair, pair]}), 400).into(),
        change(json!({"allowed_address_pairs": [{"ip_address": "ten"}]}), 400).into(),
        change(json!({"allowed_address_pairs": []}), 200).into(),
        change(json!({"network_id": "{net}"}), 400).into(),
        change(json!({"port_security_enabled": false}), 409).into(),
        change(json!({"security_groups": [], "port_security_enabled": false}), 200).into(),
        change(json!({"allowed_address_pairs": [pair]}), 409).into(),
        change(json!({"port_security_enabled": true}), 200).into(),
        put(&format!("neutron/v2.0/ports/{NOTHING}"), json!({"port": {"name": "x"}}), 404).into(),
    ]
}

fn lists() -> Vec<Step> {
    let list = |query: &str, expect| get(&format!("neutron/v2.0/ports?{query}"), expect);
    let ours = "device_id=contract-device&device_id=contract-device-2";
    vec![
        list("device_id=contract-device", 200).into(),
        list(ours, 200).into(),
        list("fixed_ips=ip_address%3D10.99.0.10&network_id={net}", 200).into(),
        list("fixed_ips=ip_address%3D10.99.0.10", 200).into(),
        list("fixed_ips=ip_address%3D10.99.0.10&fixed_ips=subnet_id%3D{subnet}", 200).into(),
        list("network_id={net}&device_owner=compute%3Anova&device_owner=compute%3Aother", 200).into(),
        list("device_owner=compute%3Anowhere", 200).into(),
        list("id={port}&id={second}", 200).into(),
        list(&format!("{ours}&fields=name&fields=device_id"), 200).into(),
        list(&format!("{ours}&sort_key=device_id&sort_dir=desc&limit=1"), 200).into(),
        list(&format!("{ours}&sort_key=device_id&sort_dir=asc&limit=1&marker={{port}}"), 200).into(),
        list(&format!("{ours}&sort_key=device_id&sort_dir=asc&limit=2"), 200).into(),
        list(&format!("{ours}&sort_key=device_id&sort_dir=asc&limit=1000"), 200).into(),
        list("limit=x", 400).into(),
        list(&format!("limit=1&marker={NOTHING}"), 404).into(),
        list("colour=red", 400).into(),
        list("sort_key=colour&sort_dir=asc", 400).into(),
        list("sort_key=name", 400).into(),
    ]
}

fn floating_ips() -> Vec<Step> {
    let all = "neutron/v2.0/floatingips";
    let one = "neutron/v2.0/floatingips/{fip}";
    let body = |more: Value| {
        let body = with(json!({"floating_network_id": "{public}"}), &more);
        json!({ "floatingip": body })
    };
    let change = |body: Value, expect| put(one, json!({ "floatingip": body }), expect);
    vec![
        post(all, body(json!({"description": "contract one"})), 201)
            .saves("fip", "/floatingip/id")
            .saves("fip address", "/floatingip/floating_ip_address")
            .into(),
        get(one, 200).into(),
        get(one, 404).by(User::Other).into(),
        get(&format!("{all}?floating_ip_address={{fip address}}"), 200).into(),
        get(&format!("{all}?floating_ip_address={{fip address}}&floating_network_id={{public}}"), 200).into(),
        get(&format!("{all}?description=contract%20one"), 200).into(),
        get(&format!("{all}?description=contract%20none"), 200).into(),
        get(&format!("{all}?port_id={{port}}"), 200).into(),
        change(json!({"port_id": "{port}"}), 200).into(),
        get(&format!("{all}?port_id={{port}}"), 200).into(),
        get(one, 200).into(),
        post(all, body(json!({"port_id": "{port}"})), 409).into(),
        change(json!({"description": "contract changed"}), 200).into(),
        change(json!({"port_id": null}), 200).into(),
        change(json!({"colour": "red"}), 400).into(),
        change(json!({"floating_ip_address": "172.24.4.99"}), 400).into(),
        post(all, body(json!({"port_id": "{second}", "description": "contract two"})), 201)
            .saves("fip two", "/floatingip/id")
            .saves("fip two address", "/floatingip/floating_ip_address")
            .into(),
        change(json!({"port_id": "{second}"}), 409).into(),
        delete("neutron/v2.0/floatingips/{fip two}", 204).into(),
        get("neutron/v2.0/floatingips/{fip two}", 404).into(),
        delete("neutron/v2.0/floatingips/{fip two}", 404).into(),
        put("neutron/v2.0/floatingips/{fip two}", json!({"floatingip": {"port_id": null}}), 404).into(),
    ]
}

/// What a floating IP cannot lead to, or come from.
fn targets() -> Vec<Step> {
    let all = "neutron/v2.0/floatingips";
    let of = |network: &str, more: Value| {
        let body = with(json!({"floating_network_id": network}), &more);
        json!({ "floatingip": body })
    };
    vec![
        post(all, of("{net}", json!({})), 400).into(),
        post(all, of(NOTHING, json!({})), 404).into(),
        post(all, of("{public}", json!({"port_id": NOTHING})), 404).into(),
        post(all, of("{public}", json!({"floating_ip_address": "172.24.4.99"})), 403).into(),
        post(all, of("{public}", json!({"tags": ["a"]})), 400).into(),
        post(all, of("{public}", json!({"subnet_id": NOTHING})), 404).into(),
        post(all, of("{public}", json!({"port_id": "{port}", "fixed_ip_address": "10.99.0.77"})), 400).into(),
        post(all, of("{public}", json!({"subnet_id": "{public-subnet}"})), 201)
            .saves("fip three", "/floatingip/id")
            .saves("fip three address", "/floatingip/floating_ip_address")
            .into(),
        delete("neutron/v2.0/floatingips/{fip three}", 204).into(),
        post("neutron/v2.0/networks", json!({"network": {"name": "contract-lonely"}}), 201)
            .saves("lonely", "/network/id")
            .into(),
        post(
            "neutron/v2.0/subnets",
            json!({"subnet": {"network_id": "{lonely}", "cidr": "10.97.0.0/24", "ip_version": 4}}),
            201,
        )
        .saves("lonely subnet", "/subnet/id")
        .into(),
        post(
            "neutron/v2.0/ports",
            json!({"port": {"network_id": "{lonely}", "fixed_ips": [{"ip_address": "10.97.0.10"}]}}),
            201,
        )
        .saves("lonely port", "/port/id")
        .into(),
        post(all, of("{public}", json!({"port_id": "{lonely port}"})), 404).into(),
        delete("neutron/v2.0/ports/{lonely port}", 204).into(),
        delete("neutron/v2.0/networks/{lonely}", 204).into(),
    ]
}

fn tags() -> Vec<Step> {
    let tags = "neutron/v2.0/floatingips/{fip}/tags";
    let all = "neutron/v2.0/floatingips";
    vec![
        put(tags, json!({"tags": ["contract-a", "contract-b"]}), 200).into(),
        get("neutron/v2.0/floatingips/{fip}", 200).into(),
        get(&format!("{all}?tags=contract-a%2Ccontract-b"), 200).into(),
        get(&format!("{all}?tags=contract-a%2Ccontract-c"), 200).into(),
        get(&format!("{all}?tags-any=contract-a%2Ccontract-c"), 200).into(),
        get(&format!("{all}?not-tags=contract-a&description=contract%20changed"), 200).into(),
        get(tags, 200).into(),
        put(&format!("{tags}/contract-c"), Value::Null, 201).into(),
        delete(&format!("{tags}/contract-c"), 204).into(),
        delete(&format!("{tags}/contract-c"), 404).into(),
        put(tags, json!({"tags": ["x".repeat(256)]}), 400).into(),
        put(tags, json!({"tags": ["a", "a"]}), 400).into(),
        put(tags, json!({"tag": []}), 400).into(),
        // Neutron 29 fails here.
        put(&format!("neutron/v2.0/floatingips/{NOTHING}/tags"), json!({"tags": []}), 500).into(),
        put(tags, json!({"tags": ["theirs"]}), 403).by(User::Other).into(),
        put(tags, json!({"tags": []}), 200).into(),
        put("neutron/v2.0/ports/{port}/tags", json!({"tags": ["contract-a"]}), 200).into(),
        get("neutron/v2.0/ports?tags=contract-a&device_id=contract-device", 200).into(),
        delete("neutron/v2.0/ports/{port}/tags/contract-a", 204).into(),
        delete("neutron/v2.0/floatingips/{fip}", 204).into(),
    ]
}

fn routers() -> Vec<Step> {
    let one = "neutron/v2.0/routers/{router}";
    let route =
        |n: u8| json!({"destination": format!("10.244.{n}.0/24"), "nexthop": format!("10.99.0.{}", 20 + n)});
    let routes = |list: Vec<Value>| json!({"router": {"routes": list}});
    let astray = json!({"destination": "10.244.9.0/24", "nexthop": "192.168.7.1"});
    let own = json!({"destination": "10.244.9.0/24", "nexthop": "10.99.0.1"});
    vec![
        get(one, 200).into(),
        get(&format!("neutron/v2.0/routers/{NOTHING}"), 404).into(),
        get("neutron/v2.0/ports?device_id={router}", 200).into(),
        put(&format!("{one}/add_extraroutes"), routes(vec![route(1), route(2)]), 200).into(),
        put(&format!("{one}/add_extraroutes"), routes(vec![route(1)]), 200).into(),
        put(&format!("{one}/remove_extraroutes"), routes(vec![route(1), route(3)]), 200).into(),
        put(&format!("{one}/add_extraroutes"), routes(vec![astray.clone()]), 400).into(),
        put(&format!("{one}/add_extraroutes"), routes(vec![json!({"destination": "10.244.9.0/24"})]), 500)
            .into(),
        put(&format!("neutron/v2.0/routers/{NOTHING}/add_extraroutes"), routes(vec![route(1)]), 404).into(),
        put(one, routes(vec![route(1), route(4)]), 200).into(),
        put(one, routes(vec![astray]), 400).into(),
        put(one, routes(vec![own]), 400).into(),
        put(one, routes(vec![route(1), route(1)]), 400).into(),
        put(one, json!({"router": {"colour": "red"}}), 400).into(),
        put("neutron/v2.0/routers/{router}/remove_router_interface", json!({"subnet_id": "{subnet}"}), 409)
            .by(User::Project)
            .into(),
        put(one, routes(vec![]), 200).into(),
        put(one, routes(vec![]), 404).by(User::Other).into(),
    ]
}

fn quotas() -> Vec<Step> {
    let of_other = "neutron/v2.0/quotas/{other project}";
    let limit = |most: i64| json!({"quota": {"floatingip": most}});
    vec![
        get("neutron/v2.0/quotas/{project}", 200).into(),
        put("neutron/v2.0/quotas/{project}", limit(0), 403).into(),
        put(of_other, limit(0), 200).by(User::Admin).into(),
        post("neutron/v2.0/floatingips", json!({"floatingip": {"floating_network_id": "{public}"}}), 409)
            .by(User::Other)
            .into(),
        put(of_other, limit(-1), 200).by(User::Admin).into(),
        call("PATCH", "neutron/v2.0/ports", Value::Null, 405).into(),
    ]
}
