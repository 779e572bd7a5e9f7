//! Creating, replacing, patching, deleting.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_object_gets_identity_times_and_version_and_its_name_once() {
    let client = Client::new();
    let (status, made) = client.post(NODES, node("n1")).await;
    assert_eq!(status, 201);
    assert_eq!(made["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_eq!(made["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!((&made["kind"], &made["apiVersion"]), (&json!("Node"), &json!("v1")));
    let again = client.post(NODES, node("n1")).await;
    assert_eq!((again.0, message(&again)), (409, "nodes \"n1\" already exists"));
    assert_eq!(again.1["reason"], "AlreadyExists");
    let (_, generated) = client.post(NODES, json!({"metadata": {"generateName": "n-"}})).await;
    assert_eq!(generated["metadata"]["name"].as_str().unwrap().len(), 7);
    let unnamed = client.post(NODES, json!({})).await;
    assert_eq!(
        (unnamed.0, message(&unnamed)),
        (422, "Node \"\" is invalid: metadata.name: Required value: name or generateName is required")
    );
    let nowhere = client.post("/api/v1/namespaces/none/configmaps", node("a")).await;
    assert_eq!((nowhere.0, message(&nowhere)), (404, "namespaces \"none\" not found"));
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_the_last_is_a_conflict() {
    let client = Client::new();
    let (_, made) = client.post(NODES, node("n1")).await;
    let path = format!("{NODES}/n1");
    let (status, changed) = client.merge(&path, json!({"metadata": {"labels": {"a": "b"}}})).await;
    assert_eq!(status, 200);
    assert_ne!(made["metadata"]["resourceVersion"], changed["metadata"]["resourceVersion"]);
    let old = made["metadata"]["resourceVersion"].clone();
    let stale =
        client.merge(&path, json!({"metadata": {"resourceVersion": old, "labels": {"a": "c"}}})).await;
    assert_eq!(stale.0, 409);
    assert!(
        message(&stale)
            .starts_with("Operation cannot be fulfilled on nodes \"n1\": the object has been modified")
    );
    assert_eq!(client.put(&path, &made).await.0, 409);
    assert_eq!(client.server.get(&path)["metadata"]["labels"], json!({"a": "b"}));
    // What changes nothing leaves the version as it is.
    let (_, same) = client.merge(&path, json!({"metadata": {"labels": {"a": "b"}}})).await;
    assert_eq!(same["metadata"]["resourceVersion"], changed["metadata"]["resourceVersion"]);
}

#[tokio::test(start_paused = true)]
async fn another_uid_is_a_conflict_or_a_change_of_what_cannot_change() {
    let client = Client::new();
    let (_, mut made) = client.post(NODES, node("n1")).await;
    let path = format!("{NODES}/n1");
    let patched = client.merge(&path, json!({"metadata": {"uid": "other"}})).await;
    assert_eq!(patched.0, 422);
    assert_eq!(patched.1["details"]["causes"][0]["field"], "metadata.uid");
    let deleted = client.delete(&path, json!({"preconditions": {"uid": "other"}})).await;
    assert_eq!(deleted.0, 409);
    assert!(message(&deleted).contains("does not match the UID in record"));
    made["metadata"]["uid"] = json!("other");
    assert_eq!(client.put(&path, &made).await.0, 409);
    assert_eq!(client.delete(&path, Value::Null).await.0, 200);
    assert_eq!(client.get(&path).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn spec_and_status_are_written_apart() {
    let client = Client::new();
    client.post(NODES, node("n1")).await;
    let path = format!("{NODES}/n1");
    let both = json!({
        "spec": {"unschedulable": true},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}
    });
    let (_, main) = client.merge(&path, both.clone()).await;
    assert_eq!((&main["spec"]["unschedulable"], main["status"].get("addresses")), (&json!(true), None));
    client.merge(&path, json!({"spec": {"unschedulable": false}})).await;
    let (_, status) = client.merge(&format!("{path}/status"), both).await;
    assert_eq!(status["spec"]["unschedulable"], false);
    assert_eq!(status["status"]["addresses"][0]["address"], "10.0.0.1");
    let condition =
        |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status}]}});
    client.strategic(&format!("{path}/status"), condition("Ready", "True")).await;
    client.strategic(&format!("{path}/status"), condition("NetworkUnavailable", "False")).await;
    let (_, after) = client.strategic(&format!("{path}/status"), condition("Ready", "False")).await;
    let conditions: Vec<_> =
        after["status"]["conditions"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(conditions, ["False", "False"]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_id_is_set_once() {
    let client = Client::new();
    client.post(NODES, node("n1")).await;
    let path = format!("{NODES}/n1");
    let id = |id: &str| json!({"spec": {"providerID": id}});
    assert_eq!(client.merge(&path, id("openstack:///a")).await.0, 200);
    assert_eq!(client.merge(&path, id("openstack:///a")).await.0, 200);
    let refused = client.merge(&path, id("openstack:///b")).await;
    assert_eq!(
        (refused.0, message(&refused)),
        (
            422,
            "Node \"n1\" is invalid: spec.providerID: Forbidden: node updates may not change providerID except from \
             \"\" to valid"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_node_is_not_ready_and_taints_are_unique() {
    let client = Client::new();
    let boot = json!({"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"});
    let (_, made) = client.post(NODES, json!({"metadata": {"name": "n1"}, "spec": {"taints": [boot]}})).await;
    assert_eq!(made["spec"]["taints"].as_array().unwrap().len(), 2);
    let path = format!("{NODES}/n1");
    assert_eq!(client.merge(&path, json!({"spec": {"taints": [boot, boot]}})).await.0, 422);
    let (_, clean) = client.merge(&path, json!({"spec": {"taints": null}})).await;
    assert_eq!(clean["spec"].get("taints"), None);
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_holds_an_object_until_it_is_gone() {
    let client = Client::new();
    client.post(SERVICES, balancer("web")).await;
    let path = format!("{SERVICES}/web");
    let status = format!("{path}/status");
    let add = json!({"metadata": {"finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}});
    assert_eq!(client.strategic(&status, add.clone()).await.0, 200);
    let (code, marked) = client.delete(&path, Value::Null).await;
    assert_eq!((code, &marked["metadata"]["deletionTimestamp"]), (200, &json!("2026-01-01T00:00:00Z")));
    let more = client.strategic(&status, json!({"metadata": {"finalizers": ["example.org/late"]}})).await;
    assert_eq!(more.0, 422);
    assert!(message(&more).contains("no new finalizers can be added if the object is being deleted"));
    let mut watch =
        client.watch(&format!("{SERVICES}?watch=1&resourceVersion={}", client.server.revision())).await;
    let remove = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}});
    assert_eq!(client.strategic(&status, remove).await.0, 200);
    assert_eq!(client.get(&path).await.0, 404);
    assert_eq!(watch.next().await, "DELETED web");
}

#[tokio::test(start_paused = true)]
async fn a_service_gets_addresses_and_ports_and_keeps_them() {
    let client = Client::new();
    let (_, made) = client.post(SERVICES, balancer("web")).await;
    let spec = &made["spec"];
    let port = spec["ports"][0]["nodePort"].as_u64().unwrap();
    assert!((30_000..=32_767).contains(&port));
    assert_eq!(spec["clusterIPs"], json!([spec["clusterIP"]]));
    for (key, value) in
        [("ipFamilyPolicy", "SingleStack"), ("sessionAffinity", "None"), ("externalTrafficPolicy", "Cluster")]
    {
        assert_eq!(spec[key], value, "{key}");
    }
    let path = format!("{SERVICES}/web");
    let (_, replaced) = client.put(&path, &balancer("web")).await;
    assert_eq!(replaced["spec"], made["spec"]);
    let taken = json!({"metadata": {"name": "b"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}});
    let refused = client.post(SERVICES, taken).await;
    assert!(message(&refused).ends_with("provided port is already allocated"), "{refused:?}");
    let (_, local) = client.merge(&path, json!({"spec": {"externalTrafficPolicy": "Local"}})).await;
    assert!(local["spec"]["healthCheckNodePort"].as_u64().unwrap() >= 30_000);
    let (_, inner) = client.merge(&path, json!({"spec": {"type": "ClusterIP"}})).await;
    assert_eq!(
        (inner["spec"].get("externalTrafficPolicy"), inner["spec"]["ports"][0].get("nodePort")),
        (None, None)
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_of_a_load_balancer_gets_a_mode_and_must_be_one() {
    let client = Client::new();
    client.post(SERVICES, balancer("web")).await;
    let path = format!("{SERVICES}/web/status");
    let ingress = |entry: Value| json!({"status": {"loadBalancer": {"ingress": [entry]}}});
    let (_, set) = client.merge(&path, ingress(json!({"ip": "192.0.2.1"}))).await;
    assert_eq!(set["status"]["loadBalancer"]["ingress"], json!([{"ip": "192.0.2.1", "ipMode": "VIP"}]));
    for wrong in
        [json!({"ip": "x"}), json!({"hostname": "192.0.2.1"}), json!({"hostname": "a.b", "ipMode": "VIP"})]
    {
        assert_eq!(client.merge(&path, ingress(wrong)).await.0, 422);
    }
    let kubernetes = format!("{SERVICES}/kubernetes/status");
    let refused = client.merge(&kubernetes, ingress(json!({"ip": "192.0.2.1"}))).await;
    assert!(message(&refused).contains("may only be used when `spec.type` is 'LoadBalancer'"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_replaced_under_its_version_only() {
    let client = Client::new();
    let spec = json!({"holderIdentity": "a", "leaseDurationSeconds": 15});
    let (_, mut lease) = client.post(LEASES, json!({"metadata": {"name": "ccm"}, "spec": spec})).await;
    let path = format!("{LEASES}/ccm");
    lease["spec"]["holderIdentity"] = json!("b");
    assert_eq!(client.put(&path, &lease).await.0, 200);
    assert_eq!(client.put(&path, &lease).await.0, 409);
    lease["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let blind = client.put(&path, &lease).await;
    assert_eq!(blind.0, 422);
    assert!(
        message(&blind)
            .ends_with("metadata.resourceVersion: Invalid value: 0: must be specified for an update")
    );
    let zero = json!({"metadata": {"name": "x"}, "spec": {"leaseDurationSeconds": 0}});
    assert_eq!(client.post(LEASES, zero).await.0, 422);
}

#[tokio::test(start_paused = true)]
async fn events_stand_where_their_object_is_and_end_after_an_hour() {
    let client = Client::new();
    let event = |namespace: &str| {
        json!({
            "metadata": {"name": "e"}, "involvedObject": {"kind": "Service", "namespace": namespace, "name": "web"},
            "reason": "Test", "message": "m", "type": "Normal", "count": 1
        })
    };
    let path = "/api/v1/namespaces/default/events";
    assert_eq!(client.post(path, event("other")).await.0, 422);
    assert_eq!(client.post(path, event("default")).await.0, 201);
    let (_, repeated) = client.merge(&format!("{path}/e"), json!({"count": 2})).await;
    assert_eq!(repeated["count"], 2);
    tokio::time::advance(Duration::from_secs(3500)).await;
    assert_eq!(client.get(&format!("{path}/e")).await.0, 200);
    tokio::time::advance(Duration::from_secs(101)).await;
    assert_eq!(client.get(&format!("{path}/e")).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn values_of_a_wrong_type_and_other_media_are_refused() {
    let client = Client::new();
    client.post(NODES, node("n1")).await;
    let path = format!("{NODES}/n1");
    assert_eq!(client.merge(&path, json!({"metadata": {"labels": {"a": 1}}})).await.0, 422);
    assert_eq!(client.merge(&path, json!({"spec": {"taints": "x"}})).await.0, 422);
    assert_eq!(client.ask("PATCH", &path, "application/json", &json!({})).await.0, 415);
    assert_eq!(client.post(NODES, json!({"kind": "Service", "metadata": {"name": "x"}})).await.0, 400);
    assert_eq!(client.put(&path, &node("n2")).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_set_is_missing_and_not_null() {
    let client = Client::new();
    client.server.create("/api/v1/nodes", &json!({"metadata": {"name": "n1"}}));
    client.server.change_status("/api/v1/nodes/n1", &json!({"status": {"nodeInfo": {"osImage": "x"}}}));
    assert_eq!(client.server.get("/api/v1/nodes/n1")["status"].get("conditions"), None);
}
