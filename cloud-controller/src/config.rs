//! `cloud.conf` → [`Config`]: every default and every check of the file in one place.
//!
//! The format is the one that the Go provider reads, and files are shared with it: what it ignores, we do not refuse.
//! Unknown keys and sections become warnings with their place; fatal is only what is fatal there, or what would make us
//! do something else than the file says.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use host::gcfg;
use ipnet::IpNet;
use login::{Login, Surroundings};
use openstack::{NetworkId, RouterId, SubnetId};

/// A whole `cloud.conf`.
#[derive(Debug)]
pub struct CloudConf {
    /// `[Global]`: how to reach the cloud.
    pub global: Login,
    /// Where `clouds.yaml` was looked for.
    pub surroundings: Surroundings,
    /// Everything else: what to do there.
    pub config: Config,
    /// What the file says and nobody heeds.
    pub warnings: Vec<gcfg::Warning>,
}

/// Why the file cannot be used. Never holds a value that may be secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] gcfg::ReadError),
    /// A line is malformed, or a value is not of the key's type.
    #[error(transparent)]
    Malformed(#[from] gcfg::Error),
    /// `[Global]` is no login.
    #[error(transparent)]
    Login(#[from] login::Error),
    /// A setting makes no sense, or is missing.
    #[error("{place}: {message}")]
    Setting {
        /// File, with the line where there is one.
        place: String,
        /// What is wrong.
        message: String,
    },
}

/// What the controllers need to know; the default is that of an empty file.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[Networking]`
    pub networking: Networking,
    /// `[LoadBalancer]`
    pub load_balancer: LoadBalancerConfig,
    /// `[LoadBalancerClass "name"]` by name; a section without a name has the name "".
    pub classes: BTreeMap<String, LoadBalancerClass>,
    /// `[Route] router-id`: the router that carries the routes to the pods.
    pub router_id: Option<RouterId>,
    /// `[Metadata] request-timeout`: longest time for one call to OpenStack.
    pub request_timeout: Duration,
    /// `[Compatibility] profile`
    pub profile: Profile,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            networking: Networking::default(),
            load_balancer: LoadBalancerConfig::default(),
            classes: BTreeMap::new(),
            router_id: None,
            request_timeout: Duration::from_secs(60),
            profile: Profile::Upstream,
        }
    }
}

/// How far the program may differ from the Go one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Objects in the cloud change only where the Go provider would change them.
    #[default]
    Upstream,
    /// All improvements.
    Recommended,
}

/// Which addresses of a server its Node gets, and in what order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Networking {
    /// Leave IPv6 addresses out.
    pub ipv6_support_disabled: bool,
    /// Networks whose addresses are reachable from outside.
    pub public_network_names: Vec<String>,
    /// When not empty: the only networks that give internal addresses.
    pub internal_network_names: Vec<String>,
    /// Addresses in an earlier range come first.
    pub address_sort_order: Vec<IpNet>,
}

/// Defaults of all load balancers.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadBalancerConfig {
    /// Whether Services are looked at at all.
    pub enabled: bool,
    /// Octavia provider of new load balancers.
    pub provider: String,
    /// Pool algorithm; `None` leaves it to the provider.
    pub method: Option<String>,
    /// Subnet of virtual IPs, and of members where none is given.
    pub subnet_id: Option<SubnetId>,
    /// Subnet of members.
    pub member_subnet_id: Option<SubnetId>,
    /// Network of virtual IPs.
    pub network_id: Option<NetworkId>,
    /// External network of floating IPs; `None` finds one.
    pub floating_network_id: Option<NetworkId>,
    /// Subnet of floating IPs.
    pub floating_subnet_id: Option<SubnetId>,
    /// Pattern of the names of subnets for floating IPs.
    pub floating_subnet: Option<String>,
    /// Tags of subnets for floating IPs.
    pub floating_subnet_tags: Option<String>,
    /// Whether pools get a health monitor.
    pub create_monitor: bool,
    /// Time between probes.
    pub monitor_delay: Duration,
    /// Time that a probe may take.
    pub monitor_timeout: Duration,
    /// Good probes until a member is up.
    pub monitor_max_retries: u8,
    /// Failed probes until a member is down.
    pub monitor_max_retries_down: u8,
    /// Whether security groups are opened for node ports.
    pub manage_security_groups: bool,
    /// Whether every Service is internal, whatever its annotation says.
    pub internal: bool,
    /// Labels that a node must carry to be a member, `name=value` separated by commas.
    pub node_selector: String,
    /// Whether load balancers are deleted with everything in them in one call.
    pub cascade_delete: bool,
    /// Octavia flavor of new load balancers.
    pub flavor_id: Option<String>,
    /// Octavia availability zone of new load balancers.
    pub availability_zone: Option<String>,
    /// Publish a host name instead of the address where the PROXY protocol is on.
    pub enable_ingress_hostname: bool,
    /// What follows the address in that host name.
    pub ingress_hostname_suffix: String,
    /// Barbican reference of a certificate; every listener then terminates TLS.
    pub default_tls_container_ref: Option<String>,
    /// How many Services may share a load balancer.
    pub max_shared_lb: u32,
    /// The provider takes one object a call only.
    pub serial_api_calls: bool,
}

impl Default for LoadBalancerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            provider: "amphora".to_owned(),
            method: None,
            subnet_id: None,
            member_subnet_id: None,
            network_id: None,
            floating_network_id: None,
            floating_subnet_id: None,
            floating_subnet: None,
            floating_subnet_tags: None,
            create_monitor: false,
            monitor_delay: Duration::from_secs(5),
            monitor_timeout: Duration::from_secs(3),
            monitor_max_retries: 1,
            monitor_max_retries_down: 3,
            manage_security_groups: false,
            internal: false,
            node_selector: String::new(),
            cascade_delete: true,
            flavor_id: None,
            availability_zone: None,
            enable_ingress_hostname: false,
            ingress_hostname_suffix: "nip.io".to_owned(),
            default_tls_container_ref: None,
            max_shared_lb: 2,
            serial_api_calls: false,
        }
    }
}

/// A named choice of networks that an annotation of a Service refers to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadBalancerClass {
    /// External network of floating IPs.
    pub floating_network_id: Option<NetworkId>,
    /// Subnet of floating IPs.
    pub floating_subnet_id: Option<SubnetId>,
    /// Pattern of the names of subnets for floating IPs.
    pub floating_subnet: Option<String>,
    /// Tags of subnets for floating IPs.
    pub floating_subnet_tags: Option<String>,
    /// Network of virtual IPs.
    pub network_id: Option<NetworkId>,
    /// Subnet of virtual IPs.
    pub subnet_id: Option<SubnetId>,
    /// Subnet of members.
    pub member_subnet_id: Option<SubnetId>,
}
