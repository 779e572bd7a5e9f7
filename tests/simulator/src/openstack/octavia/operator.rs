//! What an administrator, a provider, or somebody else does in Octavia; and what a test wants to see of it.

use serde_json::{Map, Value};

use super::admin::Flavor;
use super::lifecycle;
use super::model::Status;
use super::{Octavia, show};
use crate::openstack::operator::Operator;
use crate::openstack::profile::Profile;

impl Operator {
    /// Sets the provisioning status of a load balancer, listener, pool, member or health monitor. False if there is none
    /// of this id, or no such status.
    pub fn provisioning_status(&self, id: &str, status: &str) -> bool {
        let Some(status) = Status::by_name(status) else { return false };
        self.state(|state| {
            let now = state.wall;
            let Some(mut found) = state.octavia.find(id) else { return false };
            found.set(status, now);
            true
        })
    }

    /// Sets the operating status of a load balancer, listener, pool, member or health monitor, as health checks do. False
    /// if there is none of this id.
    pub fn operating_status(&self, id: &str, status: &'static str) -> bool {
        self.state(|state| match state.octavia.find(id) {
            Some(Found::Common(common)) => {
                common.operating = status;
                true
            }
            Some(Found::Member(member)) => {
                member.operating = status;
                true
            }
            None => false,
        })
    }

    /// Removes a load balancer at once, whatever its state, as somebody does in the database.
    pub fn remove_load_balancer(&self, id: &str) {
        self.state(|state| lifecycle::remove(state, id));
    }

    /// Limits how many `loadbalancer`, `listener`, `pool`, `member`, `healthmonitor` the first project may have;
    /// negative is no limit. False if there is no such kind.
    pub fn octavia_quota(&self, kind: &str, most: i64) -> bool {
        self.state(|state| {
            let project = state.keystone.first_project().to_owned();
            state.octavia.quotas.set(&project, kind, most)
        })
    }

    /// Makes a flavor of load balancers; gives its id.
    pub fn load_balancer_flavor(&self, name: &str, provider: &str, enabled: bool) -> String {
        self.state(|state| {
            let id = state.ids.uuid();
            let flavor = Flavor { name: name.to_owned(), enabled, provider: provider.to_owned() };
            state.octavia.flavors.insert(id.clone(), flavor);
            id
        })
    }

    /// Makes an availability zone of load balancers.
    pub fn load_balancer_zone(&self, name: &str, enabled: bool) {
        self.state(|state| state.octavia.zones.insert(name.to_owned(), enabled));
    }

    /// Makes a certificate readable for Octavia by this reference.
    pub fn certificate(&self, reference: &str) {
        self.state(|state| state.octavia.certificates.insert(reference.to_owned()));
    }
}

enum Found<'a> {
    Common(&'a mut super::model::Common),
    Member(&'a mut super::model::Member),
}

impl Found<'_> {
    fn set(&mut self, status: Status, now: jiff::Timestamp) {
        match self {
            Self::Common(common) => common.set(status, now),
            Self::Member(member) => {
                member.status = status;
                member.updated = Some(now);
            }
        }
    }
}

impl Octavia {
    fn find(&mut self, id: &str) -> Option<Found<'_>> {
        if let Some(found) = self.load_balancers.get_mut(id) {
            return Some(Found::Common(&mut found.common));
        }
        if let Some(found) = self.listeners.get_mut(id) {
            return Some(Found::Common(&mut found.common));
        }
        if let Some(found) = self.monitors.get_mut(id) {
            return Some(Found::Common(&mut found.common));
        }
        if self.pools.contains_key(id) {
            return self.pools.get_mut(id).map(|found| Found::Common(&mut found.common));
        }
        self.pools.values_mut().find_map(|pool| pool.members.get_mut(id)).map(Found::Member)
    }
}

/// All objects by kind and id, as their owners see them; members by pool.
pub(crate) fn dump(octavia: &Octavia, profile: Profile) -> Map<String, Value> {
    let load_balancers: Map<String, Value> = octavia
        .load_balancers
        .iter()
        .map(|(id, one)| (id.clone(), show::show_load_balancer(one, profile)))
        .collect();
    let listeners: Map<String, Value> =
        octavia.listeners.iter().map(|(id, one)| (id.clone(), show::show_listener(one, profile))).collect();
    let pools: Map<String, Value> =
        octavia.pools.iter().map(|(id, one)| (id.clone(), octavia.show_pool(one, profile))).collect();
    let monitors: Map<String, Value> =
        octavia.monitors.iter().map(|(id, one)| (id.clone(), show::show_monitor(one))).collect();
    let members: Map<String, Value> = octavia
        .pools
        .iter()
        .map(|(id, pool)| {
            let members =
                pool.members.iter().map(|(id, member)| show::show_member(id, member, &pool.common.project));
            (id.clone(), members.collect())
        })
        .collect();
    let kinds = [
        ("loadbalancers", load_balancers),
        ("listeners", listeners),
        ("pools", pools),
        ("members", members),
        ("healthmonitors", monitors),
    ];
    kinds.map(|(kind, all)| (kind.to_owned(), Value::Object(all))).into_iter().collect()
}
