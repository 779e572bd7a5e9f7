//! A client for the simulator's own tests.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use super::{Cloud, CloudOptions};
use crate::link::{Broken, Link};
use crate::world::World;

/// A cloud with somebody logged in.
pub(crate) struct Client {
    pub(crate) world: World,
    pub(crate) cloud: Cloud,
    pub(crate) link: Link,
    pub(crate) token: String,
    /// Sent with each request.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) headers: http::HeaderMap,
}

impl Client {
    pub(crate) async fn new(options: CloudOptions) -> Self {
        let world = World::new(1);
        let cloud = Cloud::new(&world, options);
        let link = world.link("test");
        let mut client = Self { world, cloud, link, token: String::new(), headers: Vec::new() };
        client.token = client.log_in().await;
        client
    }

    /// A token for the first user and project.
    pub(crate) async fn log_in(&self) -> String {
        let keystone = &self.cloud.options().keystone;
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user":
                {"name": keystone.user, "domain": domain, "password": keystone.password}}},
            "scope": {"project": {"name": keystone.project, "domain": domain}},
        }});
        let answer = self.send("POST", "keystone/v3/auth/tokens", body).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.headers["x-subject-token"].to_str().unwrap().to_owned()
    }

    /// One request; `to` is service, path and query: `octavia/v2/lbaas/pools?name=x`.
    pub(crate) async fn send(&self, method: &str, to: &str, body: Value) -> Result<Answer, Broken> {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("http://{to}"))
            .header("x-auth-token", &self.token);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let response = self.cloud.send(&self.link, request.body(body).unwrap()).await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_slice(response.body()).unwrap_or(Value::Null),
        })
    }

    pub(crate) async fn get(&self, to: &str) -> Answer {
        self.send("GET", to, Value::Null).await.unwrap()
    }

    pub(crate) async fn post(&self, to: &str, body: Value) -> Answer {
        self.send("POST", to, body).await.unwrap()
    }

    pub(crate) async fn put(&self, to: &str, body: Value) -> Answer {
        self.send("PUT", to, body).await.unwrap()
    }

    pub(crate) async fn delete(&self, to: &str) -> Answer {
        self.send("DELETE", to, Value::Null).await.unwrap()
    }
}
