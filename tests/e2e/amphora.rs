//! Octavia's default provider. Nothing in the laboratory's amphorae balances, so this is about objects, not traffic.

use cloud_tests::{Controller, Lab, Namespace, Options, Snapshot, real_nodes};
use serde_json::json;

use crate::support::{
    AMPHORA, delete, id, is_floating, load_balancer_name, nothing_is_left, only_load_balancer,
};

const NAME: &str = "e2e-amphora";

#[test]
fn a_service_on_the_amphora_provider_gets_a_monitored_load_balancer_and_leaves_nothing() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let options =
        Options { provider: "amphora", load_balancer: "create-monitor = true\n", ..Options::new(NAME) };
    let _controller = Controller::lead(&lab, &cluster, &options);
    let nodes = real_nodes(&cluster);
    let namespace = Namespace::make(&cluster, lab.cloud(), NAME);
    let before = Snapshot::of_project(lab.cloud());
    let ranges = json!({"spec": {"loadBalancerSourceRanges": ["192.0.2.0/24"]}});
    let service = namespace.service("web", "LoadBalancer", &ranges);
    let address = service.address(AMPHORA);
    assert!(is_floating(address), "{address}");

    let name = load_balancer_name(NAME, NAME, "web");
    let load_balancer = only_load_balancer(lab.cloud(), &name);
    assert_eq!(load_balancer["provisioning_status"], "ACTIVE");
    assert_eq!(load_balancer["provider"], "amphora");
    let lb = id(&load_balancer);
    assert_eq!(lab.cloud().member_names(&lb), nodes);
    let listeners = lab.cloud().list("octavia", &format!("lbaas/listeners?loadbalancer_id={lb}"));
    assert_eq!(listeners.len(), 1);
    assert_eq!(listeners[0]["allowed_cidrs"], json!(["192.0.2.0/24"]));
    let monitors = lab.cloud().list("octavia", "lbaas/healthmonitors");
    let monitor =
        monitors.iter().find(|monitor| monitor["name"] == format!("monitor_0_{name}")).expect("a monitor");
    assert_eq!(monitor["type"], "TCP");

    delete(&service, AMPHORA);
    nothing_is_left(lab.cloud(), &before);
}
