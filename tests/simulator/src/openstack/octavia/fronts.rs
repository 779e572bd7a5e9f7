//! What load balancers would do with packets: for who carries them.

use std::net::IpAddr;

use super::model::{LoadBalancer, Status};
use crate::openstack::operator::Operator;
use crate::openstack::state::State;

/// An address and port that clients connect to, and where they are led.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Front {
    /// A virtual or a floating IP.
    pub address: IpAddr,
    /// The listener's port.
    pub port: u16,
    /// UDP; else TCP, of which everything else is made.
    pub is_udp: bool,
    /// Members are told who the client is, by the PROXY protocol.
    pub tells_client: bool,
    /// One client always gets the same member.
    pub is_sticky: bool,
    /// Ranges that may connect; all if none is named.
    pub ranges: Vec<String>,
    /// Addresses, ports and weights of the members that take connections.
    pub members: Vec<(IpAddr, u16, u16)>,
}

impl Operator {
    /// All that listens, in a fixed order.
    pub fn fronts(&self) -> Vec<Front> {
        self.state(|state| {
            let mut fronts: Vec<Front> =
                state.octavia.load_balancers.values().flat_map(|one| fronts_of(state, one)).collect();
            fronts.sort();
            fronts
        })
    }
}

fn fronts_of(state: &State, one: &LoadBalancer) -> Vec<Front> {
    if matches!(one.common.status, Status::PendingCreate | Status::PendingDelete) || !one.common.enabled {
        return Vec::new();
    }
    let own =
        std::iter::once(&one.vip).chain(&one.additional_vips).filter_map(|vip| vip.address.parse().ok());
    let floating = state.neutron.floating_ips.values();
    let leads = |target: &crate::openstack::neutron::Target| target.port_id == one.vip.port;
    let to_it = floating.filter(|ip| ip.target.as_ref().is_some_and(leads)).map(|ip| ip.address);
    let addresses: Vec<IpAddr> = own.chain(to_it).collect();
    let listeners = one.listeners.iter().filter_map(|id| state.octavia.listeners.get(id));
    let working = listeners.filter(|listener| {
        // What is being changed goes on working.
        listener.common.enabled && matches!(listener.common.status, Status::Active | Status::PendingUpdate)
    });
    working
        .flat_map(|listener| {
            let pool = listener.default_pool.as_ref().and_then(|id| state.octavia.pools.get(id));
            let pool = pool.filter(|pool| pool.common.enabled && pool.common.status != Status::PendingCreate);
            let members: Vec<(IpAddr, u16, u16)> = pool
                .iter()
                .flat_map(|pool| pool.members.values())
                .filter(|member| member.enabled && member.weight > 0)
                .filter(|member| matches!(member.status, Status::Active | Status::PendingUpdate))
                .filter(|member| !matches!(member.operating, "OFFLINE" | "ERROR"))
                .filter_map(|member| Some((member.address.parse().ok()?, member.port, member.weight)))
                .collect();
            addresses
                .iter()
                .map(|address| Front {
                    address: *address,
                    port: listener.port,
                    is_udp: listener.protocol == "UDP",
                    tells_client: pool.is_some_and(|pool| pool.protocol.starts_with("PROXY")),
                    is_sticky: pool
                        .is_some_and(|pool| pool.persistence.is_some() || pool.algorithm == "SOURCE_IP"),
                    ranges: listener.cidrs.clone(),
                    members: members.clone(),
                })
                .collect::<Vec<_>>()
        })
        .collect()
}
