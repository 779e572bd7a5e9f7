//! What the ovn provider refuses (`ovn_octavia_provider/driver.py`); the amphora provider takes everything.

use super::model::{Listener, Member, Pool, Provider};
use super::refusal::Refusal;
use crate::openstack::profile::{Profile, Release};

fn refuse(what: &str) -> Refusal {
    Refusal::unsupported("ovn", what)
}

fn check_protocol(protocol: &str) -> Result<(), Refusal> {
    if ["TCP", "UDP", "SCTP"].contains(&protocol) {
        return Ok(());
    }
    Err(refuse(&format!("OVN provider does not support {protocol} protocol")))
}

/// Whether the provider takes a listener.
pub(super) fn check_listener(provider: Provider, listener: &Listener) -> Result<(), Refusal> {
    if provider == Provider::Amphora {
        return Ok(());
    }
    check_protocol(&listener.protocol)?;
    if listener.cidrs.is_empty() {
        return Ok(());
    }
    Err(refuse("OVN provider does not support allowed_cidrs option"))
}

/// Whether the provider takes a pool.
pub(super) fn check_pool(provider: Provider, pool: &Pool, profile: Profile) -> Result<(), Refusal> {
    if provider == Provider::Amphora {
        return Ok(());
    }
    check_protocol(&pool.protocol)?;
    // SOURCE_IP came with 2025.1.
    let taken = match pool.algorithm.as_str() {
        "SOURCE_IP_PORT" => true,
        "SOURCE_IP" => profile.release >= Release::Newest,
        _ => false,
    };
    if !taken {
        return Err(refuse(&format!("OVN provider does not support {} algorithm", pool.algorithm)));
    }
    match &pool.persistence {
        Some(persistence) if persistence.kind != "SOURCE_IP" => Err(refuse(&format!(
            "OVN provider does not support {} session persistence. Only SOURCE_IP type is supported.",
            persistence.kind
        ))),
        _ => Ok(()),
    }
}

/// Whether the provider takes a member. One without a subnet must be in the virtual IP's, `in_vip_subnet` tells.
pub(super) fn check_member(
    provider: Provider,
    member: &Member,
    vip: &str,
    in_vip_subnet: bool,
) -> Result<(), Refusal> {
    if provider == Provider::Amphora {
        return Ok(());
    }
    if member.monitor_address.is_some() || member.monitor_port.is_some() {
        return Err(refuse("OVN Load Balancer does not support different member monitor address or port."));
    }
    if member.address.contains(':') != vip.contains(':') {
        return Err(refuse(
            "OVN provider does not support mixing IPv4/IPv6 configuration within the same Load Balancer.",
        ));
    }
    if member.subnet.is_none() && !in_vip_subnet {
        return Err(refuse(
            "Subnet is required, or Loadbalancer associated with Pool must have a subnet, for Member creation with \
             OVN Provider Driver if it is not the same as LB VIP subnet",
        ));
    }
    Ok(())
}

/// Whether the provider takes a health monitor of this kind.
pub(super) fn check_monitor(provider: Provider, kind: &str) -> Result<(), Refusal> {
    if provider == Provider::Amphora || ["UDP-CONNECT", "TCP"].contains(&kind) {
        return Ok(());
    }
    Err(refuse(&format!(
        "OVN provider does not support {kind} health monitor type. Supported types: UDP-CONNECT, TCP"
    )))
}
