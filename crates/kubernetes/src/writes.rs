//! Changes to Services and Nodes: which request carries which change, so that nobody else's concurrent change is lost.
//!
//! Lists are the difficulty. `metadata.finalizers` has a merge strategy, so a strategic merge patch adds or removes one
//! entry whatever the others are. `spec.taints` has none: it is written as a whole under the version that was read, and
//! read anew on conflict. `status.addresses` and `status.loadBalancer.ingress` have one writer each, us, and are replaced
//! as a whole by a JSON merge patch (a strategic one would merge addresses by type). Conditions merge by type.

mod node;
mod service;

pub use node::NodeInit;

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::{Call, Cluster, ContentType};
use crate::error::Error;
use crate::key::ObjectKey;
use crate::meta::Meta;

#[derive(Deserialize)]
struct OnlyMeta {
    #[serde(default)]
    metadata: Meta,
}

#[derive(Deserialize)]
struct ListOfMeta {
    #[serde(default)]
    items: Vec<OnlyMeta>,
}

impl Cluster {
    /// The uid of a namespace. Needs the right to get namespaces, which many installations do not grant.
    pub async fn namespace_uid(&self, name: &str) -> Result<String, Error> {
        let found: OnlyMeta =
            self.send(&Call::read("namespace_get", format!("/api/v1/namespaces/{name}"))).await?;
        Ok(found.metadata.uid)
    }

    /// The uid of a Service, `None` if there is none. Lists by name: the usual rights hold no `get` for Services.
    pub async fn service_uid(&self, key: &ObjectKey) -> Result<Option<String>, Error> {
        let path = format!(
            "/api/v1/namespaces/{}/services?fieldSelector=metadata.name%3D{}",
            key.namespace, key.name
        );
        let found: ListOfMeta = self.send(&Call::read("service_list", path)).await?;
        Ok(found.items.into_iter().next().map(|item| item.metadata.uid))
    }
}

fn merge_patch(name: &'static str, path: String, body: Value) -> Call {
    Call::write(name, Method::PATCH, path, ContentType::MergePatch, body)
}

fn strategic_patch(name: &'static str, path: String, body: Value) -> Call {
    Call::write(name, Method::PATCH, path, ContentType::StrategicMergePatch, body)
}
