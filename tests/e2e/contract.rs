//! What clusters and clouds in the field hold, read back from the real services byte for byte. A difference here strands
//! what the Go provider or an earlier version has made.

use cloud_tests::{Controller, Lab, Namespace, Options, eventually, lease, real_nodes};
use serde_json::{Value, json};

use crate::support::{SOON, delete, texts};

const NAME: &str = "e2e-contract";

#[test]
fn objects_in_the_cloud_are_called_what_the_go_provider_calls_them() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let _controller = Controller::lead(&lab, &cluster, &Options::new(NAME));
    let nodes = real_nodes(&cluster);
    let namespace = Namespace::make(&cluster, lab.cloud(), NAME);
    let two_ports = json!({"spec": {"ports": [
        {"name": "http", "port": 80, "targetPort": 8080},
        {"name": "udp", "port": 5353, "protocol": "UDP", "targetPort": 8080},
    ]}});
    let service = namespace.service("web", "LoadBalancer", &two_ports);
    let address = service.address(SOON);
    let cloud = lab.cloud();

    let load_balancer = &cloud.load_balancers("kube_service_e2e-contract_e2e-contract_web")[0];
    assert_eq!(
        load_balancer["description"],
        "Kubernetes external service e2e-contract/web from cluster e2e-contract"
    );
    assert_eq!(load_balancer["provider"], "ovn");
    let tags = texts(&load_balancer["tags"]);
    assert!(tags.contains(&"kube_service_e2e-contract_e2e-contract_web"), "{tags:?}");
    // Ours; the Go provider leaves tags that it does not know.
    assert!(tags.contains(&format!("k8s-cluster-uid={}", cluster.uid()).as_str()), "{tags:?}");
    assert!(tags.contains(&format!("k8s-service-uid={}", service.uid()).as_str()), "{tags:?}");

    let of = |kind: &str| {
        let mut found = cloud.list(
            "octavia",
            &format!("lbaas/{kind}?loadbalancer_id={}", load_balancer["id"].as_str().unwrap()),
        );
        found.sort_by_key(|item| item["name"].as_str().map(str::to_owned));
        found
    };
    let facts = |items: &[Value], keys: &[&str]| -> Vec<Value> {
        items.iter().map(|item| keys.iter().map(|key| item[*key].clone()).collect()).collect()
    };
    let listeners = of("listeners");
    assert_eq!(
        facts(&listeners, &["name", "protocol", "protocol_port"]),
        [
            json!(["listener_0_kube_service_e2e-contract_e2e-contract_web", "TCP", 80]),
            json!(["listener_1_kube_service_e2e-contract_e2e-contract_web", "UDP", 5353]),
        ]
    );
    for listener in &listeners {
        assert_eq!(texts(&listener["tags"]), ["kube_service_e2e-contract_e2e-contract_web"]);
    }
    let pools = of("pools");
    assert_eq!(
        facts(&pools, &["name", "protocol", "lb_algorithm"]),
        [
            json!(["pool_0_kube_service_e2e-contract_e2e-contract_web", "TCP", "SOURCE_IP_PORT"]),
            json!(["pool_1_kube_service_e2e-contract_e2e-contract_web", "UDP", "SOURCE_IP_PORT"]),
        ]
    );
    let node_ports = service.read().unwrap()["spec"]["ports"].clone();
    for (index, pool) in pools.iter().enumerate() {
        let members = cloud.list("octavia", &format!("lbaas/pools/{}/members", pool["id"].as_str().unwrap()));
        let mut names: Vec<&str> = members.iter().filter_map(|member| member["name"].as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, nodes);
        for member in &members {
            assert_eq!(member["protocol_port"], node_ports[index]["nodePort"]);
            assert_eq!(member["subnet_id"], lab.fact("/openstack/projects/k8s/subnet"));
        }
    }
    let floating_ips = cloud.floating_ips(
        "Floating IP for Kubernetes external service e2e-contract/web from cluster e2e-contract",
    );
    assert_eq!(floating_ips.len(), 1);
    assert_eq!(floating_ips[0]["floating_ip_address"], address.to_string());
    assert_eq!(floating_ips[0]["port_id"], load_balancer["vip_port_id"]);
    delete(&service, SOON);
}

#[test]
fn services_nodes_and_the_lease_say_what_the_go_provider_says() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let controller = Controller::lead(&lab, &cluster, &Options::new(NAME));
    let nodes = real_nodes(&cluster);

    let held = lease(&cluster).expect("the lease kube-system/cloud-controller-manager");
    let holder = held["spec"]["holderIdentity"].as_str().unwrap_or_default();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(holder.starts_with(&format!("{}_", host.trim())), "{holder}");
    assert_eq!(held["spec"]["leaseDurationSeconds"], 15);

    for name in &nodes {
        let node = cluster.node(name).unwrap();
        let provider = node["spec"]["providerID"].as_str().unwrap_or_default();
        assert!(
            provider.starts_with("openstack:///") && provider.len() == "openstack:///".len() + 36,
            "{provider}"
        );
    }

    let namespace = Namespace::make(&cluster, lab.cloud(), NAME);
    let web = namespace.service("web", "LoadBalancer", &json!({}));
    let address = web.address(SOON).to_string();
    let service = web.read().unwrap();
    assert_eq!(texts(&service["metadata"]["finalizers"]), ["service.kubernetes.io/load-balancer-cleanup"]);
    let load_balancer = lab.cloud().load_balancers("kube_service_e2e-contract_e2e-contract_web");
    assert_eq!(
        service["metadata"]["annotations"],
        json!({
            "loadbalancer.openstack.org/load-balancer-id": load_balancer[0]["id"],
            "loadbalancer.openstack.org/load-balancer-address": address,
        })
    );
    assert_eq!(service["status"]["loadBalancer"], json!({"ingress": [{"ip": address, "ipMode": "VIP"}]}));
    for reason in ["EnsuringLoadBalancer", "EnsuredLoadBalancer"] {
        eventually(SOON, reason, || web.events(reason).pop().ok_or_else(|| "no such event".to_owned()));
    }
    for metric in ["leader_election_master_status", "openstack_api_requests_total"] {
        assert!(controller.metric(metric).is_some_and(|value| value >= 1.0), "{metric}");
    }
    delete(&web, SOON);
}
