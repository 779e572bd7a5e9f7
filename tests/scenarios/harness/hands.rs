//! What users, kubelets and operators do in a run.

use serde_json::{Value, json};

use super::run::Run;
use super::stage::{Stage, node_name};

/// Label of nodes that load balancers leave out.
const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

fn service_path(name: &str) -> String {
    format!("/api/v1/namespaces/default/services/{name}")
}

fn ports(ports: &[u16]) -> Value {
    let port = |port: &u16| json!({"name": format!("p{port}"), "port": port, "protocol": "TCP"});
    ports.iter().map(port).collect()
}

impl Run {
    /// A user makes a Service that wants a load balancer.
    pub(crate) fn create_service(&self, cluster: usize, name: &str, numbers: &[u16]) {
        let api = self.stage().api(cluster);
        if !api.get(&service_path(name)).is_null() {
            return;
        }
        self.checker().with_book(|book| book.leaving.remove(&load_balancer(name)));
        let mut spec = json!({"type": "LoadBalancer", "ports": ports(numbers), "selector": {"app": name}});
        for port in spec["ports"].as_array_mut().into_iter().flatten() {
            port["nodePort"] = self.node_port();
        }
        let service = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
        api.create("/api/v1/namespaces/default/services", &service);
    }

    /// One that no Service has.
    fn node_port(&self) -> Value {
        json!(30_000 + self.stage().next_number())
    }

    /// A user changes the ports of a Service, if it is there.
    pub(crate) fn set_ports(&self, cluster: usize, name: &str, numbers: &[u16]) {
        let api = self.stage().api(cluster);
        let service = api.get(&service_path(name));
        if service.is_null() || !service["metadata"]["deletionTimestamp"].is_null() {
            return;
        }
        let mut spec = ports(numbers);
        for port in spec.as_array_mut().into_iter().flatten() {
            let same = service["spec"]["ports"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|old| old["port"] == port["port"]);
            port["nodePort"] = same.map_or_else(|| self.node_port(), |old| old["nodePort"].clone());
        }
        api.change(&service_path(name), &json!({"spec": {"ports": spec}}));
    }

    /// A user deletes a Service.
    pub(crate) fn delete_service(&self, cluster: usize, name: &str) {
        self.checker().with_book(|book| book.leaving.insert(load_balancer(name)));
        self.stage().api(cluster).delete(&service_path(name));
    }

    /// A user makes a Service as soon as one of that name is gone.
    pub(crate) fn when_gone(&self, cluster: usize, name: &str, numbers: &[u16]) {
        let (run, name, numbers) = (self.clone(), name.to_owned(), numbers.to_vec());
        tokio::spawn(async move {
            while !run.stage().api(cluster).get(&service_path(&name)).is_null() {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            run.create_service(cluster, &name, &numbers);
        });
    }

    /// A server is started and its kubelet registers.
    pub(crate) fn add_node(&self, cluster: usize, name: &str) {
        self.change_cloud(|stage| stage.add_node(cluster, &node_name(cluster, name)));
    }

    /// A server is deleted, and its Node by whoever scales the cluster in.
    pub(crate) fn remove_node(&self, cluster: usize, name: &str) {
        let name = node_name(cluster, name);
        self.stage().api(cluster).delete(&format!("/api/v1/nodes/{name}"));
        self.change_cloud(|stage| stage.remove_server(&name));
    }

    /// The cloud is changed by others, which is as it should be.
    fn change_cloud(&self, act: impl FnOnce(&Stage)) {
        if self.stage().compared {
            let before = self.stage().dump();
            act(self.stage());
            self.checker().accept(&before, &self.stage().dump());
        } else {
            act(self.stage());
        }
    }

    /// An operator takes a node out of all load balancers, or back in.
    pub(crate) fn exclude_node(&self, cluster: usize, name: &str, out: bool) {
        let path = format!("/api/v1/nodes/{name}");
        let api = self.stage().api(cluster);
        if !api.get(&path).is_null() {
            let value = if out { json!("") } else { Value::Null };
            api.change(&path, &json!({"metadata": {"labels": {EXCLUDE: value}}}));
        }
    }
}

/// Name of the load balancer of a Service in the namespace `default`.
fn load_balancer(name: &str) -> String {
    format!("kube_service_kubernetes_default_{name}")
}
