//! Octavia as its clients see it.

mod amphora;
mod lists;
mod ovn;
mod strict;

use std::time::Duration;

use serde_json::{Value, json};

use super::{Build, OctaviaOptions};
use crate::openstack::testing::{Answer, Client};
use crate::openstack::{CloudOptions, Latency, Operator, Place, Release};

/// A cloud with a network for load balancers, where every write takes a second.
struct World {
    client: Client,
    operator: Operator,
    place: Place,
}

async fn world(provider: &str) -> World {
    custom(
        provider,
        Release::Newest,
        OctaviaOptions::default().building(Build::fixed(Duration::from_secs(1))),
    )
    .await
}

async fn custom(provider: &str, release: Release, octavia: OctaviaOptions) -> World {
    let options = CloudOptions {
        profile: release.into(),
        latency: Latency::NONE,
        octavia: octavia.provider(provider),
        ..CloudOptions::default()
    };
    let client = Client::new(options).await;
    let operator = client.cloud.operator();
    let place = operator.network("nodes", &["10.0.0.0/16"]);
    World { client, operator, place }
}

/// What an error says.
fn said(answer: &Answer) -> (u16, String) {
    (answer.status, answer.body["faultstring"].as_str().unwrap_or_default().to_owned())
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value}")).to_owned()
}

impl World {
    async fn sleep(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// A `POST`, as wide as it is; what is in the answer below `key`.
    async fn make(&self, path: &str, key: &str, body: Value) -> Value {
        let answer = self.client.post(&format!("octavia/v2/lbaas/{path}"), json!({ key: body })).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body[key].clone()
    }

    async fn post(&self, path: &str, key: &str, body: Value) -> (u16, String) {
        said(&self.client.post(&format!("octavia/v2/lbaas/{path}"), json!({ key: body })).await)
    }

    async fn put(&self, path: &str, key: &str, body: Value) -> (u16, String) {
        said(&self.client.put(&format!("octavia/v2/lbaas/{path}"), json!({ key: body })).await)
    }

    async fn delete(&self, path: &str) -> (u16, String) {
        said(&self.client.delete(&format!("octavia/v2/lbaas/{path}")).await)
    }

    async fn get(&self, path: &str, key: &str) -> Value {
        let answer = self.client.get(&format!("octavia/v2/lbaas/{path}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body[key].clone()
    }

    async fn status(&self, path: &str) -> String {
        let key = path.split('/').next().unwrap().trim_end_matches('s').to_owned();
        self.get(path, &key).await["provisioning_status"].as_str().unwrap().to_owned()
    }

    /// A load balancer, finished.
    async fn load_balancer(&self) -> String {
        let body = json!({"name": "lb", "vip_subnet_id": self.place.subnets[0]});
        let made = id(&self.make("loadbalancers", "loadbalancer", body).await);
        self.sleep(1000).await;
        made
    }

    /// A pool of it, finished.
    async fn pool(&self, load_balancer: &str) -> String {
        let body =
            json!({"loadbalancer_id": load_balancer, "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"});
        let made = id(&self.make("pools", "pool", body).await);
        self.sleep(1000).await;
        made
    }

    /// Two listeners with a pool each, two members in each, and a monitor in the first.
    fn graph(&self) -> Value {
        let member = |n: u8| json!({"address": format!("10.0.1.{n}"), "protocol_port": 30_000});
        let pool = |name: &str| json!({"name": name, "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT", "members": [member(1), member(2)]});
        let mut first = pool("first");
        first["healthmonitor"] = json!({"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 1});
        json!({"name": "graph", "vip_subnet_id": self.place.subnets[0], "tags": ["a", "b"], "listeners": [
            {"name": "l1", "protocol": "TCP", "protocol_port": 80, "default_pool": first},
            {"name": "l2", "protocol": "TCP", "protocol_port": 443, "default_pool": pool("second")},
        ]})
    }
}
