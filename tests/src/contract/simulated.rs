//! The simulator as a world of the contract, in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use simulator::openstack::{KeystoneOptions, Latency, Operator};
use simulator::{Cloud, CloudOptions, Ledger, Link, World as Simulation};

use super::run::{Answer, Request, World};

/// A simulated OpenStack that is furnished like the laboratory.
pub struct Simulated {
    runtime: tokio::runtime::Runtime,
    cloud: Cloud,
    link: Link,
    given: BTreeMap<String, String>,
}

impl Default for Simulated {
    fn default() -> Self {
        Self::new()
    }
}

impl Simulated {
    /// A new world.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let entered = runtime.enter();
        let world = Simulation::new(1);
        let keystone = KeystoneOptions {
            project: "k8s".to_owned(),
            user: "k8s".to_owned(),
            password: "lab".to_owned(),
            roles: ["member", "reader", "creator", "load-balancer_member"].map(str::to_owned).into(),
            ..KeystoneOptions::default()
        };
        let latency = Latency { least: Duration::from_millis(5), most: Duration::from_millis(5) };
        let cloud = Cloud::new(&world, CloudOptions { latency, keystone, ..CloudOptions::default() });
        let link = world.link("contract");
        let given = furnish(&cloud.operator());
        drop(entered);
        Self { runtime, cloud, link, given }
    }

    /// Every request so far.
    pub fn ledger(&self) -> &Ledger {
        self.cloud.ledger()
    }
}

/// Makes what the laboratory has from the beginning, and says what it is.
fn furnish(operator: &Operator) -> BTreeMap<String, String> {
    let mut given = BTreeMap::new();
    let mut give = |name: &str, value: &str| drop(given.insert(name.to_owned(), value.to_owned()));
    for service in ["keystone", "nova", "neutron", "octavia"] {
        give(&format!("url of {service}"), &format!("http://{service}"));
    }
    let member = ["member", "reader", "creator", "load-balancer_member"];
    let admin = ["admin", "reader", "member", "load-balancer_admin"];
    for (key, name, roles) in
        [("user", "k8s", &[][..]), ("other", "k8s2", &member), ("admin", "admin", &admin)]
    {
        if key != "user" {
            let project = operator.add_project(name, "default");
            let user = operator.add_user(name, "default", "lab");
            operator.grant(&user, &project, roles);
            give(&format!("{key} project"), &project);
        }
        give(&format!("name of {key}"), name);
        give(&format!("project of {key}"), name);
        give(&format!("password of {key}"), "lab");
    }
    give("project", &operator.project());
    let admin_project = given["admin project"].clone();
    let mut give = |name: &str, value: &str| drop(given.insert(name.to_owned(), value.to_owned()));
    let public = json!({"name": "public", "router:external": true, "project_id": admin_project});
    let public = operator.make("network", &public);
    let subnet = operator.make("subnet", &json!({
        "name": "public-subnet", "network_id": public, "cidr": "172.24.4.0/24", "ip_version": 4, "enable_dhcp": false,
        "allocation_pools": [{"start": "172.24.4.10", "end": "172.24.4.250"}], "project_id": admin_project,
    }));
    // Neutron draws addresses; here the first ones are taken, so that none is that of a range's end.
    for host in 10..14 {
        let fixed_ips = json!([{"subnet_id": subnet, "ip_address": format!("172.24.4.{host}")}]);
        operator.make(
            "port",
            &json!({"network_id": public, "project_id": admin_project, "fixed_ips": fixed_ips}),
        );
    }
    give("public", &public);
    give("public-subnet", &subnet);
    operator.flavor("8f5f0b3c-7a3b-4a6e-9d63-0d6c1c6d3c55", "m1.tiny", 1, 512, 1);
    give("flavor", "8f5f0b3c-7a3b-4a6e-9d63-0d6c1c6d3c55");
    give("image", "0f0f6f0e-3b0f-4b1a-8a52-8c8a2f0f6c11");
    given
}

impl World for Simulated {
    fn name(&self) -> &'static str {
        "simulator"
    }

    fn given(&self) -> BTreeMap<String, String> {
        self.given.clone()
    }

    fn send(&mut self, request: &Request) -> Answer {
        let method = Method::from_bytes(request.method.as_bytes()).expect("a method");
        let mut builder = http::Request::builder().method(method).uri(&request.url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let body = if request.body.is_null() { Bytes::new() } else { Bytes::from(request.body.to_string()) };
        let wire = builder.body(body).expect("a request");
        let response = self.runtime.block_on(self.cloud.send(&self.link, wire)).expect("an answer");
        let headers = response.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
        Answer { status: response.status().as_u16(), headers: headers.collect(), body: read(response.body()) }
    }

    fn pass(&mut self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }
}

/// A body as JSON, or as the text that it is.
pub(super) fn read(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}
