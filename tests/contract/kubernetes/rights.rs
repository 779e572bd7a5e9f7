//! Who may do what: tokens, refusals, reviews; the server itself; a namespace that goes.

use serde_json::{Value, json};

use super::answers::Steps;

const ACCOUNTS: &str = "/api/v1/namespaces/kube-system/serviceaccounts";

pub(crate) async fn script(steps: &mut Steps) {
    steps.chapter("Rights");
    steps.post(ACCOUNTS, json!({"metadata": {"name": "contract-reader"}})).await;
    let request = json!({"spec": {"expirationSeconds": 3600}});
    let made = steps.post(&format!("{ACCOUNTS}/contract-reader/token"), request.clone()).await;
    let token = made["status"]["token"].as_str().unwrap().to_owned();
    steps.post(&format!("{ACCOUNTS}/contract-none/token"), request).await;
    let rules = json!([
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["services/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    ]);
    steps.target().grant("contract-reader", &rules, None).await;
    let rules = json!([
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["contract"], "verbs": ["get"]}
    ]);
    steps.target().grant("contract-reader", &rules, Some("kube-system")).await;
    steps.bear(Some(&token));
    refusals(steps).await;
    steps.bear(Some("nobody's"));
    steps.get("/api/v1/nodes").await;
    steps.bear(None);
    reviews(steps, &token).await;
    server(steps).await;
    steps.delete(&format!("{ACCOUNTS}/contract-reader"), Value::Null).await;
    steps.chapter("A namespace that goes");
    steps.delete("/api/v1/namespaces/contract", Value::Null).await;
    let map = json!({"metadata": {"name": "late"}});
    steps.post("/api/v1/namespaces/contract/configmaps", map).await;
}

async fn refusals(steps: &mut Steps) {
    let leases = "/apis/coordination.k8s.io/v1/namespaces";
    steps.get("/api/v1/nodes?labelSelector=contract%3Dnone").await;
    steps.get("/api/v1/nodes/contract-1").await;
    steps.get("/api/v1/nodes?watch=true").await;
    steps.get("/api/v1/services").await;
    steps.get("/api/v1/namespaces/default/services?fieldSelector=metadata.name%3Dkubernetes").await;
    steps.merge("/api/v1/namespaces/contract/services/none", json!({})).await;
    steps.merge("/api/v1/namespaces/contract/services/none/status", json!({})).await;
    steps.merge("/api/v1/nodes/contract-1/status", json!({})).await;
    steps.get("/api/v1/namespaces/kube-system/configmaps/none").await;
    steps.get("/api/v1/namespaces/default").await;
    steps.get(&format!("{leases}/kube-system/leases/contract")).await;
    steps.get(&format!("{leases}/kube-system/leases/other")).await;
    steps.get(&format!("{leases}/default/leases/contract")).await;
    steps.post(&format!("{leases}/default/leases"), json!({"metadata": {"name": "x"}})).await;
    steps.delete("/api/v1/nodes/contract-1", Value::Null).await;
    steps.get("/configz").await;
}

async fn reviews(steps: &mut Steps, token: &str) {
    let review = |token: &str| json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let tokens = "/apis/authentication.k8s.io/v1/tokenreviews";
    steps.post(tokens, review(token)).await;
    steps.post(tokens, review("nobody's")).await;
    let user = "system:serviceaccount:kube-system:contract-reader";
    let access = |what: &str, attributes: Value| {
        json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": user, "groups": ["system:authenticated"], what: attributes}
        })
    };
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    steps.post(path, access("nonResourceAttributes", json!({"verb": "get", "path": "/metrics"}))).await;
    steps.post(path, access("nonResourceAttributes", json!({"verb": "get", "path": "/configz"}))).await;
    steps.post(path, access("resourceAttributes", json!({"verb": "list", "resource": "nodes"}))).await;
    steps
        .post(path, access("resourceAttributes", json!({"verb": "delete", "resource": "nodes", "name": "x"})))
        .await;
}

async fn server(steps: &mut Steps) {
    steps.chapter("The server itself");
    for path in ["/readyz", "/livez", "/healthz", "/none", "/api/v1/none", "/apis/none.example.org/v1/none"] {
        steps.get(path).await;
    }
    steps.get("/api/v1/nodes/contract-1/none").await;
    steps.get("/version").await;
}
