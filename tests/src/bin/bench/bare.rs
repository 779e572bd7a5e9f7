//! "Own time": the same changes by bare API calls, without any controller.

use std::thread::sleep;
use std::time::{Duration, Instant};

use cloud_tests::{Cloud, Lab};
use serde_json::{Value, json};

const LOOK: Duration = Duration::from_millis(20);

/// A member of a pool: name, address, port.
pub(crate) type Member = (String, String, u16);

/// Makes a load balancer with one listener and a floating IP, and takes them away again. Returns how long the making
/// took, until nothing is PENDING.
pub(crate) fn create(lab: &Lab, members: &[Member]) -> Duration {
    let cloud = lab.cloud();
    let begun = Instant::now();
    let id = load_balancer(lab, members, 1);
    let port = loop {
        let load_balancer = cloud.load_balancer(&id).expect("it was made");
        if load_balancer["provisioning_status"] == "ACTIVE" {
            break load_balancer["vip_port_id"].clone();
        }
        sleep(LOOK);
    };
    let floating_ip = std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            let body = json!({"floatingip": {
                "floating_network_id": lab.fact("/openstack/external/network"),
                "port_id": port,
                "description": "bench: own time",
            }});
            cloud.create("neutron", "floatingips", &body)["floatingip"]["id"].as_str().map(str::to_owned)
        });
        settle(cloud, &id);
        made.join().expect("no panic").expect("an id")
    });
    let took = begun.elapsed();
    cloud.delete("neutron", &format!("floatingips/{floating_ip}")).expect("it goes");
    remove(cloud, &id);
    took
}

/// Makes a load balancer with `ports` listeners, sets the members of each pool to `after`, one pool after the other, and
/// takes it away again. Returns how long the setting took.
pub(crate) fn change_members(lab: &Lab, before: &[Member], after: &[Member], ports: u16) -> Duration {
    let cloud = lab.cloud();
    let id = load_balancer(lab, before, ports);
    settle(cloud, &id);
    let pools = cloud.list("octavia", &format!("lbaas/pools?loadbalancer_id={id}"));
    let begun = Instant::now();
    for pool in &pools {
        let path = format!("lbaas/pools/{}/members", pool["id"].as_str().expect("an id"));
        cloud.put("octavia", &path, &json!({"members": bodies(lab, after)}));
        while cloud.load_balancer(&id).expect("it is there")["provisioning_status"] != "ACTIVE" {
            sleep(LOOK);
        }
    }
    settle(cloud, &id);
    let took = begun.elapsed();
    remove(cloud, &id);
    took
}

fn load_balancer(lab: &Lab, members: &[Member], ports: u16) -> String {
    let listener = |index: u16| {
        json!({
            "name": format!("bench-own-{index}"), "protocol": "TCP", "protocol_port": 80 + index,
            "default_pool": {
                "name": format!("bench-own-{index}"), "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT",
                "members": bodies(lab, members),
            },
        })
    };
    let body = json!({"loadbalancer": {
        "name": "bench-own", "provider": "ovn", "vip_subnet_id": lab.fact("/openstack/projects/k8s/subnet"),
        "listeners": (0..ports).map(listener).collect::<Vec<_>>(),
    }});
    let made = lab.cloud().create("octavia", "lbaas/loadbalancers", &body);
    made["loadbalancer"]["id"].as_str().expect("an id").to_owned()
}

fn bodies(lab: &Lab, members: &[Member]) -> Vec<Value> {
    let subnet = lab.fact("/openstack/projects/k8s/subnet");
    let body = |(name, address, port): &Member| json!({"name": name, "address": address, "protocol_port": port, "subnet_id": subnet});
    members.iter().map(body).collect()
}

fn settle(cloud: &Cloud, id: &str) {
    while !cloud.is_settled(id) {
        sleep(LOOK);
    }
}

fn remove(cloud: &Cloud, id: &str) {
    let path = format!("lbaas/loadbalancers/{id}");
    cloud.delete("octavia", &format!("{path}?cascade=true")).expect("it goes");
    while cloud.get("octavia", &path).is_some() {
        sleep(Duration::from_millis(100));
    }
}
