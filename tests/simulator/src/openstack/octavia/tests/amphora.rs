//! The amphora provider: a write locks the whole load balancer until it is done.

use serde_json::{Value, json};

use super::{id, said, world};
use crate::fault::{Fault, Rule, Script};

#[tokio::test(start_paused = true)]
async fn a_load_balancer_is_made_and_deleted_with_its_port() {
    let world = world("amphora").await;
    let body = json!({"name": "lb", "vip_subnet_id": world.place.subnets[0]});
    let made = world.make("loadbalancers", "loadbalancer", body).await;
    assert_eq!(made["provisioning_status"], "PENDING_CREATE");
    assert_eq!(made["updated_at"], Value::Null);
    let port = made["vip_port_id"].as_str().unwrap();
    let path = format!("loadbalancers/{}", id(&made));
    let shown = world.client.get(&format!("neutron/v2.0/ports/{port}")).await.body["port"].clone();
    assert_eq!(shown["device_id"], format!("lb-{}", id(&made)));
    assert_eq!(shown["name"], format!("octavia-lb-{}", id(&made)));
    assert_eq!(shown["fixed_ips"][0]["ip_address"], made["vip_address"]);
    let busy = format!("Invalid state PENDING_CREATE of loadbalancer resource {}", id(&made));
    assert_eq!(world.delete(&path).await, (409, busy));
    world.sleep(1000).await;
    let active = world.get(&path, "loadbalancer").await;
    assert_eq!(
        (&active["provisioning_status"], &active["operating_status"]),
        (&json!("ACTIVE"), &json!("ONLINE"))
    );
    assert_eq!(world.delete(&path).await, (204, String::new()));
    assert_eq!(world.status(&path).await, "PENDING_DELETE");
    world.sleep(1000).await;
    let gone = world.client.get(&format!("octavia/v2/lbaas/{path}")).await;
    assert_eq!(said(&gone), (404, format!("Load Balancer {} not found.", id(&made))));
    assert_eq!(world.client.get(&format!("neutron/v2.0/ports/{port}")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn one_request_makes_everything_and_cascade_deletes_it() {
    let world = world("amphora").await;
    let made = world.make("loadbalancers", "loadbalancer", world.graph()).await;
    assert_eq!(made["listeners"].as_array().unwrap().len(), 2);
    let (listener, pool) = (&made["listeners"][0], &made["pools"][0]);
    assert_eq!(listener["default_pool_id"], pool["id"]);
    assert_eq!(pool["members"].as_array().unwrap().len(), 2);
    assert_eq!(pool["healthmonitor"]["type"], "TCP");
    let path = format!("loadbalancers/{}", id(&made));
    world.sleep(1000).await;
    let shown = world.get(&path, "loadbalancer").await;
    assert_eq!(
        shown["listeners"],
        json!([{"id": made["listeners"][0]["id"]}, {"id": made["listeners"][1]["id"]}])
    );
    for part in ["listeners", "pools"] {
        let all = world.get(&format!("{part}?loadbalancer_id={}", id(&made)), part).await;
        assert!(all.as_array().unwrap().iter().all(|one| one["provisioning_status"] == "ACTIVE"), "{all}");
    }
    let refused = format!("Validation failure: Cannot delete Load Balancer {} - it has children", id(&made));
    assert_eq!(world.delete(&path).await, (400, refused));
    assert_eq!(world.delete(&format!("{path}?cascade=true")).await.0, 204);
    world.sleep(1000).await;
    let dump = world.operator.dump();
    for kind in ["loadbalancers", "listeners", "pools", "healthmonitors", "members"] {
        assert_eq!(dump[kind], json!({}), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_locks_everything_of_the_load_balancer() {
    let world = world("amphora").await;
    let made = world.make("loadbalancers", "loadbalancer", world.graph()).await;
    world.sleep(1000).await;
    let lb = id(&made);
    let (listener, pool) = (id(&made["listeners"][0]), id(&made["pools"][0]));
    let member = id(&made["pools"][0]["members"][0]);
    let monitor = id(&made["pools"][0]["healthmonitor"]);
    assert_eq!(world.put(&format!("listeners/{listener}"), "listener", json!({"name": "x"})).await.0, 200);
    assert_eq!(world.status(&format!("loadbalancers/{lb}")).await, "PENDING_UPDATE");
    assert_eq!(world.status(&format!("listeners/{listener}")).await, "PENDING_UPDATE");
    assert_eq!(world.status(&format!("pools/{pool}")).await, "ACTIVE");
    let busy = (409, format!("Load Balancer {lb} is immutable and cannot be updated."));
    let new_listener = json!({"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 1});
    let new_pool = json!({"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"});
    let new_member = json!({"address": "10.0.1.9", "protocol_port": 1});
    let second = id(&made["pools"][1]);
    let new_monitor = json!({"pool_id": second, "type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1});
    assert_eq!(world.post("listeners", "listener", new_listener).await, busy);
    assert_eq!(world.post("pools", "pool", new_pool).await, busy);
    assert_eq!(world.post(&format!("pools/{pool}/members"), "member", new_member.clone()).await, busy);
    assert_eq!(world.post("healthmonitors", "healthmonitor", new_monitor).await, busy);
    assert_eq!(world.put(&format!("pools/{pool}/members"), "members", json!([new_member])).await, busy);
    for (path, key) in [
        (format!("listeners/{listener}"), "listener"),
        (format!("pools/{pool}"), "pool"),
        (format!("pools/{pool}/members/{member}"), "member"),
        (format!("healthmonitors/{monitor}"), "healthmonitor"),
    ] {
        assert_eq!(world.put(&path, key, json!({"name": "y"})).await, busy, "{path}");
        assert_eq!(world.delete(&path).await, busy, "{path}");
    }
    let state = (409, format!("Invalid state PENDING_UPDATE of loadbalancer resource {lb}"));
    assert_eq!(world.put(&format!("loadbalancers/{lb}"), "loadbalancer", json!({"name": "y"})).await, state);
    assert_eq!(world.delete(&format!("loadbalancers/{lb}?cascade=true")).await, state);
    world.sleep(1000).await;
    assert_eq!(world.put(&format!("loadbalancers/{lb}"), "loadbalancer", json!({"name": "y"})).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_change_within_moves_the_time_of_the_load_balancer() {
    let world = world("amphora").await;
    let lb = world.load_balancer().await;
    let path = format!("loadbalancers/{lb}");
    let time = async || world.get(&path, "loadbalancer").await["updated_at"].as_str().unwrap().to_owned();
    let before = time().await;
    world.sleep(5000).await;
    assert_eq!(time().await, before);
    world.pool(&lb).await;
    let after = time().await;
    assert!(after > before, "{before} {after}");
    assert_eq!(after.len(), "2026-01-01T00:00:00".len(), "to the second");
}

#[tokio::test(start_paused = true)]
async fn all_members_are_replaced_at_once_or_added_to() {
    let world = world("amphora").await;
    let lb = world.load_balancer().await;
    let pool = world.pool(&lb).await;
    let path = format!("pools/{pool}/members");
    let member = |n: u8| json!({"address": format!("10.0.1.{n}"), "protocol_port": 80, "weight": n, "name": format!("m{n}")});
    let addresses = async || {
        let members = world.get(&path, "members").await;
        let mut all: Vec<String> = members
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{} {}", one["address"], one["weight"]))
            .collect();
        all.sort();
        all.join(", ").replace('"', "")
    };
    assert_eq!(world.put(&path, "members", json!([member(1), member(2)])).await, (202, String::new()));
    assert_eq!(world.status(&format!("pools/{pool}")).await, "PENDING_UPDATE");
    world.sleep(1000).await;
    let old = world.get(&path, "members").await;
    assert_eq!(old[0]["operating_status"], "NO_MONITOR");
    let bare = json!({"address": "10.0.1.2", "protocol_port": 80});
    assert_eq!(world.put(&path, "members", json!([bare, member(3)])).await.0, 202);
    assert_eq!(addresses().await, "10.0.1.1 1, 10.0.1.2 1, 10.0.1.3 3", "the one that leaves is still shown");
    world.sleep(1000).await;
    assert_eq!(addresses().await, "10.0.1.2 1, 10.0.1.3 3");
    let kept = world.get(&path, "members").await;
    let second = kept.as_array().unwrap().iter().find(|one| one["address"] == "10.0.1.2").unwrap();
    assert_eq!(second["name"], "m2", "a name that is left out stays");
    assert!(old.as_array().unwrap().iter().any(|one| one["id"] == second["id"]), "and it is the same member");
    assert_eq!(world.put(&format!("{path}?additive_only=true"), "members", json!([member(4)])).await.0, 202);
    world.sleep(1000).await;
    assert_eq!(addresses().await, "10.0.1.2 1, 10.0.1.3 3, 10.0.1.4 4");
    assert_eq!(world.put(&path, "members", json!([])).await.0, 202);
    world.sleep(1000).await;
    assert_eq!(addresses().await, "");
    // Nothing to do locks nothing.
    assert_eq!(world.put(&path, "members", json!([])).await.0, 202);
    assert_eq!(world.status(&format!("loadbalancers/{lb}")).await, "ACTIVE");
    let twice =
        (409, "Another member on this pool is already using ip 10.0.1.5 on protocol_port 80".to_owned());
    assert_eq!(world.put(&path, "members", json!([member(5), member(5)])).await, twice);
}

#[tokio::test(start_paused = true)]
async fn what_failed_can_only_be_deleted_or_failed_over() {
    let mut world = world("amphora").await;
    let rule = Rule::new(Fault::Fail).method("POST").nth(1);
    world.client.cloud.faults().follow(Script { rules: vec![rule] });
    let lb = world.load_balancer().await;
    let path = format!("loadbalancers/{lb}");
    assert_eq!(world.status(&path).await, "ERROR");
    let state = (409, format!("Invalid state ERROR of loadbalancer resource {lb}"));
    assert_eq!(world.put(&path, "loadbalancer", json!({"name": "x"})).await, state);
    let listener = json!({"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 80});
    assert_eq!(world.post("listeners", "listener", listener).await.0, 409);
    let forbidden = (403, "Policy does not allow this request to be performed.".to_owned());
    assert_eq!(
        said(&world.client.put(&format!("octavia/v2/lbaas/{path}/failover"), Value::Null).await),
        forbidden
    );
    let tester = world.operator.user("tester").unwrap();
    world.operator.grant(&tester, &world.operator.project(), &["load-balancer_admin"]);
    world.client.token = world.client.log_in().await;
    assert_eq!(world.client.put(&format!("octavia/v2/lbaas/{path}/failover"), Value::Null).await.status, 202);
    world.sleep(1000).await;
    assert_eq!(world.status(&path).await, "ACTIVE");
    assert!(world.operator.provisioning_status(&lb, "ERROR"));
    assert_eq!(world.delete(&path).await.0, 204);
    world.sleep(1000).await;
    assert_eq!(world.operator.dump()["loadbalancers"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_goes_leaves_its_listeners_without_one() {
    let world = world("amphora").await;
    let made = world.make("loadbalancers", "loadbalancer", world.graph()).await;
    world.sleep(1000).await;
    let (listener, pool) = (id(&made["listeners"][0]), id(&made["pools"][0]));
    assert_eq!(world.delete(&format!("pools/{pool}")).await.0, 204);
    assert_eq!(world.status(&format!("pools/{pool}")).await, "PENDING_DELETE");
    world.sleep(1000).await;
    assert_eq!(world.get(&format!("listeners/{listener}"), "listener").await["default_pool_id"], Value::Null);
    assert_eq!(world.operator.dump()["healthmonitors"], json!({}));
    assert_eq!(world.delete(&format!("listeners/{listener}")).await.0, 204);
    world.sleep(1000).await;
    let left = world.get(&format!("loadbalancers/{}", id(&made)), "loadbalancer").await;
    assert_eq!(
        (left["listeners"].as_array().unwrap().len(), left["pools"].as_array().unwrap().len()),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_monitor_comes_and_goes() {
    let world = world("amphora").await;
    let lb = world.load_balancer().await;
    let pool = world.pool(&lb).await;
    let body = json!({"pool_id": pool, "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 1});
    let made = world.make("healthmonitors", "healthmonitor", body.clone()).await;
    assert_eq!(
        (&made["url_path"], &made["http_method"], &made["expected_codes"]),
        (&json!("/"), &json!("GET"), &json!("200"))
    );
    assert_eq!(made["max_retries_down"], 3);
    world.sleep(1000).await;
    assert_eq!(world.get(&format!("pools/{pool}"), "pool").await["healthmonitor_id"], made["id"]);
    let second = (409, "This pool already has a health monitor".to_owned());
    assert_eq!(world.post("healthmonitors", "healthmonitor", body).await, second);
    let path = format!("healthmonitors/{}", id(&made));
    assert_eq!(world.put(&path, "healthmonitor", json!({"delay": 9, "url_path": null})).await.0, 200);
    world.sleep(1000).await;
    let changed = world.get(&path, "healthmonitor").await;
    assert_eq!((&changed["delay"], &changed["url_path"]), (&json!(9), &json!("/")));
    assert_eq!(world.delete(&path).await.0, 204);
    world.sleep(1000).await;
    assert_eq!(world.get(&format!("pools/{pool}"), "pool").await["healthmonitor_id"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_ports_own_virtual_ip_stays_when_the_load_balancer_goes() {
    let world = world("amphora").await;
    let network = &world.place.network;
    let port = world
        .operator
        .make("port", &json!({"network_id": network, "fixed_ips": [{"ip_address": "10.0.7.7"}]}));
    let made = world.make("loadbalancers", "loadbalancer", json!({"vip_port_id": port})).await;
    assert_eq!(
        (&made["vip_address"], &made["vip_subnet_id"]),
        (&json!("10.0.7.7"), &json!(world.place.subnets[0]))
    );
    let used = world.post("loadbalancers", "loadbalancer", json!({"vip_port_id": port})).await;
    assert!(used.1.contains("is already used by device"), "{used:?}");
    world.sleep(1000).await;
    assert_eq!(world.delete(&format!("loadbalancers/{}", id(&made))).await.0, 204);
    world.sleep(1000).await;
    let left = world.client.get(&format!("neutron/v2.0/ports/{port}")).await;
    assert_eq!((left.status, &left.body["port"]["device_id"]), (200, &json!("")));
}

#[tokio::test(start_paused = true)]
async fn what_listens_follows_members_and_floating_ips() {
    let world = world("amphora").await;
    let operator = &world.operator;
    let outside = operator.external_network("public", &["192.0.2.0/24"]);
    operator.router("router", &outside, &world.place);
    let made = world.make("loadbalancers", "loadbalancer", world.graph()).await;
    assert_eq!(operator.fronts(), [], "not yet");
    world.sleep(1000).await;
    let ports =
        || operator.fronts().iter().map(|front| (front.address.to_string(), front.port)).collect::<Vec<_>>();
    let vip = made["vip_address"].as_str().unwrap().to_owned();
    assert_eq!(ports(), [(vip.clone(), 80), (vip.clone(), 443)]);
    let ip = json!({"floating_network_id": outside.network, "port_id": made["vip_port_id"]});
    operator.make("floatingip", &ip);
    assert_eq!(ports().len(), 4);
    assert!(ports().iter().any(|(address, _)| address.starts_with("192.0.2.")));
    let first = |n: usize| operator.fronts()[0].members.len() == n;
    assert!(first(2));
    let pool = id(&made["pools"][0]);
    let member = json!([{"address": "10.0.1.1", "protocol_port": 30_000}, {"address": "10.0.1.2", "protocol_port": 30_000, "weight": 0}]);
    assert_eq!(world.put(&format!("pools/{pool}/members"), "members", member).await.0, 202);
    world.sleep(1000).await;
    assert!(first(1), "one without weight takes nothing");
    let one = id(&made["pools"][0]["members"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["address"] == "10.0.1.1")
        .unwrap()
        .clone());
    assert!(operator.operating_status(&one, "ERROR"));
    assert!(first(0), "nor does one that is not well");
    assert_eq!(world.delete(&format!("loadbalancers/{}?cascade=true", id(&made))).await.0, 204);
    assert_eq!(operator.fronts(), []);
}
