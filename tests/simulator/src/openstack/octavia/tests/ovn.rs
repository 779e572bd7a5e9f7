//! The ovn provider: ACTIVE before its children, and much that it refuses.

use std::time::Duration;

use serde_json::{Value, json};

use super::{custom, id, said, world};
use crate::fault::{Fault, Rule, Script};
use crate::openstack::Release;
use crate::openstack::octavia::OctaviaOptions;
use crate::openstack::octavia::lifecycle::{Build, Span};

/// A second for a write, 100 ms for each further piece.
fn stepwise() -> OctaviaOptions {
    let build = Build { step: Span::millis(100, 100), ..Build::fixed(Duration::from_secs(1)) };
    OctaviaOptions::default().building(build)
}

#[tokio::test(start_paused = true)]
async fn the_load_balancer_is_active_before_what_is_in_it() {
    let world = custom("ovn", Release::Newest, stepwise()).await;
    let made = world.make("loadbalancers", "loadbalancer", world.graph()).await;
    assert_eq!(made["provider"], "ovn");
    let path = format!("loadbalancers/{}", id(&made));
    world.sleep(1000).await;
    assert_eq!(world.status(&path).await, "ACTIVE");
    let tree = world.get(&format!("{path}/status"), "statuses").await["loadbalancer"].clone();
    assert_eq!(tree["listeners"][0]["provisioning_status"], "PENDING_CREATE");
    assert_eq!(tree["listeners"][0]["pools"][0]["members"][0]["provisioning_status"], "PENDING_CREATE");
    // A pool that is not done takes no members, although its load balancer is ACTIVE.
    let pool = id(&made["pools"][0]);
    let members = world.put(&format!("pools/{pool}/members"), "members", json!([])).await;
    assert_eq!(members, (409, format!("Pool {pool} is immutable and cannot be updated.")));
    // Load balancer, two listeners, two pools, monitor, members of both.
    world.sleep(700).await;
    let tree = world.get(&format!("{path}/status"), "statuses").await.to_string();
    assert!(!tree.contains("PENDING"), "{tree}");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_child_is_the_childs_alone() {
    let world = custom("ovn", Release::Newest, stepwise()).await;
    let lb = world.load_balancer().await;
    let rule = Rule::new(Fault::Fail).path("/v2/lbaas/pools");
    world.client.cloud.faults().follow(Script { rules: vec![rule] });
    let pool = world.pool(&lb).await;
    assert_eq!(world.status(&format!("loadbalancers/{lb}")).await, "ACTIVE");
    assert_eq!(world.status(&format!("pools/{pool}")).await, "ERROR");
    let body = json!({"address": "10.0.0.9", "protocol_port": 80});
    let refused = world.post(&format!("pools/{pool}/members"), "member", body).await;
    assert_eq!(refused, (409, format!("Pool {pool} is immutable and cannot be updated.")));
}

#[tokio::test(start_paused = true)]
async fn it_refuses_what_ovn_cannot_do() {
    let world = world("ovn").await;
    let lb = world.load_balancer().await;
    let option = |what: &str| (501, format!("Provider 'ovn' does not support a requested option: {what}"));
    let listener = |extra: Value| {
        let mut body = json!({"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 80});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let cidrs = world.post("listeners", "listener", listener(json!({"allowed_cidrs": ["10.0.0.0/8"]}))).await;
    assert_eq!(cidrs, option("OVN provider does not support allowed_cidrs option"));
    let http = world.post("listeners", "listener", listener(json!({"protocol": "HTTP"}))).await;
    assert_eq!(http, option("OVN provider does not support HTTP protocol"));
    let pool = |algorithm: &str| json!({"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": algorithm});
    let robin = world.post("pools", "pool", pool("ROUND_ROBIN")).await;
    assert_eq!(robin, option("OVN provider does not support ROUND_ROBIN algorithm"));
    let made = world.pool(&lb).await;
    let cookie = json!({"session_persistence": {"type": "HTTP_COOKIE"}});
    assert_eq!(world.put(&format!("pools/{made}"), "pool", cookie).await.0, 501);
    let monitor = json!({"pool_id": made, "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 1});
    let http = world.post("healthmonitors", "healthmonitor", monitor).await;
    assert_eq!(
        http,
        option("OVN provider does not support HTTP health monitor type. Supported types: UDP-CONNECT, TCP")
    );
    let path = format!("pools/{made}/members");
    for (member, what) in [
        (json!({"address": "10.0.0.9", "protocol_port": 1, "monitor_port": 2}), "different member monitor"),
        (json!({"address": "fd00::1", "protocol_port": 1}), "mixing IPv4/IPv6"),
        (json!({"address": "192.168.0.9", "protocol_port": 1}), "Subnet is required"),
    ] {
        let (status, message) = world.put(&path, "members", json!([member])).await;
        assert!(status == 501 && message.contains(what), "{status} {message}");
        assert_eq!(world.post(&path, "member", member).await.0, 501);
    }
    let failover = world.client.cloud.operator().ask(
        &http::Method::PUT,
        &format!("octavia/v2/lbaas/loadbalancers/{lb}/failover"),
        Value::Null,
    );
    assert_eq!(failover.0, 501);
    // And nothing of all that was done, or locked it.
    assert_eq!(world.status(&format!("loadbalancers/{lb}")).await, "ACTIVE");
    assert_eq!(world.operator.dump()["listeners"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_whole_that_is_refused_leaves_nothing_but_its_port() {
    let world = world("ovn").await;
    let ports = || world.operator.dump()["ports"].as_object().unwrap().len();
    let before = ports();
    let mut body = world.graph();
    body["listeners"][1]["allowed_cidrs"] = json!(["10.0.0.0/8"]);
    assert_eq!(world.post("loadbalancers", "loadbalancer", body).await.0, 501);
    assert_eq!(world.operator.dump()["loadbalancers"], json!({}));
    assert_eq!(ports(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn source_ip_came_late() {
    let pool = async |release| {
        let world = custom("ovn", release, stepwise()).await;
        let lb = world.load_balancer().await;
        let body = json!({"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "SOURCE_IP"});
        said(&world.client.post("octavia/v2/lbaas/pools", json!({"pool": body})).await).0
    };
    assert_eq!((pool(Release::Caracal).await, pool(Release::Newest).await), (501, 201));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_may_look_undone_for_a_moment() {
    let world = custom("ovn", Release::Newest, stepwise()).await;
    let mut seen = 0;
    for _ in 0..20 {
        let made = world.make("loadbalancers", "loadbalancer", world.graph()).await;
        let path = format!("loadbalancers/{}", id(&made));
        world.sleep(3000).await;
        assert_eq!(world.delete(&format!("{path}?cascade=true")).await.0, 204);
        world.sleep(1050).await;
        let answer = world.client.get(&format!("octavia/v2/lbaas/{path}")).await;
        seen += usize::from(answer.body["loadbalancer"]["provisioning_status"] == "ACTIVE");
        world.sleep(200).await;
        assert_eq!(world.client.get(&format!("octavia/v2/lbaas/{path}")).await.status, 404);
    }
    assert!((1..20).contains(&seen), "{seen} of 20");
}
