//! Watches against a stand-in that lists, streams, breaks off and forgets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::key::ObjectKey;
use crate::testing::{Answer, Asked, cluster};

/// What the stand-in answers to the next list or watch.
enum Script {
    List(Vec<Value>),
    Page(Vec<Value>, &'static str),
    Refuse(u16, &'static str),
    Stream(mpsc::UnboundedReceiver<Value>),
    /// A body that breaks off.
    Broken,
}

#[derive(Clone, Default)]
struct Server {
    script: Arc<Mutex<VecDeque<Script>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn then(self, step: Script) -> Self {
        self.script.lock().unwrap().push_back(step);
        self
    }

    /// A watch whose events are sent by hand; it ends when the sender is dropped.
    fn then_stream(self) -> (Self, mpsc::UnboundedSender<Value>) {
        let (events, stream) = mpsc::unbounded_channel();
        (self.then(Script::Stream(stream)), events)
    }

    fn start<T: Object>(&self, watch: impl FnOnce(&Cluster) -> Watch<T>) -> (Store<T>, Changes<T>) {
        let server = self.clone();
        let cluster = cluster(move |asked: Asked| {
            server.asked.lock().unwrap().push(asked.path.clone());
            let step = server.script.lock().unwrap().pop_front();
            let list = |items: Vec<Value>, next: &str| {
                Answer::json(
                    200,
                    &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "100", "continue": next}, "items": items}),
                )
            };
            let answer = match step {
                Some(Script::List(items)) => list(items, ""),
                Some(Script::Page(items, next)) => list(items, next),
                Some(Script::Refuse(code, reason)) => Answer::refusal(code, reason),
                Some(Script::Stream(stream)) => {
                    let lines = futures::stream::unfold(stream, |mut stream| async move {
                        stream.recv().await.map(|event| (Bytes::from(format!("{event}\n")), stream))
                    });
                    Answer::pieces(200, lines)
                }
                Some(Script::Broken) => Answer::broken(),
                None => Answer::pieces(200, futures::stream::pending().boxed()),
            };
            async move { Ok(answer) }
        });
        watch(&cluster).start(CancellationToken::new())
    }
}

fn service(name: &str, uid: &str, version: u32, port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "web", "uid": uid, "resourceVersion": version.to_string()},
        "spec": {"type": "LoadBalancer", "ports": [{"port": port}]}
    })
}

fn event(kind: &str, object: impl Into<Value>) -> Value {
    json!({"type": kind, "object": object.into()})
}

/// The change in a few words.
fn told(change: &Change<Service>) -> String {
    let state = |service: &Service| format!("{} {} {}", service.key.name, service.uid, service.ports[0].port);
    match change {
        Change::Applied { old: None, new } => format!("new {}", state(new)),
        Change::Applied { old: Some(old), new } => format!("{} -> {}", state(old), state(new)),
        Change::Deleted(last) => format!("gone {}", state(last)),
        Change::Synced => "synced".into(),
    }
}

async fn next(changes: &mut Changes<Service>) -> String {
    told(&tokio::time::timeout(Duration::from_mins(10), changes.next()).await.expect("no change came"))
}

async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn lists_then_follows() {
    let (server, events) = Server::default()
        .then(Script::List(vec![service("a", "1", 1, 80), service("b", "2", 2, 80)]))
        .then_stream();
    let (store, mut changes) = server.start(Cluster::services);
    store.ready().await;
    assert_eq!(store.all().len(), 2);
    events.send(event("MODIFIED", service("a", "1", 3, 81))).unwrap();
    events.send(event("DELETED", service("b", "2", 4, 82))).unwrap();
    events.send(event("ADDED", service("c", "3", 5, 80))).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(next(&mut changes).await);
    }
    assert_eq!(seen, ["new a 1 80", "new b 2 80", "synced"]);
    assert_eq!(next(&mut changes).await, "a 1 80 -> a 1 81");
    assert_eq!(next(&mut changes).await, "gone b 2 82");
    assert_eq!(next(&mut changes).await, "new c 3 80");
    assert_eq!(store.get(&ObjectKey::new("web", "a")).unwrap().resource_version, "3");
    assert!(store.get(&ObjectKey::new("web", "b")).is_none());
}

#[tokio::test(start_paused = true)]
async fn pages_are_put_together() {
    let server = Server::default()
        .then(Script::Page(vec![service("a", "1", 1, 80)], "more"))
        .then(Script::List(vec![service("b", "2", 2, 80)]));
    let (store, _changes) = server.start(Cluster::services);
    store.ready().await;
    assert_eq!(store.len(), 2);
    let asked = server.asked.lock().unwrap().clone();
    assert!(asked[0].contains("limit=100") && asked[1].contains("continue=more"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_resumed_where_it_was() {
    let (server, first) = Server::default().then(Script::List(vec![service("a", "1", 1, 80)])).then_stream();
    let (server, second) = server.then_stream();
    let (_store, mut changes) = server.start(Cluster::services);
    first.send(event("MODIFIED", service("a", "1", 7, 81))).unwrap();
    settle().await;
    drop(first);
    settle().await;
    second.send(event("MODIFIED", service("a", "1", 8, 82))).unwrap();
    settle().await;
    assert_eq!(next(&mut changes).await, "new a 1 82", "what nobody has looked at yet is merged");
    let asked = server.asked.lock().unwrap().clone();
    assert!(asked[2].contains("watch=true") && asked[2].contains("resourceVersion=7"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn after_an_expired_version_what_vanished_is_told() {
    let (server, first) = Server::default()
        .then(Script::List(vec![service("a", "1", 1, 80), service("b", "2", 2, 80)]))
        .then_stream();
    let server = server.then(Script::List(vec![service("a", "1", 9, 81)]));
    let (store, mut changes) = server.start(Cluster::services);
    for _ in 0..3 {
        next(&mut changes).await;
    }
    first.send(event("ERROR", json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}))).unwrap();
    assert_eq!(next(&mut changes).await, "a 1 80 -> a 1 81");
    assert_eq!(next(&mut changes).await, "gone b 2 80");
    assert_eq!(store.len(), 1);
    assert!(changes.try_next().is_none(), "synced is told once");
}

#[tokio::test(start_paused = true)]
async fn another_object_of_the_same_name_is_first_a_deletion() {
    let (server, first) = Server::default().then(Script::List(vec![service("a", "1", 1, 80)])).then_stream();
    let server = server.then(Script::List(vec![service("a", "2", 9, 90)]));
    let (_store, mut changes) = server.start(Cluster::services);
    assert_eq!(next(&mut changes).await, "new a 1 80");
    assert_eq!(next(&mut changes).await, "synced");
    first.send(event("ERROR", json!({"kind": "Status", "code": 410, "reason": "Expired"}))).unwrap();
    assert_eq!(next(&mut changes).await, "gone a 1 80");
    assert_eq!(next(&mut changes).await, "new a 2 90");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_never_fatal() {
    let mut server = Server::default();
    for (code, reason) in [
        (403, "Forbidden"),
        (500, "InternalError"),
        (429, "TooManyRequests"),
        (503, "ServiceUnavailable"),
        (401, "Unauthorized"),
    ] {
        server = server.then(Script::Refuse(code, reason));
    }
    let (store, _changes) =
        server.then(Script::List(vec![service("a", "1", 1, 80)])).start(Cluster::services);
    let start = Instant::now();
    store.ready().await;
    let waited = start.elapsed();
    assert!(waited > Duration::from_secs(3) && waited < Duration::from_mins(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_later_listener_is_told_what_there_is() {
    let (server, events) = Server::default().then(Script::List(vec![service("a", "1", 1, 80)])).then_stream();
    let (store, first) = server.start(Cluster::services);
    store.ready().await;
    drop(first);
    let mut late = store.subscribe();
    assert_eq!(next(&mut late).await, "new a 1 80");
    assert_eq!(next(&mut late).await, "synced");
    events.send(event("DELETED", service("a", "1", 2, 80))).unwrap();
    assert_eq!(next(&mut late).await, "gone a 1 80");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_sleeps_costs_one_entry_an_object() {
    let (server, events) = Server::default().then(Script::List(vec![])).then_stream();
    let (_store, mut changes) = server.start(Cluster::services);
    for n in 0..5_000_u32 {
        events
            .send(event("MODIFIED", service(["a", "b"][n as usize % 2], "1", n + 1, 80 + (n % 100) as u16)))
            .unwrap();
    }
    events.send(event("DELETED", service("b", "1", 6_000, 80))).unwrap();
    settle().await;
    assert_eq!(next(&mut changes).await, "synced");
    assert_eq!(next(&mut changes).await, "new a 1 178");
    assert!(changes.try_next().is_none(), "b came and went unseen");
}

#[tokio::test(start_paused = true)]
async fn nodes_are_found_by_name() {
    let node = json!({"metadata": {"name": "n1", "uid": "u", "resourceVersion": "1"}, "status": {"images": [{"sizeBytes": 1}]}});
    let (store, _changes) = Server::default().then(Script::List(vec![node])).start(Cluster::nodes);
    store.ready().await;
    assert_eq!(store.get("n1").unwrap().uid, "u");
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_given_up() {
    let (server, _first) = Server::default().then(Script::List(vec![service("a", "1", 1, 80)])).then_stream();
    let (server, second) = server.then_stream();
    let (store, mut changes) = server.start(Cluster::services);
    store.ready().await;
    second.send(event("MODIFIED", service("a", "1", 2, 81))).unwrap();
    assert_eq!(next(&mut changes).await, "new a 1 80");
    assert_eq!(next(&mut changes).await, "synced");
    let start = Instant::now();
    assert_eq!(next(&mut changes).await, "a 1 80 -> a 1 81");
    assert!(start.elapsed() < Duration::from_mins(6), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_in_the_middle_is_resumed() {
    let server = Server::default().then(Script::List(vec![service("a", "1", 1, 80)])).then(Script::Broken);
    let (server, events) = server.then_stream();
    events.send(event("MODIFIED", service("a", "1", 2, 81))).unwrap();
    let (_store, mut changes) = server.start(Cluster::services);
    assert_eq!(next(&mut changes).await, "new a 1 80");
    assert_eq!(next(&mut changes).await, "synced");
    assert_eq!(next(&mut changes).await, "a 1 80 -> a 1 81");
}

#[tokio::test(start_paused = true)]
async fn when_resuming_is_refused_everything_is_listed_anew() {
    for refusals in [vec![(410, "Expired")], vec![(504, "Timeout"); 3]] {
        let mut server = Server::default().then(Script::List(vec![service("a", "1", 1, 80)]));
        for (code, reason) in &refusals {
            server = server.then(Script::Refuse(*code, reason));
        }
        let server = server.then(Script::List(vec![service("b", "2", 1, 80)]));
        let (_store, mut changes) = server.start(Cluster::services);
        for expected in ["new a 1 80", "synced", "new b 2 80", "gone a 1 80"] {
            assert_eq!(next(&mut changes).await, expected, "{refusals:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_passing_refusal_costs_no_list() {
    let server = Server::default().then(Script::List(vec![service("a", "1", 1, 80)]));
    let (server, events) = server.then(Script::Refuse(503, "ServiceUnavailable")).then_stream();
    events.send(event("MODIFIED", service("a", "1", 2, 81))).unwrap();
    let (_store, mut changes) = server.start(Cluster::services);
    for expected in ["new a 1 80", "synced", "a 1 80 -> a 1 81"] {
        assert_eq!(next(&mut changes).await, expected);
    }
    assert_eq!(server.asked.lock().unwrap().iter().filter(|path| path.contains("limit=")).count(), 1);
}
