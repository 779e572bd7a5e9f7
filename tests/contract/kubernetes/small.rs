//! Events, `ConfigMaps`, Secrets, namespaces.

use serde_json::{Value, json};

use super::answers::Steps;

const EVENTS: &str = "/api/v1/namespaces/contract/events";

pub(crate) async fn script(steps: &mut Steps) {
    steps.chapter("Events");
    let time = "2026-01-01T00:00:00Z";
    let event = |about: Value| {
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "contract"}, "involvedObject": about,
            "reason": "EnsuringLoadBalancer", "message": "m", "type": "Normal",
            "source": {"component": "service-controller"}, "reportingComponent": "service-controller",
            "reportingInstance": "", "firstTimestamp": time, "lastTimestamp": time, "count": 1
        })
    };
    let service =
        json!({"kind": "Service", "namespace": "contract", "name": "web", "uid": "u", "apiVersion": "v1"});
    steps.post(EVENTS, event(service.clone())).await;
    steps.post(EVENTS, event(service)).await;
    steps
        .merge(&format!("{EVENTS}/contract"), json!({"count": 2, "lastTimestamp": "2026-01-01T00:01:00Z"}))
        .await;
    steps.merge(&format!("{EVENTS}/none"), json!({"count": 2})).await;
    steps.post(EVENTS, event(json!({"kind": "Service", "namespace": "default", "name": "web"}))).await;
    steps.post(EVENTS, event(json!({"kind": "Node", "name": "contract-1"}))).await;
    steps
        .post("/api/v1/namespaces/default/events", event(json!({"kind": "Node", "name": "contract-1"})))
        .await;
    let bare = json!({"metadata": {"name": "bare"}, "involvedObject": {"namespace": "contract"}});
    steps.post(EVENTS, bare).await;
    steps
        .get(&format!("{EVENTS}?fieldSelector=involvedObject.name%3Dweb,reason%3DEnsuringLoadBalancer"))
        .await;
    steps.merge(&format!("{EVENTS}/contract"), json!({"count": "x"})).await;
    steps.delete(&format!("{EVENTS}/contract"), Value::Null).await;

    steps.chapter("ConfigMaps and Secrets");
    let maps = "/api/v1/namespaces/contract/configmaps";
    let named = |name: &str, data: Value| json!({"metadata": {"name": name}, "data": data});
    steps.post(maps, named("one", json!({"a": "b"}))).await;
    steps.put(&format!("{maps}/one"), &named("one", json!({"a": "c"}))).await;
    steps.put(&format!("{maps}/none"), &named("none", json!({}))).await;
    steps.delete(&format!("{maps}/one"), Value::Null).await;
    let secrets = "/api/v1/namespaces/contract/secrets";
    steps.post(secrets, named("one", json!({"a": "Yg=="}))).await;
    steps.delete(&format!("{secrets}/one"), Value::Null).await;

    steps.chapter("Namespaces");
    steps.get("/api/v1/namespaces/contract").await;
    steps.get("/api/v1/namespaces/contract-none").await;
    // What a finalizer holds in it holds the namespace as well.
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.org/hold"]}});
    steps.post(maps, held).await;
}
