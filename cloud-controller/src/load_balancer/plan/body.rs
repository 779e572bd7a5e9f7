//! Request bodies of desired objects.

use openstack::load_balancer::{
    HealthMonitorCreate, ListenerCreate, LoadBalancerCreate, Member, MemberSet, PoolCreate,
    SessionPersistence,
};
use openstack::{LoadBalancerId, SubnetId};

use crate::load_balancer::desired::{
    Desired, DesiredListener, DesiredMember, DesiredMonitor, DesiredPool, DesiredPort,
};

/// The load balancer with all its ports in one request.
pub(super) fn load_balancer(desired: &Desired) -> LoadBalancerCreate {
    let mut tags = Vec::new();
    if desired.tags_supported {
        tags.push(desired.name.clone());
        tags.extend(desired.marks.iter().cloned());
    }
    LoadBalancerCreate {
        name: desired.name.clone(),
        description: desired.description.clone(),
        provider: Some(desired.provider.clone()),
        tags,
        flavor_id: desired.flavor_id.clone(),
        availability_zone: desired.availability_zone.clone(),
        vip_port_id: desired.vip.port.clone(),
        vip_subnet_id: desired.vip.subnet.clone().filter(|_| desired.vip.port.is_none()),
        vip_network_id: desired.vip.network.clone().filter(|_| desired.vip.port.is_none()),
        vip_address: desired.vip.address.map(|address| address.to_string()),
        listeners: desired.ports.iter().map(|port| whole_listener(port, desired)).collect(),
    }
}

fn whole_listener(port: &DesiredPort, desired: &Desired) -> ListenerCreate {
    let mut create = listener(&port.listener, desired);
    let mut pool = pool(&port.pool);
    pool.members = members(port.members.as_deref().unwrap_or_default(), &[], desired.member_subnet.as_ref());
    pool.healthmonitor = port.monitor.as_ref().map(monitor);
    create.default_pool = Some(Box::new(pool));
    create
}

/// A listener on nothing yet.
pub(super) fn listener(listener: &DesiredListener, desired: &Desired) -> ListenerCreate {
    ListenerCreate {
        name: listener.name.clone(),
        protocol: listener.protocol.to_owned(),
        protocol_port: listener.port,
        connection_limit: Some(listener.connection_limit),
        tags: if desired.tags_supported { vec![desired.name.clone()] } else { Vec::new() },
        insert_headers: listener.insert_headers.clone(),
        allowed_cidrs: listener.allowed_cidrs.clone(),
        timeout_client_data: listener.timeouts.map(|timeouts| timeouts.client_data),
        timeout_member_connect: listener.timeouts.map(|timeouts| timeouts.member_connect),
        timeout_member_data: listener.timeouts.map(|timeouts| timeouts.member_data),
        timeout_tcp_inspect: listener.timeouts.map(|timeouts| timeouts.tcp_inspect),
        ..ListenerCreate::default()
    }
}

/// A listener of a load balancer that is there.
pub(super) fn listener_of(
    id: &LoadBalancerId,
    listener_wanted: &DesiredListener,
    desired: &Desired,
) -> ListenerCreate {
    ListenerCreate { loadbalancer_id: Some(id.clone()), ..listener(listener_wanted, desired) }
}

/// A pool without members.
pub(super) fn pool(pool: &DesiredPool) -> PoolCreate {
    PoolCreate {
        name: pool.name.clone(),
        protocol: pool.protocol.to_owned(),
        lb_algorithm: pool.algorithm.clone(),
        session_persistence: pool
            .source_ip_persistence
            .then(|| SessionPersistence { kind: "SOURCE_IP".to_owned() }),
        ..PoolCreate::default()
    }
}

/// The full list of a pool's members. Octavia resets what is left out, so weight, backup and administrative state
/// that somebody gave to a member of `present` are sent along.
pub(super) fn members(
    wanted: &[DesiredMember],
    present: &[Member],
    subnet: Option<&SubnetId>,
) -> Vec<MemberSet> {
    let set = |member: &DesiredMember| {
        let address = member.address.to_string();
        let is_same = |have: &&Member| have.address == address && have.protocol_port == member.port;
        let known = present.iter().find(is_same);
        MemberSet {
            name: Some(member.name.clone()),
            address,
            protocol_port: member.port,
            subnet_id: known.map_or_else(|| subnet.cloned(), |known| known.subnet_id.clone()),
            weight: known.map(|known| known.weight).filter(|weight| *weight != 1),
            backup: known.map(|known| known.backup).filter(|backup| *backup),
            monitor_port: member.monitor_port,
            monitor_address: known.and_then(|known| known.monitor_address.clone()),
            admin_state_up: known.map(|known| known.admin_state_up).filter(|up| !up),
        }
    };
    wanted.iter().map(set).collect()
}

/// A monitor without a pool.
pub(super) fn monitor(monitor: &DesiredMonitor) -> HealthMonitorCreate {
    let http = monitor.kind == "HTTP";
    HealthMonitorCreate {
        name: monitor.name.clone(),
        kind: monitor.kind.to_owned(),
        delay: monitor.settings.delay,
        timeout: monitor.settings.timeout,
        max_retries: monitor.settings.max_retries,
        max_retries_down: Some(monitor.settings.max_retries_down),
        url_path: http.then(|| "/healthz".to_owned()),
        http_method: http.then(|| "GET".to_owned()),
        expected_codes: http.then(|| "200".to_owned()),
        pool_id: None,
    }
}
