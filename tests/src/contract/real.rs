//! The laboratory as a world of the contract.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::run::{Answer, Request, World};
use super::simulated::read;
use crate::lab;

/// The services that have requests in the script.
const SERVICES: [&str; 4] = ["keystone", "nova", "neutron", "octavia"];

/// The requests of programs whose agent contains this, as the laboratory has counted them since its start.
pub fn counted(agent: &str) -> Value {
    serde_json::from_str(&lab::run(&["calls", "--agent", agent, "--json"]))
        .expect("the laboratory counts in JSON")
}

/// The running laboratory; only inside its network namespace.
pub struct Real {
    runtime: Runtime,
    client: reqwest::Client,
    given: BTreeMap<String, String>,
}

impl Real {
    /// Looks up what the laboratory has from the beginning.
    pub fn find() -> Self {
        // Fails only if there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client =
            reqwest::Client::builder().no_proxy().user_agent("lab-contract").timeout(Duration::from_secs(60));
        let mut real = Self { runtime, client: client.build().expect("a client"), given: BTreeMap::new() };
        let info: Value = serde_json::from_str(&lab::run(&["info", "--json"])).expect("facts in JSON");
        let openstack = &info["openstack"];
        for service in SERVICES {
            let url = match service {
                "keystone" => openstack["auth_url"].as_str().map(|url| url.trim_end_matches("/v3")),
                other => openstack["endpoints"][other].as_str(),
            };
            real.give(
                &format!("url of {service}"),
                url.unwrap_or_else(|| panic!("no endpoint of {service}")).trim_end_matches('/'),
            );
        }
        for key in ["user", "other", "admin"] {
            let user = &openstack["users"][key];
            for (what, field) in [("name", "name"), ("password", "password"), ("project", "project")] {
                real.give(&format!("{what} of {key}"), user[field].as_str().unwrap_or_default());
            }
        }
        real.look_up(openstack);
        real
    }

    fn give(&mut self, name: &str, value: &str) {
        assert!(!value.is_empty(), "the laboratory has no {name}");
        self.given.insert(name.to_owned(), value.to_owned());
    }

    fn look_up(&mut self, openstack: &Value) {
        for (key, name) in [("user", "project"), ("other", "other project"), ("admin", "admin project")] {
            let given = |what: &str| self.given[&format!("{what} of {key}")].clone();
            let domain = json!({"id": "default"});
            let body = json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user":
                    {"name": given("name"), "password": given("password"), "domain": domain}}},
                "scope": {"project": {"name": given("project"), "domain": domain}},
            }});
            let url = format!("{}/v3/auth/tokens", self.given["url of keystone"]);
            let login = self.send(&Request { method: "POST", url, headers: Vec::new(), body });
            self.give(name, login.body["token"]["project"]["id"].as_str().unwrap_or_default());
            if key != "user" {
                continue;
            }
            let token = login.headers["x-subject-token"].clone();
            let glance = openstack["endpoints"]["glance"]
                .as_str()
                .unwrap_or_default()
                .trim_end_matches('/')
                .to_owned();
            let (neutron, nova) = (self.given["url of neutron"].clone(), self.given["url of nova"].clone());
            for (name, url, at) in [
                ("public", format!("{neutron}/v2.0/networks?name=public"), "/networks/0/id"),
                ("public-subnet", format!("{neutron}/v2.0/networks?name=public"), "/networks/0/subnets/0"),
                ("image", format!("{glance}/v2/images?limit=1"), "/images/0/id"),
                ("flavors", format!("{nova}/v2.1/flavors"), "/flavors"),
            ] {
                let headers = vec![("x-auth-token", token.clone())];
                let answer = self.send(&Request { method: "GET", url, headers, body: Value::Null });
                let found = answer.body.pointer(at).unwrap_or_else(|| panic!("no {name}: {answer:?}"));
                if let Some(flavors) = found.as_array() {
                    let tiny =
                        flavors.iter().find(|flavor| flavor["name"] == "m1.tiny").expect("a flavor m1.tiny");
                    let id = tiny["id"].as_str().unwrap_or_default().to_owned();
                    self.give("flavor", &id);
                } else {
                    let id = found.as_str().unwrap_or_default().to_owned();
                    self.give(name, &id);
                }
            }
        }
    }
}

impl World for Real {
    fn name(&self) -> &'static str {
        "laboratory"
    }

    fn given(&self) -> BTreeMap<String, String> {
        self.given.clone()
    }

    fn send(&mut self, request: &Request) -> Answer {
        let method = Method::from_bytes(request.method.as_bytes()).expect("a method");
        let mut builder =
            self.client.request(method, &request.url).header("content-type", "application/json");
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if !request.body.is_null() {
            builder = builder.body(request.body.to_string());
        }
        self.runtime.block_on(async {
            let response = builder.send().await.unwrap_or_else(|error| panic!("{}: {error:?}", request.url));
            let headers = response.headers().iter();
            let headers = headers
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
                .collect();
            let status = response.status().as_u16();
            let body = response.bytes().await.unwrap_or_else(|error| panic!("{}: {error:?}", request.url));
            Answer { status, headers, body: read(&body) }
        })
    }

    fn pass(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}
