//! A watch: a stream of lines that follows the database's changes, and what can go wrong with it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::kind::Kind;
use super::refusal::Refusal;
use super::selector::Selector;
use super::store::{Change, at_version};
use super::{ApiServer, Chunks};
use crate::ledger::Number;
use crate::link::{Cut, Link};

/// What a watch is about, as the request said it.
pub(crate) struct Opening {
    pub(crate) kind: &'static Kind,
    pub(crate) namespace: String,
    pub(crate) selector: Selector,
    pub(crate) start: Start,
    pub(crate) bookmarks: bool,
    pub(crate) lasts: Duration,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With all objects as if they were new; `marked`: a bookmark says where these end.
    Everything { marked: bool },
    /// After this version.
    After(u64),
}

/// What happens to watches that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// They stay open and deliver nothing any more, as after a proxy lost them.
    Silence,
    /// They break in the middle of a line.
    Break,
    /// They end as they do at their time limit.
    End,
    /// They end with an error event: the version is gone (410).
    Expire,
    /// They end with an error event: the server has trouble (500).
    Fail,
}

/// Open watches, so that they can be disturbed.
#[derive(Default)]
pub(crate) struct Watches(Mutex<Vec<Open>>);

/// The resource of a watch, and the way to disturb it.
type Open = (&'static str, watch::Sender<Option<Disturbance>>);

impl Watches {
    fn enter(&self, kind: &Kind) -> watch::Receiver<Option<Disturbance>> {
        let (sender, receiver) = watch::channel(None);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, watch)| !watch.is_closed());
        open.push((kind.plural, sender));
        receiver
    }

    /// Disturbs the watches of a resource, all if it is empty; tells how many.
    pub(crate) fn disturb(&self, plural: &str, how: Disturbance) -> usize {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut disturbed = 0;
        for (kind, watch) in open.iter() {
            if (plural.is_empty() || *kind == plural) && !watch.is_closed() && watch.borrow().is_none() {
                watch.send_replace(Some(how));
                disturbed += 1;
            }
        }
        disturbed
    }

    /// How many are open.
    pub(crate) fn count(&self, plural: &str) -> usize {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter()
            .filter(|(kind, watch)| (plural.is_empty() || *kind == plural) && !watch.is_closed())
            .count()
    }
}

/// How often a watch that asked for bookmarks gets one.
const BOOKMARKS: Duration = Duration::from_secs(60);
/// How often a stalled connection is tried again.
const RETRANSMIT: Duration = Duration::from_secs(1);

/// A watch that is open.
struct Feed {
    server: ApiServer,
    link: Link,
    number: Number,
    opening: Opening,
    /// Everything up to this version was delivered or does not matter.
    at: u64,
    /// Lines on their way.
    ready: VecDeque<Bytes>,
    /// What follows these.
    phase: Phase,
    latency: Duration,
    ends: Instant,
    next_bookmark: Instant,
    moved: watch::Receiver<u64>,
    disturbed: watch::Receiver<Option<Disturbance>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// More lines.
    Open,
    /// Nothing, for ever.
    Silent,
    /// The connection breaks.
    Broken,
    /// It is over.
    Ended,
}

/// What the database has for a watch.
enum Step {
    /// A line, and when it reaches the watcher.
    Line(Bytes, Instant),
    Nothing,
    /// The changes it needs are forgotten.
    Gone(u64),
}

/// The body of a watch's answer.
pub(crate) fn body(
    server: &ApiServer,
    link: &Link,
    number: Number,
    opening: Opening,
    latency: Duration,
    disturbance: Option<Disturbance>,
) -> Chunks {
    let now = Instant::now();
    let mut feed = Feed {
        disturbed: server.0.watches.enter(opening.kind),
        moved: server.with_state(|state| state.store.moved()),
        at: 0,
        ready: VecDeque::new(),
        phase: Phase::Open,
        latency,
        ends: now + opening.lasts,
        next_bookmark: now + BOOKMARKS,
        server: server.clone(),
        link: link.clone(),
        number,
        opening,
    };
    feed.begin();
    if let Some(how) = disturbance {
        feed.disturb(how);
    }
    stream::unfold(feed, |mut feed| async move { feed.next().await.map(|line| (line, feed)) }).boxed()
}

impl Feed {
    fn begin(&mut self) {
        let Start::Everything { marked } = self.opening.start else {
            if let Start::After(version) = self.opening.start {
                self.at = version;
            }
            return;
        };
        let kind = self.opening.kind;
        let (objects, revision) = self.server.with_state(|state| {
            let all = state.store.objects(kind).map(|(key, object)| (key.clone(), object.clone()));
            (all.collect::<Vec<_>>(), state.store.revision())
        });
        self.at = revision;
        for (key, object) in objects {
            if self.concerns(&key.0) && self.opening.selector.fits(&object) {
                self.ready.push_back(line("ADDED", &object));
            }
        }
        if marked {
            self.bookmark(true);
        }
    }

    fn concerns(&self, namespace: &str) -> bool {
        self.opening.namespace.is_empty() || self.opening.namespace == namespace
    }

    async fn next(&mut self) -> Option<Result<Bytes, tower::BoxError>> {
        loop {
            if self.disturbed.has_changed().unwrap_or(false) {
                self.hear();
            }
            if let Some(line) = self.ready.pop_front() {
                return Some(self.deliver(line).await);
            }
            match self.phase {
                Phase::Open => self.follow().await,
                Phase::Silent => std::future::pending().await,
                Phase::Broken => {
                    self.phase = Phase::Ended;
                    return Some(Err("connection reset by peer".into()));
                }
                Phase::Ended => return None,
            }
        }
    }

    /// Waits until there is something to say, or nothing more.
    async fn follow(&mut self) {
        match self.step() {
            // What happened reaches the watcher a little later, unless something happens to the watch first.
            Step::Line(line, due) => tokio::select! {
                biased;
                _ = self.disturbed.changed() => self.hear(),
                () = sleep_until(due) => self.ready.push_back(line),
            },
            Step::Gone(oldest) => {
                let message = format!("too old resource version: {} ({oldest})", self.at);
                self.fail(&Refusal::expired(message));
            }
            Step::Nothing => tokio::select! {
                biased;
                _ = self.disturbed.changed() => self.hear(),
                () = sleep_until(self.ends) => self.phase = Phase::Ended,
                _ = self.moved.changed() => {}
                () = sleep_until(self.next_bookmark), if self.opening.bookmarks => {
                    self.next_bookmark = Instant::now() + BOOKMARKS;
                    self.at = self.at.max(self.server.with_state(|state| state.store.revision()));
                    self.bookmark(false);
                }
            },
        }
    }

    /// Goes on to the next change that concerns this watch.
    fn step(&mut self) -> Step {
        loop {
            let kind = self.opening.kind;
            let found = self.server.with_state(|state| {
                let next = state.store.next_change(kind, self.at);
                next.map(|change| change.map(|change| (change.clone(), state.lag)))
            });
            match found {
                Err(gone) => return Step::Gone(gone.oldest),
                Ok(None) => return Step::Nothing,
                Ok(Some((change, lag))) => {
                    self.at = change.revision;
                    if let Some(line) = self.told(&change) {
                        return Step::Line(line, change.at + lag + self.latency);
                    }
                }
            }
        }
    }

    /// The line of a change, if it concerns this watch: an object that does not fit the selector is not there.
    fn told(&self, change: &Change) -> Option<Bytes> {
        let fits = |object: &&Arc<Value>| self.concerns(&change.key.0) && self.opening.selector.fits(object);
        match (change.before.as_ref().filter(fits), change.after.as_ref().filter(fits)) {
            (None, Some(object)) => Some(line("ADDED", object)),
            (Some(_), Some(object)) => Some(line("MODIFIED", object)),
            (Some(object), None) => Some(line("DELETED", &at_version(object, change.revision))),
            (None, None) => None,
        }
    }

    fn bookmark(&mut self, initial_end: bool) {
        let mut meta = json!({"resourceVersion": self.at.to_string()});
        if initial_end {
            meta["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let kind = self.opening.kind;
        let mut object = json!({"kind": kind.name, "apiVersion": kind.api_version(), "metadata": meta});
        for part in ["spec", "status"] {
            if kind.has_status || (part == "spec" && kind.plural == "leases") {
                object[part] = json!({});
            }
        }
        self.ready.push_back(line("BOOKMARK", &object));
    }

    fn hear(&mut self) {
        let how = *self.disturbed.borrow_and_update();
        if let Some(how) = how {
            self.disturb(how);
        }
    }

    fn disturb(&mut self, how: Disturbance) {
        match how {
            Disturbance::Silence => {
                self.ready.clear();
                self.phase = Phase::Silent;
            }
            Disturbance::Break => {
                self.ready = VecDeque::from([Bytes::from_static(br#"{"type":"MODIFIED","object":{"kind":"#)]);
                self.phase = Phase::Broken;
            }
            Disturbance::End => self.phase = Phase::Ended,
            Disturbance::Expire => {
                self.fail(&Refusal::expired("The resourceVersion for the provided watch is too old."));
            }
            Disturbance::Fail => self.fail(&Refusal::internal("etcdserver: no leader")),
        }
    }

    /// Ends with an error event in place of what was ready.
    fn fail(&mut self, refusal: &Refusal) {
        self.ready = VecDeque::from([line("ERROR", &refusal.status())]);
        self.phase = Phase::Ended;
    }

    /// Hands a line over as soon as the network lets it pass.
    async fn deliver(&mut self, line: Bytes) -> Result<Bytes, tower::BoxError> {
        loop {
            if self.link.is_dead() {
                std::future::pending::<()>().await;
            }
            match self.link.cut_from(super::SERVICE) {
                None => break,
                Some(Cut::Refused) => {
                    self.ready.clear();
                    self.phase = Phase::Ended;
                    return Err("connection reset by peer".into());
                }
                Some(Cut::Silent | Cut::Deaf) => tokio::time::sleep(RETRANSMIT).await,
            }
        }
        self.server.0.world.ledger().amend(self.number, |entry| {
            entry.rows += 1;
            entry.bytes += line.len();
        });
        Ok(line)
    }
}

fn line(what: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": what, "object": object})))
}
