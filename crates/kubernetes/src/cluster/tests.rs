//! Time limits, fence and retries of requests, and the requests that writes become.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::fence::WriteWindow;
use crate::key::ObjectKey;
use crate::node::{AddressKind, Node, NodeAddress, Taint};
use crate::service::{Ingress, Service};
use crate::testing::{Answer, Asked, cluster};
use crate::writes::NodeInit;

type Log = Arc<Mutex<Vec<Asked>>>;

/// Gives these answers one after the other, then 200 with an empty object.
fn scripted(answers: impl IntoIterator<Item = Answer>) -> (Cluster, Log) {
    let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
    let log = Log::default();
    let asked_so_far = log.clone();
    let cluster = cluster(move |asked| {
        asked_so_far.lock().unwrap().push(asked);
        let answer = answers.lock().unwrap().pop_front().unwrap_or_else(|| Answer::json(200, &json!({})));
        async move { Ok(answer) }
    });
    (cluster, log)
}

fn sent(log: &Log) -> Vec<String> {
    log.lock()
        .unwrap()
        .iter()
        .map(|asked| format!("{} {} {} {}", asked.method, asked.path, asked.content_type, asked.body))
        .collect()
}

fn front() -> Service {
    Service { key: ObjectKey::new("web", "front"), uid: "u1".into(), ..Service::default() }
}

fn n1() -> Node {
    let taint = Taint { key: "boot".into(), effect: "NoSchedule".into(), ..Taint::default() };
    Node {
        name: "n1".into(),
        uid: "u1".into(),
        resource_version: "5".into(),
        taints: vec![taint],
        ..Node::default()
    }
}

#[tokio::test(start_paused = true)]
async fn services_are_written_by_patches_that_keep_what_is_not_ours() {
    let (cluster, log) = scripted([]);
    let key = front().key;
    let annotations = BTreeMap::from([("a".to_owned(), Some("1".to_owned())), ("b".to_owned(), None)]);
    cluster.update_service_annotations(&key, annotations).await.unwrap();
    cluster.add_service_finalizer(&front(), "x/f").await.unwrap();
    cluster.remove_service_finalizer(&front(), "x/f").await.unwrap();
    let ingress = Ingress { ip: Some("192.0.2.1".into()), ip_mode: Some("VIP".into()), hostname: None };
    cluster.set_service_ingress(&key, &[ingress]).await.unwrap();
    cluster.set_service_ingress(&key, &[]).await.unwrap();
    let path = "/api/v1/namespaces/web/services/front";
    let (merge, strategic) = ("application/merge-patch+json", "application/strategic-merge-patch+json");
    assert_eq!(
        sent(&log),
        [
            format!(r#"PATCH {path} {merge} {{"metadata":{{"annotations":{{"a":"1","b":null}}}}}}"#),
            format!(r#"PATCH {path}/status {strategic} {{"metadata":{{"finalizers":["x/f"],"uid":"u1"}}}}"#),
            format!(
                r#"PATCH {path}/status {strategic} {{"metadata":{{"$deleteFromPrimitiveList/finalizers":["x/f"],"uid":"u1"}}}}"#
            ),
            format!(
                r#"PATCH {path}/status {merge} {{"status":{{"loadBalancer":{{"ingress":[{{"ip":"192.0.2.1","ipMode":"VIP"}}]}}}}}}"#
            ),
            format!(r#"PATCH {path}/status {merge} {{"status":{{"loadBalancer":{{"ingress":null}}}}}}"#),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_changed_meanwhile_is_read_and_written_again() {
    let newer = json!({
        "metadata": {"name": "n1", "uid": "u1", "resourceVersion": "6"},
        "spec": {"taints": [{"key": "boot", "effect": "NoSchedule"}, {"key": "new", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}]}
    });
    let (cluster, log) = scripted([Answer::refusal(409, "Conflict"), Answer::json(200, &newer)]);
    let init =
        NodeInit { provider_id: Some("openstack:///s".into()), remove_taint: "boot", ..NodeInit::default() };
    cluster.initialize_node(&n1(), &init).await.unwrap();
    let log = log.lock().unwrap();
    let methods: Vec<&str> = log.iter().map(|asked| asked.method.as_str()).collect();
    assert_eq!(methods, ["PATCH", "GET", "PATCH"]);
    assert_eq!(log[0].body["metadata"]["resourceVersion"], "5");
    assert_eq!(log[0].body["spec"], json!({"providerID": "openstack:///s", "taints": null}));
    assert_eq!(log[2].body["metadata"]["resourceVersion"], "6");
    assert_eq!(
        log[2].body["spec"]["taints"],
        json!([{"key": "new", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}])
    );
}

#[tokio::test(start_paused = true)]
async fn another_node_of_the_same_name_is_left_alone() {
    let other = json!({"metadata": {"name": "n1", "uid": "u2", "resourceVersion": "9"}, "spec": {"taints": [{"key": "boot", "effect": "NoSchedule"}]}});
    let (cluster, log) = scripted([Answer::refusal(409, "Conflict"), Answer::json(200, &other)]);
    assert!(cluster.remove_node_taint(&n1(), "boot").await.unwrap_err().is_conflict());
    assert_eq!(log.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn endless_conflicts_end() {
    let current = json!({"metadata": {"name": "n1", "uid": "u1", "resourceVersion": "6"}, "spec": {"taints": [{"key": "boot"}]}});
    let (cluster, log) =
        scripted((0..20).map(|n| {
            if n % 2 == 0 { Answer::refusal(409, "Conflict") } else { Answer::json(200, &current) }
        }));
    assert!(cluster.remove_node_taint(&n1(), "boot").await.unwrap_err().is_conflict());
    assert_eq!(log.lock().unwrap().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_change_is_not_sent() {
    let (cluster, log) = scripted([]);
    cluster.remove_node_taint(&n1(), "absent").await.unwrap();
    cluster.add_node_taint(&n1(), &n1().taints[0]).await.unwrap();
    assert!(log.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn node_status_and_deletion() {
    let (cluster, log) = scripted([]);
    let address = NodeAddress { kind: AddressKind::InternalIp, address: "10.0.0.1".into() };
    cluster.set_node_addresses("n1", &[address]).await.unwrap();
    cluster.delete_node("n1", "u1").await.unwrap();
    let sent = sent(&log);
    assert_eq!(
        sent[0],
        r#"PATCH /api/v1/nodes/n1/status application/merge-patch+json {"status":{"addresses":[{"address":"10.0.0.1","type":"InternalIP"}]}}"#
    );
    assert!(
        sent[1].starts_with("DELETE /api/v1/nodes/n1 ")
            && sent[1].contains(r#""preconditions":{"uid":"u1"}"#),
        "{}",
        sent[1]
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_and_a_refusal_is_not_repeated() {
    let (cluster, log) =
        scripted([Answer::refusal(429, "TooManyRequests"), Answer::refusal(503, "ServiceUnavailable")]);
    cluster.read_node("n1").await.unwrap();
    assert_eq!(log.lock().unwrap().len(), 3);
    let (cluster, log) = scripted((0..9).map(|_| Answer::refusal(503, "ServiceUnavailable")));
    assert!(cluster.read_node("n1").await.unwrap_err().is_transient());
    assert_eq!(log.lock().unwrap().len(), 4);
    let (cluster, log) = scripted([Answer::refusal(403, "Forbidden")]);
    assert!(cluster.namespace_uid("kube-system").await.unwrap_err().is_forbidden());
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_identified_without_the_right_to_get_it() {
    let (cluster, log) = scripted([
        Answer::json(200, &json!({"items": [{"metadata": {"uid": "abc"}}]})),
        Answer::json(200, &json!({"items": []})),
    ]);
    let key = ObjectKey::new("default", "kubernetes");
    assert_eq!(cluster.service_uid(&key).await.unwrap().as_deref(), Some("abc"));
    assert_eq!(cluster.service_uid(&key).await.unwrap(), None);
    assert_eq!(
        log.lock().unwrap()[0].path,
        "/api/v1/namespaces/default/services?fieldSelector=metadata.name%3Dkubernetes"
    );
}

#[tokio::test(start_paused = true)]
async fn no_write_begins_outside_the_window_and_none_outlives_it() {
    let silent = cluster(|_| std::future::pending());
    let (window, fence) = watch::channel(None);
    let fenced = silent.clone().with_fence(fence);
    let write = || async { fenced.remove_service_finalizer(&front(), "f").await.unwrap_err() };
    assert!(matches!(write().await, Error::Fenced { .. }));

    let start = Instant::now();
    let seconds = Duration::from_secs;
    window.send_replace(Some(WriteWindow {
        begin_before: start + seconds(10),
        end_before: start + seconds(15),
    }));
    tokio::time::advance(seconds(9)).await;
    assert!(matches!(write().await, Error::Timeout { within, .. } if within == seconds(6)));
    assert_eq!(start.elapsed().as_secs(), 15);
    assert!(matches!(write().await, Error::Fenced { .. }));

    // Reads are not held back, and end after their own time.
    assert!(
        matches!(fenced.read_node("n1").await.unwrap_err(), Error::Timeout { within, .. } if within == REQUEST_TIMEOUT)
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_token_counts_against_the_window() {
    let (cluster, log) = scripted([]);
    let (window, fence) = watch::channel(None);
    let cluster = cluster.with_fence(fence).with_limiter(Limiter::new(0.1, 1));
    let start = Instant::now();
    let seconds = Duration::from_secs;
    window
        .send_replace(Some(WriteWindow { begin_before: start + seconds(5), end_before: start + seconds(8) }));
    cluster.delete_node("n1", "u").await.unwrap();
    assert!(matches!(cluster.delete_node("n1", "u").await.unwrap_err(), Error::Fenced { .. }));
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_not_kubernetes_are_not_quoted() {
    let page = futures::stream::iter([Bytes::from("<html>internal secret</html>")]);
    let (cluster, _) = scripted([Answer::pieces(502, page)]);
    let error = cluster.read_node("n1").await.unwrap_err();
    assert!(error.is_transient() && !error.to_string().contains("secret"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn another_uid_is_a_conflict_however_the_server_puts_it() {
    let invalid = json!({
        "kind": "Status", "code": 422, "reason": "Invalid", "message": "field is immutable",
        "details": {"causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid"}]}
    });
    let (cluster, _) = scripted([Answer::json(422, &invalid)]);
    assert!(cluster.add_service_finalizer(&front(), "f").await.unwrap_err().is_conflict());
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_code() {
    let (cluster, _) = scripted([Answer::refusal(404, "NotFound")]);
    let _ = cluster.read_node("n1").await;
    cluster.read_node("n1").await.unwrap();
    let mut registry = prometheus_client::registry::Registry::default();
    cluster.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for code in ["200", "404"] {
        let line =
            format!("rest_client_requests_total{{code=\"{code}\",host=\"in-process\",method=\"GET\"}} 1\n");
        assert!(text.contains(&line), "{text}");
    }
}

#[test]
fn what_a_credential_plugin_printed_is_not_told() {
    let status = std::process::ExitStatus::default();
    let out = std::process::Output { status, stdout: b"hush".to_vec(), stderr: b"hush".to_vec() };
    let error = AuthError::AuthExecRun { cmd: "login".to_owned(), out: Box::new(out) };
    let told = without_output(kube::Error::Service(error.into())).to_string();
    assert_eq!(told, "credential plugin login: exit status: 0");
}
