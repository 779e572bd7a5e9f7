//! The floating IP's track.

use openstack::network::{FloatingIp, FloatingIpCreate};

use super::{AddressCall, Obstacle, When};
use crate::load_balancer::desired::{Desired, DesiredAddress};
use crate::load_balancer::names;
use crate::load_balancer::observe::Observed;
use crate::load_balancer::ownership;

/// Plans the floating IP.
pub(super) fn plan(desired: &Desired, observed: &Observed) -> Result<(Vec<AddressCall>, When), Obstacle> {
    let when = match &observed.load_balancer {
        Some(_) => When::AtOnce,
        None if desired.provider == "ovn" => When::Active,
        None => When::Accepted,
    };
    let calls = match (&desired.address, &observed.floating_ip) {
        (DesiredAddress::VirtualIp { detach: true, delete }, Some(present)) => {
            vec![if *delete && is_disposable(present, &desired.marks) {
                AddressCall::Delete(present.id.clone())
            } else {
                AddressCall::Detach(present.id.clone())
            }]
        }
        (DesiredAddress::VirtualIp { .. }, _) => Vec::new(),
        // An address that is in use stays, even if another one is asked for now: clients know it.
        (DesiredAddress::Floating { description, .. }, Some(present)) => {
            // We made it, and were cut off before it was tagged.
            let unfinished = present.description == *description
                && ownership::marks_of(&present.tags).next().is_none()
                && observed.is_marked(&desired.marks);
            let tag = || AddressCall::Tag(present.id.clone(), with(&present.tags, &desired.marks));
            unfinished.then(tag).into_iter().collect()
        }
        (DesiredAddress::Floating { network, subnet, address, description }, None) => {
            if let Some(found) = &observed.requested_floating_ip {
                vec![attach(found, &desired.marks)?]
            } else if let Some(stray) = observed.stray_floating_ips.first().filter(|_| address.is_none()) {
                vec![AddressCall::Attach(stray.id.clone())]
            } else {
                let create = FloatingIpCreate {
                    floating_network_id: network.clone(),
                    port_id: observed.load_balancer.as_ref().and_then(|lb| lb.vip_port_id.clone()),
                    description: Some(description.clone()),
                    subnet_id: subnet.clone(),
                    floating_ip_address: *address,
                };
                vec![AddressCall::Create(create, desired.marks.clone())]
            }
        }
    };
    Ok((calls, when))
}

/// A floating IP is deleted only if its description says that it was made for a Service, and its marks do not say
/// that this was another one.
pub(super) fn is_disposable(floating_ip: &FloatingIp, own_marks: &[String]) -> bool {
    names::is_floating_ip_of_a_service(&floating_ip.description) && !is_of_another(floating_ip, own_marks)
}

fn attach(found: &FloatingIp, tags: &[String]) -> Result<AddressCall, Obstacle> {
    if found.port_id.is_some() {
        return Err(Obstacle::AddressTaken(found.floating_ip_address));
    }
    if is_of_another(found, tags) {
        return Err(Obstacle::AddressOfAnother(found.floating_ip_address));
    }
    Ok(AddressCall::Attach(found.id.clone()))
}

/// Whether its marks name another Service or cluster than `own` marks do.
fn is_of_another(floating_ip: &FloatingIp, own: &[String]) -> bool {
    ownership::marks_of(&floating_ip.tags).any(|mark| !own.iter().any(|tag| tag == mark))
}

fn with(present: &[String], more: &[String]) -> Vec<String> {
    present.iter().chain(more).cloned().collect()
}
