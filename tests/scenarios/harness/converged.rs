//! Whether everything is as it should be, read from both worlds: what each Service has, and what is left over.

use std::collections::BTreeSet;

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

/// What is not as it should be, as lines for people; empty if all is well. `is_late`: a request for a floating IP was carried
/// out after its sender had given it up, perhaps when the Service was gone; nobody can know whose that one is.
pub(crate) fn differences(clusters: &[Kubernetes], cloud: &Dump, is_late: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for cluster in clusters {
        wrong.extend(cluster.nodes.iter().filter_map(unready));
        let members = eligible(&cluster.nodes);
        for service in cluster.services.iter().filter(|service| is_load_balancer(service)) {
            wanted.insert(text(&service["metadata"], "uid"));
            names.insert(load_balancer_name(service));
            if cluster.refuses(service) {
                // Another cluster of the same name has a Service of the same name, and was first.
                continue;
            }
            if let Err(what) = serves(service, &members, cloud) {
                wrong.push(format!("Service {}: {what}", name(service)));
            }
        }
    }
    wrong.extend(left_over(&wanted, cloud));
    wrong.extend(stray_floating_ips(&names, cloud).filter(|_| !is_late));
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
    let uid = text(&service["metadata"], "uid");
    let mut found = cloud.all("loadbalancers").filter(|(_, found)| made_for(found) == Some(uid));
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

/// The UID of the Service that a load balancer was made for, as its tags tell.
fn made_for(load_balancer: &Value) -> Option<&str> {
    let tags = load_balancer["tags"].as_array()?;
    tags.iter().find_map(|tag| tag.as_str()?.strip_prefix("k8s-service-uid="))
}

/// What was made for Services that want nothing (any more). `wanted` are the UIDs of those that do.
fn left_over(wanted: &BTreeSet<&str>, cloud: &Dump) -> Vec<String> {
    let mut left: Vec<String> = Vec::new();
    let mut parts: BTreeSet<&str> = BTreeSet::new();
    for (id, found) in cloud.all("loadbalancers") {
        parts.extend(ids(found, "listeners").chain(ids(found, "pools")));
        if text(found, "name").starts_with("kube_service_")
            && made_for(found).is_none_or(|uid| !wanted.contains(uid))
        {
            left.push(format!("load balancer {id} ({}) is left over", text(found, "name")));
        }
    }
    for kind in ["listeners", "pools"] {
        let alone = cloud.all(kind).filter(|(id, _)| !parts.contains(id.as_str()));
        left.extend(alone.map(|(id, _)| format!("{kind} {id} belongs to no load balancer")));
    }
    left
}

/// Floating IPs that were made for a Service and lead nowhere. `names` are those of the wanted load balancers.
fn stray_floating_ips<'a>(names: &'a BTreeSet<String>, cloud: &'a Dump) -> impl Iterator<Item = String> + 'a {
    cloud.all("floatingips").filter_map(|(id, found)| {
        let service = text(found, "description")
            .strip_prefix("Floating IP for Kubernetes external service ")?
            .strip_suffix(&format!(" from cluster {CLUSTER_NAME}"))?;
        let name = format!("kube_service_{CLUSTER_NAME}_{}", service.replacen('/', "_", 1));
        let why = if !names.contains(&name) {
            "is left over"
        } else if text(found, "port_id").is_empty() {
            "is attached to nothing"
        } else {
            return None;
        };
        Some(format!("floating IP {id} of {service} {why}"))
    })
}
