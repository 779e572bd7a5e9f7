//! The simulated API server, as the tests of the whole program use it: one program, and what it wrote.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderValue, Request};
use kubernetes::Cluster;
use serde_json::{Value, json};
use simulator::kubernetes::{AccessRule, User};
use simulator::{Entry, Link, World};

/// The server and the program's way to it; clones share both.
#[derive(Clone)]
pub(crate) struct ApiServer {
    world: World,
    server: simulator::ApiServer,
    link: Link,
    /// What the program's requests bear; without it they are the administrator's.
    token: Arc<OnceLock<HeaderValue>>,
}

impl Default for ApiServer {
    fn default() -> Self {
        let world = World::new(1);
        Self {
            server: simulator::ApiServer::new(&world),
            link: world.link("program"),
            token: Arc::default(),
            world,
        }
    }
}

impl ApiServer {
    /// From now on the program may do what these rules of a role allow, and nothing else.
    pub(crate) fn allow_only(&self, rules: &Value) {
        let user = User::service_account("kube-system", "cloud-controller-manager");
        let rules = rules.as_array().into_iter().flatten().map(|rule| AccessRule::from_json(rule, None));
        self.server.grant(&user.name, rules);
        self.server.add_user("program", user);
        self.token.set(HeaderValue::from_static("Bearer program")).unwrap();
    }

    /// The program's way to it.
    pub(crate) fn cluster(&self) -> Cluster {
        let (server, link, token) = (self.server.clone(), self.link.clone(), self.token.clone());
        Cluster::from_service(tower::service_fn(move |mut request: Request<Bytes>| {
            let (server, link) = (server.clone(), link.clone());
            if let Some(token) = token.get() {
                request.headers_mut().insert(http::header::AUTHORIZATION, token.clone());
            }
            async move { server.send(&link, request).await.map_err(tower::BoxError::from) }
        }))
    }

    /// Creates or replaces an object, as somebody else would. A Node is ready at once.
    pub(crate) fn put(&self, path: &str, object: Value) {
        let taints = object["spec"]["taints"].clone();
        self.server.put(path, object);
        if path.starts_with("/api/v1/nodes/") {
            self.server.change(path, &json!({"spec": {"taints": taints}}));
        }
    }

    /// Changes an object and its status by a merge patch, as somebody else would.
    pub(crate) fn change(&self, path: &str, patch: &Value) {
        self.server.change(path, patch);
        if patch.get("status").is_some() {
            self.server.change_status(path, patch);
        }
    }

    /// An object as it is now.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.server.get(path)
    }

    /// Requests that change something, as `PATCH /path`; events and the lease left out.
    pub(crate) fn writes(&self) -> Vec<String> {
        let counts = |entry: &Entry| {
            entry.is_write() && !["/events", "/leases"].iter().any(|part| entry.raw_path.contains(part))
        };
        let writes = self.world.ledger().select(counts);
        writes.iter().map(|entry| format!("{} {}", entry.method, entry.raw_path)).collect()
    }

    /// Events written, as `Node/n1 Synced`.
    pub(crate) fn events(&self) -> Vec<String> {
        let told = |event: &Value| {
            let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            format!("{}/{} {}", text("/involvedObject/kind"), text("/involvedObject/name"), text("/reason"))
        };
        self.server.list("/api/v1/events").iter().map(told).collect()
    }

    /// Makes it answer 503 to everything, or well again.
    pub(crate) fn set_down(&self, down: bool) {
        self.server.set_down(down);
    }
}
