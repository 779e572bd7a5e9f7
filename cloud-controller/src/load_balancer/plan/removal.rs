//! What goes when a Service goes, and what goes because it was made twice.

use openstack::load_balancer::Cascade;

use super::{AddressCall, Call, Plan, When, address};
use crate::load_balancer::observe::Observed;

/// Plans the removal of everything that was made for a Service. `own_marks` are the tags that this cluster gives
/// for it, `keep_floating_ip` what the Service's annotation says. Without `cascade` the parts go one by one; the
/// observation must have them then.
pub fn removal(observed: &Observed, own_marks: &[String], keep_floating_ip: bool, cascade: Cascade) -> Plan {
    let attached =
        observed.floating_ip.iter().filter(|floating_ip| address::is_disposable(floating_ip, own_marks));
    let floating_ips = attached.chain(&observed.stray_floating_ips).filter(|_| !keep_floating_ip);
    let mut lane = Vec::new();
    if cascade == Cascade::No {
        lane.extend(observed.pools.iter().map(|pool| Call::DeletePool(pool.id.clone())));
        lane.extend(observed.listeners.iter().map(|listener| Call::DeleteListener(listener.id.clone())));
    }
    lane.extend(
        observed
            .load_balancer
            .iter()
            .map(|load_balancer| Call::DeleteLoadBalancer(load_balancer.id.clone(), cascade)),
    );
    lane.extend(unused_doubles(observed));
    Plan {
        address: floating_ips.map(|floating_ip| AddressCall::Delete(floating_ip.id.clone())).collect(),
        lane,
        address_when: When::First,
    }
}

/// Plans the removal of nothing but what was made twice.
pub fn doubles(observed: &Observed) -> Plan {
    Plan { lane: unused_doubles(observed).collect(), address: Vec::new(), address_when: When::AtOnce }
}

/// Of load balancers made twice for one Service (an answer was lost and the request was sent again) the ones that
/// are not used go. They carry our marks for this very Service, and no address was ever published for them.
pub(super) fn unused_doubles(observed: &Observed) -> impl Iterator<Item = Call> {
    observed.doubles.iter().map(|double| Call::DeleteLoadBalancer(double.id.clone(), Cascade::Yes))
}
