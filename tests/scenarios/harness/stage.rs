//! The worlds at the beginning of a run, and the hands of those who run them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use simulator::kubernetes::{ApiServer, ApiServerOptions};
use simulator::openstack::{Build, KeystoneOptions, OctaviaOptions, ServerDraft};
use simulator::{Cloud, CloudOptions, Moment, World};

use super::checker::{Checker, cluster_of};
use super::converged::Kubernetes;
use super::dump::{Dump, ids, text};
use super::invariants;
use super::log::Log;
use super::program::{Recipe, Wrap};

/// The lease of the program.
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cloud-controller-manager";
/// What the program logs in with at first.
const PASSWORD: &str = "correct-horse-battery";
/// Names of clusters, and of their programs.
pub(crate) const NAMES: [&str; 2] = ["a", "b"];

/// Which driver Octavia has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Provider {
    /// Virtual machines with haproxy.
    #[default]
    Amphora,
    /// OVN's own load balancing.
    Ovn,
}

impl Provider {
    fn name(self) -> &'static str {
        match self {
            Self::Amphora => "amphora",
            Self::Ovn => "ovn",
        }
    }
}

/// How a run begins.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Clusters, all of the default name.
    pub(crate) clusters: usize,
    /// Programs of each cluster.
    pub(crate) replicas: usize,
    /// Nodes of each cluster.
    pub(crate) nodes: usize,
    /// Octavia's driver.
    pub(crate) provider: Provider,
    /// How long a token lives, in seconds.
    pub(crate) token_life: u64,
    /// Whether the whole cloud is compared at each write; too much work in a big one.
    pub(crate) compared: bool,
    /// How long Octavia works on each change; as long as is usual if missing.
    pub(crate) work: Option<Duration>,
    /// Further flags of the programs.
    pub(crate) flags: &'static [&'static str],
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            clusters: 1,
            replicas: 1,
            nodes: 3,
            provider: Provider::Amphora,
            token_life: 3_600,
            compared: true,
            work: None,
            flags: &[],
        }
    }
}

impl Setup {
    /// One of the drivers.
    pub(crate) fn any_provider(rng: &mut fastrand::Rng) -> Provider {
        if rng.bool() { Provider::Amphora } else { Provider::Ovn }
    }
}

/// The worlds.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) cloud: Cloud,
    pub(crate) log: Log,
    apis: Vec<ApiServer>,
    place: Arc<Place>,
    provider: Provider,
    numbers: AtomicUsize,
    pub(crate) compared: bool,
    flags: &'static [&'static str],
}

/// Networks, and the file that the programs read.
struct Place {
    subnet: String,
    network: String,
    external: String,
    directory: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Stage {
    /// A cloud with networks and foreign objects, and clusters whose kubelets have just registered.
    pub(crate) fn new(seed: u64, setup: &Setup, log: Log) -> Self {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let world = World::new(seed);
        let keystone = KeystoneOptions {
            password: PASSWORD.into(),
            token_life: Duration::from_secs(setup.token_life),
            ..KeystoneOptions::default()
        };
        let octavia = match setup.work {
            Some(time) => OctaviaOptions {
                amphora: Build::fixed(time),
                ovn: Build::fixed(time),
                ..OctaviaOptions::default()
            },
            None => OctaviaOptions::default(),
        };
        let cloud = Cloud::new(&world, CloudOptions { keystone, octavia, ..CloudOptions::default() });
        let operator = cloud.operator();
        let inside = operator.network("nodes", &["10.0.0.0/16"]);
        let outside = operator.external_network("public", &["203.0.113.0/24"]);
        operator.router("router", &outside, &inside);
        log.add_secret(PASSWORD);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("scenarios-{}-{run}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let place = Place {
            subnet: inside.subnets[0].clone(),
            network: inside.network.clone(),
            external: outside.network.clone(),
            directory,
        };
        let apis = NAMES[..setup.clusters]
            .iter()
            .map(|name| {
                ApiServer::with_options(
                    &world,
                    ApiServerOptions { name: (*name).into(), ..ApiServerOptions::default() },
                )
            })
            .collect();
        let stage = Self {
            world,
            cloud,
            log,
            apis,
            place: Arc::new(place),
            provider: setup.provider,
            numbers: AtomicUsize::new(0),
            compared: setup.compared,
            flags: setup.flags,
        };
        stage.write_conf(PASSWORD);
        stage.furnish();
        for cluster in 0..setup.clusters {
            for n in 1..=setup.nodes {
                stage.add_node(cluster, &node_name(cluster, &format!("n{n}")));
            }
        }
        stage
    }

    /// Objects of others: a load balancer with everything, a floating IP that nobody uses.
    fn furnish(&self) {
        let operator = self.cloud.operator();
        operator.make(
            "floatingip",
            &json!({"floating_network_id": self.place.external, "description": "kept for later"}),
        );
        let tree = json!({"loadbalancer": {
            "name": "customer-facing", "vip_subnet_id": self.place.subnet, "provider": self.provider.name(),
            "listeners": [{"name": "shop", "protocol": "TCP", "protocol_port": 80, "default_pool": {
                "name": "shop", "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT",
                "members": [{"address": "10.0.200.1", "protocol_port": 8080}]}}],
        }});
        let (status, answer) = operator.ask(&Method::POST, "octavia/v2/lbaas/loadbalancers", tree);
        assert_eq!(status, 201, "{answer}");
        let port = answer["loadbalancer"]["vip_port_id"].clone();
        operator.make("floatingip", &json!({"floating_network_id": self.place.external, "port_id": port}));
    }

    /// How many clusters there are.
    pub(crate) fn clusters(&self) -> usize {
        self.apis.len()
    }

    /// A cluster's API server.
    pub(crate) fn api(&self, cluster: usize) -> &ApiServer {
        &self.apis[cluster]
    }

    /// A number that was not handed out before.
    pub(crate) fn next_number(&self) -> usize {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// How the program of a cluster is started.
    pub(crate) fn recipe(&self, cluster: usize, wrap: Wrap) -> Recipe {
        Recipe {
            api: self.apis[cluster].clone(),
            cloud: self.cloud.clone(),
            log: self.log.clone(),
            conf: self.place.directory.join("cloud.conf"),
            flags: self.flags,
            wrap,
        }
    }

    /// The invariants, looking at every write into these worlds from now on.
    pub(crate) fn checker(&self) -> Checker {
        let checker =
            Checker::new(if self.compared { invariants::all() } else { invariants::cheap() }, self.dump());
        checker.with_book(|book| book.has_nodes.extend(NAMES.map(str::to_owned)));
        let (apis, cloud, watching, compared) =
            (self.apis.clone(), self.cloud.clone(), checker.clone(), self.compared);
        self.world.on_write(move |moment, entry| {
            let is_cloud = entry.service != "kubernetes";
            let dump = (is_cloud && compared).then(|| Dump::from(cloud.operator().dump()));
            match moment {
                Moment::Before => watching.before(dump),
                Moment::After => {
                    let cluster = NAMES.iter().position(|name| *name == cluster_of(&entry.client));
                    if let Some(cluster) = cluster.filter(|_| entry.path.contains("/leases")) {
                        let at = entry.effect.unwrap_or(entry.begun);
                        watching.lease(NAMES[cluster], at, holder(&apis[cluster]));
                    }
                    watching.effect(entry, dump);
                }
            }
        });
        checker
    }

    /// The whole cloud.
    pub(crate) fn dump(&self) -> Dump {
        Dump::from(self.cloud.operator().dump())
    }

    /// The clusters' half of the truth.
    pub(crate) fn kubernetes(&self) -> Vec<Kubernetes> {
        let half = |api: &ApiServer| Kubernetes {
            services: api.list("/api/v1/services"),
            nodes: api.list("/api/v1/nodes"),
            events: api.list("/api/v1/events"),
        };
        self.apis.iter().map(half).collect()
    }

    /// All API servers forget old versions.
    pub(crate) fn forget(&self) {
        self.apis.iter().for_each(ApiServer::forget);
    }

    /// A server with its port and, on it, a kubelet that has just registered its Node.
    pub(crate) fn add_node(&self, cluster: usize, name: &str) {
        let path = format!("/api/v1/nodes/{name}");
        if !self.apis[cluster].get(&path).is_null() {
            return;
        }
        let operator = self.cloud.operator();
        let id = operator.server(&ServerDraft::new(name, &self.place.network));
        let (_, ports) =
            operator.ask(&Method::GET, &format!("neutron/v2.0/ports?device_id={id}"), Value::Null);
        let address = ports["ports"][0]["fixed_ips"][0]["ip_address"].clone();
        self.apis[cluster].put(&path, json!({
            "metadata": {"name": name},
            "spec": {"taints": [{"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"}]},
            "status": {"addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
                       "nodeInfo": {"systemUUID": id}},
        }));
    }

    /// The server of a node is deleted.
    pub(crate) fn remove_server(&self, name: &str) {
        let dump = self.dump();
        if let Some((id, _)) = dump.all("servers").find(|(_, server)| text(server, "name") == name) {
            self.cloud.operator().delete_server(id);
        }
    }

    /// An administrator repairs what is in ERROR and in use, as `openstack loadbalancer failover` does. What nobody can be
    /// using yet is left to the program.
    pub(crate) fn repair(&self) {
        let dump = self.dump();
        let shown: BTreeSet<String> = self
            .kubernetes()
            .iter()
            .flat_map(|cluster| &cluster.services)
            .filter_map(|service| {
                service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().map(str::to_owned)
            })
            .collect();
        let operator = self.cloud.operator();
        for (_, found) in dump.all("loadbalancers") {
            let port = text(found, "vip_port_id");
            let in_use = dump.all("floatingips").any(|(_, floating)| {
                text(floating, "port_id") == port && shown.contains(text(floating, "floating_ip_address"))
            });
            let status = text(found, "provisioning_status");
            // The ovn provider calls a load balancer ACTIVE whose parts have failed.
            if status != "ACTIVE" && !(in_use && status == "ERROR") {
                continue;
            }
            let pools = || ids(found, "pools");
            let members = pools().filter_map(|pool| dump.get("members", pool)?.as_array()).flatten();
            let parts = ids(found, "listeners").filter_map(|id| dump.get("listeners", id));
            let parts = parts.chain(pools().filter_map(|id| dump.get("pools", id))).chain(members);
            for part in parts.chain([found]).filter(|part| text(part, "provisioning_status") == "ERROR") {
                operator.provisioning_status(text(part, "id"), "ACTIVE");
            }
        }
    }

    /// The password changes in the cloud; tokens of before end.
    pub(crate) fn rotate_password(&self, password: &str) {
        self.log.add_secret(password);
        let operator = self.cloud.operator();
        operator.set_password(&operator.user("tester").unwrap(), password);
    }

    /// Writes the programs' `cloud.conf`.
    pub(crate) fn write_conf(&self, password: &str) {
        let text = format!(
            "[Global]\nauth-url=http://keystone/v3\nusername=tester\npassword={password}\ntenant-name=demo\ndomain-id=default\nregion=RegionOne\n\
             [LoadBalancer]\nlb-provider={}\nlb-method={}\nsubnet-id={}\nfloating-network-id={}\n",
            self.provider.name(),
            if self.provider == Provider::Ovn { "SOURCE_IP_PORT" } else { "ROUND_ROBIN" },
            self.place.subnet,
            self.place.external
        );
        std::fs::write(self.place.directory.join("cloud.conf"), text).unwrap();
    }
}

/// Servers of one project should not share a name.
pub(crate) fn node_name(cluster: usize, name: &str) -> String {
    if cluster == 0 { name.to_owned() } else { format!("{name}-{}", NAMES[cluster]) }
}

/// Which program holds the lease: identities are the host's name, `_` and a random part.
fn holder(api: &ApiServer) -> Option<String> {
    let lease: Value = api.get(LEASE);
    let identity = lease["spec"]["holderIdentity"].as_str().filter(|identity| !identity.is_empty())?;
    identity.rsplit_once('_').map(|(host, _)| host.to_owned())
}
