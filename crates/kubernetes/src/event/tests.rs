//! The recorder against a stand-in for the API server.

use std::sync::{Arc, Mutex};

use super::*;
use crate::testing::{Answer, Asked, cluster};

type Log = Arc<Mutex<Vec<Asked>>>;

/// Answers by `status`, called with the number of the request.
fn recorder(status: impl Fn(usize) -> u16 + Clone + Send + 'static) -> (Recorder, Log) {
    let log = Log::default();
    let asked_so_far = log.clone();
    let api = cluster(move |asked| {
        let mut log = asked_so_far.lock().unwrap();
        log.push(asked);
        let answer = match status(log.len()) {
            200 => Answer::json(200, &json!({})),
            409 => Answer::refusal(409, "AlreadyExists"),
            code => Answer::refusal(code, ""),
        };
        async move { Ok(answer) }
    });
    (Recorder::new(api, "service-controller"), log)
}

fn front() -> EventTarget {
    EventTarget {
        kind: "Service".into(),
        namespace: "web".into(),
        name: "front".into(),
        uid: "u1".into(),
        api_version: "v1".into(),
    }
}

async fn flushed(recorder: &Recorder) {
    recorder.flush(Duration::from_mins(5)).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_has_core_v1_s_form() {
    let (recorder, log) = recorder(|_| 200);
    recorder.event(&front(), EventType::Warning, "SyncLoadBalancerFailed", "bad\nthing");
    flushed(&recorder).await;
    let asked = log.lock().unwrap()[0].clone();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/api/v1/namespaces/web/events"));
    let body = asked.body;
    assert_eq!(
        body["involvedObject"],
        json!({"kind": "Service", "namespace": "web", "name": "front", "uid": "u1", "apiVersion": "v1"})
    );
    assert_eq!(
        (&body["type"], &body["reason"], &body["message"], &body["count"]),
        (&json!("Warning"), &json!("SyncLoadBalancerFailed"), &json!("bad\\u{a}thing"), &json!(1))
    );
    assert_eq!(body["source"]["component"], "service-controller");
    assert!(body["metadata"]["name"].as_str().unwrap().starts_with("front."));
}

#[tokio::test(start_paused = true)]
async fn events_about_nodes_live_in_default() {
    let (recorder, log) = recorder(|_| 200);
    let node = EventTarget { kind: "Node".into(), namespace: String::new(), ..front() };
    recorder.component("cloud-node-controller").event(&node, EventType::Normal, "Synced", "done");
    flushed(&recorder).await;
    let asked = log.lock().unwrap()[0].clone();
    assert_eq!(asked.path, "/api/v1/namespaces/default/events");
    assert_eq!(asked.body["source"]["component"], "cloud-node-controller");
    assert!(asked.body["involvedObject"].get("namespace").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_counted_and_an_expired_event_made_anew() {
    // The third request, a patch, finds nothing.
    let (recorder, log) = recorder(|number| if number == 3 { 404 } else { 200 });
    for _ in 0..3 {
        recorder.event(&front(), EventType::Normal, "EnsuringLoadBalancer", "x");
    }
    flushed(&recorder).await;
    let log = log.lock().unwrap();
    let methods: Vec<&str> = log.iter().map(|asked| asked.method.as_str()).collect();
    assert_eq!(methods, ["POST", "PATCH", "PATCH", "POST"]);
    let name = log[0].body["metadata"]["name"].as_str().unwrap();
    assert_eq!(log[1].path, format!("/api/v1/namespaces/web/events/{name}"));
    assert_eq!(log[1].body["count"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_taken_name_is_replaced_and_a_refusal_is_given_up() {
    let (taken, log) = recorder(|number| if number == 1 { 409 } else { 200 });
    taken.event(&front(), EventType::Normal, "A", "x");
    flushed(&taken).await;
    {
        let log = log.lock().unwrap();
        assert_eq!(log.len(), 2);
        assert_ne!(log[0].body["metadata"]["name"], log[1].body["metadata"]["name"]);
    }
    let (refused, log) = recorder(|_| 403);
    refused.event(&front(), EventType::Normal, "A", "x");
    flushed(&refused).await;
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn trouble_is_waited_out_for_a_while() {
    let (recorder, log) = recorder(|number| if number <= 2 { 500 } else { 200 });
    recorder.event(&front(), EventType::Normal, "A", "x");
    flushed(&recorder).await;
    assert_eq!(log.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn saying_never_waits_and_what_is_too_much_is_counted() {
    let (recorder, _log) = recorder(|_| 500);
    for n in 0..QUEUE + 10 {
        recorder.event(&front(), EventType::Normal, "A", n.to_string());
    }
    assert_eq!(recorder.dropped(), 10);
}

#[tokio::test(start_paused = true)]
async fn messages_fit_the_api() {
    let (recorder, log) = recorder(|_| 200);
    recorder.event(&front(), EventType::Normal, "A", "ä".repeat(5000));
    flushed(&recorder).await;
    assert!(log.lock().unwrap()[0].body["message"].as_str().unwrap().len() <= MESSAGE_LIMIT);
}
