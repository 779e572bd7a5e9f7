//! A Kubernetes API server with objects by path: lists, watches, patches, and remembers what was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use http::{Method, Request, Response};
use kubernetes::{Chunks, Cluster};
use serde_json::{Value, json};

/// The stand-in; clones share it.
#[derive(Clone, Default)]
pub(crate) struct ApiServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By path, `/api/v1/nodes/n1`.
    objects: BTreeMap<String, Value>,
    version: u64,
    watches: Vec<(String, UnboundedSender<Bytes>)>,
    asked: Vec<(Method, String, Value)>,
    /// Answers 503 to everything.
    down: bool,
    /// Answers 403 to everything else.
    allowed: Option<fn(&Method, &str) -> bool>,
}

impl ApiServer {
    /// A server with what every cluster has.
    pub(crate) fn new() -> Self {
        let server = Self::default();
        server.put(
            "/api/v1/namespaces/kube-system",
            json!({"metadata": {"name": "kube-system", "uid": "cluster-uid"}}),
        );
        server
    }

    /// The program's way to it.
    pub(crate) fn cluster(&self) -> Cluster {
        let server = self.clone();
        Cluster::from_service(tower::service_fn(move |request: Request<Bytes>| {
            let answer = server.answer(&request);
            async move { Ok::<_, tower::BoxError>(answer) }
        }))
    }

    /// Creates or replaces an object, as somebody else would.
    pub(crate) fn put(&self, path: &str, object: Value) {
        self.lock().store(path, object);
    }

    /// Changes an object by a merge patch, as somebody else would.
    pub(crate) fn change(&self, path: &str, patch: &Value) {
        let mut state = self.lock();
        let mut object = state.objects[path].clone();
        merge(&mut object, patch);
        state.store(path, object);
    }

    /// An object as it is now.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.lock().objects.get(path).cloned().unwrap_or(Value::Null)
    }

    /// Requests that change something, as `PATCH /path`; events and the lease left out.
    pub(crate) fn writes(&self) -> Vec<String> {
        let state = self.lock();
        let changes = state.asked.iter().filter(|(method, path, _)| {
            *method != Method::GET && !path.contains("/events") && !path.contains("/leases")
        });
        changes.map(|(method, path, _)| format!("{method} {path}")).collect()
    }

    /// Events written, as `Node/n1 Synced`.
    pub(crate) fn events(&self) -> Vec<String> {
        let state = self.lock();
        let text = |event: &Value, pointer: &str| {
            event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        state
            .asked
            .iter()
            .filter(|(method, path, _)| *method == Method::POST && path.ends_with("/events"))
            .map(|(_, _, event)| {
                let (kind, name) = (text(event, "/involvedObject/kind"), text(event, "/involvedObject/name"));
                format!("{kind}/{name} {}", text(event, "/reason"))
            })
            .collect()
    }

    /// Makes it answer 503 to everything, or well again.
    pub(crate) fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// From now on answers 403 to what is not `allowed`.
    pub(crate) fn allow_only(&self, allowed: fn(&Method, &str) -> bool) {
        self.lock().allowed = Some(allowed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn answer(&self, request: &Request<Bytes>) -> Response<Chunks> {
        let mut state = self.lock();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let query = request.uri().query().unwrap_or_default();
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        state.asked.push((method.clone(), path.clone(), body.clone()));
        // A loop without a pause would go on for ever: virtual time stands still meanwhile.
        assert!(
            state.asked.len() < 100_000,
            "asked too often, at last {:?}",
            &state.asked[state.asked.len() - 3..]
        );
        if state.down {
            return refusal(503, "ServiceUnavailable");
        }
        if state.allowed.is_some_and(|allowed| !allowed(&method, &path)) {
            return refusal(403, "Forbidden");
        }
        let object = path.strip_suffix("/status").unwrap_or(&path);
        match method {
            Method::GET if query.contains("watch=true") => state.watch(&path),
            Method::GET => state.read(object),
            Method::POST => {
                let name = body["metadata"]["name"].as_str().unwrap_or_default();
                let path = format!("{path}/{name}");
                if state.objects.contains_key(&path) {
                    return refusal(409, "AlreadyExists");
                }
                whole(201, &state.store(&path, body))
            }
            Method::PUT | Method::PATCH => {
                let Some(present) = state.objects.get(object).cloned() else {
                    return refusal(404, "NotFound");
                };
                for precondition in ["resourceVersion", "uid"] {
                    let wanted = &body["metadata"][precondition];
                    if !wanted.is_null() && *wanted != present["metadata"][precondition] {
                        return refusal(409, "Conflict");
                    }
                }
                let mut changed = present;
                if method == Method::PUT {
                    changed = body;
                } else {
                    merge(&mut changed, &body);
                }
                whole(200, &state.store(object, changed))
            }
            _ => refusal(405, "MethodNotAllowed"),
        }
    }
}

impl State {
    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        }
        let known = self.objects.insert(path.to_owned(), object.clone()).is_some();
        let line = json!({"type": if known { "MODIFIED" } else { "ADDED" }, "object": object});
        let line = Bytes::from(format!("{line}\n"));
        self.watches.retain(|(collection, watch)| {
            !is_member(path, collection) || watch.unbounded_send(line.clone()).is_ok()
        });
        object
    }

    fn read(&self, path: &str) -> Response<Chunks> {
        if let Some(object) = self.objects.get(path) {
            return whole(200, object);
        }
        let is_collection = ["nodes", "services"].iter().any(|kind| path.ends_with(&format!("/{kind}")));
        if !is_collection {
            return refusal(404, "NotFound");
        }
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(member, _)| is_member(member, path))
            .map(|(_, object)| object)
            .collect();
        whole(
            200,
            &json!({
                "kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": self.version.to_string()}, "items": items
            }),
        )
    }

    fn watch(&mut self, collection: &str) -> Response<Chunks> {
        let (watch, lines) = unbounded();
        self.watches.push((collection.to_owned(), watch));
        Response::new(lines.map(Ok).boxed())
    }
}

/// Whether the object at `path` shows up in the list at `collection`, which may be that of all namespaces.
fn is_member(path: &str, collection: &str) -> bool {
    let Some((parent, _)) = path.rsplit_once('/') else { return false };
    let Some((root, kind)) = collection.rsplit_once('/') else { return false };
    parent == collection
        || parent.starts_with(&format!("{root}/namespaces/")) && parent.ends_with(&format!("/{kind}"))
}

/// A JSON merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, change) in changes {
        if change.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], change);
        }
    }
}

fn whole(status: u16, body: &Value) -> Response<Chunks> {
    let bytes = Bytes::from(body.to_string());
    Response::builder().status(status).body(futures::stream::iter([Ok(bytes)]).boxed()).unwrap()
}

fn refusal(status: u16, reason: &str) -> Response<Chunks> {
    whole(
        status,
        &json!({"kind": "Status", "status": "Failure", "code": status, "reason": reason, "message": "no"}),
    )
}
