//! OpenStack's APIs as the project's user.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::Method;
use serde_json::{Value, json};

use crate::http::{Answer, Http};

/// The version part of each service's URLs.
const VERSIONS: [(&str, &str); 3] = [("octavia", "v2.0"), ("neutron", "v2.0"), ("nova", "v2.1")];

/// A session in the project `k8s`.
pub struct Cloud {
    http: Http,
    keystone: String,
    login: Value,
    token: Mutex<String>,
    /// Base URL of each service.
    services: BTreeMap<&'static str, String>,
}

impl Cloud {
    pub(crate) fn log_in(http: &Http, info: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a text in the laboratory's facts").to_owned();
        let user = &info["users"]["user"];
        let domain = json!({"id": user["domain_id"]});
        let login = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": user["name"], "password": user["password"], "domain": domain,
            }}},
            "scope": {"project": {"name": user["project"], "domain": domain}},
        }});
        let base = |(name, version): (&'static str, &str)| {
            (name, format!("{}/{version}", text(&info["endpoints"][name])))
        };
        let cloud = Self {
            http: http.clone(),
            keystone: text(&info["auth_url"]),
            login,
            token: Mutex::default(),
            services: VERSIONS.into_iter().map(base).collect(),
        };
        cloud.renew();
        cloud
    }

    fn renew(&self) {
        let url = format!("{}/auth/tokens", self.keystone);
        let headers = [("content-type", "application/json")];
        let answer =
            self.http.send(Method::POST, &url, &headers, Some(&self.login)).expect("Keystone answers");
        *self.token.lock().unwrap() = answer.token.expect("Keystone gives a token");
    }

    fn send(
        &self,
        method: Method,
        service: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let url = format!("{}/{path}", self.services[service]);
        let token = self.token.lock().unwrap().clone();
        let headers = [("content-type", "application/json"), ("x-auth-token", token.as_str())];
        self.http.send(method, &url, &headers, body)
    }

    /// Reads; `None` if it does not exist.
    pub fn get(&self, service: &str, path: &str) -> Option<Value> {
        let answer = self.send(Method::GET, service, path, None).expect("the API answers");
        if answer.status == 404 {
            return None;
        }
        Some(answer.json().unwrap_or_else(|error| panic!("GET {path}: {error}")))
    }

    /// A whole list, e.g. `neutron`, `floatingips`, the key being the last word of the path but for `/detail`.
    pub fn list(&self, service: &str, path: &str) -> Vec<Value> {
        let bare = path.split('?').next().unwrap_or(path);
        let bare = bare.trim_end_matches("/detail");
        let key = bare.rsplit('/').next().unwrap_or(bare).replace('-', "_");
        let mut answer = self.get(service, path).unwrap_or_else(|| panic!("no list {path}"));
        match answer[key.as_str()].take() {
            Value::Array(items) => items,
            other => panic!("GET {path}: {key} is {other}"),
        }
    }

    /// Creates.
    pub fn create(&self, service: &str, path: &str, body: &Value) -> Value {
        self.write(&Method::POST, service, path, Some(body))
    }

    /// Replaces.
    pub fn put(&self, service: &str, path: &str, body: &Value) -> Value {
        self.write(&Method::PUT, service, path, Some(body))
    }

    /// Deletes; what is gone already is fine, what is being changed (409) is said.
    pub fn delete(&self, service: &str, path: &str) -> Result<(), String> {
        let answer = self.send(Method::DELETE, service, path, None)?;
        if answer.status == 404 { Ok(()) } else { answer.json().map(|_| ()) }
    }

    fn write(&self, method: &Method, service: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.send(method.clone(), service, path, body).expect("the API answers");
        answer.json().unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Load balancers of this name.
    pub fn load_balancers(&self, name: &str) -> Vec<Value> {
        let mut all = self.list("octavia", "lbaas/loadbalancers");
        all.retain(|load_balancer| load_balancer["name"] == name);
        all
    }

    /// One load balancer.
    pub fn load_balancer(&self, id: &str) -> Option<Value> {
        self.get("octavia", &format!("lbaas/loadbalancers/{id}"))
            .map(|mut answer| answer["loadbalancer"].take())
    }

    /// Floating IPs with this description.
    pub fn floating_ips(&self, description: &str) -> Vec<Value> {
        let mut all = self.list("neutron", "floatingips");
        all.retain(|floating_ip| floating_ip["description"] == description);
        all
    }

    /// Names of the members of a load balancer's only pool.
    pub fn member_names(&self, load_balancer: &str) -> Vec<String> {
        let pools = self.list("octavia", &format!("lbaas/pools?loadbalancer_id={load_balancer}"));
        let Some(pool) = pools.first().and_then(|pool| pool["id"].as_str()) else { return Vec::new() };
        let members = self.list("octavia", &format!("lbaas/pools/{pool}/members"));
        let mut names: Vec<String> =
            members.iter().filter_map(|member| member["name"].as_str()).map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Whether nothing in the load balancer is being changed. On the OVN provider the load balancer itself is ACTIVE
    /// while its parts are still PENDING; only the tree of statuses tells.
    pub fn is_settled(&self, load_balancer: &str) -> bool {
        let tree = self.get("octavia", &format!("lbaas/loadbalancers/{load_balancer}/status"));
        tree.is_some_and(|tree| !tree.to_string().contains("\"PENDING_"))
    }
}
