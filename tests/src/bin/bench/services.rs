//! Services on the OVN provider: creation, and a change of nodes.

use std::time::{Duration, Instant};

use cloud_tests::{Cluster, Controller, Lab, Namespace, Options, Service, eligible_nodes, epoch, eventually};
use serde_json::{Value, json};

use crate::NAME;
use crate::bare::{self, Member};
use crate::process::end;
use crate::table::{Series, Table};

const ROUNDS: usize = 10;
const LONGEST: Duration = Duration::from_secs(120);
/// Label that takes a node out of all load balancers.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// Times and calls of one kind of change.
#[derive(Default)]
struct Cost {
    ours: Series,
    own: Series,
    calls: Series,
    polls: Series,
    bytes: Series,
    server: Series,
}

/// From POST of a Service with one port to its published address.
pub(crate) fn create(lab: &Lab, cluster: &Cluster) {
    let controller = Controller::lead(lab, cluster, &Options::new(NAME));
    let mut cost = Cost::default();
    {
        let namespace = Namespace::make(cluster, lab.cloud(), NAME);
        let members = members(cluster);
        for round in 0..ROUNDS {
            let (since, begun) = (epoch(), Instant::now());
            let service = namespace.service(&format!("s{round}"), "LoadBalancer", &json!({}));
            service.address(LONGEST);
            cost.add(begun.elapsed(), &controller, since);
            gone(&service);
            cost.own.add_time(bare::create(lab, &members));
        }
    }
    cost.print(
        "Service created, 1 port, floating IP",
        &eligible_nodes(cluster),
        "2.0 / 2.1 / 2.2 s at load 3, 2.7 / 5.0 / 6.9 s at load 12 (n=3); 9-10 calls until visible, 15-16 in all; publishes while members are still PENDING",
    );
    end(controller);
}

/// From the moment a node is excluded, or included again, until the pools of a Service with three ports follow.
pub(crate) fn node_change(lab: &Lab, cluster: &Cluster) {
    let controller = Controller::lead(lab, cluster, &Options::new(NAME));
    let mut cost = Cost::default();
    {
        let namespace = Namespace::make(cluster, lab.cloud(), NAME);
        let port = |port: u16| json!({"name": format!("p{port}"), "port": port, "targetPort": 8080});
        let ports = json!({"spec": {"ports": [port(80), port(81), port(82)]}});
        let service = namespace.service("nodes", "LoadBalancer", &ports);
        service.address(LONGEST);
        let load_balancer = service.load_balancer_id().expect("the annotation");
        let all = members(cluster);
        let last = all.last().expect("nodes").0.clone();
        let fewer = &all[..all.len() - 1];
        for round in 0..ROUNDS {
            let excluded = round % 2 == 0;
            let label = if excluded { json!("true") } else { Value::Null };
            let (since, begun) = (epoch(), Instant::now());
            cluster
                .patch(&format!("/api/v1/nodes/{last}"), &json!({"metadata": {"labels": {EXCLUDED: label}}}));
            let wanted = if excluded { fewer.len() } else { all.len() };
            follow(lab, &load_balancer, wanted);
            cost.add(begun.elapsed(), &controller, since);
            let (before, after) = if excluded { (&all[..], fewer) } else { (fewer, &all[..]) };
            cost.own.add_time(bare::change_members(lab, before, after, 3));
        }
        gone(&service);
    }
    cost.print(
        "Node leaves or joins, 1 Service with 3 ports",
        &eligible_nodes(cluster),
        "leaves 3.0 / 3.3 s, 17 calls; joins 4.1 / 4.5 s, 28-29 calls with the node's own (n=2, load 5)",
    );
    end(controller);
}

impl Cost {
    fn add(&mut self, took: Duration, controller: &Controller, since: f64) {
        self.ours.add_time(took);
        let calls = controller.calls(since);
        self.calls.add_count(calls.own);
        self.polls.add_count(calls.polls);
        self.bytes.add_count(calls.bytes);
        self.server.add_count(calls.milliseconds);
    }

    fn print(&self, title: &str, nodes: &[String], go: &str) {
        let over = self.ours.median() - self.own.median();
        Table::new()
            .row("time", self.ours.seconds())
            .row("own", self.own.seconds())
            .row("over own time", format!("{over:+.2} s"))
            .row("calls", format!("{} + {} polls", self.calls.count(), self.polls.count()))
            .row("bytes of all answers", self.bytes.count())
            .row("server time of all calls", format!("{} ms", self.server.count()))
            .row("Go", go)
            .print(&format!("{title}, provider ovn, {} nodes ({ROUNDS} rounds)", nodes.len()));
    }
}

/// Waits until every pool has so many members and nothing is PENDING.
fn follow(lab: &Lab, load_balancer: &str, wanted: usize) {
    eventually(LONGEST, "the pools follow", || {
        let path = format!("lbaas/loadbalancers/{load_balancer}/status");
        let tree = lab.cloud().get("octavia", &path).ok_or("the load balancer is gone")?;
        let listeners = tree["statuses"]["loadbalancer"]["listeners"].as_array().cloned().unwrap_or_default();
        let has = |listener: &Value| listener["pools"][0]["members"].as_array().map_or(0, Vec::len);
        let follows = listeners.iter().all(|listener| has(listener) == wanted);
        let settled = !tree.to_string().contains("\"PENDING_");
        if follows && settled { Ok(()) } else { Err(tree.to_string()) }
    });
}

/// The nodes as members with some node port.
fn members(cluster: &Cluster) -> Vec<Member> {
    let address = |name: &str| {
        let node = cluster.node(name).expect("the Node exists");
        let addresses = node["status"]["addresses"].as_array().cloned().unwrap_or_default();
        let internal =
            addresses.iter().find(|address| address["type"] == "InternalIP").expect("an InternalIP");
        internal["address"].as_str().expect("an address").to_owned()
    };
    eligible_nodes(cluster).into_iter().map(|name| (name.clone(), address(&name), 30_080)).collect()
}

fn gone(service: &Service<'_>) {
    service.delete();
    service.gone(LONGEST);
}
