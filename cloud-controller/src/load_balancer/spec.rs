//! What a Service asks for: the Service and the configuration, read once, precedence resolved. Pure.
//!
//! Nothing here knows the cloud. What the cloud must tell (subnets, networks, API versions) is `facts.rs`.

use std::net::IpAddr;

use ipnet::IpNet;
use kubernetes::{IpFamily, Protocol, Service};
use openstack::{LoadBalancerId, NetworkId, PortId, SubnetId};

use super::annotations::{self as annotation, Reader};
use super::names::{self, Names};
use crate::config::{Config, LoadBalancerClass};

/// How the objects of a Service are recognised. Can be read of every Service, whatever else it asks for: also one
/// that cannot be served can be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Names of its objects.
    pub names: Names,
    /// UID of the Service.
    pub uid: String,
    /// The load balancer that an annotation names, ours or a user's.
    pub load_balancer_id: Option<LoadBalancerId>,
    /// UID of the cluster whose load balancer is taken over.
    pub adopt: Option<String>,
    /// Addresses in its status.
    pub published: Vec<String>,
    /// Whether a floating IP stays when it is no longer used.
    pub keep_floating_ip: bool,
}

impl Identity {
    /// Reads the identity of `service` in the cluster called `cluster_name`.
    pub fn read(service: &Service, cluster_name: &str) -> Self {
        let reader = Reader::new(&service.annotations);
        Self {
            names: Names::new(cluster_name, &service.key),
            uid: service.uid.clone(),
            load_balancer_id: reader
                .text(names::LOAD_BALANCER_ID)
                .filter(|id| !id.is_empty())
                .map(LoadBalancerId::from),
            adopt: reader.text(annotation::ADOPT).map(str::to_owned),
            published: service.ingress.iter().filter_map(|ingress| ingress.ip.clone()).collect(),
            keep_floating_ip: reader.text(annotation::KEEP_FLOATING_IP) == Some("true"),
        }
    }
}

/// What one Service wants of its load balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// How its objects are recognised.
    pub identity: Identity,
    /// The Service's ports in its order.
    pub ports: Vec<PortSpec>,
    /// The Service's first address family; decides which node address becomes a member.
    pub family: Option<IpFamily>,
    /// Octavia provider for a new load balancer.
    pub provider: String,
    /// Algorithm of the pools.
    pub lb_method: String,
    /// Whether a client keeps its member.
    pub client_ip_affinity: bool,
    /// Where the virtual IP of a new load balancer comes from.
    pub vip: VipSpec,
    /// Subnet of the members, where it is not that of the virtual IP.
    pub member_subnet: Option<SubnetId>,
    /// Whether the address can be reached from outside.
    pub exposure: Exposure,
    /// Networks that may connect; `None` when the user set nothing.
    pub source_ranges: Option<Vec<IpNet>>,
    /// Most connections a listener takes; -1 is no limit.
    pub connection_limit: i64,
    /// Listener timeouts.
    pub timeouts: Timeouts,
    /// Health monitor settings; `None` is no monitor.
    pub monitor: Option<MonitorSpec>,
    /// Octavia flavor of a new load balancer.
    pub flavor_id: Option<String>,
    /// Octavia availability zone of a new load balancer.
    pub availability_zone: Option<String>,
    /// Labels that a node must carry to be a member.
    pub node_selector: NodeSelector,
    /// PROXY protocol towards members.
    pub proxy_protocol: ProxyProtocol,
    /// Host name to publish.
    pub hostname: HostnameRule,
    /// What could not be used, for an event.
    pub warnings: Vec<String>,
}

/// One port of the Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSpec {
    /// Protocol of the listener as Octavia calls it.
    pub listener_protocol: &'static str,
    /// Protocol of the pool as Octavia calls it.
    pub pool_protocol: &'static str,
    /// Port that clients connect to.
    pub port: u16,
    /// Port of the nodes; 0 while Kubernetes has given none.
    pub node_port: u16,
    /// Transport protocol.
    pub transport: Protocol,
}

/// Where the virtual IP comes from; nothing given means "the subnet of the nodes".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VipSpec {
    /// An existing port.
    pub port: Option<PortId>,
    /// A subnet.
    pub subnet: Option<SubnetId>,
    /// A network.
    pub network: Option<NetworkId>,
    /// A fixed address.
    pub address: Option<IpAddr>,
}

/// Whether the load balancer can be reached from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// The virtual IP is the address.
    Internal,
    /// A floating IP is the address.
    External {
        /// External network; `None` means "the one there is".
        network: Option<NetworkId>,
        /// Subnet of it.
        subnet: Option<SubnetId>,
        /// The address asked for by `spec.loadBalancerIP`.
        address: Option<IpAddr>,
    },
}

/// Listener timeouts in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Client inactivity.
    pub client_data: u64,
    /// Connection to a member.
    pub member_connect: u64,
    /// Member inactivity.
    pub member_data: u64,
    /// Waiting for more packets to inspect.
    pub tcp_inspect: u64,
}

/// What holds without an annotation: Octavia's own defaults, written out so that taking an annotation away works.
impl Default for Timeouts {
    fn default() -> Self {
        Self { client_data: 50_000, member_connect: 5_000, member_data: 50_000, tcp_inspect: 0 }
    }
}

/// Health monitor settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonitorSpec {
    /// Seconds between probes.
    pub delay: u32,
    /// Seconds a probe may take.
    pub timeout: u32,
    /// Good probes until ONLINE.
    pub max_retries: u8,
    /// Failed probes until ERROR.
    pub max_retries_down: u8,
    /// Port of kube-proxy's health check of a Service with `externalTrafficPolicy: Local`.
    pub health_check_node_port: Option<u16>,
}

/// Labels that must all be there: name and, where given, value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSelector(Vec<(String, Option<String>)>);

impl NodeSelector {
    /// Reads `a=b, c, d=`; an empty value means that the label must exist.
    pub fn parse(text: &str) -> Self {
        let terms = text.split(',').map(str::trim).filter(|term| !term.is_empty());
        Self(
            terms
                .map(|term| match term.split_once('=') {
                    Some((name, value)) if !value.trim().is_empty() => {
                        (name.trim().to_owned(), Some(value.trim().to_owned()))
                    }
                    Some((name, _)) => (name.trim().to_owned(), None),
                    None => (term.to_owned(), None),
                })
                .collect(),
        )
    }

    /// Whether a node with these labels is selected.
    pub fn matches(&self, labels: &std::collections::BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(name, value)| match (labels.get(name), value) {
            (Some(have), Some(want)) => have == want,
            (have, None) => have.is_some(),
            (None, Some(_)) => false,
        })
    }
}

/// PROXY protocol towards members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// None.
    #[default]
    Off,
    /// Version 1.
    V1,
    /// Version 2.
    V2,
}

/// What is published as the Service's host name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostnameRule {
    /// No host name, the address.
    #[default]
    Address,
    /// This host name.
    Fixed(String),
    /// The address followed by this suffix.
    Suffix(String),
}

/// Why a Service cannot be served as it is. Waits for the user; is not retried on its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A class that the configuration does not have.
    #[error("load balancer class {0:?} is not in the configuration (no [LoadBalancerClass {0:?}] section)")]
    UnknownClass(String),
    /// A source range that is not a network.
    #[error("source range {0:?} is not a CIDR")]
    SourceRange(String),
    /// An address that is none.
    #[error("loadBalancerIP {0:?} is not an IP address")]
    Address(String),
    /// Two settings that exclude each other.
    #[error("{0} and {1} exclude each other")]
    Exclusive(&'static str, &'static str),
    /// Nothing to listen on.
    #[error("the Service has no ports")]
    NoPorts,
    /// A feature that this version does not have. Serving the Service without it could expose or break it.
    #[error("{0} is not supported by this version")]
    Unsupported(&'static str),
}

impl Spec {
    /// The address that the user asks for as floating IP.
    pub fn requested_floating_ip(&self) -> Option<IpAddr> {
        match self.exposure {
            Exposure::External { address, .. } => address,
            Exposure::Internal => None,
        }
    }

    /// Reads what `service` asks for under `config` in the cluster called `cluster_name`.
    pub fn read(service: &Service, config: &Config, cluster_name: &str) -> Result<Self, Refusal> {
        let defaults = &config.load_balancer;
        if defaults.manage_security_groups {
            return Err(Refusal::Unsupported("manage-security-groups"));
        }
        if defaults.serial_api_calls {
            return Err(Refusal::Unsupported("provider-requires-serial-api-calls"));
        }
        let mut reader = Reader::new(&service.annotations);
        let tls =
            reader.text(annotation::TLS_CONTAINER_REF).or(defaults.default_tls_container_ref.as_deref());
        if tls.is_some_and(|reference| !reference.is_empty()) {
            return Err(Refusal::Unsupported("default-tls-container-ref (TLS termination)"));
        }
        let class = class(&reader, config)?;
        let proxy_protocol = match reader.text(annotation::PROXY_PROTOCOL) {
            Some("true" | "v1") => ProxyProtocol::V1,
            Some("v2") => ProxyProtocol::V2,
            _ => ProxyProtocol::Off,
        };
        let forwarded = reader.boolean(annotation::X_FORWARDED_FOR).unwrap_or(false);
        if forwarded && proxy_protocol != ProxyProtocol::Off {
            return Err(Refusal::Exclusive("x-forwarded-for", "proxy-protocol"));
        }
        if service.ports.is_empty() {
            return Err(Refusal::NoPorts);
        }
        let family = service.ip_families.first().copied();
        let internal = defaults.internal | reader.boolean(annotation::INTERNAL).unwrap_or(false);
        let address = match service.load_balancer_ip.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => Some(text.parse().map_err(|_| Refusal::Address(text.to_owned()))?),
            None => None,
        };
        let exposure =
            if internal { Exposure::Internal } else { external(&reader, class, config, address, family)? };
        let mut spec = Self {
            identity: Identity::read(service, cluster_name),
            ports: service.ports.iter().map(|port| port_spec(port, forwarded, proxy_protocol)).collect(),
            family,
            provider: defaults.provider.clone(),
            lb_method: lb_method(&reader, config),
            client_ip_affinity: service.client_ip_affinity,
            vip: vip(&reader, class, config, internal, family, address),
            member_subnet: reader
                .text(annotation::MEMBER_SUBNET_ID)
                .map(SubnetId::from)
                .or_else(|| class.and_then(|class| class.member_subnet_id.clone()))
                .or_else(|| defaults.member_subnet_id.clone())
                .or_else(|| defaults.subnet_id.clone()),
            exposure,
            source_ranges: source_ranges(service, &reader)?,
            connection_limit: reader.number(annotation::CONNECTION_LIMIT, -1, i64::MAX).unwrap_or(-1),
            timeouts: timeouts(&mut reader),
            monitor: monitor(service, &mut reader, config),
            flavor_id: or_text(&reader, annotation::FLAVOR_ID, defaults.flavor_id.as_deref()),
            availability_zone: or_text(
                &reader,
                annotation::AVAILABILITY_ZONE,
                defaults.availability_zone.as_deref(),
            ),
            node_selector: NodeSelector::parse(
                reader.text(annotation::NODE_SELECTOR).unwrap_or(&defaults.node_selector),
            ),
            proxy_protocol,
            hostname: hostname(&reader, config, proxy_protocol),
            warnings: Vec::new(),
        };
        reader.boolean(annotation::KEEP_FLOATING_IP);
        spec.warnings = reader.into_unusable();
        Ok(spec)
    }
}

/// Octavia's upper bound of a listener timeout, milliseconds.
const MAX_TIMEOUT: u64 = 31_536_000_000;

fn timeouts(reader: &mut Reader<'_>) -> Timeouts {
    let default = Timeouts::default();
    let mut read = |name, default| reader.number(name, 0, MAX_TIMEOUT).unwrap_or(default);
    Timeouts {
        client_data: read(annotation::TIMEOUT_CLIENT_DATA, default.client_data),
        member_connect: read(annotation::TIMEOUT_MEMBER_CONNECT, default.member_connect),
        member_data: read(annotation::TIMEOUT_MEMBER_DATA, default.member_data),
        tcp_inspect: read(annotation::TIMEOUT_TCP_INSPECT, default.tcp_inspect),
    }
}

fn class<'a>(reader: &Reader<'_>, config: &'a Config) -> Result<Option<&'a LoadBalancerClass>, Refusal> {
    match reader.text(annotation::CLASS).filter(|name| !name.is_empty()) {
        Some(name) => {
            config.classes.get(name).map(Some).ok_or_else(|| Refusal::UnknownClass(name.to_owned()))
        }
        None => Ok(None),
    }
}

fn port_spec(port: &kubernetes::ServicePort, forwarded: bool, proxy: ProxyProtocol) -> PortSpec {
    let transport = match port.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    };
    let listener_protocol = if forwarded { "HTTP" } else { transport };
    let pool_protocol = match proxy {
        ProxyProtocol::V1 => "PROXY",
        ProxyProtocol::V2 => "PROXYV2",
        ProxyProtocol::Off => listener_protocol,
    };
    PortSpec {
        listener_protocol,
        pool_protocol,
        port: port.port,
        node_port: port.node_port,
        transport: port.protocol,
    }
}

/// Octavia's default for `amphora`; OVN balances by source only and refuses everything else.
fn lb_method(reader: &Reader<'_>, config: &Config) -> String {
    let default = if config.load_balancer.provider == "ovn" { "SOURCE_IP_PORT" } else { "ROUND_ROBIN" };
    reader
        .text(annotation::LB_METHOD)
        .or(config.load_balancer.method.as_deref())
        .unwrap_or(default)
        .to_owned()
}

/// The annotation wins over the class, the class over the configuration; of a new *external* load balancer the
/// class has the last word.
fn vip(
    reader: &Reader<'_>,
    class: Option<&LoadBalancerClass>,
    config: &Config,
    internal: bool,
    family: Option<IpFamily>,
    address: Option<IpAddr>,
) -> VipSpec {
    let class_subnet = class.and_then(|class| class.subnet_id.clone());
    let class_network = class.and_then(|class| class.network_id.clone());
    let subnet = reader.text(annotation::SUBNET_ID).map(SubnetId::from);
    let network = reader.text(annotation::NETWORK_ID).map(NetworkId::from);
    let (subnet, network) = if internal {
        (subnet.or(class_subnet), network.or(class_network))
    } else {
        (class_subnet.or(subnet), class_network.or(network))
    };
    VipSpec {
        port: reader.text(annotation::PORT_ID).filter(|id| !id.is_empty()).map(PortId::from),
        subnet: subnet.or_else(|| config.load_balancer.subnet_id.clone()),
        network: network.or_else(|| config.load_balancer.network_id.clone()),
        address: address.filter(|_| internal || family == Some(IpFamily::V6)),
    }
}

fn external(
    reader: &Reader<'_>,
    class: Option<&LoadBalancerClass>,
    config: &Config,
    address: Option<IpAddr>,
    family: Option<IpFamily>,
) -> Result<Exposure, Refusal> {
    let defaults = &config.load_balancer;
    let patterns = [annotation::FLOATING_SUBNET, annotation::FLOATING_SUBNET_TAGS]
        .iter()
        .any(|name| reader.text(name).is_some_and(|text| !text.is_empty()))
        || class.is_some_and(|class| class.floating_subnet.is_some() || class.floating_subnet_tags.is_some())
        || defaults.floating_subnet.is_some()
        || defaults.floating_subnet_tags.is_some();
    let subnet = class
        .and_then(|class| class.floating_subnet_id.clone())
        .or_else(|| {
            reader.text(annotation::FLOATING_SUBNET_ID).filter(|id| !id.is_empty()).map(SubnetId::from)
        })
        .or_else(|| defaults.floating_subnet_id.clone());
    if patterns && subnet.is_none() {
        return Err(Refusal::Unsupported("choosing the floating IP's subnet by pattern or tags"));
    }
    Ok(Exposure::External {
        network: class
            .and_then(|class| class.floating_network_id.clone())
            .or_else(|| {
                reader.text(annotation::FLOATING_NETWORK_ID).filter(|id| !id.is_empty()).map(NetworkId::from)
            })
            .or_else(|| defaults.floating_network_id.clone()),
        subnet,
        address: address.filter(|_| family != Some(IpFamily::V6)),
    })
}

fn source_ranges(service: &Service, reader: &Reader<'_>) -> Result<Option<Vec<IpNet>>, Refusal> {
    let from_annotation: Vec<String>;
    let texts = if service.source_ranges.is_empty() {
        from_annotation = reader
            .text(annotation::SOURCE_RANGES)
            .unwrap_or_default()
            .split([',', ' '])
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect();
        &from_annotation
    } else {
        &service.source_ranges
    };
    let mut ranges = Vec::with_capacity(texts.len());
    for text in texts {
        let range: IpNet = text.trim().parse().map_err(|_| Refusal::SourceRange(text.clone()))?;
        ranges.push(range.trunc());
    }
    ranges.sort();
    ranges.dedup();
    Ok((!ranges.is_empty()).then_some(ranges))
}

fn monitor(service: &Service, reader: &mut Reader<'_>, config: &Config) -> Option<MonitorSpec> {
    let defaults = &config.load_balancer;
    let seconds = |duration: std::time::Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    let enabled = reader.boolean(annotation::ENABLE_HEALTH_MONITOR).unwrap_or(defaults.create_monitor);
    let settings = MonitorSpec {
        delay: reader
            .number(annotation::HEALTH_MONITOR_DELAY, 1, u32::MAX)
            .unwrap_or(seconds(defaults.monitor_delay)),
        timeout: reader
            .number(annotation::HEALTH_MONITOR_TIMEOUT, 1, u32::MAX)
            .unwrap_or(seconds(defaults.monitor_timeout)),
        max_retries: reader
            .number(annotation::HEALTH_MONITOR_MAX_RETRIES, 1, 10)
            .unwrap_or(defaults.monitor_max_retries),
        max_retries_down: reader
            .number(annotation::HEALTH_MONITOR_MAX_RETRIES_DOWN, 1, 10)
            .unwrap_or(defaults.monitor_max_retries_down),
        health_check_node_port: (service.external_traffic_policy_local && service.health_check_node_port > 0)
            .then_some(service.health_check_node_port),
    };
    enabled.then_some(settings)
}

fn or_text(reader: &Reader<'_>, name: &str, default: Option<&str>) -> Option<String> {
    reader.text(name).or(default).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn hostname(reader: &Reader<'_>, config: &Config, proxy: ProxyProtocol) -> HostnameRule {
    match reader.text(annotation::HOSTNAME).filter(|name| !name.is_empty()) {
        Some(name) => HostnameRule::Fixed(name.to_owned()),
        None if proxy != ProxyProtocol::Off && config.load_balancer.enable_ingress_hostname => {
            HostnameRule::Suffix(config.load_balancer.ingress_hostname_suffix.clone())
        }
        None => HostnameRule::Address,
    }
}

#[cfg(test)]
mod tests;
