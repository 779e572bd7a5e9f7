//! Events for people: written as core/v1, which is what the usual rights allow, off the callers' path.
//!
//! A repeat of the same message about the same object raises the count of the event that exists. An object about which
//! very many different things are said is cut down, as client-go does it, so that a loop cannot fill etcd.

mod correlate;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::cluster::{Call, Cluster, ContentType};
use crate::error::Error;
use crate::limiter::Priority;
use correlate::{Correlator, Step};
use text::printable;

/// The object that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventTarget {
    /// Kind, for example `Service`.
    pub kind: String,
    /// Namespace, empty for objects without.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Identity.
    pub uid: String,
    /// API version, for example `v1`.
    pub api_version: String,
}

/// Whether an event tells of something amiss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventType {
    /// All is well.
    Normal,
    /// Somebody should look.
    Warning,
}

/// Writes events. Clones share the queue.
#[derive(Clone)]
pub struct Recorder {
    component: Arc<str>,
    queue: mpsc::Sender<Job>,
    dropped: Arc<AtomicU64>,
}

enum Job {
    Event(Box<Said>),
    Flush(oneshot::Sender<()>),
}

/// One thing said about an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    target: EventTarget,
    component: Arc<str>,
    kind: EventType,
    reason: String,
    message: String,
}

/// Events that wait to be written; what comes when as many wait is dropped and counted.
const QUEUE: usize = 1024;
/// Longest message the API accepts.
const MESSAGE_LIMIT: usize = 1024;
/// How often writing one event is tried, and the pause between.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(2);

impl Recorder {
    /// Starts the writer; it ends when the last clone is dropped. `component` is shown as the source.
    pub fn new(cluster: Cluster, component: &str) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        tokio::spawn(write(cluster, jobs));
        Self { component: component.into(), queue, dropped: Arc::default() }
    }

    /// The same queue under another component's name.
    #[must_use]
    pub fn component(&self, component: &str) -> Self {
        Self { component: component.into(), ..self.clone() }
    }

    /// Says something about `target`. Never waits.
    pub fn event(&self, target: &EventTarget, kind: EventType, reason: &str, message: impl AsRef<str>) {
        let said = Said {
            target: target.clone(),
            component: self.component.clone(),
            kind,
            reason: printable(reason, 128),
            message: printable(message.as_ref(), MESSAGE_LIMIT),
        };
        if self.queue.try_send(Job::Event(Box::new(said))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many events were dropped because too many were waiting.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what was said before has been written or given up, at most `within`.
    pub async fn flush(&self, within: Duration) {
        let (done, wait) = oneshot::channel();
        let _ = tokio::time::timeout(within, async {
            if self.queue.send(Job::Flush(done)).await.is_ok() {
                let _ = wait.await;
            }
        })
        .await;
    }
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

async fn write(cluster: Cluster, mut jobs: mpsc::Receiver<Job>) {
    let mut correlator = Correlator::default();
    while let Some(job) = jobs.recv().await {
        match job {
            Job::Flush(done) => {
                let _ = done.send(());
            }
            Job::Event(said) => {
                if let Err(error) = record(&cluster, &mut correlator, &said).await {
                    tracing::warn!(reason = said.reason, kind = said.target.kind, name = said.target.name, %error, "event not written");
                }
            }
        }
    }
}

async fn record(cluster: &Cluster, correlator: &mut Correlator, said: &Said) -> Result<(), Error> {
    let mut attempt = 1;
    let mut step = correlator.next(said);
    loop {
        let call = match &step {
            Step::Drop => return Ok(()),
            Step::Create { name } => create(said, name),
            Step::Repeat { name, count } => repeat(said, name, *count),
        };
        match cluster.send::<IgnoredAny>(&call).await {
            Ok(_) => return Ok(()),
            // The event has expired (after an hour by default), or its name is taken by another writer.
            Err(error) if error.is_not_found() || error.is_already_exists() => step = correlator.afresh(said),
            Err(error) if !error.is_transient() => return Err(error),
            Err(error) if attempt == ATTEMPTS => return Err(error),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        if attempt == ATTEMPTS {
            return Ok(());
        }
        attempt += 1;
    }
}

fn namespace(target: &EventTarget) -> &str {
    // Events about objects without a namespace live in `default`, where kubectl describe looks for them.
    if target.namespace.is_empty() { "default" } else { &target.namespace }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn create(said: &Said, name: &str) -> Call {
    let target = &said.target;
    let now = now();
    let mut about = json!({"kind": target.kind, "name": target.name, "uid": target.uid, "apiVersion": target.api_version});
    if !target.namespace.is_empty() {
        about["namespace"] = json!(target.namespace);
    }
    let body = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": namespace(target)},
        "involvedObject": about,
        "reason": said.reason, "message": said.message, "type": said.kind.as_str(),
        "source": {"component": said.component}, "reportingComponent": said.component, "reportingInstance": "",
        "firstTimestamp": now, "lastTimestamp": now, "count": 1,
    });
    event_call(
        "event_create",
        Method::POST,
        format!("/api/v1/namespaces/{}/events", namespace(target)),
        ContentType::Json,
        body,
    )
}

fn repeat(said: &Said, name: &str, count: u32) -> Call {
    let body = json!({"count": count, "lastTimestamp": now()});
    let path = format!("/api/v1/namespaces/{}/events/{name}", namespace(&said.target));
    event_call("event_patch", Method::PATCH, path, ContentType::MergePatch, body)
}

fn event_call(name: &'static str, method: Method, path: String, kind: ContentType, body: Value) -> Call {
    Call { priority: Priority::Event, fenced: false, ..Call::write(name, method, path, kind, body) }
}
