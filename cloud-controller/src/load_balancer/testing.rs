//! Objects for the unit tests of this folder: one Service `default/web` with one port on the cluster `kubernetes`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kubernetes::{ObjectKey, Service, ServicePort};
use openstack::load_balancer::{
    HealthMonitor, HealthMonitorUpdate, Listener, ListenerCreate, ListenerUpdate, LoadBalancer,
    LoadBalancerCreate, LoadBalancerGraph, Pool, PoolCreate, ProvisioningStatus,
};
use openstack::network::FloatingIp;
use openstack::{
    FloatingIpId, HealthMonitorId, ListenerId, LoadBalancerId, NetworkId, PoolId, PortId, SubnetId,
};

use super::desired::{Desired, desired};
use super::facts::{ApiFeatures, Facts};
use super::node_set::{NodeSet, tests::node};
use super::observe::Observed;
use super::ownership::ClusterMark;
use super::plan::{AddressCall, Call, Plan, PoolRef};
use super::spec::{Identity, Spec};
use crate::config::Config;

/// The Service.
pub(crate) fn service() -> Service {
    Service {
        key: ObjectKey::new("default", "web"),
        uid: "uid-1".to_owned(),
        is_load_balancer: true,
        ports: vec![ServicePort { port: 80, node_port: 30080, ..ServicePort::default() }],
        ..Service::default()
    }
}

/// How it is recognised.
pub(crate) fn identity() -> Identity {
    Identity::read(&service(), "kubernetes")
}

/// What it asks for.
pub(crate) fn spec() -> Spec {
    spec_of(&service())
}

/// What a Service asks for under the default configuration.
pub(crate) fn spec_of(service: &Service) -> Spec {
    Spec::read(service, &Config::default(), "kubernetes").unwrap()
}

/// What this cluster marks its objects with.
pub(crate) fn mark() -> ClusterMark {
    ClusterMark::new(vec!["cluster-a".to_owned()])
}

/// Two nodes.
pub(crate) fn nodes(names: &[&str]) -> NodeSet {
    let node = |(index, name): (usize, &&str)| Arc::new(node(name, &format!("10.0.0.{}", index + 1)));
    NodeSet::of(&names.iter().enumerate().map(node).collect::<Vec<_>>())
}

/// A cloud with everything and one external network.
pub(crate) fn facts() -> Facts {
    Facts {
        api: ApiFeatures::of(27, "amphora"),
        vip: super::spec::VipSpec { subnet: Some(SubnetId::from("subnet")), ..Default::default() },
        member_subnet: Some(SubnetId::from("subnet")),
        floating_network: Some(NetworkId::from("public")),
    }
}

/// What a Service should have on nodes `a` and `b`.
pub(crate) fn desired_of(service: &Service) -> Desired {
    desired(&spec_of(service), &nodes(&["a", "b"]), &facts(), &mark())
}

/// A load balancer with the Service's name and without marks.
pub(crate) fn load_balancer(id: &str) -> LoadBalancer {
    LoadBalancer {
        id: LoadBalancerId::from(id),
        name: "kube_service_kubernetes_default_web".to_owned(),
        description: String::new(),
        provider: "amphora".to_owned(),
        provisioning_status: ProvisioningStatus::Active,
        operating_status: "ONLINE".to_owned(),
        vip_address: "10.0.0.100".to_owned(),
        vip_port_id: Some(PortId::from("vip-port")),
        vip_subnet_id: Some(SubnetId::from("subnet")),
        vip_network_id: None,
        tags: vec!["kube_service_kubernetes_default_web".to_owned()],
        updated_at: None,
        project_id: None,
        listeners: Vec::new(),
        pools: Vec::new(),
    }
}

/// A floating IP made for the Service.
pub(crate) fn floating_ip(address: &str) -> FloatingIp {
    FloatingIp {
        id: FloatingIpId::from("fip"),
        floating_ip_address: address.parse().unwrap(),
        floating_network_id: NetworkId::from("public"),
        port_id: Some(PortId::from("vip-port")),
        fixed_ip_address: None,
        description: identity().names.floating_ip_description(),
        tags: Vec::new(),
        status: "ACTIVE".to_owned(),
    }
}

/// What the cloud looks like after `plan`, in a model of Octavia that takes every call.
pub(crate) fn apply(plan: &Plan, observed: &Observed) -> Observed {
    let mut model = Model { observed: observed.clone(), made: Vec::new() };
    for call in &plan.lane {
        model.call(call);
    }
    for call in &plan.address {
        model.address(call);
    }
    model.observed
}

struct Model {
    observed: Observed,
    made: Vec<Option<PoolId>>,
}

impl Model {
    /// An id that no other object has, also not one of an earlier plan.
    fn id(kind: &str) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        format!("{kind}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn pool_id(&self, pool: &PoolRef) -> PoolId {
        match pool {
            PoolRef::Known(id) => id.clone(),
            PoolRef::MadeBy(step) => self.made[*step].clone().expect("the step makes a pool"),
        }
    }

    fn call(&mut self, call: &Call) {
        let mut made = None;
        match call {
            Call::CreateLoadBalancer(create) => {
                let graph = Self::graph(create);
                self.observed.record_created(graph);
            }
            Call::UpdateLoadBalancer(update) => {
                let load_balancer = self.observed.load_balancer.as_mut().unwrap();
                load_balancer.tags = update.tags.clone().unwrap_or_else(|| load_balancer.tags.clone());
            }
            Call::DeleteLoadBalancer(id, _) => {
                if self.observed.load_balancer.as_ref().is_some_and(|own| own.id == *id) {
                    self.observed = Observed::default();
                }
                self.observed.doubles.retain(|double| double.id != *id);
            }
            Call::SetMembers(pool, members) => {
                let pool = self.pool_id(pool);
                self.observed.record_members(&pool, members);
            }
            Call::CreatePool(create) => {
                let mut pool = Self::pool(create);
                made = Some(pool.id.clone());
                if let Some(listener) = &create.listener_id {
                    self.observed.record_default_pool(listener, &mut pool);
                }
                self.observed.pools.push(pool);
            }
            Call::UpdatePool(id, update) => {
                for pool in self.observed.pools.iter_mut().filter(|pool| pool.id == *id) {
                    pool.lb_algorithm = update.lb_algorithm.clone().unwrap();
                }
            }
            Call::DeletePool(id) => self.observed.record_pool_deleted(id),
            Call::CreateMonitor(pool, create) => {
                let pool = self.pool_id(pool);
                let monitor = Self::monitor(create);
                self.observed.record_monitor(&pool, monitor);
            }
            Call::UpdateMonitor(id, update) => self.update_monitor(id, update),
            Call::DeleteMonitor(id) => self.observed.record_monitor_deleted(id),
            Call::CreateListener(pool, create) => {
                assert!(!self.is_taken(create), "Octavia refuses a second listener on a port");
                let mut listener = Self::listener(create);
                listener.default_pool_id = Some(self.pool_id(pool));
                self.observed.listeners.push(listener);
            }
            Call::UpdateListener(id, update) => self.update_listener(id, update),
            Call::DeleteListener(id) => self.observed.listeners.retain(|listener| listener.id != *id),
        }
        self.made.push(made);
    }

    fn address(&mut self, call: &AddressCall) {
        match call {
            AddressCall::Create(_, tags) => {
                let tags = tags.clone();
                self.observed.floating_ip = Some(FloatingIp { tags, ..floating_ip("203.0.113.7") });
            }
            AddressCall::Attach(_) => self.observed.floating_ip = self.observed.requested_floating_ip.clone(),
            AddressCall::Tag(_, tags) => {
                self.observed.floating_ip.as_mut().unwrap().tags.clone_from(tags);
            }
            AddressCall::Detach(_) | AddressCall::Delete(_) => self.observed.floating_ip = None,
        }
    }

    fn is_taken(&self, create: &ListenerCreate) -> bool {
        let udp = |protocol: &str| protocol == "UDP";
        self.observed.listeners.iter().any(|listener| {
            listener.protocol_port == create.protocol_port && udp(&listener.protocol) == udp(&create.protocol)
        })
    }

    fn graph(create: &LoadBalancerCreate) -> LoadBalancerGraph {
        let mut graph = LoadBalancerGraph {
            load_balancer: LoadBalancer {
                name: create.name.clone(),
                description: create.description.clone(),
                tags: create.tags.clone(),
                ..load_balancer("made")
            },
            listeners: Vec::new(),
            pools: Vec::new(),
            members: Vec::new(),
            monitors: Vec::new(),
        };
        for wanted in &create.listeners {
            let mut listener = Self::listener(wanted);
            let whole = wanted.default_pool.as_ref().unwrap();
            let mut pool = Self::pool(whole);
            listener.default_pool_id = Some(pool.id.clone());
            if let Some(monitor) = &whole.healthmonitor {
                let monitor = Self::monitor(monitor);
                pool.healthmonitor_id = Some(monitor.id.clone());
                graph.monitors.push(monitor);
            }
            let mut holder = Observed::default();
            holder.record_members(&pool.id, &whole.members);
            graph.members.extend(holder.members);
            graph.listeners.push(listener);
            graph.pools.push(pool);
        }
        graph
    }

    fn listener(create: &ListenerCreate) -> Listener {
        Listener {
            id: ListenerId::from(Self::id("listener")),
            name: create.name.clone(),
            protocol: create.protocol.clone(),
            protocol_port: create.protocol_port,
            default_pool_id: None,
            connection_limit: create.connection_limit.unwrap_or(-1),
            tags: create.tags.clone(),
            allowed_cidrs: create.allowed_cidrs.clone(),
            insert_headers: create.insert_headers.clone(),
            default_tls_container_ref: None,
            timeout_client_data: create.timeout_client_data.or(Some(50_000)),
            timeout_member_connect: create.timeout_member_connect.or(Some(5_000)),
            timeout_member_data: create.timeout_member_data.or(Some(50_000)),
            timeout_tcp_inspect: create.timeout_tcp_inspect.or(Some(0)),
            provisioning_status: ProvisioningStatus::Active,
            load_balancers: Vec::new(),
        }
    }

    fn pool(create: &PoolCreate) -> Pool {
        Pool {
            id: PoolId::from(Self::id("pool")),
            name: create.name.clone(),
            protocol: create.protocol.clone(),
            lb_algorithm: create.lb_algorithm.clone(),
            session_persistence: create.session_persistence.clone(),
            listeners: Vec::new(),
            healthmonitor_id: None,
            provisioning_status: ProvisioningStatus::Active,
            tags: Vec::new(),
            members: Vec::new(),
        }
    }

    fn monitor(create: &openstack::load_balancer::HealthMonitorCreate) -> HealthMonitor {
        HealthMonitor {
            id: HealthMonitorId::from(Self::id("monitor")),
            name: create.name.clone(),
            kind: create.kind.clone(),
            delay: create.delay,
            timeout: create.timeout,
            max_retries: create.max_retries,
            max_retries_down: create.max_retries_down.unwrap_or(3),
            url_path: create.url_path.clone(),
            http_method: create.http_method.clone(),
            expected_codes: create.expected_codes.clone(),
            pools: Vec::new(),
        }
    }

    fn update_monitor(&mut self, id: &HealthMonitorId, update: &HealthMonitorUpdate) {
        for monitor in self.observed.monitors.iter_mut().filter(|monitor| monitor.id == *id) {
            monitor.name = update.name.clone().unwrap_or_else(|| monitor.name.clone());
            monitor.delay = update.delay.unwrap_or(monitor.delay);
            monitor.timeout = update.timeout.unwrap_or(monitor.timeout);
            monitor.max_retries = update.max_retries.unwrap_or(monitor.max_retries);
            monitor.max_retries_down = update.max_retries_down.unwrap_or(monitor.max_retries_down);
        }
    }

    fn update_listener(&mut self, id: &ListenerId, update: &ListenerUpdate) {
        for listener in self.observed.listeners.iter_mut().filter(|listener| listener.id == *id) {
            listener.tags = update.tags.clone().unwrap_or_else(|| listener.tags.clone());
            listener.connection_limit = update.connection_limit.unwrap_or(listener.connection_limit);
            listener.allowed_cidrs = update.allowed_cidrs.clone().or_else(|| listener.allowed_cidrs.clone());
            let headers: Option<BTreeMap<String, String>> = update.insert_headers.clone();
            listener.insert_headers = headers.unwrap_or_else(|| listener.insert_headers.clone());
            listener.timeout_client_data = update.timeout_client_data.or(listener.timeout_client_data);
            listener.timeout_member_connect =
                update.timeout_member_connect.or(listener.timeout_member_connect);
            listener.timeout_member_data = update.timeout_member_data.or(listener.timeout_member_data);
            listener.timeout_tcp_inspect = update.timeout_tcp_inspect.or(listener.timeout_tcp_inspect);
        }
    }
}
