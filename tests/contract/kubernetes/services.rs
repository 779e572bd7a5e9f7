//! Services: what the server fills in, the status, finalizers, namespaces.

use serde_json::{Value, json};

use super::answers::Steps;

const SERVICES: &str = "/api/v1/namespaces/contract/services";
const WEB: &str = "/api/v1/namespaces/contract/services/web";
const STATUS: &str = "/api/v1/namespaces/contract/services/web/status";
const HELD: &str = "/api/v1/namespaces/contract/services/held";
const CLEANUP: &str = "service.kubernetes.io/load-balancer-cleanup";

pub(crate) async fn script(steps: &mut Steps) {
    steps.chapter("Services");
    steps.post("/api/v1/namespaces", json!({"metadata": {"name": "contract"}})).await;
    // The accounts' controller writes into a new namespace.
    steps.target().settle().await;
    create(steps).await;
    change(steps).await;
    status(steps).await;
    finalizer(steps).await;
}

fn balancer(name: &str, ports: &Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"type": "LoadBalancer", "ports": ports}})
}

async fn create(steps: &mut Steps) {
    let ports = json!([{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"}]);
    steps.post(SERVICES, balancer("web", &ports)).await;
    steps.post(SERVICES, json!({"metadata": {"name": "plain"}, "spec": {"ports": [{"port": 80}]}})).await;
    let local = json!({
        "metadata": {"name": "local"},
        "spec": {
            "type": "LoadBalancer", "externalTrafficPolicy": "Local", "sessionAffinity": "ClientIP",
            "allocateLoadBalancerNodePorts": false, "loadBalancerClass": "example.org/x",
            "loadBalancerSourceRanges": ["10.0.0.0/8"], "ports": [{"port": 80}]
        }
    });
    steps.post(SERVICES, local).await;
    steps.post(SERVICES, json!({"metadata": {"name": "headless"}, "spec": {"clusterIP": "None"}})).await;
    steps.post(SERVICES, balancer("web", &json!([{"port": 80}]))).await;
    steps.post(SERVICES, balancer("none", &json!([]))).await;
    steps.post(SERVICES, balancer("none", &json!([{"port": 0}]))).await;
    steps.post(SERVICES, balancer("none", &json!([{"port": 80}, {"port": 81}]))).await;
    steps
        .post(SERVICES, balancer("none", &json!([{"name": "a", "port": 80}, {"name": "a", "port": 81}])))
        .await;

    let twice = json!([{"name": "a", "port": 80}, {"name": "b", "port": 80}]);
    steps.post(SERVICES, json!({"metadata": {"name": "none"}, "spec": {"ports": twice}})).await;

    steps.post(SERVICES, balancer("none", &json!([{"port": 80, "protocol": "ICMP"}]))).await;
    steps.post(SERVICES, balancer("none", &json!([{"port": 80, "nodePort": 80}]))).await;
    steps.post(SERVICES, balancer("No.ne", &json!([{"port": 80}]))).await;
    let mut other = balancer("none", &json!([{"port": 80}]));
    other["metadata"]["namespace"] = json!("default");
    steps.post(SERVICES, other).await;
    steps.post("/api/v1/namespaces/contract-none/services", balancer("web", &json!([{"port": 80}]))).await;
    steps.post("/api/v1/services", balancer("web", &json!([{"port": 80}]))).await;
    steps
        .post(
            SERVICES,
            json!({"metadata": {"name": "none"}, "spec": {"type": "Other", "ports": [{"port": 80}]}}),
        )
        .await;
}

async fn change(steps: &mut Steps) {
    let annotations = json!({"loadbalancer.openstack.org/load-balancer-id": "x", "none": null});
    steps.merge(WEB, json!({"metadata": {"annotations": annotations}})).await;
    let taken = steps.get(WEB).await["spec"]["ports"][0]["nodePort"].clone();
    steps.post(SERVICES, balancer("none", &json!([{"port": 80, "nodePort": taken}]))).await;
    steps.merge(WEB, json!({"spec": {"externalTrafficPolicy": "Local"}})).await;
    steps.merge(WEB, json!({"spec": {"externalTrafficPolicy": "Cluster"}})).await;
    steps.strategic(WEB, json!({"spec": {"ports": [{"name": "tls", "port": 443}]}})).await;
    steps.strategic(WEB, json!({"spec": {"ports": [{"port": 443, "$patch": "delete"}]}})).await;
    let ports = json!([{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"}]);
    steps.put(WEB, &balancer("web", &ports)).await;
    steps.merge(WEB, json!({"spec": {"clusterIP": "10.96.200.200", "clusterIPs": ["10.96.200.200"]}})).await;
    steps.merge(WEB, json!({"spec": {"loadBalancerClass": "example.org/late"}})).await;
    steps.merge(WEB, json!({"status": {"loadBalancer": {"ingress": [{"ip": "172.24.4.7"}]}}})).await;
}

async fn status(steps: &mut Steps) {
    let ingress = |list: Value| json!({"status": {"loadBalancer": {"ingress": list}}});
    steps.merge(STATUS, ingress(json!([{"ip": "172.24.4.7"}, {"hostname": "a.example.org"}]))).await;
    steps.merge(STATUS, ingress(json!([{"ip": "172.24.4.7", "ipMode": "Proxy"}]))).await;
    steps.merge(STATUS, ingress(json!([{"ip": "172.24.4.7", "ipMode": "Other"}]))).await;
    steps.merge(STATUS, ingress(json!([{"hostname": "a.example.org", "ipMode": "VIP"}]))).await;
    steps.merge(STATUS, ingress(json!([{"ip": "nowhere"}]))).await;
    steps.merge(STATUS, ingress(json!([{"hostname": "172.24.4.7"}]))).await;
    steps.merge(STATUS, json!({"spec": {"sessionAffinity": "ClientIP"}})).await;
    steps.merge(STATUS, ingress(Value::Null)).await;
    steps.merge(STATUS, ingress(json!([{"ip": "172.24.4.7"}]))).await;
    steps.merge(&format!("{SERVICES}/plain/status"), ingress(json!([{"ip": "172.24.4.7"}]))).await;
    // Another type takes away what it does not have.
    steps.merge(WEB, json!({"spec": {"type": "ClusterIP"}})).await;
    steps.merge(WEB, json!({"spec": {"type": "LoadBalancer"}})).await;
}

async fn finalizer(steps: &mut Steps) {
    let made = steps.post(SERVICES, balancer("held", &json!([{"port": 80}]))).await;
    let held = format!("{HELD}/status");
    let uid = &made["metadata"]["uid"];
    steps.strategic(&held, json!({"metadata": {"uid": "another", "finalizers": [CLEANUP]}})).await;
    steps.strategic(&held, json!({"metadata": {"uid": uid, "finalizers": [CLEANUP]}})).await;
    steps.strategic(&held, json!({"metadata": {"uid": uid, "finalizers": [CLEANUP]}})).await;
    steps.strategic(&held, json!({"metadata": {"finalizers": ["example.org/second"]}})).await;
    steps.delete(HELD, Value::Null).await;
    steps.delete(HELD, Value::Null).await;
    steps.strategic(&held, json!({"metadata": {"finalizers": ["example.org/late"]}})).await;
    steps.merge(HELD, json!({"metadata": {"annotations": {"still": "writable"}}})).await;
    let remove =
        |name: &str| json!({"metadata": {"uid": uid, "$deleteFromPrimitiveList/finalizers": [name]}});
    steps.strategic(&held, remove("example.org/none")).await;
    steps.strategic(&held, remove("example.org/second")).await;
    steps.strategic(&held, remove(CLEANUP)).await;
    steps.get(HELD).await;
    steps.strategic(&held, remove(CLEANUP)).await;
    steps.delete(WEB, Value::Null).await;
    for name in ["plain", "local", "headless"] {
        steps.delete(&format!("{SERVICES}/{name}"), Value::Null).await;
    }
}
