//! Octavia: load balancers and all that is in them, on one provider.

use std::time::Duration;

use serde_json::{Value, json};

use super::neutron_setup;
use crate::contract::step::{Call, Step, User, delete, get, post, put, with};

const NOTHING: &str = "00000000-0000-4000-8000-00000000dead";

/// What differs between providers.
#[derive(Clone, Copy)]
pub(super) struct Provider {
    pub(super) name: &'static str,
    pub(super) range: &'static str,
    /// The algorithm that it knows, and one that it does not.
    pub(super) algorithm: &'static str,
}

pub(super) fn steps(provider: Provider) -> Vec<Step> {
    let mut steps = neutron_setup::build(&format!("contract-{}", provider.name), provider.range);
    steps.extend(balancer(provider));
    steps.extend(reads(provider));
    steps.extend(listeners(provider));
    steps.extend(pools(provider));
    steps.extend(members(provider));
    steps.extend(monitors());
    steps.extend(changes());
    steps.extend(removal());
    steps.extend(whole(provider));
    steps.extend(neutron_setup::tear_down());
    steps
}

/// An address in the provider's own network.
fn ip(provider: Provider, host: u8) -> String {
    format!("{}{host}", provider.range.trim_end_matches("0/24"))
}

fn lb(path: &str) -> String {
    format!("octavia/v2.0/lbaas/{path}")
}

/// Waits until nothing in the load balancer is being changed.
fn settled() -> Vec<Step> {
    vec![
        get(&lb("loadbalancers/{lb}"), 200).until("/loadbalancer/provisioning_status", "ACTIVE").into(),
        get(&lb("loadbalancers/{lb}/status"), 200).settled().into(),
    ]
}

/// A write, after which everything is at rest again.
fn done(call: Call) -> Vec<Step> {
    let mut steps = vec![call.into()];
    steps.extend(settled());
    steps
}

fn balancer(provider: Provider) -> Vec<Step> {
    let all = lb("loadbalancers");
    let body = |more: Value| {
        let body = with(
            json!({
                "name": format!("contract-{}", provider.name), "provider": provider.name, "vip_subnet_id": "{subnet}",
                "vip_address": ip(provider, 100), "description": "for the contract", "tags": [format!("contract-{}", provider.name)],
            }),
            &more,
        );
        json!({ "loadbalancer": body })
    };
    let mut steps: Vec<Step> = vec![
        get("octavia/", 200).by(User::Nobody).into(),
        get(&all, 401).by(User::Stranger).into(),
        post(&all, body(json!({"provider": "smoke"})), 400).into(),
        post(&all, body(json!({"colour": "red"})), 400).into(),
        post(&all, body(json!({"vip_subnet_id": NOTHING})), 400).into(),
        post(&all, body(json!({"vip_address": "10.250.0.1"})), 500).into(),
        post(&all, json!({"loadbalancer": {"name": "x"}}), 400).into(),
        post(&all, body(json!({})), 201)
            .saves("lb", "/loadbalancer/id")
            .saves("vip port", "/loadbalancer/vip_port_id")
            .into(),
    ];
    if provider.name == "amphora" {
        steps.extend([
        // While it is being created nothing of it can be changed.
        put(&lb("loadbalancers/{lb}"), json!({"loadbalancer": {"name": "x"}}), 409).into(),
        delete(&lb("loadbalancers/{lb}"), 409).into(),
        delete(&lb("loadbalancers/{lb}?cascade=true"), 409).into(),
        post(&lb("listeners"), json!({"listener": {"loadbalancer_id": "{lb}", "protocol": "TCP", "protocol_port": 80}}), 409).into(),
        post(&lb("pools"), json!({"pool": {"loadbalancer_id": "{lb}", "protocol": "TCP", "lb_algorithm": provider.algorithm}}), 409).into(),
        ]);
    }
    steps.extend(settled());
    steps
}

fn reads(provider: Provider) -> Vec<Step> {
    let all = lb("loadbalancers");
    let name = format!("contract-{}", provider.name);
    vec![
        get(&all, 200).own_rows().into(),
        get(&format!("{all}?limit=1000"), 200).own_rows().into(),
        get(&format!("{all}?name={name}"), 200).into(),
        get(&format!("{all}?name=contract-nothing"), 200).into(),
        get(&format!("{all}?vip_address={}", ip(provider, 100)), 200).into(),
        get(&format!("{all}?vip_port_id={{vip port}}"), 200).into(),
        get(&format!("{all}?tags={name}"), 200).into(),
        get(&format!("{all}?tags={name}%2Cother"), 200).into(),
        get(&format!("{all}?name={name}&limit=1"), 200).into(),
        get(&format!("{all}?limit=x"), 400).into(),
        get(&format!("{all}?limit=1&marker={NOTHING}"), 400).into(),
        get(&format!("{all}/{NOTHING}"), 404).into(),
        get(&format!("{all}/{NOTHING}/status"), 404).into(),
        put(&format!("{all}/{NOTHING}"), json!({"loadbalancer": {"name": "x"}}), 404).into(),
        delete(&format!("{all}/{NOTHING}"), 404).into(),
        get(&lb("loadbalancers/{lb}"), 403).by(User::Other).into(),
        delete(&lb("loadbalancers/{lb}"), 403).by(User::Other).into(),
        get(&format!("{all}?name={name}"), 200).by(User::Other).into(),
        get("octavia/v2.0/lbaas/nothing-of-the-kind", 404).into(),
        get("neutron/v2.0/ports/{vip port}", 200).into(),
    ]
}

fn listeners(provider: Provider) -> Vec<Step> {
    let all = lb("listeners");
    let body = |port: u16, more: Value| {
        let body = with(json!({"loadbalancer_id": "{lb}", "protocol": "TCP", "protocol_port": port}), &more);
        json!({ "listener": body })
    };
    let mut steps: Vec<Step> = vec![
        post(
            &all,
            body(80, json!({"name": "contract-80", "tags": ["contract"], "connection_limit": -1})),
            201,
        )
        .saves("listener", "/listener/id")
        .into(),
    ];
    if provider.name == "amphora" {
        steps.extend([
            // One change at a time.
            post(&all, body(81, json!({})), 409).into(),
            put(&lb("listeners/{listener}"), json!({"listener": {"name": "x"}}), 409).into(),
            put(&lb("loadbalancers/{lb}"), json!({"loadbalancer": {"description": "x"}}), 409).into(),
        ]);
    }
    steps.extend(settled());
    let only_amphora = if provider.name == "ovn" { 501 } else { 201 };
    steps.extend([
        get(&lb("listeners/{listener}"), 200).into(),
        get(&format!("{all}?loadbalancer_id={{lb}}"), 200).into(),
        get(&format!("{all}?loadbalancer_id={{lb}}&limit=1"), 200).into(),
        get(&format!("{all}/{NOTHING}"), 404).into(),
        get(&lb("listeners/{listener}"), 403).by(User::Other).into(),
        post(&all, body(80, json!({})), 409).into(),
        post(&all, body(0, json!({})), 400).into(),
        post(&all, body(81, json!({"protocol": "SMOKE"})), 400).into(),
        post(&all, body(81, json!({"colour": "red"})), 400).into(),
        post(&all, body(81, json!({"loadbalancer_id": NOTHING})), 404).into(),
        post(&all, body(81, json!({"default_pool_id": NOTHING})), 404).into(),
        post(&all, body(81, json!({"allowed_cidrs": ["ten"]})), 400).into(),
        post(&all, json!({"listener": {"protocol": "TCP", "protocol_port": 81}}), 400).into(),
        // The same port for another protocol is another listener.
        post(&all, body(80, json!({"protocol": "UDP"})), 201).saves("udp", "/listener/id").into(),
    ]);
    steps.extend(settled());
    steps.push(delete(&lb("listeners/{udp}"), 204).into());
    steps.push(get(&lb("listeners/{udp}"), 404).awaited().into());
    steps.extend(settled());
    steps.push(post(&all, body(82, json!({"allowed_cidrs": ["10.0.0.0/8"]})), only_amphora).into());
    steps.extend(settled());
    steps.extend(done(put(&lb("listeners/{listener}"), json!({"listener": {"name": "renamed"}}), 200)));
    steps.push(put(&lb("listeners/{listener}"), json!({"listener": {"protocol_port": 90}}), 400).into());
    steps.push(put(&format!("{all}/{NOTHING}"), json!({"listener": {"name": "x"}}), 404).into());
    steps
}

fn pools(provider: Provider) -> Vec<Step> {
    let all = lb("pools");
    let body = |more: Value| {
        let body = with(json!({"protocol": "TCP", "lb_algorithm": provider.algorithm}), &more);
        json!({ "pool": body })
    };
    let mut steps = done(
        post(&all, body(json!({"listener_id": "{listener}", "name": "contract-pool"})), 201)
            .saves("pool", "/pool/id"),
    );
    let mut rest: Vec<Step> = vec![
        get(&lb("pools/{pool}"), 200).into(),
        get(&lb("listeners/{listener}"), 200).into(),
        get(&format!("{all}?loadbalancer_id={{lb}}"), 200).into(),
        get(&format!("{all}/{NOTHING}"), 404).into(),
        get(&lb("pools/{pool}"), 403).by(User::Other).into(),
        post(&all, body(json!({"listener_id": "{listener}"})), 409).into(),
        post(&all, body(json!({})), 400).into(),
        post(&all, body(json!({"loadbalancer_id": "{lb}", "lb_algorithm": "BY_LUCK"})), 400).into(),
        post(&all, body(json!({"loadbalancer_id": "{lb}", "protocol": "SMOKE"})), 400).into(),
        post(&all, body(json!({"loadbalancer_id": NOTHING})), 404).into(),
    ];
    steps.append(&mut rest);
    if provider.name == "ovn" {
        steps.push(
            post(&all, body(json!({"loadbalancer_id": "{lb}", "lb_algorithm": "ROUND_ROBIN"})), 501).into(),
        );
        steps.push(post(&all, body(json!({"loadbalancer_id": "{lb}", "protocol": "HTTP"})), 501).into());
        steps.extend(settled());
    }
    steps.extend(done(
        post(&all, body(json!({"loadbalancer_id": "{lb}", "name": "spare"})), 201).saves("spare", "/pool/id"),
    ));
    steps.extend(done(put(&lb("pools/{spare}"), json!({"pool": {"name": "spare two"}}), 200)));
    steps.push(put(&format!("{all}/{NOTHING}"), json!({"pool": {"name": "x"}}), 404).into());
    steps.extend(done(put(
        &lb("listeners/{listener}"),
        json!({"listener": {"default_pool_id": "{spare}"}}),
        200,
    )));
    steps.extend(done(put(
        &lb("listeners/{listener}"),
        json!({"listener": {"default_pool_id": "{pool}"}}),
        200,
    )));
    let sticky = json!({"pool": {"session_persistence": {"type": "SOURCE_IP"}}});
    steps.extend(done(put(&lb("pools/{spare}"), sticky, 200)));
    steps.extend(done(put(&lb("pools/{spare}"), json!({"pool": {"session_persistence": null}}), 200)));
    steps.push(delete(&lb("pools/{spare}"), 204).into());
    // The ovn provider shows everything as settled for a moment before a deletion is through.
    steps.push(get(&lb("pools/{spare}"), 404).awaited().into());
    steps.extend(settled());
    steps
}

fn members(provider: Provider) -> Vec<Step> {
    let all = lb("pools/{pool}/members");
    let member = |host: u8, name: &str| json!({"address": ip(provider, host), "protocol_port": 30080, "subnet_id": "{subnet}", "name": name});
    let set = |members: Vec<Value>, expect| put(&all, json!({ "members": members }), expect);
    let mut steps = done(set(vec![member(20, "a"), member(21, "b")], 202));
    steps.extend([
        get(&lb("loadbalancers/{lb}"), 200).saves("note 1", "/loadbalancer/updated_at").into(),
        Step::Pause(Duration::from_millis(1100)),
        get(&all, 200).into(),
        get(&lb("pools/{pool}"), 200).into(),
    ]);
    let weighty = |mut member: Value| {
        member["weight"] = 5.into();
        member
    };
    steps.push(set(vec![weighty(member(20, "a")), member(22, "c")], 202).into());
    steps.push(get(&all, 200).until("/members/2", Value::Null).settled().into());
    steps.extend(settled());
    steps.extend([
        // Changes of children move the load balancer's time.
        get(&lb("loadbalancers/{lb}"), 200).saves("note 2", "/loadbalancer/updated_at").into(),
        Step::Differ("note 1", "note 2"),
        get(&all, 200).until("/members/2", Value::Null).settled().into(),
        set(vec![json!({"address": "ten", "protocol_port": 1})], 400).into(),
        set(vec![json!({"address": ip(provider, 20), "protocol_port": 0})], 400).into(),
        set(vec![json!({"address": ip(provider, 20), "protocol_port": 1, "subnet_id": NOTHING})], 400).into(),
        set(vec![member(20, "a"), member(20, "twice")], 400).into(),
        set(vec![json!({"address": ip(provider, 20)})], 400).into(),
        put(&lb(&format!("pools/{NOTHING}/members")), json!({"members": []}), 404).into(),
        get(&lb(&format!("pools/{NOTHING}/members")), 404).into(),
    ]);
    steps.extend(done(set(vec![weighty(member(20, "a")), member(22, "c")], 202)));
    steps
}

fn monitors() -> Vec<Step> {
    let all = lb("healthmonitors");
    let body = |more: Value| {
        let body = with(
            json!({"pool_id": "{pool}", "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2, "max_retries_down": 3}),
            &more,
        );
        json!({ "healthmonitor": body })
    };
    let one = lb("healthmonitors/{monitor}");
    // On ovn the listener may stay PENDING_UPDATE until the next change, so the tree is not waited for.
    let applied = || -> [Step; 2] {
        let active = |path: &str, at: &str| get(&lb(path), 200).until(at, "ACTIVE").into();
        [
            active("loadbalancers/{lb}", "/loadbalancer/provisioning_status"),
            active("healthmonitors/{monitor}", "/healthmonitor/provisioning_status"),
        ]
    };
    let mut steps: Vec<Step> = vec![
        post(&all, body(json!({"name": "contract-monitor"})), 201)
            .saves("monitor", "/healthmonitor/id")
            .into(),
    ];
    steps.extend(applied());
    steps.extend([
        get(&format!("{all}?pool_id={{pool}}"), 200).into(),
        get(&format!("{all}/{NOTHING}"), 404).into(),
        get(&one, 403).by(User::Other).into(),
        post(&all, body(json!({})), 409).into(),
        post(&all, body(json!({"type": "SMOKE"})), 400).into(),
        post(&all, body(json!({"delay": -1})), 400).into(),
        post(&all, body(json!({"max_retries": 11})), 400).into(),
        post(&all, body(json!({"pool_id": NOTHING})), 404).into(),
    ]);
    steps.push(put(&one, json!({"healthmonitor": {"delay": 7, "timeout": 4}}), 200).into());
    steps.extend(applied());
    steps.extend([
        put(&one, json!({"healthmonitor": {"type": "HTTP"}}), 400).into(),
        put(&format!("{all}/{NOTHING}"), json!({"healthmonitor": {"delay": 7}}), 404).into(),
    ]);
    steps.push(delete(&one, 204).into());
    steps.push(get(&one, 404).awaited().into());
    steps.extend(settled());
    steps.push(delete(&format!("{all}/{NOTHING}"), 404).into());
    steps
}

fn changes() -> Vec<Step> {
    let one = lb("loadbalancers/{lb}");
    let change = |body: Value, expect| put(&one, json!({ "loadbalancer": body }), expect);
    let mut steps = done(change(
        json!({"name": "contract-renamed", "description": "changed", "tags": ["contract", "b"]}),
        200,
    ));
    steps.extend([
        change(json!({"vip_address": "10.250.0.1"}), 400).into(),
        change(json!({"colour": "red"}), 400).into(),
        change(json!({"name": "theirs"}), 403).by(User::Other).into(),
    ]);
    steps
}

fn removal() -> Vec<Step> {
    let mut steps =
        vec![delete(&lb("pools/{pool}"), 204).into(), get(&lb("pools/{pool}"), 404).awaited().into()];
    steps.extend(settled());
    steps.push(get(&lb("listeners/{listener}"), 200).into());
    steps.push(delete(&lb("loadbalancers/{lb}"), 400).into());
    steps.extend([
        delete(&format!("{}?cascade=true", lb("loadbalancers/{lb}")), 204).into(),
        get(&lb("loadbalancers/{lb}"), 404).awaited().into(),
        get(&lb("listeners/{listener}"), 404).into(),
        get("neutron/v2.0/ports/{vip port}", 404).awaited().into(),
    ]);
    steps
}

/// Everything in one request.
fn whole(provider: Provider) -> Vec<Step> {
    let member =
        json!({"address": ip(provider, 20), "protocol_port": 30080, "subnet_id": "{subnet}", "name": "a"});
    let monitor = json!({"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2});
    let pool = |name: &str| {
        json!({
            "name": name, "protocol": "TCP", "lb_algorithm": provider.algorithm, "members": [member],
            "healthmonitor": monitor,
        })
    };
    let listener = |port: u16| json!({"name": format!("contract-{port}"), "protocol": "TCP", "protocol_port": port, "default_pool": pool(&format!("contract-pool-{port}"))});
    let body = |listeners: Value| {
        json!({"loadbalancer": {
            "name": format!("contract-{}-whole", provider.name), "provider": provider.name,
            "vip_subnet_id": "{subnet}", "vip_address": ip(provider, 101), "listeners": listeners,
        }})
    };
    let all = lb("loadbalancers");
    let of_other = "octavia/v2.0/lbaas/quotas/{other project}";
    let mut steps: Vec<Step> = vec![
        // A whole that is refused leaves the port of its virtual IP behind.
        post(&all, body(json!([listener(80), listener(80)])), 400).into(),
        get(
            &format!("neutron/v2.0/ports?fixed_ips=ip_address%3D{}&network_id={{net}}", ip(provider, 101)),
            200,
        )
        .saves("left port", "/ports/0/id")
        .into(),
        post(&all, body(json!([])), 409).into(),
        delete("neutron/v2.0/ports/{left port}", 204).into(),
        post(&all, body(json!([listener(80), listener(443)])), 201)
            .saves("lb", "/loadbalancer/id")
            .saves("vip port", "/loadbalancer/vip_port_id")
            .into(),
    ];
    steps.extend(settled());
    steps.extend([
        get(&format!("{}?loadbalancer_id={{lb}}", lb("listeners")), 200).into(),
        get(&format!("{}?loadbalancer_id={{lb}}", lb("pools")), 200).into(),
        delete(&format!("{}?cascade=true", lb("loadbalancers/{lb}")), 204).into(),
        get(&lb("loadbalancers/{lb}"), 404).awaited().into(),
        get("neutron/v2.0/ports/{vip port}", 404).awaited().into(),
    ]);
    if provider.name == "amphora" {
        steps.extend([
            put(of_other, json!({"quota": {"load_balancer": 0}}), 202).by(User::Admin).into(),
            post(&all, json!({"loadbalancer": {"name": "x", "vip_network_id": "{public}"}}), 403)
                .by(User::Other)
                .into(),
            delete(of_other, 202).by(User::Admin).into(),
        ]);
    }
    steps
}
