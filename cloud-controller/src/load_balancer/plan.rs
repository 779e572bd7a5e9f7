//! The calls that turn what is there into what should be there. Pure: equal input gives an equal plan.
//!
//! A plan has two tracks. Octavia locks the whole load balancer during every change of a part of it, so its calls
//! go one after the other in one lane; the floating IP is Neutron's and is worked on beside it.
//!
//! Order in the lane: members first, since traffic depends on them; then what frees a port that is wanted; then
//! new ports, pool before listener, so that a listener never opens on nothing; then settings; then what is no
//! longer wanted; tags last.

use std::fmt;

use openstack::load_balancer::{
    Cascade, HealthMonitorCreate, HealthMonitorUpdate, ListenerCreate, ListenerUpdate, LoadBalancerCreate,
    LoadBalancerUpdate, MemberSet, PoolCreate, PoolUpdate,
};
use openstack::network::FloatingIpCreate;
use openstack::{FloatingIpId, HealthMonitorId, ListenerId, LoadBalancerId, PoolId};

use super::desired::Desired;
use super::observe::Observed;

mod address;
mod body;
mod ports;
mod removal;
#[cfg(test)]
mod tests;

pub use removal::{doubles, removal};

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Calls to Octavia, in order.
    pub lane: Vec<Call>,
    /// Calls to Neutron, in order.
    pub address: Vec<AddressCall>,
    /// When the calls to Neutron may begin.
    pub address_when: When,
}

/// When the floating IP may be worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// At once, beside the lane.
    #[default]
    AtOnce,
    /// Once the load balancer was accepted: its virtual IP has a port then.
    Accepted,
    /// Once the load balancer is ACTIVE. The OVN driver drops a floating IP that comes earlier when it does not
    /// find its load balancer in time.
    Active,
    /// Before the lane begins: when a load balancer goes, the floating IP goes first, while the port that proves
    /// whose it is still exists.
    First,
}

/// A call to Octavia; each but the deletion of the load balancer ends with it being ACTIVE again.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Makes the load balancer with everything in it.
    CreateLoadBalancer(Box<LoadBalancerCreate>),
    /// Changes name or tags.
    UpdateLoadBalancer(LoadBalancerUpdate),
    /// Deletes a load balancer, with everything in it or empty.
    DeleteLoadBalancer(LoadBalancerId, Cascade),
    /// Sets all members of a pool.
    SetMembers(PoolRef, Vec<MemberSet>),
    /// Makes a pool.
    CreatePool(PoolCreate),
    /// Changes a pool.
    UpdatePool(PoolId, PoolUpdate),
    /// Deletes a pool with its members and monitor.
    DeletePool(PoolId),
    /// Makes a monitor for a pool.
    CreateMonitor(PoolRef, HealthMonitorCreate),
    /// Changes a monitor.
    UpdateMonitor(HealthMonitorId, HealthMonitorUpdate),
    /// Deletes a monitor.
    DeleteMonitor(HealthMonitorId),
    /// Makes a listener on a pool.
    CreateListener(PoolRef, ListenerCreate),
    /// Changes a listener.
    UpdateListener(ListenerId, ListenerUpdate),
    /// Deletes a listener; its pool stays.
    DeleteListener(ListenerId),
}

/// A pool that is there, or will be when an earlier call of the lane has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolRef {
    /// It is there.
    Known(PoolId),
    /// The call at this place of the lane makes it.
    MadeBy(usize),
}

/// A call to Neutron.
#[derive(Clone, Debug, PartialEq)]
pub enum AddressCall {
    /// Makes a floating IP on the virtual IP's port and tags it (a request to make one takes no tags).
    Create(FloatingIpCreate, Vec<String>),
    /// Puts an unattached floating IP on the virtual IP's port.
    Attach(FloatingIpId),
    /// Tags a floating IP; the answer to the first request may have been lost.
    Tag(FloatingIpId, Vec<String>),
    /// Takes a floating IP off and keeps it.
    Detach(FloatingIpId),
    /// Deletes a floating IP.
    Delete(FloatingIpId),
}

/// Why there is no plan; waits for a change of the Service or of the cloud.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// A listener that is not ours has the port.
    #[error("port {port}/{protocol} is taken by listener {listener} which does not belong to this Service")]
    PortTaken {
        /// The port.
        port: u16,
        /// Transport protocol.
        protocol: &'static str,
        /// The listener that has it.
        listener: ListenerId,
    },
    /// The floating IP that the user asked for serves something else.
    #[error("floating IP {0} is attached to another port")]
    AddressTaken(std::net::IpAddr),
    /// The floating IP that the user asked for was made for another Service.
    #[error("floating IP {0} was made for another Service")]
    AddressOfAnother(std::net::IpAddr),
    /// The load balancer is in ERROR; Octavia lets it only be deleted or failed over.
    #[error("load balancer {0} is in ERROR: an administrator can try `openstack loadbalancer failover {0}`")]
    Broken(LoadBalancerId),
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.lane.is_empty() && self.address.is_empty()
    }
}

/// Plans the way from `observed` to `desired`.
pub fn plan(desired: &Desired, observed: &Observed) -> Result<Plan, Obstacle> {
    let (address, address_when) = address::plan(desired, observed)?;
    let Some(load_balancer) = &observed.load_balancer else {
        let create = Call::CreateLoadBalancer(Box::new(body::load_balancer(desired)));
        return Ok(Plan { lane: vec![create], address, address_when });
    };
    if load_balancer.provisioning_status == openstack::load_balancer::ProvisioningStatus::Error {
        return Err(Obstacle::Broken(load_balancer.id.clone()));
    }
    let mut lane = ports::plan(desired, observed, load_balancer)?;
    if desired.tags_supported && !load_balancer.tags.contains(&desired.name) {
        let mut tags = load_balancer.tags.clone();
        tags.push(desired.name.clone());
        lane.push(Call::UpdateLoadBalancer(LoadBalancerUpdate {
            tags: Some(tags),
            ..LoadBalancerUpdate::default()
        }));
    }
    lane.extend(removal::unused_doubles(observed));
    Ok(Plan { lane, address, address_when })
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return out.write_str("nothing to do");
        }
        let address = || self.address.iter().map(ToString::to_string);
        let lane = || self.lane.iter().map(ToString::to_string);
        let lines: Vec<String> = if self.address_when == When::First {
            address().chain(lane()).collect()
        } else {
            lane().chain(address()).collect()
        };
        out.write_str(&lines.join("; "))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateLoadBalancer(create) => {
                let provider = create.provider.as_deref().unwrap_or("the default provider");
                write!(out, "create load balancer {} on {provider}", create.name)?;
                for listener in &create.listeners {
                    let members = listener.default_pool.as_ref().map_or(0, |pool| pool.members.len());
                    write!(out, ", {}/{} to {members} members", listener.protocol_port, listener.protocol)?;
                }
                Ok(())
            }
            Self::UpdateLoadBalancer(update) => {
                write!(
                    out,
                    "update load balancer: tags {}",
                    update.tags.as_deref().unwrap_or_default().join(" ")
                )
            }
            Self::DeleteLoadBalancer(id, _) => write!(out, "delete load balancer {id}"),
            Self::SetMembers(pool, members) => {
                let names: Vec<&str> = members.iter().filter_map(|member| member.name.as_deref()).collect();
                write!(out, "set members of {pool}: {}", names.join(" "))
            }
            Self::CreatePool(create) => {
                write!(out, "create pool {} ({}, {})", create.name, create.protocol, create.lb_algorithm)
            }
            Self::UpdatePool(id, update) => {
                let algorithm = update.lb_algorithm.as_deref().unwrap_or("unchanged");
                write!(out, "update pool {id}: algorithm {algorithm}")
            }
            Self::DeletePool(id) => write!(out, "delete pool {id}"),
            Self::CreateMonitor(pool, create) => {
                write!(out, "create {} monitor {} of {pool}", create.kind, create.name)
            }
            Self::UpdateMonitor(id, _) => write!(out, "update monitor {id}"),
            Self::DeleteMonitor(id) => write!(out, "delete monitor {id}"),
            Self::CreateListener(pool, create) => write!(
                out,
                "create listener {} ({}/{}) on {pool}",
                create.name, create.protocol_port, create.protocol
            ),
            Self::UpdateListener(id, _) => write!(out, "update listener {id}"),
            Self::DeleteListener(id) => write!(out, "delete listener {id}"),
        }
    }
}

impl fmt::Display for PoolRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(id) => write!(out, "pool {id}"),
            Self::MadeBy(_) => out.write_str("the new pool"),
        }
    }
}

impl fmt::Display for AddressCall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(create, _) => {
                write!(out, "create floating IP on network {}", create.floating_network_id)
            }
            Self::Attach(id) => write!(out, "attach floating IP {id}"),
            Self::Tag(id, _) => write!(out, "tag floating IP {id}"),
            Self::Detach(id) => write!(out, "detach floating IP {id}"),
            Self::Delete(id) => write!(out, "delete floating IP {id}"),
        }
    }
}
