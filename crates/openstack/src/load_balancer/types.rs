//! Octavia's objects: what we read of them, and the bodies that create and change them.
//!
//! Field names and meanings: <https://docs.openstack.org/api-ref/load-balancer/v2/>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{
    HealthMonitorId, IdRef, ListenerId, LoadBalancerId, MemberId, NetworkId, PoolId, PortId, ProjectId,
    SubnetId,
};
use crate::json::null_as_default;

/// Whether Octavia is at work on an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProvisioningStatus {
    /// As asked for; may be changed.
    Active,
    /// Being created; immutable.
    PendingCreate,
    /// Being changed; immutable.
    PendingUpdate,
    /// Being deleted; immutable.
    PendingDelete,
    /// Failed; may only be deleted or failed over.
    Error,
    /// Deleted, and shown by id for a while.
    Deleted,
    /// A status that we do not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ProvisioningStatus {
    /// Whether Octavia is still at work, so that every change is answered by a conflict.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::PendingCreate | Self::PendingUpdate | Self::PendingDelete)
    }
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LoadBalancer {
    /// Its id.
    pub id: LoadBalancerId,
    /// Its name; not unique.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// Its description.
    #[serde(default, deserialize_with = "null_as_default")]
    pub description: String,
    /// The driver behind it: `amphora`, `ovn`, a vendor's.
    #[serde(default, deserialize_with = "null_as_default")]
    pub provider: String,
    /// Whether it may be changed.
    #[serde(default)]
    pub provisioning_status: ProvisioningStatus,
    /// Health of what lies behind it: `ONLINE`, `DEGRADED`, `ERROR`, `OFFLINE`, `NO_MONITOR`, `DRAINING`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub operating_status: String,
    /// The address it listens on.
    #[serde(default, deserialize_with = "null_as_default")]
    pub vip_address: String,
    /// The port that holds the address.
    #[serde(default)]
    pub vip_port_id: Option<PortId>,
    /// The subnet of the address.
    #[serde(default)]
    pub vip_subnet_id: Option<SubnetId>,
    /// The network of the address.
    #[serde(default)]
    pub vip_network_id: Option<NetworkId>,
    /// Its tags (API 2.5).
    #[serde(default, deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// When it, or one of its children, was last changed, as Octavia writes it.
    #[serde(default)]
    pub updated_at: Option<String>,
    /// The project it belongs to.
    #[serde(default)]
    pub project_id: Option<ProjectId>,
    /// Its listeners.
    #[serde(default)]
    pub listeners: Vec<IdRef<ListenerId>>,
    /// Its pools.
    #[serde(default)]
    pub pools: Vec<IdRef<PoolId>>,
}

/// A listener: one port of a load balancer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Listener {
    /// Its id.
    pub id: ListenerId,
    /// Its name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// `TCP`, `UDP`, `SCTP`, `HTTP`, `TERMINATED_HTTPS`, ….
    pub protocol: String,
    /// The port it listens on.
    pub protocol_port: u16,
    /// The pool that gets its traffic.
    #[serde(default)]
    pub default_pool_id: Option<PoolId>,
    /// Most connections at a time, -1 for no limit.
    #[serde(default = "no_limit")]
    pub connection_limit: i64,
    /// Its tags (API 2.5).
    #[serde(default, deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// Who may connect (API 2.12); `None` and empty mean everybody.
    #[serde(default)]
    pub allowed_cidrs: Option<Vec<String>>,
    /// Headers added to each request: `X-Forwarded-For` → `true`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub insert_headers: BTreeMap<String, String>,
    /// Barbican's reference to the certificate.
    #[serde(default)]
    pub default_tls_container_ref: Option<String>,
    /// Client inactivity, milliseconds (API 2.1).
    #[serde(default)]
    pub timeout_client_data: Option<u64>,
    /// Member connection, milliseconds (API 2.1).
    #[serde(default)]
    pub timeout_member_connect: Option<u64>,
    /// Member inactivity, milliseconds (API 2.1).
    #[serde(default)]
    pub timeout_member_data: Option<u64>,
    /// Wait for additional packets for inspection, milliseconds (API 2.1).
    #[serde(default)]
    pub timeout_tcp_inspect: Option<u64>,
    /// Whether it may be changed.
    #[serde(default)]
    pub provisioning_status: ProvisioningStatus,
    /// The load balancer it belongs to.
    #[serde(default, rename = "loadbalancers")]
    pub load_balancers: Vec<IdRef<LoadBalancerId>>,
}

fn no_limit() -> i64 {
    -1
}

/// How a pool keeps a client on one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPersistence {
    /// `SOURCE_IP`, `HTTP_COOKIE` or `APP_COOKIE`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A pool: the members behind a listener.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Pool {
    /// Its id.
    pub id: PoolId,
    /// Its name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// `TCP`, `UDP`, `PROXY`, ….
    pub protocol: String,
    /// `ROUND_ROBIN`, `SOURCE_IP_PORT`, ….
    #[serde(default, deserialize_with = "null_as_default")]
    pub lb_algorithm: String,
    /// Session persistence, if any.
    #[serde(default)]
    pub session_persistence: Option<SessionPersistence>,
    /// The listeners that use it by default.
    #[serde(default)]
    pub listeners: Vec<IdRef<ListenerId>>,
    /// Its health monitor, if any.
    #[serde(default)]
    pub healthmonitor_id: Option<HealthMonitorId>,
    /// Whether it may be changed.
    #[serde(default)]
    pub provisioning_status: ProvisioningStatus,
    /// Its tags (API 2.5).
    #[serde(default, deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// Its members, by id only.
    #[serde(default)]
    pub members: Vec<IdRef<MemberId>>,
}

/// A member of a pool.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Its name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// Its IP address.
    pub address: String,
    /// Its port.
    pub protocol_port: u16,
    /// The subnet it is reached through.
    #[serde(default)]
    pub subnet_id: Option<SubnetId>,
    /// Its share of the traffic, 0 to 256.
    #[serde(default = "one")]
    pub weight: u32,
    /// Whether it gets traffic only when all others are down.
    #[serde(default, deserialize_with = "null_as_default")]
    pub backup: bool,
    /// The port that is probed, if another one.
    #[serde(default)]
    pub monitor_port: Option<u16>,
    /// The address that is probed, if another one.
    #[serde(default)]
    pub monitor_address: Option<String>,
    /// Whether it is switched on.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// Its health: `ONLINE`, `ERROR`, `NO_MONITOR`, ….
    #[serde(default, deserialize_with = "null_as_default")]
    pub operating_status: String,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// A health monitor of a pool.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct HealthMonitor {
    /// Its id.
    pub id: HealthMonitorId,
    /// Its name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// `TCP`, `UDP-CONNECT`, `HTTP`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// Seconds between two probes.
    pub delay: u32,
    /// Seconds after which a probe has failed.
    pub timeout: u32,
    /// Good probes that bring a member back, 1 to 10.
    pub max_retries: u8,
    /// Bad probes that take a member out, 1 to 10.
    #[serde(default, deserialize_with = "null_as_default")]
    pub max_retries_down: u8,
    /// The path that HTTP probes ask for.
    #[serde(default)]
    pub url_path: Option<String>,
    /// The method of HTTP probes.
    #[serde(default)]
    pub http_method: Option<String>,
    /// The answers that HTTP probes take as good: `200`, `200,202`, `200-204`.
    #[serde(default)]
    pub expected_codes: Option<String>,
    /// The pool it belongs to.
    #[serde(default)]
    pub pools: Vec<IdRef<PoolId>>,
}

/// Which load balancers to list; unset fields do not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadBalancerFilter {
    /// The exact name.
    pub name: Option<String>,
    /// The exact address.
    pub vip_address: Option<String>,
    /// The port that holds the address.
    pub vip_port_id: Option<PortId>,
    /// All of these tags (API 2.5).
    pub tags: Vec<String>,
}

/// Body of a load balancer to create. With `listeners` it is a fully populated create: one call makes them all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LoadBalancerCreate {
    /// Its name.
    pub name: String,
    /// Its description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The driver; the cloud's default if unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Its tags (API 2.5).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its Octavia flavor (API 2.6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flavor_id: Option<String>,
    /// Its Octavia availability zone (API 2.14).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// An existing port whose address it shall take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_port_id: Option<PortId>,
    /// The subnet of its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_subnet_id: Option<SubnetId>,
    /// The network of its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_network_id: Option<NetworkId>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_address: Option<String>,
    /// Listeners to create with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<ListenerCreate>,
}

/// Changes of a load balancer; unset fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LoadBalancerUpdate {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// All of its tags; those left out go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// What else goes when a load balancer is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cascade {
    /// Its children with it.
    Yes,
    /// Nothing: Octavia refuses while it has children.
    No,
}

/// Body of a listener to create.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ListenerCreate {
    /// Its name.
    pub name: String,
    /// Its protocol.
    pub protocol: String,
    /// The port it listens on.
    pub protocol_port: u16,
    /// Most connections at a time, -1 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<i64>,
    /// Its tags (API 2.5).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Headers added to each request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub insert_headers: BTreeMap<String, String>,
    /// Barbican's reference to the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_tls_container_ref: Option<String>,
    /// Who may connect (API 2.12).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_cidrs: Option<Vec<String>>,
    /// Milliseconds (API 2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_client_data: Option<u64>,
    /// Milliseconds (API 2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_member_connect: Option<u64>,
    /// Milliseconds (API 2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_member_data: Option<u64>,
    /// Milliseconds (API 2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_tcp_inspect: Option<u64>,
    /// The load balancer; unset inside a fully populated create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loadbalancer_id: Option<LoadBalancerId>,
    /// An existing pool for its traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_pool_id: Option<PoolId>,
    /// A pool to create with it; only inside a fully populated create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_pool: Option<Box<PoolCreate>>,
}

/// Changes of a listener; unset fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ListenerUpdate {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Most connections at a time, -1 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<i64>,
    /// All of its tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// All of its headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insert_headers: Option<BTreeMap<String, String>>,
    /// Barbican's reference to the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_tls_container_ref: Option<String>,
    /// Who may connect; an empty list lets everybody in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_cidrs: Option<Vec<String>>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_client_data: Option<u64>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_member_connect: Option<u64>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_member_data: Option<u64>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_tcp_inspect: Option<u64>,
    /// The pool that gets its traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_pool_id: Option<PoolId>,
}

/// Body of a pool to create. `members` and `healthmonitor` only count inside a fully populated create: `POST /pools`
/// accepts and ignores them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PoolCreate {
    /// Its name.
    pub name: String,
    /// Its protocol.
    pub protocol: String,
    /// How it chooses a member.
    pub lb_algorithm: String,
    /// Session persistence, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<SessionPersistence>,
    /// The load balancer, for a pool without listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loadbalancer_id: Option<LoadBalancerId>,
    /// The listener whose default pool it becomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_id: Option<ListenerId>,
    /// Members to create with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberSet>,
    /// A health monitor to create with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthmonitor: Option<HealthMonitorCreate>,
}

/// Changes of a pool; unset fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PoolUpdate {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it chooses a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lb_algorithm: Option<String>,
    /// `Some(None)` takes session persistence away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<Option<SessionPersistence>>,
}

/// A member as it shall be; a pool's members are set all at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MemberSet {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its IP address.
    pub address: String,
    /// Its port.
    pub protocol_port: u16,
    /// The subnet it is reached through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<SubnetId>,
    /// Its share of the traffic, 0 to 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Whether it gets traffic only when all others are down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<bool>,
    /// The port that is probed, if another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_port: Option<u16>,
    /// The address that is probed, if another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_address: Option<String>,
    /// Whether it is switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
}

/// Body of a health monitor to create.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HealthMonitorCreate {
    /// Its name.
    pub name: String,
    /// `TCP`, `UDP-CONNECT`, `HTTP`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// Seconds between two probes.
    pub delay: u32,
    /// Seconds after which a probe has failed.
    pub timeout: u32,
    /// Good probes that bring a member back, 1 to 10.
    pub max_retries: u8,
    /// Bad probes that take a member out, 1 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries_down: Option<u8>,
    /// The path that HTTP probes ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_path: Option<String>,
    /// The method of HTTP probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_method: Option<String>,
    /// The answers that HTTP probes take as good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_codes: Option<String>,
    /// The pool; unset inside a fully populated create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_id: Option<PoolId>,
}

/// Changes of a health monitor; unset fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HealthMonitorUpdate {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds between two probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<u32>,
    /// Seconds after which a probe has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Good probes that bring a member back, 1 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u8>,
    /// Bad probes that take a member out, 1 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries_down: Option<u8>,
    /// The path that HTTP probes ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_path: Option<String>,
    /// The method of HTTP probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_method: Option<String>,
    /// The answers that HTTP probes take as good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_codes: Option<String>,
}
