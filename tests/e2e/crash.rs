//! Whatever moment the program is killed at, the next one finds what was made, finishes it, and leaves nothing behind.

use std::thread::sleep;
use std::time::Duration;

use cloud_tests::{Controller, Lab, Namespace, Options, Service, Snapshot, eventually, real_nodes};
use serde_json::json;

use crate::support::{SOON, floating_ip_description, load_balancer_name, nothing_is_left, texts};

const NAME: &str = "e2e-crash";

/// Milliseconds since the Services were created or deleted, when the program is killed: several changes are under way
/// at once, each at another point.
const AGES: [u64; 6] = [1500, 600, 300, 150, 50, 0];

#[test]
fn a_program_killed_in_the_middle_leaves_one_load_balancer_and_one_floating_ip_or_nothing() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let options = Options::new(NAME).alone();
    let mut controller = Controller::lead(&lab, &cluster, &options);
    real_nodes(&cluster);
    let namespace = Namespace::make(&cluster, lab.cloud(), NAME);
    let before = Snapshot::of_project(lab.cloud());
    let services =
        staggered(&AGES, |age| namespace.service(&format!("age-{age}"), "LoadBalancer", &json!({})));
    controller.kill();
    controller = Controller::lead(&lab, &cluster, &options);
    for service in &services {
        service.address(2 * SOON);
        made_once(&lab, service);
    }
    staggered(&AGES, |age| namespace.existing(&format!("age-{age}")).delete());
    controller.kill();
    let _controller = Controller::lead(&lab, &cluster, &options);
    for service in &services {
        service.gone(2 * SOON);
    }
    nothing_is_left(lab.cloud(), &before);
}

#[test]
fn a_program_killed_right_after_a_load_balancer_or_a_floating_ip_appears_makes_no_second_one() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let options = Options::new(NAME).alone();
    let mut controller = Controller::lead(&lab, &cluster, &options);
    real_nodes(&cluster);
    let namespace = Namespace::make(&cluster, lab.cloud(), NAME);
    let before = Snapshot::of_project(lab.cloud());
    for name in ["load-balancer", "floating-ip"] {
        let service = namespace.service(name, "LoadBalancer", &json!({}));
        eventually(SOON, &format!("there is a {name}"), || {
            let there = match name {
                "load-balancer" => lab.cloud().load_balancers(&load_balancer_name(NAME, NAME, name)),
                _ => lab.cloud().floating_ips(&floating_ip_description(NAME, NAME, name)),
            };
            if there.is_empty() { Err("no".to_owned()) } else { Ok(()) }
        });
        controller.kill();
        controller = Controller::lead(&lab, &cluster, &options);
        service.address(2 * SOON);
        made_once(&lab, &service);
        service.delete();
        service.gone(SOON);
    }
    nothing_is_left(lab.cloud(), &before);
}

/// Calls `act` at such times that the calls are as old as `ages` (milliseconds, falling) when this returns.
fn staggered<T>(ages: &[u64], mut act: impl FnMut(u64) -> T) -> Vec<T> {
    let waits = ages.iter().zip(ages.iter().skip(1).chain(&[0])).map(|(age, next)| age - next);
    ages.iter()
        .zip(waits)
        .map(|(age, wait)| {
            let done = act(*age);
            sleep(Duration::from_millis(wait));
            done
        })
        .collect()
}

/// One load balancer with one listener, one tagged floating IP on it, and the Service knows both.
fn made_once(lab: &Lab, service: &Service<'_>) {
    let cloud = lab.cloud();
    let name = load_balancer_name(NAME, NAME, &service.name);
    let load_balancers = cloud.load_balancers(&name);
    assert_eq!(load_balancers.len(), 1, "{name}: {load_balancers:#?}");
    let load_balancer = &load_balancers[0];
    assert_eq!(load_balancer["id"].as_str().map(str::to_owned), service.load_balancer_id(), "{name}");
    assert_eq!(load_balancer["listeners"].as_array().map(Vec::len), Some(1), "{name}");
    let floating_ips = cloud.floating_ips(&floating_ip_description(NAME, NAME, &service.name));
    assert_eq!(floating_ips.len(), 1, "{name}: {floating_ips:#?}");
    assert_eq!(floating_ips[0]["port_id"], load_balancer["vip_port_id"], "{name}");
    let published = service.published().map(|address| address.to_string());
    assert_eq!(floating_ips[0]["floating_ip_address"].as_str().map(str::to_owned), published, "{name}");
    let mark = format!("k8s-service-uid={}", service.uid());
    eventually(SOON, &format!("the floating IP of {name} is tagged"), || {
        let floating_ips = cloud.floating_ips(&floating_ip_description(NAME, NAME, &service.name));
        let tags = texts(&floating_ips[0]["tags"]);
        if tags.contains(&mark.as_str()) { Ok(()) } else { Err(format!("tags {tags:?}")) }
    });
}
