//! Snapshots: their age, who shares them, and which ports are asked for.

use serde_json::{Value, json};

use super::*;
use crate::testing::{self, Fake, answer};

fn server(id: &str, zone: &str) -> Value {
    json!({"id": id, "name": format!("name-{id}"), "status": "ACTIVE", "OS-EXT-AZ:availability_zone": zone,
        "addresses": {"net": [{"addr": "10.0.0.1", "version": 4, "OS-EXT-IPS:type": "fixed"}]}})
}

fn port(id: &str, device: &str) -> Value {
    json!({"id": id, "network_id": "n", "device_id": device, "device_owner": "compute:z", "status": "ACTIVE",
        "fixed_ips": [{"subnet_id": "s", "ip_address": "10.0.0.1"}]})
}

fn inventory() -> (Inventory, Fake) {
    let (session, fake) = testing::slow_session(|seen| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if seen.line.contains("/servers/detail") {
                return answer(
                    200,
                    &json!({"servers": [server("a", "z1"), server("b", "z2"), server("c", "z1")]}),
                );
            }
            let ports = if seen.line.contains("device_owner") {
                json!([port("a2", "a"), port("b1", "b"), port("a1", "a")])
            } else {
                json!([port("c1", "c")])
            };
            answer(200, &json!({ "ports": ports }))
        })
    });
    (Inventory::new(Cloud::new(session)), fake)
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_serves_all_who_take_it_at_its_age() {
    let (inventory, fake) = inventory();
    let minute = Duration::from_secs(60);
    let together = futures::future::join_all((0..50).map(|_| inventory.servers(minute))).await;
    assert!(together.iter().all(|servers| servers.as_ref().unwrap().len() == 3));
    assert_eq!(fake.lines(), ["GET http://nova/v2.1/servers/detail"]);
    tokio::time::sleep(Duration::from_secs(30)).await;
    inventory.servers(minute).await.unwrap();
    assert_eq!(fake.lines().len(), 1);
    inventory.servers(Duration::from_secs(10)).await.unwrap();
    assert_eq!(fake.lines().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_read_under_way_is_joined_only_if_it_is_fresh_enough() {
    let (inventory, fake) = inventory();
    inventory.servers(Duration::ZERO).await.unwrap();
    let first = inventory.servers(Duration::ZERO);
    let second = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        inventory.servers(Duration::ZERO).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(!Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
    assert_eq!(fake.lines().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_read_outlives_the_one_who_asked() {
    let (inventory, fake) = inventory();
    let impatient = tokio::time::timeout(Duration::from_millis(200), inventory.servers(Duration::ZERO)).await;
    assert!(impatient.is_err());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(inventory.servers(Duration::from_secs(5)).await.unwrap().len(), 3);
    assert_eq!(fake.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn servers_are_found_by_id_and_name() {
    let (inventory, _) = inventory();
    let servers = inventory.servers(Duration::ZERO).await.unwrap();
    assert_eq!(servers.by_id(&"b".into()).unwrap().name, "name-b");
    assert_eq!(servers.by_name("name-c")[0].id.as_str(), "c");
    assert!(servers.by_id(&"x".into()).is_none() && servers.by_name("x").is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_the_servers_ports_are_asked_for_and_none_is_missed() {
    let (inventory, fake) = inventory();
    let ports = inventory.ports(Duration::from_secs(60)).await.unwrap();
    let ids = |device| ports.of_device(device).iter().map(|port| port.id.as_str()).collect::<Vec<_>>();
    assert_eq!(ids("a"), ["a2", "a1"], "in Neutron's order");
    assert_eq!((ids("b"), ids("c"), ids("x")), (vec!["b1"], vec!["c1"], vec![]));
    assert_eq!(ports.by_id(&"c1".into()).unwrap().device_id, "c");
    assert_eq!(
        fake.lines()[1..],
        [
            "GET http://neutron/v2.0/ports?device_owner=compute%3Az1&device_owner=compute%3Az2",
            "GET http://neutron/v2.0/ports?device_id=c",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_read_is_told_to_all_who_waited_and_not_kept() {
    let (session, fake) =
        testing::session(|_| answer(403, &json!({"forbidden": {"code": 403, "message": "no"}})));
    let inventory = Inventory::new(Cloud::new(session));
    let together = futures::future::join_all((0..5).map(|_| inventory.servers(Duration::ZERO))).await;
    assert!(together.iter().all(|result| matches!(result.as_ref().unwrap_err().fault, Fault::Forbidden(_))));
    assert_eq!(fake.lines().len(), 1);
    assert!(inventory.servers(Duration::from_secs(60)).await.is_err());
    assert_eq!(fake.lines().len(), 2);
}
