//! A cluster that comes from the Go provider keeps its load balancers; one that nothing proves to be ours is left alone.

use cloud_tests::{
    Cloud, Cluster, Controller, Lab, Namespace, Options, Service, Snapshot, epoch, eventually, real_nodes,
};
use serde_json::{Value, json};

use crate::support::{
    SOON, delete, floating_ip_description, id, load_balancer_name, nothing_is_left, settled,
};

const NAME: &str = "e2e-adoption";

#[test]
fn a_load_balancer_of_the_go_provider_with_our_nodes_as_members_is_adopted_as_it_is() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let controller = Controller::lead(&lab, &cluster, &Options::new(NAME));
    let nodes = real_nodes(&cluster);
    let namespace = Namespace::make(&cluster, lab.cloud(), NAME);
    let before = Snapshot::of_project(lab.cloud());
    let service = namespace.service("web", "NodePort", &json!({}));
    let addresses: Vec<(String, String)> =
        nodes.iter().map(|name| (name.clone(), internal_address(&cluster, name))).collect();
    let load_balancer = as_the_go_provider(&lab, &service, &addresses);
    let lb = id(&load_balancer);
    let floating_ip = lab.cloud().create(
        "neutron",
        "floatingips",
        &json!({"floatingip": {
            "floating_network_id": lab.fact("/openstack/external/network"),
            "port_id": load_balancer["vip_port_id"],
            "description": floating_ip_description(NAME, NAME, "web"),
        }}),
    );
    let found = Snapshot::of_project(lab.cloud()).part_of(&lb);
    let begun = epoch();
    service.patch(&json!({"spec": {"type": "LoadBalancer"}}));
    let address = service.address(SOON);
    assert_eq!(floating_ip["floatingip"]["floating_ip_address"], address.to_string());
    assert_eq!(service.load_balancer_id().as_ref(), Some(&lb));
    let calls = controller.calls(begun);
    assert_eq!(calls.writes, [], "{calls}");
    assert_eq!(Snapshot::of_project(lab.cloud()).part_of(&lb), found);
    delete(&service, SOON);
    nothing_is_left(lab.cloud(), &before);
}

#[test]
fn an_unmarked_load_balancer_with_members_that_are_not_our_nodes_is_refused_with_an_event() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let controller = Controller::lead(&lab, &cluster, &Options::new(NAME));
    real_nodes(&cluster);
    let namespace = Namespace::make(&cluster, lab.cloud(), NAME);
    let service = namespace.service("web", "NodePort", &json!({}));
    let strangers = [("stranger".to_owned(), "10.66.3.254".to_owned())];
    let load_balancer = id(&as_the_go_provider(&lab, &service, &strangers));
    let look = || Snapshot::of_project(lab.cloud()).part_of(&load_balancer);
    let before = look();
    let begun = epoch();
    service.patch(&json!({"spec": {"type": "LoadBalancer"}}));
    let message = eventually(SOON, "the Service is told", || {
        service.events("LoadBalancerConflict").pop().ok_or_else(|| "no such event".to_owned())
    });
    assert!(message.contains(&load_balancer), "{message}");
    assert_eq!(service.published(), None);
    assert_eq!(look(), before);
    delete(&service, SOON);
    assert_eq!(look(), before, "after the Service was deleted");
    let calls = controller.calls(begun);
    assert_eq!(calls.writes, [], "{calls}");
}

fn internal_address(cluster: &Cluster, node: &str) -> String {
    let node = cluster.node(node).expect("the Node exists");
    let addresses = node["status"]["addresses"].as_array().expect("addresses");
    let address = addresses.iter().find(|address| address["type"] == "InternalIP").expect("an InternalIP");
    address["address"].as_str().expect("an address").to_owned()
}

/// Makes what the Go provider makes for this Service in one request, and waits until it is settled.
fn as_the_go_provider(lab: &Lab, service: &Service<'_>, members: &[(String, String)]) -> Value {
    let cloud: &Cloud = lab.cloud();
    let subnet = lab.fact("/openstack/projects/k8s/subnet");
    let name = load_balancer_name(NAME, NAME, &service.name);
    let node_port = &service.read().expect("the Service exists")["spec"]["ports"][0]["nodePort"];
    let members: Vec<Value> = members
        .iter()
        .map(|(name, address)| {
            json!({"name": name, "address": address, "protocol_port": node_port, "subnet_id": subnet})
        })
        .collect();
    let made = cloud.create(
        "octavia",
        "lbaas/loadbalancers",
        &json!({"loadbalancer": {
            "name": name,
            "description": format!("Kubernetes external service {NAME}/{} from cluster {NAME}", service.name),
            "provider": "ovn",
            "tags": [name],
            "vip_subnet_id": subnet,
            "listeners": [{
                "name": format!("listener_0_{name}"),
                "protocol": "TCP",
                "protocol_port": 80,
                "connection_limit": -1,
                "tags": [name],
                "default_pool": {
                    "name": format!("pool_0_{name}"),
                    "protocol": "TCP",
                    "lb_algorithm": "SOURCE_IP_PORT",
                    "members": members,
                },
            }],
        }}),
    );
    let id = id(&made["loadbalancer"]);
    settled(cloud, &id);
    cloud.load_balancer(&id).expect("it was made")
}
