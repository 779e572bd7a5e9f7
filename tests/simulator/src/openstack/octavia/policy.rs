//! Who may do what, by Octavia's default policy (`octavia/policies/base.py`).

use super::refusal::Refusal;
use crate::openstack::keystone::Who;

fn is_admin(who: &Who) -> bool {
    who.is_admin() || who.has_role("load-balancer_admin")
}

/// Whether all projects' objects are shown.
pub(super) fn sees_all(who: &Who) -> bool {
    is_admin(who) || who.has_role("load-balancer_global_observer")
}

pub(super) fn may_read(who: &Who, project: &str) -> Result<(), Refusal> {
    let own = who.project == project
        && (who.has_role("load-balancer_observer") || who.has_role("load-balancer_member"));
    if own || sees_all(who) { Ok(()) } else { Err(Refusal::forbidden()) }
}

pub(super) fn may_write(who: &Who, project: &str) -> Result<(), Refusal> {
    let own = who.project == project && who.has_role("load-balancer_member");
    if own || is_admin(who) { Ok(()) } else { Err(Refusal::forbidden()) }
}

/// Failover, flavors, zones.
pub(super) fn may_administer(who: &Who) -> Result<(), Refusal> {
    if is_admin(who) { Ok(()) } else { Err(Refusal::forbidden()) }
}

pub(super) fn may_read_quota(who: &Who, project: &str) -> Result<(), Refusal> {
    if who.has_role("load-balancer_quota_admin") { Ok(()) } else { may_read(who, project) }
}

pub(super) fn may_write_quota(who: &Who) -> Result<(), Refusal> {
    if who.has_role("load-balancer_quota_admin") { Ok(()) } else { may_administer(who) }
}
