//! `cloud.conf` → [`Config`]: what the controllers want to know of it.
//!
//! Keys, types, defaults and remarks are declared in [`host::cloud_conf`]; here their meaning for this program begins.

mod check;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use host::cloud_conf::{self, Sections};
use host::gcfg;
use ipnet::IpNet;
use login::{Login, Surroundings};
use openstack::{NetworkId, RouterId, SubnetId};

pub use check::check;
pub use host::cloud_conf::Profile;

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
    pub warnings: Vec<gcfg::Note>,
}

/// Why the file cannot be used. Never holds a value that may be secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] gcfg::ReadError),
    /// All that is wrong in it.
    #[error(transparent)]
    Faults(#[from] gcfg::Faults),
    /// There is no login in it.
    #[error("cloud.conf does not say how to log in")]
    Incomplete,
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
        read::config_of(Sections::default())
    }
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
        cloud_conf::LoadBalancer::default().into()
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
