//! A load balancer with everything in it: the answer to a request that made it whole, and the tree of statuses.

use serde::Deserialize;

use crate::ids::PoolId;
use crate::json::null_as_default;
use crate::load_balancer::types::{HealthMonitor, Listener, LoadBalancer, Member, Pool, ProvisioningStatus};

/// A load balancer and its children, as Octavia answers a request that made them together.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Wire")]
pub struct LoadBalancerGraph {
    /// The load balancer itself.
    pub load_balancer: LoadBalancer,
    /// Its listeners.
    pub listeners: Vec<Listener>,
    /// Its pools.
    pub pools: Vec<Pool>,
    /// The members of each pool.
    pub members: Vec<(PoolId, Vec<Member>)>,
    /// Its health monitors.
    pub monitors: Vec<HealthMonitor>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(flatten)]
    load_balancer: LoadBalancer,
    #[serde(default, rename = "listeners", deserialize_with = "null_as_default")]
    whole_listeners: Vec<WireListener>,
    #[serde(default, rename = "pools", deserialize_with = "null_as_default")]
    whole_pools: Vec<WirePool>,
}

#[derive(Deserialize)]
struct WireListener {
    #[serde(flatten)]
    listener: Listener,
}

#[derive(Deserialize)]
struct WirePool {
    #[serde(flatten)]
    pool: Pool,
    #[serde(default, rename = "members", deserialize_with = "null_as_default")]
    whole_members: Vec<Member>,
    #[serde(default)]
    healthmonitor: Option<HealthMonitor>,
}

impl From<Wire> for LoadBalancerGraph {
    fn from(wire: Wire) -> Self {
        let mut graph = Self {
            load_balancer: wire.load_balancer,
            listeners: wire.whole_listeners.into_iter().map(|whole| whole.listener).collect(),
            pools: Vec::new(),
            members: Vec::new(),
            monitors: Vec::new(),
        };
        for mut whole in wire.whole_pools {
            if let Some(monitor) = whole.healthmonitor {
                whole.pool.healthmonitor_id = Some(monitor.id.clone());
                graph.monitors.push(monitor);
            }
            graph.members.push((whole.pool.id.clone(), whole.whole_members));
            graph.pools.push(whole.pool);
        }
        graph
    }
}

/// The provisioning statuses of a load balancer and of all that is in it, counted.
///
/// The OVN driver calls the load balancer ACTIVE while it still works on the listeners, pools and members of the
/// same request; only this tells when it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusTree {
    /// Objects whose change is not finished.
    pub pending: usize,
    /// Objects in ERROR.
    pub errors: usize,
    /// All objects, the load balancer included.
    pub objects: usize,
}

impl StatusTree {
    /// Whether nothing is being changed.
    pub fn is_settled(&self) -> bool {
        self.pending == 0
    }

    /// Counts every `provisioning_status` in the answer, whatever Octavia nests it in.
    pub(super) fn count(value: &serde_json::Value) -> Self {
        let mut tree = Self::default();
        tree.visit(value);
        tree
    }

    fn visit(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.visit(item)),
            serde_json::Value::Object(fields) => {
                if let Some(status) = fields.get("provisioning_status") {
                    let status = ProvisioningStatus::deserialize(status).unwrap_or_default();
                    self.objects += 1;
                    self.pending += usize::from(status.is_pending());
                    self.errors += usize::from(status == ProvisioningStatus::Error);
                }
                fields.values().for_each(|field| self.visit(field));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_answer_to_a_whole_load_balancer_gives_every_child_its_id() {
        let graph: LoadBalancerGraph = serde_json::from_value(json!({
            "id": "lb", "name": "web", "provisioning_status": "PENDING_CREATE", "vip_port_id": "port",
            "vip_address": "10.0.0.9", "provider": "ovn", "tags": ["a"],
            "listeners": [{"id": "l", "name": "l0", "protocol": "TCP", "protocol_port": 80, "default_pool_id": "p"}],
            "pools": [{
                "id": "p", "name": "p0", "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT",
                "listeners": [{"id": "l"}],
                "members": [{"id": "m", "name": "n1", "address": "10.0.0.1", "protocol_port": 30000, "weight": 1}],
                "healthmonitor": {"id": "h", "name": "m0", "type": "TCP", "delay": 5, "timeout": 3,
                                  "max_retries": 1, "max_retries_down": 3},
            }],
        }))
        .unwrap();
        assert_eq!(graph.load_balancer.id.as_str(), "lb");
        assert_eq!(graph.listeners[0].default_pool_id.as_ref(), Some(&graph.pools[0].id));
        assert_eq!(graph.members[0].1[0].address, "10.0.0.1");
        assert_eq!(graph.pools[0].healthmonitor_id.as_ref(), Some(&graph.monitors[0].id));
    }

    #[test]
    fn an_active_load_balancer_with_pending_children_is_not_settled() {
        let tree = StatusTree::count(&json!({"loadbalancer": {
            "provisioning_status": "ACTIVE",
            "listeners": [{"provisioning_status": "ACTIVE", "pools": [
                {"provisioning_status": "PENDING_CREATE", "members": [{"provisioning_status": "ERROR"}]},
            ]}],
        }}));
        assert_eq!(tree, StatusTree { pending: 1, errors: 1, objects: 4 });
        assert!(!tree.is_settled());
    }
}
