//! A test's own namespace with its Services and echo pods, and what is left of it in the cloud.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::cluster::Cluster;
use crate::wait::eventually;

/// How long the controller may take to let a Service go, when a test has failed.
const LETTING_GO: Duration = Duration::from_secs(30);

/// A namespace; when dropped, everything made in it is deleted, in the cloud too.
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    cloud: &'a Cloud,
    /// Its name.
    pub name: String,
}

/// A Service in a test's namespace.
#[derive(Clone)]
pub struct Service<'a> {
    cluster: &'a Cluster,
    path: String,
    namespace: String,
    /// Its name.
    pub name: String,
}

impl<'a> Namespace<'a> {
    /// Makes it. To be declared after the controller, so that this is still there to tidy up.
    pub fn make(cluster: &'a Cluster, cloud: &'a Cloud, name: &str) -> Self {
        let namespace = Self { cluster, cloud, name: name.to_owned() };
        namespace.tidy(Duration::ZERO);
        cluster.make_namespace(name);
        namespace
    }

    /// Makes it where something else in the cloud has the same name on purpose: what is there stays.
    pub fn beside(cluster: &'a Cluster, cloud: &'a Cloud, name: &str) -> Self {
        cluster.make_namespace(name);
        Self { cluster, cloud, name: name.to_owned() }
    }

    /// An echo pod on every real node, ready; they are labelled `app: echo`.
    pub fn echo(&self) {
        let field =
            |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        let body = json!({
            "metadata": {"name": "echo"},
            "spec": {
                "selector": {"matchLabels": {"app": "echo"}},
                "template": {
                    "metadata": {"labels": {"app": "echo"}},
                    "spec": {
                        "terminationGracePeriodSeconds": 1,
                        "containers": [{
                            "name": "echo",
                            "image": "lab.local/echo:1",
                            "imagePullPolicy": "IfNotPresent",
                            "env": [field("POD_NAME", "metadata.name"), field("NODE_NAME", "spec.nodeName")],
                            "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
                        }],
                    },
                },
            },
        });
        let path = format!("/apis/apps/v1/namespaces/{}/daemonsets", self.name);
        self.cluster.create(&path, &body);
        eventually(Duration::from_secs(60), "an echo pod is ready on every node", || {
            let status = self.cluster.get(&format!("{path}/echo")).ok_or("there is no DaemonSet")?;
            let number = |name: &str| status["status"][name].as_u64().unwrap_or_default();
            let (wanted, ready) = (number("desiredNumberScheduled"), number("numberReady"));
            if wanted >= 2 && ready == wanted { Ok(()) } else { Err(format!("{ready} of {wanted}")) }
        });
    }

    /// Creates a Service for the echo pods on port 80; `change` is merged into the object's top level by key.
    pub fn service(&self, name: &str, kind: &str, change: &Value) -> Service<'a> {
        let mut body = json!({
            "metadata": {"name": name},
            "spec": {
                "type": kind,
                "selector": {"app": "echo"},
                "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
            },
        });
        merge(&mut body, change);
        self.cluster
            .create_in(&self.name, "services", &body)
            .unwrap_or_else(|| panic!("Service {name} exists"));
        self.existing(name)
    }

    /// A Service that is there.
    pub fn existing(&self, name: &str) -> Service<'a> {
        Service {
            cluster: self.cluster,
            path: format!("/api/v1/namespaces/{}/services/{name}", self.name),
            namespace: self.name.clone(),
            name: name.to_owned(),
        }
    }

    /// Deletes all Services, then what is left; `patience` is for the controller to do it.
    fn tidy(&self, patience: Duration) {
        let path = format!("/api/v1/namespaces/{}/services", self.name);
        let services = || self.cluster.list(&path);
        for service in services() {
            let name = service["metadata"]["name"].as_str().unwrap_or_default();
            self.cluster.delete(&format!("{path}/{name}"));
        }
        let begun = std::time::Instant::now();
        while !services().is_empty() && begun.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(200));
        }
        for service in services() {
            let name = service["metadata"]["name"].as_str().unwrap_or_default();
            self.cluster.patch(&format!("{path}/{name}"), &json!({"metadata": {"finalizers": null}}));
        }
        self.sweep();
    }

    /// Deletes what carries this namespace's name in the cloud.
    fn sweep(&self) {
        let named = format!("_{}_", self.name);
        let load_balancers = self.cloud.list("octavia", "lbaas/loadbalancers");
        for load_balancer in load_balancers.iter().filter(|lb| text(lb, "name").contains(&named)) {
            let path = format!("lbaas/loadbalancers/{}", text(load_balancer, "id"));
            eventually(Duration::from_secs(60), "a leftover load balancer goes", || {
                self.cloud.delete("octavia", &format!("{path}?cascade=true"))?;
                self.cloud.get("octavia", &path).map_or(Ok(()), |_| Err("is still there".to_owned()))
            });
        }
        let described = format!(" {}/", self.name);
        for floating_ip in self.cloud.list("neutron", "floatingips") {
            if text(&floating_ip, "description").contains(&described) {
                let _ = self.cloud.delete("neutron", &format!("floatingips/{}", text(&floating_ip, "id")));
            }
        }
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        self.tidy(LETTING_GO);
        self.cluster.delete(&format!("/api/v1/namespaces/{}", self.name));
    }
}

impl Service<'_> {
    /// As it is now; `None` once it is gone.
    pub fn read(&self) -> Option<Value> {
        self.cluster.get(&self.path)
    }

    /// Changes it by a merge patch.
    pub fn patch(&self, body: &Value) {
        self.cluster.patch(&self.path, body);
    }

    /// The address that it publishes, if any.
    pub fn published(&self) -> Option<IpAddr> {
        let service = self.read()?;
        service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str()?.parse().ok()
    }

    /// Waits for the published address.
    pub fn address(&self, within: Duration) -> IpAddr {
        eventually(within, &format!("Service {} has an address", self.name), || {
            self.published().ok_or_else(|| format!("no; warnings: {:?}", self.warnings()))
        })
    }

    /// The id in the annotation that the controller writes.
    pub fn load_balancer_id(&self) -> Option<String> {
        let service = self.read()?;
        let id = &service["metadata"]["annotations"]["loadbalancer.openstack.org/load-balancer-id"];
        id.as_str().map(str::to_owned)
    }

    /// Its UID.
    pub fn uid(&self) -> String {
        let service = self.read().expect("the Service exists");
        text(&service["metadata"], "uid").to_owned()
    }

    /// Messages of its events with this reason.
    pub fn events(&self, reason: &str) -> Vec<String> {
        self.cluster.events(&self.namespace, &self.name, reason)
    }

    fn warnings(&self) -> Vec<String> {
        let selector = format!("fieldSelector=involvedObject.name={},type=Warning", self.name);
        let events = self.cluster.list(&format!("/api/v1/namespaces/{}/events?{selector}", self.namespace));
        events.iter().map(|event| format!("{}: {}", event["reason"], event["message"])).collect()
    }

    /// Asks for its deletion.
    pub fn delete(&self) {
        self.cluster.delete(&self.path);
    }

    /// Waits until it is gone.
    pub fn gone(&self, within: Duration) {
        eventually(within, &format!("Service {} is gone", self.name), || {
            self.read().map_or(Ok(()), |_| Err(format!("no; warnings: {:?}", self.warnings())))
        });
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Merges objects into objects; everything else is replaced.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
