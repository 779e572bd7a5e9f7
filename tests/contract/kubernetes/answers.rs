//! The steps of the script, and their answers in a form in which two servers can be compared.
//!
//! Identities, versions and times differ from run to run. They are replaced by names in order of their first appearance,
//! `<uid 1>`, `<version 2>`, so that what is equal stays equal and what differs stays different.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use super::target::{Response, Target};

/// Fields that are not compared, and why.
const IGNORED: [(&str, &str); 12] = [
    (
        "managedFields",
        "who owns which field is of no interest to our programs, and the simulator does not keep it",
    ),
    ("remainingItemCount", "depends on what else is in the cluster where other nodes are"),
    ("goVersion", "the build of the real server"),
    ("buildDate", "the build of the real server"),
    ("compiler", "the build of the real server"),
    ("gitCommit", "the build of the real server"),
    ("gitTreeState", "the build of the real server"),
    ("emulationMajor", "nobody reads it"),
    ("emulationMinor", "nobody reads it"),
    ("minCompatibilityMajor", "nobody reads it"),
    ("minCompatibilityMinor", "nobody reads it"),
    ("extra", "the number of a token, which nobody reads"),
];

/// Keys whose values are replaced by a word, and why that is enough.
const REPLACED: [(&str, &str, &str); 13] = [
    ("podCIDR", "<pod range>", "the next free one of the controller manager"),
    ("creationTimestamp", "<time>", "the clock"),
    ("deletionTimestamp", "<time>", "the clock"),
    ("lastTransitionTime", "<time>", "the clock"),
    ("lastHeartbeatTime", "<time>", "the clock"),
    ("expirationTimestamp", "<time>", "the clock"),
    ("continue", "<token>", "opaque by contract"),
    ("token", "<token>", "secret"),
    ("clusterIP", "<cluster ip>", "any of the range"),
    ("nodePort", "<node port>", "any of the range"),
    ("healthCheckNodePort", "<node port>", "any of the range"),
    ("gitVersion", "<release>", "patch releases do not matter"),
    ("platform", "<platform>", "the build"),
];

const QUOTED: &str = "Invalid value: \"";

/// The script as it runs.
pub(crate) struct Steps {
    target: Target,
    told: String,
    names: Names,
    user: Option<String>,
}

/// Names for values that differ from run to run.
#[derive(Default)]
struct Names {
    uids: BTreeMap<String, String>,
    versions: BTreeMap<String, String>,
}

impl Names {
    fn uid(&mut self, uid: &str) -> String {
        let next = format!("<uid {}>", self.uids.len() + 1);
        self.uids.entry(uid.to_owned()).or_insert(next).clone()
    }

    fn version(&mut self, version: &str) -> String {
        let next = format!("<version {}>", self.versions.len() + 1);
        self.versions.entry(version.to_owned()).or_insert(next).clone()
    }

    /// The value in the form in which it is compared.
    fn normal(&mut self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (ignored, _) in IGNORED {
                    map.remove(ignored);
                }

                if map.get("kind").is_some_and(|kind| kind == "Node")
                    && let Some(version) =
                        map.get_mut("metadata").and_then(|meta| meta.get_mut("resourceVersion"))
                {
                    // The controller manager writes to Nodes when it likes.
                    *version = json!("<version of the node>");
                }
                // The controller manager writes these into Nodes as it looks at them.
                let own = |entry: &Value| {
                    let is_taint =
                        entry["key"].as_str().is_some_and(|key| key.starts_with("node.kubernetes.io/"));
                    is_taint || entry["reason"] == "NodeStatusNeverUpdated"
                };
                for key in ["taints", "conditions"] {
                    if let Some(Value::Array(list)) = map.get_mut(key) {
                        list.retain(|entry| !own(entry));
                        if list.is_empty() {
                            map.remove(key);
                        }
                    }
                }
                let is_list = map.contains_key("items");
                for (key, value) in map.iter_mut() {
                    if let (true, Value::Object(meta)) = (is_list && key == "metadata", &mut *value)
                        && meta.contains_key("resourceVersion")
                    {
                        // Others write between our requests.
                        meta.insert("resourceVersion".into(), json!("<version of the list>"));
                    }
                    self.field(key, value);
                }

                // Which binding allows something stands in a sentence for people; the simulator has rules alone.
                map.retain(|_, value| {
                    !value.as_str().is_some_and(|text| text.starts_with("RBAC: allowed by "))
                });
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.normal(value)),
            Value::String(text) => *text = self.text(text),
            _ => {}
        }
    }

    fn field(&mut self, key: &str, value: &mut Value) {
        let replaced = REPLACED.iter().find(|(name, _, _)| *name == key);
        match (key, &mut *value) {
            (_, Value::Null) => {}
            ("uid", Value::String(uid)) if !uid.starts_with('<') => *uid = self.uid(uid),
            ("resourceVersion", Value::String(version)) if !version.starts_with('<') => {
                *version = self.version(version);
            }
            ("podCIDRs", list) => *list = json!(["<pod range>"]),

            // Where the API server itself listens.
            ("targetPort", port) if *port == 6443 || *port == 16440 => *port = json!("<port of the server>"),
            ("clusterIPs", list) => *list = json!(["<cluster ip>"]),
            ("clusterIP", Value::String(ip)) if ip == "None" => {}
            (_, value) => match replaced {
                Some((_, word, _)) if value.is_string() || value.is_number() => *value = json!(word),
                _ => self.normal(value),
            },
        }
    }

    /// Values within a sentence.
    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (uid, name) in self.uids.iter().filter(|(uid, _)| uid.len() >= 32) {
            text = text.replace(uid.as_str(), name);
        }
        if let Some((start, _)) = text.split_once("continue key is not valid") {
            // What follows depends on how the server makes its tokens.
            text = format!("{start}continue key is not valid");
        }
        // The whole object is quoted in the order of Go's fields.
        if let (Some(start), Some(end)) = (text.find(QUOTED), text.rfind("}\": json:")) {
            text.replace_range(start + QUOTED.len()..=end, "<the object>");
        }
        if ["esource version: ", "already allocated", "in record"].iter().any(|part| text.contains(part)) {
            let digits = |c: char| if c.is_ascii_digit() { '#' } else { c };
            text = text.chars().map(digits).collect();
            while text.contains("##") {
                text = text.replace("##", "#");
            }
        }
        text
    }
}

impl Steps {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, told: String::new(), names: Names::default(), user: None }
    }

    pub(crate) fn told(self) -> String {
        self.told
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The steps that follow are from the bearer of this token, or from the administrator.
    pub(crate) fn bear(&mut self, token: Option<&str>) {
        self.user = token.map(str::to_owned);
    }

    /// A headline in the record.
    pub(crate) fn chapter(&mut self, name: &str) {
        let _ = writeln!(self.told, "\n# {name}");
    }

    /// Removes what a former run may have left, and tells nothing of it.
    pub(crate) async fn tidy(&mut self) {
        let free = json!({"metadata": {"finalizers": null}}).to_string();
        for path in [
            "/api/v1/nodes/contract-1",
            "/api/v1/nodes/contract-2",
            "/api/v1/nodes/contract-3",
            "/api/v1/namespaces/contract/configmaps/held",
            "/api/v1/namespaces/contract/services/held",
            "/api/v1/namespaces/default/events/contract",
            "/api/v1/namespaces/kube-system/serviceaccounts/contract-reader",
            "/api/v1/namespaces/contract",
        ] {
            let kind = "application/merge-patch+json";
            self.target.send(&Method::PATCH, path, kind, free.as_bytes(), None).await;
            self.target.send(&Method::DELETE, path, "", &[], None).await;
        }
        // Without a namespace controller the namespace stays as it is; with one it goes.
        for _ in 0..100 {
            let found = self.target.send(&Method::GET, "/api/v1/namespaces/contract", "", &[], None).await;
            let simulated = matches!(self.target, Target::Simulated(..));
            if found.status == 404 || simulated {
                break;
            }
            self.target.settle().await;
        }
    }

    /// Lets the server forget old versions. The real one knows none from before its start.
    pub(crate) fn forget(&self) {
        #[cfg_attr(not(feature = "lab"), expect(irrefutable_let_patterns))]
        if let Target::Simulated(server, _) = &self.target {
            server.forget();
        }
    }

    /// Gives the controller manager time to do what it does to a new Node; beside the simulator there is none, so the
    /// test does it.
    pub(crate) async fn controllers(&mut self, name: &str) {
        let path = format!("/api/v1/nodes/{name}");
        #[cfg_attr(not(feature = "lab"), expect(irrefutable_let_patterns))]
        if let Target::Simulated(server, _) = &self.target {
            let range = "10.244.1.0/24";
            let patch = json!({
                "metadata": {"annotations": {"node.alpha.kubernetes.io/ttl": "0"}},
                "spec": {"podCIDR": range, "podCIDRs": [range]}
            });
            server.change(&path, &patch);
        }
        for _ in 0..20 {
            self.target.settle().await;
            let found = self.target.send(&Method::GET, &path, "", &[], None).await;
            let chunks: Vec<_> = found.body.collect().await;
            let bytes: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
            let text = String::from_utf8(bytes).unwrap();
            if text.contains("podCIDRs") && text.contains("/ttl") {
                return;
            }
        }
        panic!("the controller manager does not look after {name}");
    }

    /// Sends a request and tells of it; the answer's body as it came.
    pub(crate) async fn send(&mut self, method: Method, uri: &str, kind: &str, body: &Value) -> Value {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.raw(method, uri, kind, &bytes).await
    }

    pub(crate) async fn raw(&mut self, method: Method, uri: &str, kind: &str, bytes: &[u8]) -> Value {
        let answer = self.target.send(&method, uri, kind, bytes, self.user.as_deref()).await;
        self.request(&method, uri, kind, bytes);
        self.head(&answer);
        let chunks: Vec<_> = answer.body.collect().await;
        let bytes: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
        let text = String::from_utf8(bytes).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        self.tell(&body);
        body
    }

    fn request(&mut self, method: &Method, uri: &str, kind: &str, bytes: &[u8]) {
        let kind = kind.strip_prefix("application/").unwrap_or(kind);
        let sent = self.names.text(&String::from_utf8_lossy(bytes));
        let mut sent: Value = serde_json::from_str(&sent).unwrap_or(Value::String(sent));
        self.names.normal(&mut sent);
        let shown = self.names.text(uri);
        let shown = match shown.split_once("continue=") {
            Some((start, token)) if token.len() > 12 => format!("{start}continue=<token>"),
            _ => shown,
        };
        let shown = match shown.split_once("resourceVersion=") {
            Some((start, rest)) if rest.chars().take_while(char::is_ascii_digit).count() > 1 => {
                let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{start}resourceVersion=<known>{rest}")
            }
            _ => shown,
        };
        let sent = if bytes.is_empty() { String::new() } else { format!("\n  {kind} {sent}") };
        let _ = writeln!(self.told, "\n{method} {shown}{sent}");
    }

    fn head(&mut self, answer: &Response) {
        let kind = answer.kind.split(';').next().unwrap_or_default();
        let retry =
            answer.retry_after.as_ref().map(|after| format!(", again after {after}")).unwrap_or_default();
        let _ = writeln!(self.told, "{} {kind}{retry}", answer.status);
    }

    fn tell(&mut self, body: &Value) {
        let mut normal = body.clone();
        self.names.normal(&mut normal);
        let _ = match normal {
            Value::String(text) => writeln!(self.told, "{}", text.trim_end()),
            other => writeln!(self.told, "{other}"),
        };
    }

    /// Opens a watch and tells its first `events` lines, or the end; then `act` may change something.
    pub(crate) async fn watch(&mut self, uri: &str, events: usize) -> Vec<Value> {
        let answer = self.target.send(&Method::GET, uri, "", &[], self.user.as_deref()).await;
        self.request(&Method::GET, uri, "", &[]);
        self.head(&answer);
        let (mut body, mut buffer, mut lines) = (answer.body, Vec::new(), Vec::new());
        while lines.len() < events {
            let Ok(chunk) = tokio::time::timeout(Duration::from_secs(20), body.next()).await else {
                let _ = writeln!(self.told, "(silence)");
                break;
            };
            let Some(chunk) = chunk else {
                let _ = writeln!(self.told, "(end)");
                break;
            };
            buffer.extend_from_slice(&chunk.unwrap());
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line).unwrap();
                if lines.len() < events {
                    self.tell(&event);
                    lines.push(event);
                }
            }
        }
        lines
    }

    pub(crate) async fn get(&mut self, uri: &str) -> Value {
        self.send(Method::GET, uri, "", &Value::Null).await
    }

    pub(crate) async fn post(&mut self, uri: &str, body: Value) -> Value {
        self.send(Method::POST, uri, "application/json", &body).await
    }

    pub(crate) async fn put(&mut self, uri: &str, body: &Value) -> Value {
        self.send(Method::PUT, uri, "application/json", body).await
    }

    pub(crate) async fn merge(&mut self, uri: &str, body: Value) -> Value {
        self.send(Method::PATCH, uri, "application/merge-patch+json", &body).await
    }

    pub(crate) async fn strategic(&mut self, uri: &str, body: Value) -> Value {
        self.send(Method::PATCH, uri, "application/strategic-merge-patch+json", &body).await
    }

    pub(crate) async fn json_patch(&mut self, uri: &str, body: Value) -> Value {
        self.send(Method::PATCH, uri, "application/json-patch+json", &body).await
    }

    pub(crate) async fn delete(&mut self, uri: &str, body: Value) -> Value {
        self.send(Method::DELETE, uri, "application/json", &body).await
    }
}

/// Fails with the first steps that differ.
pub(crate) fn compare(recorded: &str, told: &str) {
    let steps = |text: &str| -> Vec<String> {
        let steps = text.split("\n\n").map(|step| step.trim().to_owned());
        steps.filter(|step| !step.is_empty()).collect()
    };
    let (recorded, told) = (steps(recorded), steps(told));
    let mut differences = String::new();
    let mut count = 0;
    for (recorded, told) in recorded.iter().zip(&told).filter(|(recorded, told)| recorded != told) {
        count += 1;
        let _ = writeln!(differences, "\n{}", lines_apart(recorded, told));
    }
    assert!(count == 0, "{count} of {} steps differ (- recorded, + now){differences}", recorded.len());
    assert_eq!(recorded.len(), told.len(), "steps");
}

/// The lines of a step, JSON with one line for each value.
fn unfolded(step: &str) -> Vec<String> {
    let unfold = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(value) => format!("{value:#}").lines().map(str::to_owned).collect(),
        Err(_) => vec![line.to_owned()],
    };
    step.lines().flat_map(unfold).collect()
}

/// Both texts line by line: what only the first has after `-`, what only the second has after `+`.
fn lines_apart(recorded: &str, told: &str) -> String {
    let (old, new) = (unfolded(recorded), unfolded(told));
    let start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let end =
        old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(|(old, new)| old == new).count();
    let context = &old[..start.min(3)];
    let removed = old[start..old.len() - end].iter().map(|line| format!("- {line}"));
    let added = new[start..new.len() - end].iter().map(|line| format!("+ {line}"));
    let shown = context.iter().map(|line| format!("  {line}"));
    shown.chain(removed.take(40)).chain(added.take(40)).collect::<Vec<_>>().join("\n")
}
