//! Whole requests against the server.

mod faults;
mod reads;
mod watches;
mod writes;

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::Request;
use serde_json::{Value, json};

use super::*;
use crate::world::Moment;

/// A client with a link of its own.
struct Client {
    server: ApiServer,
    link: Link,
    world: World,
    token: Option<&'static str>,
}

impl Client {
    fn new() -> Self {
        Self::with(ApiServerOptions::default())
    }

    fn with(options: ApiServerOptions) -> Self {
        let world = World::new(1);
        let server = ApiServer::with_options(&world, options);
        Self { server, link: world.link("client"), world, token: None }
    }

    async fn open(
        &self,
        method: &str,
        uri: &str,
        kind: &str,
        body: &Value,
    ) -> Result<Response<Chunks>, Broken> {
        let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let mut request = Request::builder().method(method).uri(uri).header("content-type", kind);
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.server.send(&self.link, request.body(bytes).unwrap()).await
    }

    async fn ask(&self, method: &str, uri: &str, kind: &str, body: &Value) -> (u16, Value) {
        let response = self.open(method, uri, kind, body).await.unwrap();
        let status = response.status().as_u16();
        let chunks: Vec<_> = response.into_body().collect().await;
        let bytes: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
        let text = String::from_utf8(bytes).unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, uri: &str) -> (u16, Value) {
        self.ask("GET", uri, "", &Value::Null).await
    }

    async fn post(&self, uri: &str, body: Value) -> (u16, Value) {
        self.ask("POST", uri, "application/json", &body).await
    }

    async fn put(&self, uri: &str, body: &Value) -> (u16, Value) {
        self.ask("PUT", uri, "application/json", body).await
    }

    async fn merge(&self, uri: &str, body: Value) -> (u16, Value) {
        self.ask("PATCH", uri, "application/merge-patch+json", &body).await
    }

    async fn strategic(&self, uri: &str, body: Value) -> (u16, Value) {
        self.ask("PATCH", uri, "application/strategic-merge-patch+json", &body).await
    }

    async fn delete(&self, uri: &str, body: Value) -> (u16, Value) {
        self.ask("DELETE", uri, "application/json", &body).await
    }

    async fn watch(&self, uri: &str) -> Watch {
        let response = self.open("GET", uri, "", &Value::Null).await.unwrap();
        assert_eq!(response.status(), 200);
        Watch(response.into_body())
    }
}

/// The lines of a watch.
struct Watch(Chunks);

impl Watch {
    /// The next line in a few words, `ADDED n1`; what happened to the stream otherwise.
    async fn next(&mut self) -> String {
        match self.event().await {
            Ok(event) => {
                let (what, object) = (event["type"].as_str().unwrap(), &event["object"]);
                let name = object["metadata"]["name"].as_str().or(object["reason"].as_str());
                format!("{what} {}", name.unwrap_or("-"))
            }
            Err(what) => what.to_owned(),
        }
    }

    async fn event(&mut self) -> Result<Value, &'static str> {
        match tokio::time::timeout(Duration::from_secs(10), self.0.next()).await {
            Err(_) => Err("silence"),
            Ok(None) => Err("end"),
            Ok(Some(Err(_))) => Err("broken"),
            Ok(Some(Ok(bytes))) => serde_json::from_slice(&bytes).map_err(|_| "half a line"),
        }
    }
}

const NODES: &str = "/api/v1/nodes";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";

fn node(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

fn balancer(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
}

fn message(answer: &(u16, Value)) -> &str {
    answer.1["message"].as_str().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn two_clusters_in_one_world_have_other_uids_and_observers_see_the_writes_of_both() {
    let world = World::new(1);
    let servers = ["a", "b"].map(|name| {
        let options = ApiServerOptions { name: name.into(), ..ApiServerOptions::default() };
        ApiServer::with_options(&world, options)
    });
    let uid = |server: &ApiServer| server.get("/api/v1/namespaces/kube-system")["metadata"]["uid"].clone();
    assert_ne!(uid(&servers[0]), uid(&servers[1]));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    world.on_write(move |moment, entry| {
        notes.lock().unwrap().push((moment, entry.client.clone(), entry.status));
    });
    for (server, name) in servers.into_iter().zip(["a", "b"]) {
        let client = Client { server, link: world.link(name), world: world.clone(), token: None };
        client.get("/api/v1/nodes").await;
        client.ask("POST", "/api/v1/nodes", "application/json", &json!({"metadata": {"name": "n1"}})).await;
    }
    let expected = ["a", "b"]
        .map(|name| [(Moment::Before, name.to_owned(), None), (Moment::After, name.to_owned(), Some(201))]);
    assert_eq!(*seen.lock().unwrap(), expected.concat());
}
