//! Names, tags and descriptions of cloud objects.
//!
//! **Do not change: clusters in the field hold these.** Load balancers, listeners and floating IPs made by
//! earlier versions, and by the Go cloud provider, are found by them; outside cleaners parse them.

use kubernetes::ObjectKey;

/// Prefix of every load balancer name and of the tag that says which Service uses an object.
pub const SERVICE_PREFIX: &str = "kube_service_";

/// The finalizer that keeps a Service until its load balancer is gone.
pub const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";

/// Annotation that carries the id of the load balancer, written by us and honoured when a user sets it.
pub const LOAD_BALANCER_ID: &str = "loadbalancer.openstack.org/load-balancer-id";

/// Annotation that carries the advertised address, written by us.
pub const LOAD_BALANCER_ADDRESS: &str = "loadbalancer.openstack.org/load-balancer-address";

/// Start of the description of every floating IP that was made for a Service; only such a one is ever deleted.
const FLOATING_IP_DESCRIPTION: &str = "Floating IP for Kubernetes external service";

/// Longest name, tag or description, in bytes; Octavia's columns hold 255 characters.
const MAX_NAME: usize = 255;

/// What identifies the objects of one Service: the cluster's name and the Service's namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    cluster: String,
    service: ObjectKey,
}

impl Names {
    /// The names of the objects of `service` in the cluster called `cluster` (`--cluster-name`).
    pub fn new(cluster: &str, service: &ObjectKey) -> Self {
        Self { cluster: cluster.to_owned(), service: service.clone() }
    }

    /// Name of the load balancer; also the tag on it and on its listeners.
    pub fn load_balancer(&self) -> String {
        cut(format!("{SERVICE_PREFIX}{}_{}_{}", self.cluster, self.service.namespace, self.service.name))
    }

    /// Description of the load balancer.
    pub fn load_balancer_description(&self) -> String {
        cut(format!("Kubernetes external service {} from cluster {}", self.service, self.cluster))
    }

    /// Description of the floating IP.
    pub fn floating_ip_description(&self) -> String {
        cut(format!("{FLOATING_IP_DESCRIPTION} {} from cluster {}", self.service, self.cluster))
    }
}

/// Name of the listener of the Service's port at `index`.
pub fn listener(index: usize, load_balancer: &str) -> String {
    cut(format!("listener_{index}_{load_balancer}"))
}

/// Name of the pool of the Service's port at `index`.
pub fn pool(index: usize, load_balancer: &str) -> String {
    cut(format!("pool_{index}_{load_balancer}"))
}

/// Name of the health monitor of the Service's port at `index`.
pub fn monitor(index: usize, load_balancer: &str) -> String {
    cut(format!("monitor_{index}_{load_balancer}"))
}

/// Name that the first versions of the Kubernetes OpenStack provider gave to the load balancer of a Service.
/// Only looked up, never given.
pub fn legacy_load_balancer(service_uid: &str) -> String {
    let mut name = format!("a{}", service_uid.replace('-', ""));
    name.truncate(32);
    name
}

/// Whether a floating IP with this description was made for a Service by this provider, ours or Go's.
pub fn is_floating_ip_of_a_service(description: &str) -> bool {
    description.contains(FLOATING_IP_DESCRIPTION)
}

/// Cuts to the longest prefix of at most 255 bytes that ends between two characters.
fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_NAME));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new("kubernetes", &ObjectKey::new("default", "web"))
    }

    #[test]
    fn names_are_those_that_clusters_hold() {
        let name = names().load_balancer();
        assert_eq!(name, "kube_service_kubernetes_default_web");
        assert_eq!(
            names().load_balancer_description(),
            "Kubernetes external service default/web from cluster kubernetes"
        );
        assert_eq!(
            names().floating_ip_description(),
            "Floating IP for Kubernetes external service default/web from cluster kubernetes"
        );
        assert_eq!(listener(0, &name), "listener_0_kube_service_kubernetes_default_web");
        assert_eq!(pool(1, &name), "pool_1_kube_service_kubernetes_default_web");
        assert_eq!(monitor(2, &name), "monitor_2_kube_service_kubernetes_default_web");
    }

    #[test]
    fn finalizer_and_annotations_are_those_that_clusters_hold() {
        assert_eq!(FINALIZER, "service.kubernetes.io/load-balancer-cleanup");
        assert_eq!(LOAD_BALANCER_ID, "loadbalancer.openstack.org/load-balancer-id");
        assert_eq!(LOAD_BALANCER_ADDRESS, "loadbalancer.openstack.org/load-balancer-address");
    }

    #[test]
    fn the_legacy_name_is_the_uid_without_dashes() {
        assert_eq!(
            legacy_load_balancer("3f1c9a52-5a0d-4ffb-8a4c-2b1f7a1c0d9e"),
            "a3f1c9a525a0d4ffb8a4c2b1f7a1c0d9"
        );
    }

    #[test]
    fn long_names_end_at_255_bytes() {
        let long = Names::new(&"c".repeat(300), &ObjectKey::new("default", "web"));
        assert_eq!(long.load_balancer().len(), 255);
        let multibyte = Names::new(&"ü".repeat(300), &ObjectKey::new("default", "web"));
        assert!(multibyte.load_balancer().len() <= 255);
    }
}
