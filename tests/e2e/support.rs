//! What several tests say the same way.

use std::net::IpAddr;
use std::time::Duration;

use cloud_tests::{Cloud, Service, Snapshot, eventually};
use serde_json::{Value, json};

/// Longest that a change on the OVN provider may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(45);

/// Longest for the amphora provider.
pub(crate) const AMPHORA: Duration = Duration::from_secs(120);

/// The annotation for a Service without floating IP.
pub(crate) fn internal() -> Value {
    json!({"metadata": {"annotations": {"service.beta.kubernetes.io/openstack-internal-load-balancer": "true"}}})
}

/// Name of the load balancer of a Service, as the Go provider gives it.
pub(crate) fn load_balancer_name(cluster: &str, namespace: &str, service: &str) -> String {
    format!("kube_service_{cluster}_{namespace}_{service}")
}

/// Description of the floating IP of a Service, as the Go provider gives it.
pub(crate) fn floating_ip_description(cluster: &str, namespace: &str, service: &str) -> String {
    format!("Floating IP for Kubernetes external service {namespace}/{service} from cluster {cluster}")
}

/// Waits until the project holds what it held before, and nothing more.
pub(crate) fn nothing_is_left(cloud: &Cloud, before: &Snapshot) {
    eventually(SOON, "nothing is left in the cloud", || {
        let left = Snapshot::of_project(cloud).added_since(before);
        if left.is_empty() { Ok(()) } else { Err(left.to_string()) }
    });
}

/// The only load balancer of this name, once it is there.
pub(crate) fn only_load_balancer(cloud: &Cloud, name: &str) -> Value {
    eventually(
        SOON,
        &format!("there is one load balancer {name}"),
        || match &cloud.load_balancers(name)[..] {
            [only] => Ok(only.clone()),
            several => Err(format!("there are {}", several.len())),
        },
    )
}

/// Waits until nothing in a load balancer is being changed.
pub(crate) fn settled(cloud: &Cloud, load_balancer: &str) {
    eventually(SOON, "the load balancer is settled", || {
        if cloud.is_settled(load_balancer) { Ok(()) } else { Err("parts are PENDING".to_owned()) }
    });
}

/// Deletes a Service and waits until it is gone.
pub(crate) fn delete(service: &Service<'_>, within: Duration) {
    service.delete();
    service.gone(within);
}

/// Whether an address is a floating IP of the laboratory's external network 172.24.4.0/24.
pub(crate) fn is_floating(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.octets()[..3] == [172, 24, 4])
}

/// The id of an object.
pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

/// An array of texts.
pub(crate) fn texts(array: &Value) -> Vec<&str> {
    array.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
