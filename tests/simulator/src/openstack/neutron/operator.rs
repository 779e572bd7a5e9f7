//! What administrators do with networks, and what a test wants to see of them.

use http::Method;
use serde_json::{Map, Value, json};

use super::object::{Object, Table};
use super::ports::Trunk;
use super::{Neutron, Order};
use crate::openstack::keystone::Who;
use crate::openstack::operator::Operator;

/// A network and its subnets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The network's id.
    pub network: String,
    /// The subnets' ids, in the order of their ranges.
    pub subnets: Vec<String>,
}

impl Operator {
    /// Makes a network of the first project with a subnet for each range.
    ///
    /// # Panics
    ///
    /// If the ranges are none, or overlap.
    pub fn network(&self, name: &str, ranges: &[&str]) -> Place {
        self.place(&json!({"name": name}), ranges)
    }

    /// Makes a network that floating IPs come from.
    ///
    /// # Panics
    ///
    /// If the ranges are none, or overlap.
    pub fn external_network(&self, name: &str, ranges: &[&str]) -> Place {
        self.place(&json!({"name": name, "router:external": true, "project_id": "admin"}), ranges)
    }

    /// Makes a router of the first project from the subnets to an external network.
    ///
    /// # Panics
    ///
    /// If one of them does not exist or has a router already.
    pub fn router(&self, name: &str, external: &Place, inside: &Place) -> String {
        let gateway = json!({"network_id": external.network});
        let id = self.make("router", &json!({"name": name, "external_gateway_info": gateway}));
        for subnet in &inside.subnets {
            let to = format!("neutron/v2.0/routers/{id}/add_router_interface");
            let (status, answer) = self.ask(&Method::PUT, &to, json!({"subnet_id": subnet}));
            assert_eq!(status, 200, "{answer}");
        }
        id
    }

    /// Makes a port, floating IP, network or anything else of Neutron's from the body of a POST; its id.
    ///
    /// # Panics
    ///
    /// If Neutron refuses.
    pub fn make(&self, kind: &str, body: &Value) -> String {
        let to = format!("neutron/v2.0/{}s", kind.replace('_', "-"));
        let (status, answer) = self.ask(&Method::POST, &to, json!({ kind: body }));
        assert_eq!(status, 201, "{answer}");
        answer[kind]["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Limits how many objects of a kind (`floatingip`, `security_group`) the first project may have; negative is
    /// no limit. False if there is no such kind.
    pub fn quota(&self, kind: &str, most: i64) -> bool {
        self.state(|state| {
            let project = state.keystone.first_project().to_owned();
            state.neutron.quotas.set(&project, kind, most)
        })
    }

    /// Lists of Neutron come in an order of their own from now on, another for each seed; `None` is by id.
    pub fn scramble_lists(&self, seed: Option<u64>) {
        self.state(|state| state.neutron.order = seed.map_or(Order::ById, Order::Scrambled));
    }

    /// Sets the status of a port: `ACTIVE`, `DOWN`, `BUILD`, `ERROR`. False if there is no such port.
    pub fn port_status(&self, port: &str, status: &str) -> bool {
        self.state(|state| {
            let wall = state.wall;
            let Some(port) = state.neutron.ports.get_mut(port) else { return false };
            status.clone_into(&mut port.status);
            port.standard.touch(wall);
            let device = port.device_id.clone();
            crate::openstack::nova::port_changed(state, &device);
            true
        })
    }

    /// Makes a port the parent of a trunk that carries the others. False if there is no such port.
    pub fn trunk(&self, parent: &str, sub_ports: &[String]) -> bool {
        self.state(|state| {
            let id = state.ids.uuid();
            for sub_port in sub_ports {
                if let Some(port) = state.neutron.ports.get_mut(sub_port) {
                    "trunk:subport".clone_into(&mut port.device_owner);
                    port.device_id.clone_from(&id);
                }
            }
            let trunk = Trunk { id, sub_ports: sub_ports.to_vec() };
            state.neutron.ports.get_mut(parent).map(|port| port.trunk = Some(trunk)).is_some()
        })
    }

    fn place(&self, network: &Value, ranges: &[&str]) -> Place {
        let project = network.get("project_id").cloned();
        let network = self.make("network", network);
        let subnet = |range: &&str| {
            let version = if range.contains(':') { 6 } else { 4 };
            let mut body = json!({"network_id": network, "cidr": range, "ip_version": version});
            if let Some(project) = &project {
                body["project_id"] = project.clone();
            }
            self.make("subnet", &body)
        };
        let subnets = ranges.iter().map(subnet).collect();
        Place { network, subnets }
    }
}

/// All objects by kind and id, as an administrator sees them.
pub(crate) fn dump(neutron: &Neutron) -> Map<String, Value> {
    fn all<T: Object>(neutron: &Neutron, table: &Table<T>, who: &Who) -> Value {
        table
            .iter()
            .map(|(id, one)| (id.clone(), Value::from(one.show(neutron, who))))
            .collect::<Map<_, _>>()
            .into()
    }
    let who = Who::admin("");
    let kinds = [
        ("networks", all(neutron, &neutron.networks, &who)),
        ("subnets", all(neutron, &neutron.subnets, &who)),
        ("ports", all(neutron, &neutron.ports, &who)),
        ("floatingips", all(neutron, &neutron.floating_ips, &who)),
        ("routers", all(neutron, &neutron.routers, &who)),
        ("security_groups", all(neutron, &neutron.security_groups, &who)),
        ("security_group_rules", all(neutron, &neutron.rules, &who)),
    ];
    kinds.map(|(kind, all)| (kind.to_owned(), all)).into_iter().collect()
}
