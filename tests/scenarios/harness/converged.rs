//! Whether everything is as it should be, read from both worlds: what each Service has, and what is left over.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::dump::{Dump, ids, text};

/// Label of nodes that load balancers leave out.
const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// `--cluster-name`, which all clusters leave at its default.
const CLUSTER_NAME: &str = "kubernetes";

/// One cluster's half of the truth.
pub(crate) struct Kubernetes {
    /// All its Services.
    pub(crate) services: Vec<Value>,
    /// All its Nodes.
    pub(crate) nodes: Vec<Value>,
    /// All its Events.
    pub(crate) events: Vec<Value>,
}

/// What is not as it should be, as lines for people; empty if all is well.
pub(crate) fn differences(clusters: &[Kubernetes], cloud: &Dump) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    for cluster in clusters {
        wrong.extend(cluster.nodes.iter().filter_map(unready));
        for service in cluster.services.iter().filter(|service| is_load_balancer(service)) {
            *wanted.entry(load_balancer_name(service)).or_default() += 1;
        }
    }
    for cluster in clusters {
        let members = eligible(&cluster.nodes);
        for service in cluster.services.iter().filter(|service| is_load_balancer(service)) {
            let shared = wanted[&load_balancer_name(service)] > 1;
            if shared && cluster.refuses(service) {
                // Another cluster of the same name has a Service of the same name, and was first.
                continue;
            }
            if let Err(what) = serves(service, &members, cloud) {
                wrong.push(format!("Service {}: {what}", name(service)));
            }
        }
    }
    wrong.extend(left_over(&wanted, cloud));
    wrong
}

impl Kubernetes {
    /// Whether the Service has no address, and an event says that something is in the way.
    fn refuses(&self, service: &Value) -> bool {
        let told = self.events.iter().any(|event| {
            text(&event["involvedObject"], "uid") == text(&service["metadata"], "uid")
                && text(event, "message").contains("was made by the cluster")
        });
        told && ingress(service).is_none()
    }
}

fn name(object: &Value) -> String {
    let metadata = &object["metadata"];
    format!("{}/{}", text(metadata, "namespace"), text(metadata, "name"))
}

fn load_balancer_name(service: &Value) -> String {
    let metadata = &service["metadata"];
    format!("kube_service_{CLUSTER_NAME}_{}_{}", text(metadata, "namespace"), text(metadata, "name"))
}

fn is_load_balancer(service: &Value) -> bool {
    text(&service["spec"], "type") == "LoadBalancer" && service["metadata"]["deletionTimestamp"].is_null()
}

fn ingress(service: &Value) -> Option<&str> {
    service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str()
}

fn unready(node: &Value) -> Option<String> {
    let tainted = node["spec"]["taints"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|taint| text(taint, "key") == "node.cloudprovider.kubernetes.io/uninitialized");
    (tainted || node["spec"]["providerID"].is_null())
        .then(|| format!("Node {} is not initialised", name(node)))
}

/// The addresses that belong into pools.
pub(crate) fn eligible(nodes: &[Value]) -> BTreeSet<String> {
    let in_use = |node: &&Value| {
        node["metadata"]["labels"][EXCLUDE].is_null() && !node["spec"]["providerID"].is_null()
    };
    let address = |node: &Value| {
        let addresses = node["status"]["addresses"].as_array()?;
        let internal = addresses.iter().find(|address| text(address, "type") == "InternalIP")?;
        Some(text(internal, "address").to_owned())
    };
    nodes.iter().filter(in_use).filter_map(address).collect()
}

/// Whether the Service has one load balancer as it wants it, and says so.
fn serves(service: &Value, members: &BTreeSet<String>, cloud: &Dump) -> Result<(), String> {
    let wanted = load_balancer_name(service);
    let mut found = cloud.all("loadbalancers").filter(|(_, found)| text(found, "name") == wanted);
    let (id, load_balancer) = found.next().ok_or("no load balancer")?;
    if let Some((other, _)) = found.next() {
        return Err(format!("two load balancers, {id} and {other}"));
    }
    let status = text(load_balancer, "provisioning_status");
    if status != "ACTIVE" {
        return Err(format!("load balancer {id} is {status}"));
    }
    let port = text(load_balancer, "vip_port_id");
    let mut on_port = cloud.all("floatingips").filter(|(_, floating)| text(floating, "port_id") == port);
    let (_, floating) = on_port.next().ok_or("no floating IP")?;
    if on_port.next().is_some() {
        return Err("two floating IPs".to_owned());
    }
    let address = text(floating, "floating_ip_address");
    if ingress(service) != Some(address) {
        return Err(format!("shows {:?} in place of {address}", ingress(service)));
    }
    let mut ports: BTreeSet<(String, u64)> = BTreeSet::new();
    for port in service["spec"]["ports"].as_array().into_iter().flatten() {
        let (protocol, number) = (text(port, "protocol"), port["port"].as_u64().unwrap_or(0));
        ports.insert((protocol.to_owned(), number));
        let node_port = port["nodePort"].as_u64().unwrap_or(0);
        let has = pool_members(load_balancer, protocol, number, cloud)?;
        let wants: BTreeSet<String> =
            members.iter().map(|address| format!("{address}:{node_port}")).collect();
        // A Service without any node keeps the members it has.
        if has != wants && !wants.is_empty() {
            let missing = wants.difference(&has).count();
            let surplus = has.difference(&wants).count();
            return Err(format!("port {number}: {missing} members missing, {surplus} too many"));
        }
    }
    let has: BTreeSet<(String, u64)> = ids(load_balancer, "listeners")
        .filter_map(|id| cloud.get("listeners", id))
        .map(|listener| {
            (text(listener, "protocol").to_owned(), listener["protocol_port"].as_u64().unwrap_or(0))
        })
        .collect();
    if has == ports { Ok(()) } else { Err(format!("listens at {has:?} in place of {ports:?}")) }
}

fn pool_members(
    load_balancer: &Value,
    protocol: &str,
    port: u64,
    cloud: &Dump,
) -> Result<BTreeSet<String>, String> {
    let listener = ids(load_balancer, "listeners")
        .filter_map(|id| cloud.get("listeners", id))
        .find(|listener| text(listener, "protocol") == protocol && listener["protocol_port"] == port)
        .ok_or_else(|| format!("no listener for {protocol} {port}"))?;
    let pool = text(listener, "default_pool_id");
    let members = cloud.get("members", pool).and_then(Value::as_array);
    let members = members.ok_or_else(|| format!("no pool behind {protocol} {port}"))?.iter();
    Ok(members.map(|member| format!("{}:{}", text(member, "address"), member["protocol_port"])).collect())
}

/// What was made for Services that want nothing (any more). `wanted` holds the names of load balancers.
fn left_over(wanted: &BTreeMap<String, usize>, cloud: &Dump) -> Vec<String> {
    let ours = |name: &str| name.starts_with(&format!("kube_service_{CLUSTER_NAME}_"));
    let mut left: Vec<String> = Vec::new();
    for (id, found) in cloud.all("loadbalancers") {
        let name = text(found, "name");
        if ours(name) && !wanted.contains_key(name) {
            left.push(format!("load balancer {id} ({name}) is left over"));
        }
    }
    for kind in ["listeners", "pools", "healthmonitors"] {
        for (id, found) in cloud.all(kind) {
            let name = text(found, "name");
            let of = name.find("kube_service_").map_or("", |at| &name[at..]);
            if ours(of) && !wanted.contains_key(of) {
                left.push(format!("{kind} {id} ({name}) is left over"));
            }
        }
    }
    for (id, found) in cloud.all("floatingips") {
        let description = text(found, "description");
        let service = description
            .strip_prefix("Floating IP for Kubernetes external service ")
            .and_then(|rest| rest.strip_suffix(&format!(" from cluster {CLUSTER_NAME}")));
        let Some(service) = service else { continue };
        let name = format!("kube_service_{CLUSTER_NAME}_{}", service.replacen('/', "_", 1));
        if !wanted.contains_key(&name) {
            left.push(format!("floating IP {id} of {service} is left over"));
        } else if text(found, "port_id").is_empty() {
            left.push(format!("floating IP {id} of {service} is attached to nothing"));
        }
    }
    left
}
