//! Nodes: creation, the three patches, what cannot change, deletion.

use http::Method;
use serde_json::{Value, json};

use super::answers::Steps;

const NODES: &str = "/api/v1/nodes";
const ONE: &str = "/api/v1/nodes/contract-1";
const STATUS: &str = "/api/v1/nodes/contract-1/status";

pub(crate) async fn script(steps: &mut Steps) {
    steps.chapter("Nodes");
    let made = create(steps).await;
    patches(steps, &made).await;
    status(steps).await;
    refusals(steps).await;
    removal(steps, &made).await;
}

fn node(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

async fn create(steps: &mut Steps) -> Value {
    let taint = json!({"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"});
    let body = json!({
        "kind": "Node", "apiVersion": "v1",
        "metadata": {"name": "contract-1", "labels": {"contract": "one"}}, "spec": {"taints": [taint]},
        "status": {"nodeInfo": {"systemUUID": "5f0ad7a6-3b0e-4ba9-9bd5-5b9b0c6a0001"}}
    });
    let made = steps.post(NODES, body).await;
    steps.controllers("contract-1").await;
    steps.post(NODES, node("contract-1")).await;
    steps.get(ONE).await;
    steps.get("/api/v1/nodes/contract-none").await;
    steps.post(NODES, json!({})).await;
    steps.post(NODES, node("Upper Case")).await;
    steps.post(NODES, json!({"metadata": {"name": "contract-2", "labels": {"a": "not/allowed"}}})).await;
    steps.post(NODES, json!({"metadata": {"name": "contract-2", "resourceVersion": "1"}})).await;
    steps
        .post(NODES, json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "contract-2"}}))
        .await;
    steps.raw(Method::POST, NODES, "application/json", b"{\"metadata\":").await;
    steps.send(Method::POST, NODES, "text/plain", &node("contract-2")).await;
    steps.send(Method::POST, &format!("{NODES}?dryRun=All"), "application/json", &node("contract-2")).await;
    made
}

async fn patches(steps: &mut Steps, made: &Value) {
    steps.merge(ONE, json!({"metadata": {"labels": {"zone": "a"}, "annotations": {"note": "x"}}})).await;
    steps.merge(ONE, json!({"metadata": {"labels": {"zone": "a"}}})).await;
    let old = &made["metadata"]["resourceVersion"];
    steps.merge(ONE, json!({"metadata": {"resourceVersion": old, "labels": {"zone": "b"}}})).await;
    steps.put(ONE, made).await;
    steps.merge(ONE, json!({"metadata": {"uid": "another"}})).await;
    steps
        .merge(ONE, json!({"spec": {"providerID": "openstack:///5f0ad7a6-3b0e-4ba9-9bd5-5b9b0c6a0001"}}))
        .await;
    steps.merge(ONE, json!({"spec": {"providerID": "openstack:///other"}})).await;
    steps.merge(ONE, json!({"spec": {"providerID": null}})).await;
    let now = steps.get(ONE).await;
    let taints =
        json!([{"key": "a", "effect": "NoSchedule"}, {"key": "b", "value": "x", "effect": "NoExecute"}]);
    let version = &now["metadata"]["resourceVersion"];
    let uid = &now["metadata"]["uid"];
    steps
        .merge(ONE, json!({"metadata": {"resourceVersion": version, "uid": uid}, "spec": {"taints": taints}}))
        .await;
    let twice =
        json!([{"key": "a", "effect": "NoSchedule"}, {"key": "a", "value": "y", "effect": "NoSchedule"}]);
    steps.merge(ONE, json!({"spec": {"taints": twice}})).await;
    steps.merge(ONE, json!({"spec": {"taints": [{"key": "a", "effect": "Never"}]}})).await;
    steps.merge(ONE, json!({"spec": {"taints": null}})).await;
    steps.strategic(ONE, json!({"metadata": {"labels": {"zone": null, "rack": "1"}}})).await;
    steps
        .json_patch(
            ONE,
            json!([
                {"op": "test", "path": "/metadata/labels/rack", "value": "1"},
                {"op": "replace", "path": "/metadata/labels/rack", "value": "2"},
                {"op": "add", "path": "/metadata/labels/row", "value": "3"}
            ]),
        )
        .await;
    steps.json_patch(ONE, json!([{"op": "test", "path": "/metadata/labels/rack", "value": "1"}])).await;
    steps.json_patch(ONE, json!([{"op": "remove", "path": "/metadata/labels/none"}])).await;
    steps.merge(&format!("{ONE}?dryRun=All"), json!({"metadata": {"labels": {"dry": "run"}}})).await;
    // A replacement without version and identity takes those that are there.
    let mut whole = node("contract-1");
    whole["spec"] = json!({"providerID": now["spec"]["providerID"], "podCIDR": now["spec"]["podCIDR"]});
    whole["metadata"]["annotations"] = json!({"node.alpha.kubernetes.io/ttl": "0"});
    steps.put(ONE, &whole).await;
}

async fn status(steps: &mut Steps) {
    let both = json!({
        "spec": {"taints": [{"key": "example.org/x", "effect": "NoSchedule"}]},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.66.0.11"}, {"type": "Hostname", "address": "one"}]}
    });
    steps.merge(ONE, both.clone()).await;
    steps.merge(ONE, json!({"spec": {"taints": null}})).await;
    steps.merge(STATUS, both).await;
    steps
        .merge(STATUS, json!({"status": {"addresses": [{"type": "InternalIP", "address": "10.66.0.12"}]}}))
        .await;
    let twice = json!([{"type": "InternalIP", "address": "10.66.0.12"}, {"type": "InternalIP", "address": "10.66.0.12"}]);
    steps.merge(STATUS, json!({"status": {"addresses": twice}})).await;
    steps
        .strategic(
            STATUS,
            json!({"status": {"addresses": [{"type": "ExternalIP", "address": "172.24.4.9"}]}}),
        )
        .await;
    let condition = |kind: &str, status: &str, reason: &str| {
        let time = "2026-01-01T00:00:00Z";
        json!({"status": {"conditions": [{
            "type": kind, "status": status, "reason": reason, "message": "m", "lastHeartbeatTime": time, "lastTransitionTime": time
        }]}})
    };
    steps.strategic(STATUS, condition("NetworkUnavailable", "False", "Started")).await;
    steps.strategic(STATUS, condition("Example", "True", "X")).await;
    steps.strategic(STATUS, condition("NetworkUnavailable", "False", "RouteCreated")).await;
    steps.strategic(STATUS, json!({"status": {"conditions": [{"status": "True"}]}})).await;
    // The status may bring metadata along.
    steps.merge(STATUS, json!({"metadata": {"annotations": {"by": "status"}}})).await;
    steps.get(STATUS).await;
}

async fn refusals(steps: &mut Steps) {
    steps.merge(ONE, json!({"metadata": {"labels": {"a": 1}}})).await;
    steps.merge(ONE, json!({"spec": {"taints": "x"}})).await;
    steps.merge(ONE, json!([])).await;
    steps.json_patch(ONE, json!({})).await;
    steps.send(Method::PATCH, ONE, "application/json", &json!({})).await;
    steps.raw(Method::PATCH, ONE, "application/merge-patch+json", b"{").await;
    steps.put(ONE, &node("contract-2")).await;
    steps.put("/api/v1/nodes/contract-none", &node("contract-none")).await;
    steps.merge("/api/v1/nodes/contract-none", json!({})).await;
    steps.send(Method::POST, ONE, "application/json", &node("contract-1")).await;
    steps.merge(ONE, json!({"metadata": {"resourceVersion": "x"}})).await;
    steps.merge(ONE, json!({"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}})).await;
    steps.merge(ONE, json!({"metadata": {"finalizers": ["plain"]}})).await;
}

async fn removal(steps: &mut Steps, made: &Value) {
    steps.delete(ONE, json!({"preconditions": {"uid": "another"}})).await;
    let old = &made["metadata"]["resourceVersion"];
    steps.delete(ONE, json!({"preconditions": {"resourceVersion": old}})).await;
    let uid = &made["metadata"]["uid"];
    let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
    steps.delete(ONE, body).await;
    steps.delete(ONE, Value::Null).await;
    steps.get(ONE).await;
}
