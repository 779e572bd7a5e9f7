//! The world that is served: a cloud with a network for nodes, one for floating IPs, and a router between them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::openstack::{CloudOptions, Endpoints, KeystoneOptions, OctaviaOptions, Place};
use simulator::{Cloud, Link, World};

use crate::options::Options;

/// What the servers share.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) cloud: Cloud,
    pub(crate) nodes: Place,
    pub(crate) public: Place,
    provider: String,
    control: String,
    /// By user agent.
    links: Arc<Mutex<BTreeMap<String, Link>>>,
}

impl Setting {
    /// A cloud at these URLs: Keystone, Nova, Neutron, Octavia, control.
    pub(crate) fn make(options: &Options, urls: &[String]) -> Self {
        let url = |index: usize| urls.get(index).cloned().unwrap_or_default();
        let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
        let world = World::beginning(seed, jiff::Timestamp::now());
        let octavia = OctaviaOptions::default().provider(&options.provider);
        let octavia = match options.build() {
            Some(build) => octavia.building(build),
            None => octavia,
        };
        let keystone = KeystoneOptions {
            token_life: Duration::from_secs(options.token_life),
            project: "k8s".into(),
            user: "kubernetes".into(),
            password: format!("{:016x}", fastrand::u64(..)),
            ..KeystoneOptions::default()
        };
        let endpoints = Endpoints { keystone: url(0), nova: url(1), neutron: url(2), octavia: url(3) };
        let latency = options.latency.into();
        let profile = simulator::openstack::Release::from(options.release).into();
        let cloud = Cloud::new(&world, CloudOptions { profile, latency, endpoints, keystone, octavia });
        let operator = cloud.operator();
        let nodes = operator.network("nodes", &[options.nodes.as_str()]);
        let public = operator.external_network("public", &[options.public.as_str()]);
        operator.router("router", &public, &nodes);
        let (provider, control) = (options.provider.clone(), url(4));
        Self { world, cloud, nodes, public, provider, control, links: Arc::default() }
    }

    /// The network of a client, by its user agent's first word.
    pub(crate) fn link(&self, agent: &str) -> Link {
        let name = agent.split_whitespace().next().unwrap_or("unknown");
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.entry(name.to_owned()).or_insert_with(|| self.world.link(name)).clone()
    }

    /// All that one must know to use it.
    pub(crate) fn describe(&self) -> Value {
        let options = self.cloud.options();
        json!({
            "seed": self.world.seed(),
            "auth_url": format!("{}/v3", options.endpoints.keystone),
            "nova": options.endpoints.nova,
            "neutron": options.endpoints.neutron,
            "octavia": options.endpoints.octavia,
            "control": self.control,
            "region": options.keystone.regions.first(),
            "user": options.keystone.user,
            "project": options.keystone.project,
            "project_id": self.cloud.operator().project(),
            "nodes": {"network": self.nodes.network, "subnet": self.nodes.subnets.first()},
            "public": {"network": self.public.network, "subnet": self.public.subnets.first()},
        })
    }

    /// Writes a `cloud.conf` that only its owner can read.
    pub(crate) fn write_cloud_conf(&self, path: &Path) -> std::io::Result<()> {
        let options = self.cloud.options();
        let none = String::new();
        let first = |all: &[String]| all.first().unwrap_or(&none).clone();
        let text = format!(
            "[Global]\nauth-url = {}/v3\nregion = {}\nusername = {}\npassword = {}\nuser-domain-id = default\n\
             tenant-id = {}\n\n[LoadBalancer]\nlb-provider = {}\nsubnet-id = {}\nfloating-network-id = {}\n",
            options.endpoints.keystone,
            first(&options.keystone.regions),
            options.keystone.user,
            options.keystone.password,
            self.cloud.operator().project(),
            self.provider,
            first(&self.nodes.subnets),
            self.public.network,
        );
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    }
}
