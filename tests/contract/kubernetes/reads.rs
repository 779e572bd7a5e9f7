//! Lists, pages, versions, watches.

use serde_json::{Value, json};

use super::answers::Steps;

// Services, since nobody else writes to those.
const SERVICES: &str = "/api/v1/namespaces/contract/services";

pub(crate) async fn script(steps: &mut Steps) {
    steps.chapter("Lists");
    for (name, zone) in [("contract-1", "a"), ("contract-2", "b"), ("contract-3", "a")] {
        steps.post(SERVICES, service(name, zone)).await;
    }
    lists(steps).await;
    pages(steps).await;
    steps.chapter("Watches");
    watches(steps).await;
    for name in ["contract-1", "contract-2", "contract-3"] {
        steps.delete(&format!("{SERVICES}/{name}"), Value::Null).await;
    }
}

fn service(name: &str, zone: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"contract": zone}}, "spec": {"ports": [{"port": 80}]}})
}

async fn lists(steps: &mut Steps) {
    for query in [
        "labelSelector=contract",
        "labelSelector=contract%3Da",
        "labelSelector=contract%20in%20(b,c)",
        "labelSelector=contract,contract!%3Da",
        "labelSelector=a%20b%20c",
        "fieldSelector=metadata.name%3Dcontract-2",
        "fieldSelector=metadata.name%3Dcontract-none",
        "fieldSelector=spec.providerID%3Dx",
        "labelSelector=contract&resourceVersion=0",
        "labelSelector=contract&resourceVersion=0&resourceVersionMatch=NotOlderThan",
        "resourceVersionMatch=NotOlderThan",
        "resourceVersion=x",
        "resourceVersion=0&resourceVersionMatch=Exact",
        "resourceVersion=9000000000",
    ] {
        steps.get(&format!("{SERVICES}?{query}")).await;
    }
    steps.get("/api/v1/namespaces/default/services?fieldSelector=metadata.name%3Dkubernetes").await;
    steps.get("/api/v1/namespaces/contract-none/services").await;
    steps.get("/api/v1/services?fieldSelector=spec.type%3DLoadBalancer").await;
}

async fn pages(steps: &mut Steps) {
    let first = steps.get(&format!("{SERVICES}?labelSelector=contract&limit=2")).await;
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    // A page shows the moment of the first one.
    steps
        .merge(&format!("{SERVICES}/contract-3"), json!({"metadata": {"annotations": {"late": "yes"}}}))
        .await;
    steps.get(&format!("{SERVICES}?labelSelector=contract&limit=2&continue={token}")).await;
    steps.get(&format!("{SERVICES}?limit=2&continue=none")).await;
    let version = first["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let exact =
        format!("{SERVICES}?labelSelector=contract&resourceVersion={version}&resourceVersionMatch=Exact");
    steps.get(&exact).await;
}

async fn watches(steps: &mut Steps) {
    let three = "watch=true&fieldSelector=metadata.name%3Dcontract-3";
    let list = steps.get(&format!("{SERVICES}?labelSelector=contract%3Da")).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let path = format!("{SERVICES}/contract-3");
    steps.merge(&path, json!({"metadata": {"annotations": {"n": "1"}}})).await;
    steps.merge(&path, json!({"metadata": {"labels": {"contract": "c"}}})).await;
    steps.delete(&path, Value::Null).await;
    steps.post(SERVICES, service("contract-3", "a")).await;
    steps.watch(&format!("{SERVICES}?{three}&resourceVersion={version}"), 4).await;
    // To a selection an object that does not fit is not there.
    steps
        .watch(&format!("{SERVICES}?watch=true&labelSelector=contract%3Da&resourceVersion={version}"), 3)
        .await;
    steps.watch(&format!("{SERVICES}?{three}"), 1).await;
    steps.watch(&format!("{SERVICES}?{three}&resourceVersion=0"), 1).await;

    // A list by a watch (sendInitialEvents) is not compared: the laboratory's etcd is too old for it.
    steps.watch(&format!("{SERVICES}?{three}&resourceVersion={version}&timeoutSeconds=1"), 5).await;

    steps.forget();
    steps.watch(&format!("{SERVICES}?{three}&resourceVersion=1"), 2).await;
    steps.get(&format!("{SERVICES}?{three}&sendInitialEvents=true")).await;
    steps.get(&format!("{SERVICES}?{three}&resourceVersionMatch=NotOlderThan")).await;
    steps.get(&format!("{SERVICES}?{three}&resourceVersion=x")).await;
}
