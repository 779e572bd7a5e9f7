//! Keeps an observation up to date with the calls that were made since, so that it need not be read again.

use openstack::load_balancer::{HealthMonitor, LoadBalancerGraph, Member, MemberSet, Pool};
use openstack::{HealthMonitorId, ListenerId, MemberId, PoolId};

use super::Observed;

impl Observed {
    /// A load balancer was made with everything in it.
    pub(crate) fn record_created(&mut self, graph: LoadBalancerGraph) {
        self.load_balancer = Some(graph.load_balancer);
        self.listeners = graph.listeners;
        self.pools = graph.pools;
        self.members = graph.members.into_iter().collect();
        self.monitors = graph.monitors;
    }

    /// All members of a pool were set.
    pub(crate) fn record_members(&mut self, pool: &PoolId, members: &[MemberSet]) {
        let member = |set: &MemberSet| Member {
            // Octavia does not tell the ids, and nothing needs them.
            id: MemberId::from(""),
            name: set.name.clone().unwrap_or_default(),
            address: set.address.clone(),
            protocol_port: set.protocol_port,
            subnet_id: set.subnet_id.clone(),
            weight: set.weight.unwrap_or(1),
            backup: set.backup.unwrap_or(false),
            monitor_port: set.monitor_port,
            monitor_address: set.monitor_address.clone(),
            admin_state_up: set.admin_state_up.unwrap_or(true),
            operating_status: String::new(),
        };
        self.members.insert(pool.clone(), members.iter().map(member).collect());
    }

    /// A pool was made for a listener that is there.
    pub(crate) fn record_default_pool(&mut self, listener: &ListenerId, pool: &mut Pool) {
        for known in self.listeners.iter_mut().filter(|known| known.id == *listener) {
            known.default_pool_id = Some(pool.id.clone());
        }
    }

    /// A pool was deleted, and with it its members and monitor.
    pub(crate) fn record_pool_deleted(&mut self, id: &PoolId) {
        let monitor =
            self.pools.iter().find(|pool| pool.id == *id).and_then(|pool| pool.healthmonitor_id.clone());
        self.monitors.retain(|known| Some(&known.id) != monitor.as_ref());
        self.pools.retain(|pool| pool.id != *id);
        self.members.remove(id);
        for listener in &mut self.listeners {
            listener.default_pool_id.take_if(|pool| pool == id);
        }
    }

    /// A monitor was made for a pool.
    pub(crate) fn record_monitor(&mut self, pool: &PoolId, monitor: HealthMonitor) {
        for known in self.pools.iter_mut().filter(|known| known.id == *pool) {
            known.healthmonitor_id = Some(monitor.id.clone());
        }
        self.monitors.push(monitor);
    }

    /// A monitor was deleted.
    pub(crate) fn record_monitor_deleted(&mut self, id: &HealthMonitorId) {
        self.monitors.retain(|monitor| monitor.id != *id);
        for pool in &mut self.pools {
            pool.healthmonitor_id.take_if(|monitor| monitor == id);
        }
    }
}
