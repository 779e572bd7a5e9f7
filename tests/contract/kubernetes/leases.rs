//! Leases: what leader election asks.

use serde_json::{Value, json};

use super::answers::Steps;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/contract/leases";
const ONE: &str = "/apis/coordination.k8s.io/v1/namespaces/contract/leases/leader";

pub(crate) async fn script(steps: &mut Steps) {
    steps.chapter("Leases");
    let time = "2026-01-01T00:00:00.000000Z";
    let spec = json!({
        "holderIdentity": "a", "leaseDurationSeconds": 15, "acquireTime": time, "renewTime": time, "leaseTransitions": 0
    });
    steps.get(ONE).await;
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "leader", "namespace": "contract"},
        "spec": spec
    });
    let made = steps.post(LEASES, lease.clone()).await;
    steps.post(LEASES, lease.clone()).await;
    steps.put(ONE, &lease).await;
    let mut taken = made.clone();
    taken["spec"]["holderIdentity"] = json!("b");
    taken["spec"]["leaseTransitions"] = json!(1);
    let now = steps.put(ONE, &taken).await;
    steps.put(ONE, &taken).await;
    let mut released = now.clone();
    released["spec"]["holderIdentity"] = json!("");
    released["spec"]["leaseDurationSeconds"] = json!(1);
    let now = steps.put(ONE, &released).await;
    let mut wrong = now.clone();
    wrong["spec"]["leaseDurationSeconds"] = json!(0);
    wrong["spec"]["leaseTransitions"] = json!(-1);
    steps.put(ONE, &wrong).await;
    let mut other = now.clone();
    other["metadata"]["uid"] = json!("another");
    steps.put(ONE, &other).await;
    steps.merge(ONE, json!({"spec": {"leaseDurationSeconds": "x"}})).await;
    steps.delete(ONE, Value::Null).await;
    steps.put(ONE, &now).await;
    // A Lease that is not there is made by a replacement, too.
    lease["metadata"] = json!({"name": "leader"});
    steps.put(ONE, &lease).await;
    steps.delete(ONE, Value::Null).await;
}
