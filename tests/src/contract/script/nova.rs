//! Nova: servers by microversion, lists, flavors.

use std::time::Duration;

use serde_json::{Value, json};

use super::neutron_setup;
use crate::contract::step::{Step, User, delete, get, post};

const NOTHING: &str = "00000000-0000-4000-8000-00000000dead";

pub(super) fn steps() -> Vec<Step> {
    let mut steps = entry();
    steps.extend(neutron_setup::build("contract-nova", "10.98.0.0/24"));
    steps.extend(servers());
    steps.extend(lists());
    steps.extend(floating());
    steps.extend(end());
    steps.extend(neutron_setup::tear_down());
    steps
}

fn entry() -> Vec<Step> {
    let flavor = "nova/v2.1/flavors/{flavor}";
    let mut steps: Vec<Step> = vec![
        get("nova/", 200).by(User::Nobody).into(),
        get("nova/v2.1/", 200).into(),
        get("nova/v2.1/servers/detail", 401).by(User::Stranger).into(),
        get("nova/v2.1/servers/detail", 406).version("2.999").into(),
        get("nova/v2.1/servers/detail", 400).version("two").into(),
        get(&format!("nova/v2.1/flavors/{NOTHING}"), 404).into(),
        get("nova/v2.1/nothing-of-the-kind", 404).into(),
    ];
    steps.extend(["2.1", "2.55", "2.61", "2.75"].map(|version| get(flavor, 200).version(version).into()));
    steps
}

fn servers() -> Vec<Step> {
    let server = |name: &str, ip: &str| {
        json!({"server": {
            "name": name, "flavorRef": "{flavor}", "imageRef": "{image}", "metadata": {"hostname": "contract-host"},
            "networks": [{"uuid": "{net}", "fixed_ip": ip}],
        }})
    };
    let one = "nova/v2.1/servers/{server}";
    let mut steps: Vec<Step> = vec![
        post("nova/v2.1/servers", server("contract-a.x", "10.98.0.10"), 202)
            .saves("server", "/server/id")
            .into(),
        get(one, 200).until("/server/status", "ACTIVE").saves("when made", "/server/created").into(),
        Step::Pause(Duration::from_secs(2)),
        post("nova/v2.1/servers", server("contract-b", "10.98.0.11"), 202)
            .saves("server b", "/server/id")
            .into(),
        get("nova/v2.1/servers/{server b}", 200).until("/server/status", "ACTIVE").into(),
        get(one, 200).until("/server/addresses/contract-nova/0/addr", "10.98.0.10").into(),
    ];
    for version in ["2.47", "2.69", "2.71", "2.79", "2.90", "2.96"] {
        steps.push(get(one, 200).version(version).into());
    }
    steps.extend([
        get(&format!("nova/v2.1/servers/{NOTHING}"), 404).version("2.69").into(),
        get(&format!("nova/v2.1/servers/{NOTHING}"), 404).into(),
        get("nova/v2.1/servers/not-an-id", 404).into(),
        get(one, 404).by(User::Other).into(),
        get(one, 401).by(User::Stranger).into(),
        get("nova/v2.1/servers/{server}/os-interface", 200)
            .saves("port", "/interfaceAttachments/0/port_id")
            .into(),
        get("nova/v2.1/servers/{server}/os-interface", 200).version("2.70").into(),
        get(&format!("nova/v2.1/servers/{NOTHING}/os-interface"), 404).into(),
        get("neutron/v2.0/ports?device_id={server}", 200).saves("note", "/ports/0/id").into(),
        get("neutron/v2.0/ports?device_id={server}&device_id={server b}&device_owner=compute%3Anova", 200)
            .into(),
        get("neutron/v2.0/ports?device_owner=compute%3Anova&network_id={net}", 200).into(),
    ]);
    steps
}

fn lists() -> Vec<Step> {
    let list = |query: &str, expect| get(&format!("nova/v2.1/servers/detail?{query}"), expect);
    let ours = "name=%5Econtract-";
    vec![
        list("name=%5Econtract-a%5C.x%24", 200).into(),
        list("name=%5Econtract-a%5C.x%24", 200).version("2.47").into(),
        list("name=%5Econtract-b%24", 200).version("2.69").into(),
        list("name=%5Econtract-b%24", 200).version("2.96").into(),
        list("name=CONTRACT-B", 200).version("2.47").into(),
        list("name=%5Econtract-a.x%24%7C%5Econtract-b%24", 200).version("2.47").into(),
        list("name=%5Econtract-nothing", 200).version("2.47").into(),
        list(&format!("{ours}&limit=1"), 200).version("2.47").into(),
        list(&format!("{ours}&limit=1&marker={{server b}}"), 200).version("2.47").into(),
        list(&format!("{ours}&limit=5"), 200).version("2.47").into(),
        list(&format!("{ours}&limit=0"), 200).version("2.47").into(),
        list(&format!("{ours}&status=ACTIVE"), 200).into(),
        list(&format!("{ours}&status=SHUTOFF"), 200).into(),
        list(&format!("{ours}&status=BOGUS"), 200).into(),
        list(&format!("{ours}&status=BOGUS"), 400).version("2.47").into(),
        list(&format!("{ours}&changes-since={{when made}}"), 200).version("2.47").into(),
        list(&format!("{ours}&changes-since=2999-01-01T00%3A00%3A00Z"), 200).version("2.47").into(),
        list("changes-since=yesterday", 400).into(),
        list("limit=x", 400).into(),
        list(&format!("limit=1&marker={NOTHING}"), 400).into(),
        list("all_tenants=1", 403).into(),
        list(&format!("{ours}&colour=red"), 200).version("2.74").into(),
        list(&format!("{ours}&colour=red"), 400).version("2.75").into(),
        get("nova/v2.1/servers/detail", 200).version("2.47").own_rows().into(),
        list("limit=1000", 200).version("2.47").own_rows().into(),
        list("limit=1&marker={server b}", 200).version("2.47").own_rows().into(),
        list("marker={server b}", 200).version("2.47").own_rows().into(),
        list(&format!("{ours}&marker={{server b}}"), 200).version("2.47").into(),
        list(ours, 200).by(User::Other).into(),
        get(&format!("nova/v2.1/servers?{ours}"), 200).into(),
    ]
}

/// A floating IP shows among the addresses, and `updated` does not move.
fn floating() -> Vec<Step> {
    let one = "nova/v2.1/servers/{server}";
    vec![
        get(one, 200).saves("note 1", "/server/updated").into(),
        Step::Pause(Duration::from_millis(1100)),
        post(
            "neutron/v2.0/floatingips",
            json!({"floatingip": {"floating_network_id": "{public}", "port_id": "{port}"}}),
            201,
        )
        .saves("fip", "/floatingip/id")
        .saves("fip address", "/floatingip/floating_ip_address")
        .into(),
        get(one, 200)
            .until("/server/addresses/contract-nova/1/OS-EXT-IPS:type", "floating")
            .saves("note 2", "/server/updated")
            .into(),
        Step::Same("note 1", "note 2"),
        delete("neutron/v2.0/floatingips/{fip}", 204).into(),
        get(one, 200).until("/server/addresses/contract-nova/1", Value::Null).into(),
    ]
}

fn end() -> Vec<Step> {
    let (one, action) = ("nova/v2.1/servers/{server}", "nova/v2.1/servers/{server}/action");
    vec![
        post(action, json!({"os-stop": null}), 202).into(),
        get(one, 200)
            .version("2.47")
            .until("/server/status", "SHUTOFF")
            .until("/server/OS-EXT-STS:task_state", Value::Null)
            .into(),
        post(action, json!({"os-stop": null}), 409).into(),
        delete(&format!("nova/v2.1/servers/{NOTHING}"), 404).into(),
        delete(one, 204).into(),
        get(one, 404).awaited().into(),
        delete("nova/v2.1/servers/{server b}", 204).into(),
        get("nova/v2.1/servers/{server b}", 404).awaited().into(),
        get("neutron/v2.0/ports?device_id={server}", 200).until("/ports", json!([])).into(),
        get("nova/v2.1/servers/detail?name=%5Econtract-b%24", 200).version("2.47").into(),
        get("neutron/v2.0/ports?device_id={server b}", 200).until("/ports", json!([])).into(),
    ]
}
