//! Nodes: real ones that run pods, and many that only exist as servers and Node objects.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::lab;
use crate::wait::eventually;

/// Taint of a Node that no cloud controller has looked at yet.
const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";

/// A node with a kubelet, gone when dropped.
pub struct RealNode {
    letter: String,
    /// Its name, and that of its server.
    pub name: String,
}

impl RealNode {
    /// Starts one; it waits for the cloud controller.
    pub fn join(cluster: &Cluster, name: &str) -> Self {
        lab::run(&["node", "up", "--cluster", &cluster.letter, name]);
        Self { letter: cluster.letter.clone(), name: name.to_owned() }
    }
}

impl Drop for RealNode {
    fn drop(&mut self) {
        if let Err(error) = lab::try_run(&["node", "down", "--cluster", &self.letter, &self.name]) {
            eprintln!("node {} is left behind: {error}", self.name);
        }
    }
}

/// Servers, Node objects and leases without anything that runs pods, gone when dropped.
pub struct Fleet {
    letter: String,
    prefix: String,
}

impl Fleet {
    /// The servers only.
    pub fn servers(cluster: &Cluster, prefix: &str, count: usize) -> Self {
        lab::run(&["nodes", "servers", "--cluster", &cluster.letter, prefix, &count.to_string()]);
        Self { letter: cluster.letter.clone(), prefix: prefix.to_owned() }
    }

    /// Registers the first `count` of them as Nodes, which wait for the cloud controller.
    pub fn register(&self, count: usize) {
        lab::run(&["nodes", "register", "--cluster", &self.letter, &self.prefix, &count.to_string()]);
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Err(error) = lab::try_run(&["nodes", "down", "--cluster", &self.letter, &self.prefix]) {
            eprintln!("nodes {}* are left behind: {error}", self.prefix);
        }
    }
}

/// Two real nodes that stay for the next test; a controller must run to initialise them. Returns the names of all
/// nodes that take traffic.
pub fn real_nodes(cluster: &Cluster) -> Vec<String> {
    let names: Vec<String> = (1..=2).map(|n| format!("e2e-{}{n}", cluster.letter)).collect();
    let missing: Vec<&str> =
        names.iter().filter(|name| cluster.node(name).is_none()).map(String::as_str).collect();
    if !missing.is_empty() {
        lab::run(&[&["node", "up", "--cluster", &cluster.letter], &missing[..]].concat());
    }
    eventually(Duration::from_secs(60), "two nodes are initialised and ready", || {
        let eligible = eligible_nodes(cluster);
        if names.iter().all(|name| eligible.contains(name)) {
            Ok(eligible)
        } else {
            Err(format!("{eligible:?}"))
        }
    })
}

/// Names of the nodes that are to be members: initialised, not being deleted.
pub fn eligible_nodes(cluster: &Cluster) -> Vec<String> {
    let nodes = cluster.list("/api/v1/nodes");
    let names =
        nodes.iter().filter(|node| takes_traffic(node)).filter_map(|node| node["metadata"]["name"].as_str());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names
}

fn takes_traffic(node: &Value) -> bool {
    let taints = node["spec"]["taints"].as_array();
    let waits = taints.is_some_and(|taints| taints.iter().any(|taint| taint["key"] == UNINITIALIZED));
    let ready = node["status"]["conditions"].as_array().is_some_and(|conditions| {
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    });
    ready && !waits && node["metadata"]["deletionTimestamp"].is_null()
}
