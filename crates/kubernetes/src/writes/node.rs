//! Writes to Nodes.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::{merge_patch, strategic_patch};
use crate::cluster::{Call, Cluster, ContentType};
use crate::error::Error;
use crate::node::{Node, NodeAddress, Taint, WireNode};

/// What initialising a Node changes, all at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeInit<'a> {
    /// Set only if the Node has none: the field is immutable.
    pub provider_id: Option<String>,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Annotations to set.
    pub annotations: BTreeMap<String, String>,
    /// Key of the taint to remove, whatever its effect.
    pub remove_taint: &'a str,
}

/// How often a change is tried again on a newer version of the Node.
const CONFLICTS: u32 = 5;

impl Cluster {
    /// Initialises a Node in one request, on a newer version of it if it has changed meanwhile.
    ///
    /// # Errors
    /// A conflict, if the Node is another one by now or changes faster than we can write.
    pub async fn initialize_node(&self, node: &Node, init: &NodeInit<'_>) -> Result<Node, Error> {
        self.change_node(node, |node| init_patch(node, init)).await
    }

    /// Adds `taint` unless one of that key and effect is there.
    pub async fn add_node_taint(&self, node: &Node, taint: &Taint) -> Result<Node, Error> {
        self.change_node(node, |node| add_taint_patch(node, taint)).await
    }

    /// Removes all taints with `key`.
    pub async fn remove_node_taint(&self, node: &Node, key: &str) -> Result<Node, Error> {
        self.change_node(node, |node| {
            without_taint(node, key).map(|taints| json!({"spec": {"taints": taints}}))
        })
        .await
    }

    /// Sets labels and annotations to the given values and removes those with `None`; the others stay.
    pub async fn update_node_metadata(
        &self,
        node: &Node,
        labels: &BTreeMap<String, Option<String>>,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<Node, Error> {
        let body = json!({"metadata": {"uid": node.uid, "labels": labels, "annotations": annotations}});
        self.node(&merge_patch("node_patch", path(&node.name), body)).await
    }

    /// Replaces `status.addresses` as a whole; nothing else of the status changes.
    pub async fn set_node_addresses(&self, name: &str, addresses: &[NodeAddress]) -> Result<Node, Error> {
        let body = json!({"status": {"addresses": addresses}});
        self.node(&merge_patch("node_status_patch", format!("{}/status", path(name)), body)).await
    }

    /// Sets the condition `NetworkUnavailable`; the other conditions stay.
    pub async fn set_node_network_unavailable(
        &self,
        name: &str,
        unavailable: bool,
        reason: &str,
        message: &str,
    ) -> Result<Node, Error> {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let condition = json!({
            "type": "NetworkUnavailable", "status": if unavailable { "True" } else { "False" },
            "reason": reason, "message": message, "lastTransitionTime": now, "lastHeartbeatTime": now,
        });
        let body = json!({"status": {"conditions": [condition]}});
        self.node(&strategic_patch("node_status_patch", format!("{}/status", path(name)), body)).await
    }

    /// Deletes the Node if it is still the one with `uid`; otherwise the answer is a conflict.
    pub async fn delete_node(&self, name: &str, uid: &str) -> Result<(), Error> {
        let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
        let call = Call::write("node_delete", Method::DELETE, path(name), ContentType::Json, body);
        self.send::<serde::de::IgnoredAny>(&call).await.map(|_| ())
    }

    /// Reads one Node past the watch.
    pub async fn read_node(&self, name: &str) -> Result<Node, Error> {
        self.node(&Call::read("node_get", path(name))).await
    }

    async fn node(&self, call: &Call) -> Result<Node, Error> {
        self.send::<WireNode>(call).await.map(Node::from)
    }

    /// Writes what `patch` wants under the version it looked at; reads the Node again when that is out of date.
    async fn change_node(&self, node: &Node, patch: impl Fn(&Node) -> Option<Value>) -> Result<Node, Error> {
        let mut node = node.clone();
        for _ in 0..CONFLICTS {
            let Some(body) = patch(&node) else { return Ok(node) };
            match self.node(&merge_patch("node_patch", path(&node.name), under_version(body, &node))).await {
                Err(error) if error.is_conflict() => {
                    let newer = self.read_node(&node.name).await?;
                    if newer.uid != node.uid {
                        return Err(error);
                    }
                    node = newer;
                }
                answer => return answer,
            }
        }
        Err(Error::api("node_patch", 409, "Conflict", "the Node changes too fast", None))
    }
}

fn path(name: &str) -> String {
    format!("/api/v1/nodes/{name}")
}

fn under_version(mut body: Value, node: &Node) -> Value {
    body["metadata"]["resourceVersion"] = json!(node.resource_version);
    body["metadata"]["uid"] = json!(node.uid);
    body
}

fn init_patch(node: &Node, init: &NodeInit<'_>) -> Option<Value> {
    let mut spec = Map::new();
    if let (None, Some(id)) = (&node.provider_id, &init.provider_id) {
        spec.insert("providerID".into(), json!(id));
    }
    if let Some(taints) = without_taint(node, init.remove_taint) {
        spec.insert("taints".into(), taints);
    }
    let differs = |wanted: &BTreeMap<String, String>, have: &BTreeMap<String, String>| {
        wanted.iter().any(|(key, value)| have.get(key) != Some(value))
    };
    if spec.is_empty()
        && !differs(&init.labels, &node.labels)
        && !differs(&init.annotations, &node.annotations)
    {
        return None;
    }
    Some(json!({"metadata": {"labels": init.labels, "annotations": init.annotations}, "spec": spec}))
}

fn add_taint_patch(node: &Node, taint: &Taint) -> Option<Value> {
    if node.taints.iter().any(|have| have.key == taint.key && have.effect == taint.effect) {
        return None;
    }
    let taints: Vec<&Taint> = node.taints.iter().chain([taint]).collect();
    Some(json!({"spec": {"taints": taints}}))
}

/// The list without `key`, or `None` if nothing is to be removed.
fn without_taint(node: &Node, key: &str) -> Option<Value> {
    let rest: Vec<&Taint> = node.taints.iter().filter(|taint| taint.key != key).collect();
    (rest.len() < node.taints.len()).then(|| if rest.is_empty() { Value::Null } else { json!(rest) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str) -> Taint {
        Taint { key: key.into(), effect: "NoSchedule".into(), ..Taint::default() }
    }

    fn node() -> Node {
        Node {
            name: "n".into(),
            uid: "u".into(),
            taints: vec![taint("boot"), taint("keep")],
            ..Node::default()
        }
    }

    fn init() -> NodeInit<'static> {
        NodeInit {
            provider_id: Some("openstack:///x".into()),
            labels: BTreeMap::from([("zone".into(), "a".into())]),
            remove_taint: "boot",
            ..NodeInit::default()
        }
    }

    #[test]
    fn initialising_sets_everything_at_once_and_keeps_other_taints() {
        assert_eq!(
            init_patch(&node(), &init()),
            Some(json!({
                "metadata": {"labels": {"zone": "a"}, "annotations": {}},
                "spec": {"providerID": "openstack:///x", "taints": [{"key": "keep", "effect": "NoSchedule"}]}
            }))
        );
    }

    #[test]
    fn a_provider_id_is_never_rewritten() {
        let node = Node { provider_id: Some("openstack:///other".into()), ..node() };
        assert_eq!(init_patch(&node, &init()).unwrap()["spec"].get("providerID"), None);
    }

    #[test]
    fn an_initialised_node_needs_no_patch() {
        let node = Node {
            provider_id: Some("p".into()),
            labels: init().labels,
            taints: vec![taint("keep")],
            ..node()
        };
        assert_eq!(init_patch(&node, &init()), None);
    }

    #[test]
    fn the_last_taint_leaves_no_list_behind() {
        let node = Node { taints: vec![taint("boot")], ..node() };
        assert_eq!(without_taint(&node, "boot"), Some(Value::Null));
        assert_eq!(without_taint(&node, "other"), None);
    }

    #[test]
    fn a_taint_is_added_once() {
        assert_eq!(add_taint_patch(&node(), &taint("keep")), None);
        let added = add_taint_patch(&node(), &taint("new")).unwrap();
        assert_eq!(added["spec"]["taints"].as_array().unwrap().len(), 3);
    }
}
