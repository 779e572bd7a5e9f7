//! What the cloud should look like for a Service: its spec, the nodes and the facts put together. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use openstack::{NetworkId, SubnetId};

use super::facts::Facts;
use super::names;
use super::node_set::NodeSet;
use super::ownership::ClusterMark;
use super::spec::{Exposure, MonitorSpec, PortSpec, Spec, Timeouts, VipSpec};

/// The load balancer that a Service should have.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Name; also the tag by which the Go provider knows it.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags beside the name on what we make for this Service.
    pub marks: Vec<String>,
    /// Whether this Octavia keeps tags.
    pub tags_supported: bool,
    /// Provider of a new load balancer.
    pub provider: String,
    /// Flavor of a new load balancer.
    pub flavor_id: Option<String>,
    /// Availability zone of a new load balancer.
    pub availability_zone: Option<String>,
    /// Virtual IP of a new load balancer.
    pub vip: VipSpec,
    /// Subnet of the members.
    pub member_subnet: Option<SubnetId>,
    /// One entry a port of the Service, in its order.
    pub ports: Vec<DesiredPort>,
    /// The address that clients use.
    pub address: DesiredAddress,
}

/// Listener, pool, members and monitor of one port.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredPort {
    /// The listener.
    pub listener: DesiredListener,
    /// Its default pool.
    pub pool: DesiredPool,
    /// The pool's members; `None` keeps those that are there (the node list cannot be trusted).
    pub members: Option<Vec<DesiredMember>>,
    /// The pool's health monitor.
    pub monitor: Option<DesiredMonitor>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredListener {
    /// Name.
    pub name: String,
    /// Octavia protocol.
    pub protocol: &'static str,
    /// Port that clients connect to.
    pub port: u16,
    /// Most connections; -1 is no limit.
    pub connection_limit: i64,
    /// Networks that may connect; `None` where the provider has no such thing.
    pub allowed_cidrs: Option<Vec<String>>,
    /// Headers to insert.
    pub insert_headers: BTreeMap<String, String>,
    /// Timeouts; `None` where the provider has none.
    pub timeouts: Option<Timeouts>,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredPool {
    /// Name.
    pub name: String,
    /// Octavia protocol.
    pub protocol: &'static str,
    /// Algorithm.
    pub algorithm: String,
    /// Whether a client keeps its member (by source address).
    pub source_ip_persistence: bool,
}

/// A member; Octavia identifies it by address and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredMember {
    /// Name of the node.
    pub name: String,
    /// Address of the node.
    pub address: IpAddr,
    /// Node port.
    pub port: u16,
    /// Port to probe instead.
    pub monitor_port: Option<u16>,
}

/// A health monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredMonitor {
    /// Name.
    pub name: String,
    /// Octavia type.
    pub kind: &'static str,
    /// Timing.
    pub settings: MonitorSpec,
}

/// The address that clients use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DesiredAddress {
    /// The virtual IP; a floating IP on it is taken off, and deleted if `delete` and it is ours.
    VirtualIp {
        /// Whether to take a floating IP off. Not where the user asked for one that cannot be had.
        detach: bool,
        /// Whether to delete it then.
        delete: bool,
    },
    /// A floating IP.
    Floating {
        /// External network.
        network: NetworkId,
        /// Subnet of it.
        subnet: Option<SubnetId>,
        /// The address that the user wants.
        address: Option<IpAddr>,
        /// Description of a new one.
        description: String,
    },
}

/// Puts spec, nodes and facts together.
pub fn desired(spec: &Spec, nodes: &NodeSet, facts: &Facts, mark: &ClusterMark) -> Desired {
    let name = spec.identity.names.load_balancer();
    let marks = mark.tags(&spec.identity.uid);
    let ports = spec
        .ports
        .iter()
        .enumerate()
        .map(|(index, port)| desired_port(index, port, spec, nodes, facts, &name))
        .collect();
    Desired {
        description: spec.identity.names.load_balancer_description(),
        marks,
        tags_supported: facts.api.tags,
        provider: spec.provider.clone(),
        flavor_id: spec.flavor_id.clone().filter(|_| facts.api.flavors),
        availability_zone: spec.availability_zone.clone().filter(|_| facts.api.availability_zones),
        vip: facts.vip.clone(),
        member_subnet: facts.member_subnet.clone(),
        ports,
        address: address(spec, facts),
        name,
    }
}

fn desired_port(
    index: usize,
    port: &PortSpec,
    spec: &Spec,
    nodes: &NodeSet,
    facts: &Facts,
    name: &str,
) -> DesiredPort {
    let monitor = spec.monitor.map(|settings| monitor(index, port, settings, facts, name));
    let monitor_port = monitor
        .as_ref()
        .filter(|monitor| monitor.kind == "HTTP")
        .and_then(|monitor| monitor.settings.health_check_node_port);
    let members = nodes.is_plausible().then(|| {
        let selected = nodes.selected(&spec.node_selector).filter(|_| port.node_port > 0);
        selected
            .filter_map(|node| {
                let address = node.address(spec.family)?;
                Some(DesiredMember { name: node.name.clone(), address, port: port.node_port, monitor_port })
            })
            .collect()
    });
    let insert_headers = if port.listener_protocol == "HTTP" {
        BTreeMap::from([("X-Forwarded-For".to_owned(), "true".to_owned())])
    } else {
        BTreeMap::new()
    };
    DesiredPort {
        listener: DesiredListener {
            name: names::listener(index, name),
            protocol: port.listener_protocol,
            port: port.port,
            connection_limit: spec.connection_limit,
            allowed_cidrs: allowed_cidrs(spec, facts),
            insert_headers,
            timeouts: facts.api.timeouts.then_some(spec.timeouts),
        },
        pool: DesiredPool {
            name: names::pool(index, name),
            protocol: port.pool_protocol,
            algorithm: spec.lb_method.clone(),
            source_ip_persistence: spec.client_ip_affinity,
        },
        members,
        monitor,
    }
}

/// Kube-proxy answers HTTP on the health check port of a `Local` Service; OVN cannot ask for it, and Octavia can
/// on UDP pools from 2.16 on.
fn monitor(
    index: usize,
    port: &PortSpec,
    settings: MonitorSpec,
    facts: &Facts,
    name: &str,
) -> DesiredMonitor {
    let plain = match port.transport {
        kubernetes::Protocol::Tcp => "TCP",
        kubernetes::Protocol::Udp => "UDP-CONNECT",
        kubernetes::Protocol::Sctp => "SCTP",
    };
    let http_possible = facts.api.http_monitors
        && (port.transport != kubernetes::Protocol::Udp || facts.api.http_monitors_on_udp);
    let kind = if settings.health_check_node_port.is_some() && http_possible { "HTTP" } else { plain };
    DesiredMonitor { name: names::monitor(index, name), kind, settings }
}

/// Where listeners can restrict clients, everybody is written out as the Go provider does: a comparison with what
/// is there then needs no special case.
fn allowed_cidrs(spec: &Spec, facts: &Facts) -> Option<Vec<String>> {
    if !facts.api.vip_acl {
        return None;
    }
    Some(match &spec.source_ranges {
        Some(ranges) => ranges.iter().map(ToString::to_string).collect(),
        None if spec.family == Some(kubernetes::IpFamily::V6) => vec!["::/0".to_owned()],
        None => vec!["0.0.0.0/0".to_owned()],
    })
}

fn address(spec: &Spec, facts: &Facts) -> DesiredAddress {
    match (&spec.exposure, &facts.floating_network) {
        (Exposure::Internal, _) => {
            DesiredAddress::VirtualIp { detach: true, delete: !spec.identity.keep_floating_ip }
        }
        // Floating IPs are IPv4; and without an external network there is none to be had.
        (Exposure::External { .. }, _) if spec.family == Some(kubernetes::IpFamily::V6) => {
            DesiredAddress::VirtualIp { detach: false, delete: false }
        }
        (Exposure::External { .. }, None) => DesiredAddress::VirtualIp { detach: false, delete: false },
        (Exposure::External { subnet, address, .. }, Some(network)) => DesiredAddress::Floating {
            network: network.clone(),
            subnet: subnet.clone().filter(|_| address.is_none()),
            address: *address,
            description: spec.identity.names.floating_ip_description(),
        },
    }
}
