//! Services of type `LoadBalancer` carry traffic to real pods on real nodes, from the moment they say so until they go.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use cloud_tests::{
    Cloud, Cluster, Controller, Lab, Namespace, Options, RealNode, Service, Snapshot, ask, ask_from_node,
    eligible_nodes, eventually, real_nodes,
};
use serde_json::{Value, json};

use crate::support::{
    SOON, delete, id, is_floating, load_balancer_name, nothing_is_left, only_load_balancer,
};

/// A packet that gets no answer is sent again after one second, so an answer in less is one to the first packet.
const FIRST_PACKET: Duration = Duration::from_millis(950);
/// Node ports are opened by kube-proxy, at most once a second.
const NODE_PORTS_OPEN: Duration = Duration::from_secs(3);
/// `--cluster-name`. The namespaces differ: one that has had a pod on a node that left takes a minute to go.
const NAME: &str = "e2e-traffic";

#[test]
fn the_first_request_after_an_address_is_published_is_answered_20_of_20_times() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let _controller = Controller::lead(&lab, &cluster, &Options::new(NAME));
    real_nodes(&cluster);
    let namespace = Namespace::make(&cluster, lab.cloud(), "e2e-first");
    namespace.echo();
    // Their node ports are open before they ask for load balancers: it is not kube-proxy that is tested.
    let services: Vec<Service<'_>> =
        (0..20).map(|n| namespace.service(&format!("first-{n}"), "NodePort", &json!({}))).collect();
    std::thread::sleep(NODE_PORTS_OPEN);
    let mut answered = Vec::new();
    let mut failed = Vec::new();
    for batch in services.chunks(5) {
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                batch.iter().map(|service| scope.spawn(|| first_request(service))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for (service, outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Ok(took) => answered.push(took),
                Err(error) => failed.push(format!("{}: {error}", service.name)),
            }
            service.delete();
        }
    }
    for service in &services {
        service.gone(2 * SOON);
    }
    eprintln!(
        "{} of 20 first requests answered, the slowest after {:?}",
        answered.len(),
        answered.iter().max()
    );
    assert!(failed.is_empty(), "{failed:#?}");
}

fn first_request(service: &Service<'_>) -> Result<Duration, String> {
    service.patch(&json!({"spec": {"type": "LoadBalancer"}}));
    let address = service.address(2 * SOON);
    ask(address, 80, FIRST_PACKET).map(|answer| answer.took)
}

#[test]
fn nodes_that_join_become_members_and_nodes_that_leave_are_members_no_more() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let _controller = Controller::lead(&lab, &cluster, &Options::new(NAME));
    let before = real_nodes(&cluster);
    let namespace = Namespace::make(&cluster, lab.cloud(), "e2e-members");
    namespace.echo();
    // With this policy a node answers only from its own pods: every answer tells which member was chosen.
    let local = json!({"spec": {"externalTrafficPolicy": "Local"}});
    let service = namespace.service("members", "LoadBalancer", &local);
    let address = service.address(SOON);
    let load_balancer =
        id(&only_load_balancer(lab.cloud(), &load_balancer_name(NAME, "e2e-members", "members")));
    has_members(lab.cloud(), &load_balancer, &before);
    all_answer(address, &before);

    let third = RealNode::join(&cluster, "e2e-third");
    eventually(SOON, "the third node takes traffic", || {
        let nodes = eligible_nodes(&cluster);
        if nodes.contains(&third.name) { Ok(()) } else { Err(format!("{nodes:?}")) }
    });
    is_initialised(&cluster, lab.cloud(), &third.name);
    let with_third = eligible_nodes(&cluster);
    has_members(lab.cloud(), &load_balancer, &with_third);
    all_answer(address, &with_third);

    drop(third);
    has_members(lab.cloud(), &load_balancer, &before);
    for _ in 0..20 {
        let answer = ask(address, 80, SOON).expect("the remaining nodes answer");
        assert!(before.contains(&answer.node), "{}", answer.node);
    }
    delete(&service, SOON);
}

fn has_members(cloud: &Cloud, load_balancer: &str, nodes: &[String]) {
    eventually(SOON, &format!("the members are {nodes:?}"), || {
        let members = cloud.member_names(load_balancer);
        if members == nodes { Ok(()) } else { Err(format!("they are {members:?}")) }
    });
}

/// Asks until a pod of each node has answered.
fn all_answer(address: IpAddr, nodes: &[String]) {
    let mut answered = BTreeSet::new();
    eventually(SOON, "pods on all nodes answer", || {
        let answer = ask(address, 80, FIRST_PACKET)?;
        answered.insert(answer.node);
        if nodes.iter().all(|node| answered.contains(node)) {
            Ok(())
        } else {
            Err(format!("{answered:?} did"))
        }
    });
}

/// A Node is what its server is.
fn is_initialised(cluster: &Cluster, cloud: &Cloud, name: &str) {
    let node = cluster.node(name).expect("the Node exists");
    let servers = cloud.list("nova", "servers/detail");
    let server = servers.iter().find(|server| server["name"] == name).expect("its server exists");
    assert_eq!(node["spec"]["providerID"], format!("openstack:///{}", id(server)));
    assert!(!node["spec"]["taints"].to_string().contains("uninitialized"), "{}", node["spec"]["taints"]);
    let fixed: Vec<&Value> = server["addresses"]
        .as_object()
        .into_iter()
        .flat_map(|networks| networks.values())
        .filter_map(|addresses| addresses[0].get("addr"))
        .collect();
    let addresses = node["status"]["addresses"].as_array().expect("addresses");
    for address in fixed {
        let expected = json!({"type": "InternalIP", "address": address});
        assert!(addresses.contains(&expected), "{addresses:?} lacks {expected}");
    }
    assert!(addresses.contains(&json!({"type": "Hostname", "address": name})), "{addresses:?}");
    let labels = &node["metadata"]["labels"];
    let zone = &server["OS-EXT-AZ:availability_zone"];
    let flavor = &server["flavor"]["original_name"];
    for (label, value) in [
        ("topology.kubernetes.io/zone", zone),
        ("failure-domain.beta.kubernetes.io/zone", zone),
        ("topology.kubernetes.io/region", &json!("RegionOne")),
        ("failure-domain.beta.kubernetes.io/region", &json!("RegionOne")),
    ] {
        assert_eq!(&labels[label], value, "{label}");
    }
    // Nova tells the flavor's name in the server since 2.47, before only its id.
    if flavor.is_string() {
        assert_eq!(&labels["node.kubernetes.io/instance-type"], flavor);
    }
    assert!(labels["node.kubernetes.io/instance-type"].is_string(), "{labels}");
}

#[test]
fn an_internal_service_answers_on_its_virtual_ip_and_has_no_floating_ip() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let _controller = Controller::lead(&lab, &cluster, &Options::new(NAME));
    let nodes = real_nodes(&cluster);
    let namespace = Namespace::make(&cluster, lab.cloud(), "e2e-inside");
    namespace.echo();
    let service = namespace.service("inside", "LoadBalancer", &crate::support::internal());
    let address = service.address(SOON);
    let load_balancer = only_load_balancer(lab.cloud(), &load_balancer_name(NAME, "e2e-inside", "inside"));
    assert_eq!(load_balancer["vip_address"], address.to_string());
    let port = &load_balancer["vip_port_id"];
    let on_it: Vec<Value> =
        lab.cloud().list("neutron", "floatingips").into_iter().filter(|ip| ip["port_id"] == *port).collect();
    assert!(on_it.is_empty(), "{on_it:?}");
    eventually(SOON, "the virtual IP answers on a node", || ask_from_node(&cluster, &nodes[0], address, 80));
    delete(&service, SOON);
}

#[test]
fn a_deleted_service_leaves_nothing_in_the_cloud() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let _controller = Controller::lead(&lab, &cluster, &Options::new(NAME));
    real_nodes(&cluster);
    let namespace = Namespace::make(&cluster, lab.cloud(), "e2e-traces");
    let before = Snapshot::of_project(lab.cloud());
    let two_ports = json!({"spec": {"ports": [
        {"name": "http", "port": 80, "targetPort": 8080},
        {"name": "udp", "port": 80, "protocol": "UDP", "targetPort": 8080},
    ]}});
    let outside = namespace.service("outside", "LoadBalancer", &two_ports);
    let inside = namespace.service("inside", "LoadBalancer", &crate::support::internal());
    assert!(is_floating(outside.address(SOON)));
    assert!(!is_floating(inside.address(SOON)));
    let added = Snapshot::of_project(lab.cloud()).added_since(&before);
    // Two load balancers with their ports, three listeners and pools, a floating IP.
    assert!(added.len() > 2 * 2 + 3 * 2, "{added}");
    outside.delete();
    inside.delete();
    outside.gone(SOON);
    inside.gone(SOON);
    nothing_is_left(lab.cloud(), &before);
}
