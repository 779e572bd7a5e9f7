//! What a test does to the cluster directly, as users, kubelets and other controllers do, and what it looks at.
//!
//! Objects are named by their paths, `/api/v1/nodes/n1`. These go through the same rules as requests do, without
//! network, faults and ledger; a refusal fails the test.

use http::{HeaderValue, Method, Request};
use serde_json::{Value, json};

use super::access::{Rule as AccessRule, User};
use super::patch::merge;
use super::route::{Ask, Place};
use super::serve::Answer;
use super::watch::Disturbance;
use super::{ApiServer, Duration};

impl ApiServer {
    /// What every cluster has.
    pub(super) fn furnish(&self) {
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            self.create("/api/v1/namespaces", &json!({"metadata": {"name": name}}));
        }
        let service = json!({
            "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]}
        });
        self.create("/api/v1/namespaces/default/services", &service);
    }

    /// Creates an object in the collection at `path` and returns it.
    ///
    /// # Panics
    ///
    /// When the server refuses it: the test is wrong.
    #[track_caller]
    pub fn create(&self, path: &str, object: &Value) -> Value {
        self.must("POST", path, object)
    }

    /// An object as it is now, null if there is none.
    pub fn get(&self, path: &str) -> Value {
        match self.ask(Method::GET, path, "", &Value::Null) {
            Answer::Object(_, object) => object,
            _ => Value::Null,
        }
    }

    /// The objects of a collection.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let mut list = self.get(path);
        list["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Creates an object at its path, or replaces it whatever its version. A status that it brings is set as well, as by
    /// whoever owns it.
    ///
    /// # Panics
    ///
    /// When the server refuses it: the test is wrong.
    #[track_caller]
    pub fn put(&self, path: &str, mut object: Value) -> Value {
        let (collection, name) = path.rsplit_once('/').unwrap_or_default();
        object["metadata"]["name"] = json!(name);
        let status = object.get("status").cloned();
        let present = self.get(path);
        let stored = if present.is_null() {
            self.create(collection, &object)
        } else {
            self.must("PUT", path, &object)
        };
        match status {
            Some(status) if stored["status"] != status => {
                self.change_status(path, &json!({"status": status}))
            }
            _ => stored,
        }
    }

    /// Changes an object by a merge patch; its status stays.
    ///
    /// # Panics
    ///
    /// When the server refuses it: the test is wrong.
    #[track_caller]
    pub fn change(&self, path: &str, patch: &Value) -> Value {
        self.must("PATCH", path, patch)
    }

    /// Changes an object's status by a merge patch.
    ///
    /// # Panics
    ///
    /// When the server refuses it: the test is wrong.
    #[track_caller]
    pub fn change_status(&self, path: &str, patch: &Value) -> Value {
        self.must("PATCH", &format!("{path}/status"), patch)
    }

    /// Deletes an object, or marks it if finalizers hold it. What is not there is fine.
    pub fn delete(&self, path: &str) {
        self.ask(Method::DELETE, path, "", &Value::Null);
    }

    /// Puts a value into the database past all rules: what an older version of Kubernetes has left there.
    pub fn plant(&self, path: &str, patch: &Value) {
        let Place::Objects { kind, namespace, name, .. } = place(path) else { return };
        self.with_state(|state| {
            let key = (namespace, name);
            let mut object =
                state.store.get(kind, &key).map(|object| Value::clone(object)).unwrap_or_default();
            merge(&mut object, patch);
            state.store.put(kind, key, object, state.now);
        });
    }

    /// The version of the last change.
    pub fn revision(&self) -> u64 {
        self.with_state(|state| state.store.revision())
    }

    /// Forgets all changes so far: who comes with an older version is told that it is gone (410).
    pub fn forget(&self) {
        self.with_state(|state| state.store.forget());
    }

    /// Lets `token` stand for `user`.
    pub fn add_user(&self, token: &str, user: User) {
        self.with_state(|state| state.access.add(token, user, None));
    }

    /// Makes a token unknown.
    pub fn revoke_token(&self, token: &str) {
        self.with_state(|state| state.access.revoke(token));
    }

    /// Allows more to the user of this name.
    pub fn grant(&self, user: &str, rules: impl IntoIterator<Item = AccessRule>) {
        self.with_state(|state| state.access.grant(user, rules));
    }

    /// Takes everything from the user of this name.
    pub fn revoke_rules(&self, user: &str) {
        self.with_state(|state| state.access.revoke_rules(user));
    }

    /// Makes it answer 503 to everything, or well again.
    pub fn set_down(&self, down: bool) {
        self.with_state(|state| state.down = down);
    }

    /// How far its caches are behind: watches deliver, and reads at version 0 show, what was that long ago.
    pub fn set_lag(&self, lag: Duration) {
        self.with_state(|state| state.lag = lag);
    }

    /// Does something to the open watches of a resource (`nodes`), or to all if that is empty; tells to how many.
    pub fn disturb_watches(&self, resource: &str, how: Disturbance) -> usize {
        self.0.watches.disturb(resource, how)
    }

    /// How many watches of a resource are open, of all if it is empty.
    pub fn watches(&self, resource: &str) -> usize {
        self.0.watches.count(resource)
    }

    fn ask(&self, method: Method, path: &str, kind: &'static str, body: &Value) -> Answer {
        let bytes = if body.is_null() { bytes::Bytes::new() } else { body.to_string().into() };
        let mut request = Request::new(bytes);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_default();
        request.headers_mut().insert("content-type", HeaderValue::from_static(kind));
        let ask = Ask::of(&request);
        self.with_state(|state| {
            let down = std::mem::take(&mut state.down);
            let answer = state.answer(&ask, None);
            state.down = down;
            answer
        })
    }

    #[track_caller]
    fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let parsed = method.parse().unwrap_or_default();
        match self.ask(parsed, path, kind, body) {
            Answer::Object(_, object) => object,
            Answer::Refused(refusal) => panic!("{method} {path}: {} {}", refusal.code, refusal.message),
            Answer::Text(code, text) => panic!("{method} {path}: {code} {text}"),
            Answer::Watch(_) => panic!("{method} {path}: a watch"),
        }
    }
}

fn place(path: &str) -> Place {
    let mut request = Request::new(bytes::Bytes::new());
    *request.uri_mut() = path.parse().unwrap_or_default();
    Ask::of(&request).place
}
