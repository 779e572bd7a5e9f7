//! Neutron: security groups and their rules.

use serde_json::{Value, json};

use crate::contract::step::{Step, User, delete, get, post, put, with};

const NOTHING: &str = "00000000-0000-4000-8000-00000000dead";

fn rule(more: &Value) -> Value {
    with(json!({"security_group_id": "{group}", "direction": "ingress", "protocol": "tcp"}), more)
}

pub(super) fn steps() -> Vec<Step> {
    let mut steps = groups();
    steps.extend(rules());
    steps.extend(wrong_rules());
    steps.extend(end());
    steps
}

fn groups() -> Vec<Step> {
    let all = "neutron/v2.0/security-groups";
    vec![
        post(
            all,
            json!({"security_group": {"name": "contract-group", "description": "for the contract"}}),
            201,
        )
        .saves("group", "/security_group/id")
        .into(),
        post(all, json!({"security_group": {"name": "default"}}), 409).into(),
        post(all, json!({"security_group": {"colour": "red"}}), 400).into(),
        get(&format!("{all}?name=contract-group"), 200).into(),
        get(&format!("{all}?name=default"), 200).into(),
        get(&format!("{all}/{{group}}"), 200).into(),
        get(&format!("{all}/{{group}}"), 404).by(User::Other).into(),
        get(&format!("{all}/{NOTHING}"), 404).into(),
        put(&format!("{all}/{{group}}"), json!({"security_group": {"description": "changed"}}), 200).into(),
        put(&format!("{all}/{{group}}/tags"), json!({"tags": ["contract"]}), 200).into(),
        get(&format!("{all}?tags=contract"), 200).into(),
    ]
}

fn rules() -> Vec<Step> {
    let all = "neutron/v2.0/security-group-rules";
    let port = |port: u16| rule(&json!({"port_range_min": port, "port_range_max": port}));
    let from = |port: u16, prefix: &str| {
        rule(&json!({"port_range_min": port, "port_range_max": port, "remote_ip_prefix": prefix}))
    };
    vec![
        post(all, json!({"security_group_rule": port(80)}), 201)
            .saves("rule", "/security_group_rule/id")
            .into(),
        post(all, json!({"security_group_rule": port(80)}), 409).into(),
        post(all, json!({"security_group_rule": from(80, "0.0.0.0/0")}), 409).into(),
        post(all, json!({"security_group_rule": from(80, "10.1.2.3/16")}), 201)
            .saves("narrow", "/security_group_rule/id")
            .into(),
        post(all, json!({"security_group_rules": [port(81), port(82)]}), 201).into(),
        post(all, json!({"security_group_rules": [port(83), port(80)]}), 409).into(),
        post(all, json!({"security_group_rule": rule(&json!({"remote_group_id": "{group}"}))}), 201).into(),
        post(all, json!({"security_group_rule": rule(&json!({"protocol": null, "ethertype": "ipv6"}))}), 201)
            .into(),
        get(&format!("{all}?security_group_id={{group}}"), 200).into(),
        get(&format!("{all}?security_group_id={{group}}&direction=ingress&protocol=tcp"), 200).into(),
        get(&format!("{all}?security_group_id={{group}}&remote_group_id={{group}}"), 200).into(),
        get(&format!("{all}/{{rule}}"), 200).into(),
        get("neutron/v2.0/security-groups/{group}", 200).into(),
        delete(&format!("{all}/{{rule}}"), 204).into(),
        delete(&format!("{all}/{{rule}}"), 404).into(),
        get(&format!("{all}/{{rule}}"), 404).into(),
        delete(&format!("{all}/{{narrow}}"), 404).by(User::Other).into(),
    ]
}

fn wrong_rules() -> Vec<Step> {
    let wrong = |more: Value, expect| {
        post("neutron/v2.0/security-group-rules", json!({"security_group_rule": rule(&more)}), expect).into()
    };
    vec![
        wrong(json!({"protocol": null, "port_range_min": 80, "port_range_max": 80}), 400),
        wrong(json!({"port_range_min": 90, "port_range_max": 80}), 400),
        wrong(json!({"port_range_min": 90}), 400),
        wrong(json!({"port_range_min": 0, "port_range_max": 0}), 400),
        wrong(json!({"port_range_min": 70000, "port_range_max": 70000}), 400),
        wrong(json!({"direction": "sideways"}), 400),
        wrong(json!({"protocol": "smoke"}), 400),
        wrong(json!({"ethertype": "IPv5"}), 400),
        wrong(json!({"remote_ip_prefix": "ten"}), 400),
        wrong(json!({"remote_ip_prefix": "fd00::/64"}), 400),
        wrong(json!({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "{group}"}), 400),
        wrong(json!({"protocol": "icmp", "port_range_max": 1}), 400),
        wrong(json!({"protocol": "esp", "port_range_min": 1, "port_range_max": 1}), 400),
        wrong(json!({"security_group_id": NOTHING}), 404),
    ]
}

fn end() -> Vec<Step> {
    let group = "neutron/v2.0/security-groups/{group}";
    vec![
        post("neutron/v2.0/networks", json!({"network": {"name": "contract-groups"}}), 201)
            .saves("net", "/network/id")
            .into(),
        post(
            "neutron/v2.0/ports",
            json!({"port": {"network_id": "{net}", "security_groups": ["{group}"]}}),
            201,
        )
        .saves("port", "/port/id")
        .into(),
        get("neutron/v2.0/ports?security_groups={group}", 200).into(),
        delete(group, 409).into(),
        put("neutron/v2.0/ports/{port}", json!({"port": {"security_groups": []}}), 200).into(),
        delete("neutron/v2.0/ports/{port}", 204).into(),
        delete("neutron/v2.0/networks/{net}", 204).into(),
        delete(group, 204).into(),
        delete(group, 404).into(),
    ]
}
