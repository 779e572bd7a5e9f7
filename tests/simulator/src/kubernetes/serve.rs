//! What the server does with a request: who, may they, which object, and the answer. Nothing here waits.

mod list;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::access::{AUDIENCE, Access, User};
use super::kind::Kind;
use super::refusal::Refusal;
use super::route::{Ask, Place, Review};
use super::rules::{Allocator, Rules, seconds};
use super::store::{Key, Store};
use super::watch::Opening;
use crate::world::Ids;

/// How long an event is kept, the server's default.
const EVENT_LIFE: Duration = Duration::from_secs(3600);
/// Largest body of a request (`--max-request-body-bytes`).
const LARGEST_BODY: usize = 3 << 20;

/// All that the server holds.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) access: Access,
    pub(crate) rng: fastrand::Rng,
    pub(crate) ids: Ids,
    pub(crate) allocator: Allocator,
    pub(crate) now: Instant,
    pub(crate) wall: Timestamp,
    /// How far its caches are behind: what watches deliver and what reads at version 0 show.
    pub(crate) lag: Duration,
    /// When events end.
    endings: BTreeMap<(Instant, u64), Key>,
    /// Answers 503 to everything.
    pub(crate) down: bool,
}

/// What is answered.
pub(crate) enum Answer {
    Object(u16, Value),
    Text(u16, &'static str),
    Refused(Refusal),
    Watch(Opening),
}

impl From<Result<(u16, Value), Refusal>> for Answer {
    fn from(result: Result<(u16, Value), Refusal>) -> Self {
        match result {
            Ok((code, object)) => Self::Object(code, object),
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

impl State {
    pub(crate) fn new(window: usize, rng: fastrand::Rng, ids: Ids, wall: Timestamp) -> Self {
        Self {
            store: Store::new(window),
            access: Access::default(),
            rng,
            ids,
            allocator: Allocator::default(),
            now: Instant::now(),
            wall,
            lag: Duration::ZERO,
            endings: BTreeMap::new(),
            down: false,
        }
    }

    /// Does what was due by now.
    pub(crate) fn advance(&mut self, now: Instant, wall: Timestamp) {
        (self.now, self.wall) = (now, wall);
        while let Some(entry) = self.endings.first_entry().filter(|entry| entry.key().0 <= now) {
            let (at, key) = (entry.key().0, entry.remove());
            if let Some(kind) = Kind::find("", "v1", "events") {
                self.store.remove(kind, &key, at);
            }
        }
    }

    /// Answers one request from `user`, who has the right to it.
    pub(crate) fn answer(&mut self, ask: &Ask, stale: Option<Duration>) -> Answer {
        if self.down {
            return Answer::Refused(Refusal::unavailable());
        }
        let user = match self.access.authenticate(ask, self.wall) {
            Ok(user) => user,
            Err(refusal) => return Answer::Refused(refusal),
        };
        if let Err(refusal) = self.access.authorize(&user, ask) {
            return Answer::Refused(refusal);
        }
        if ask.body.len() > LARGEST_BODY {
            return Answer::Refused(Refusal::too_large(LARGEST_BODY));
        }
        match &ask.place {
            Place::Nowhere if Kind::serves(&ask.path) => Answer::Refused(Refusal::unknown_resource()),
            Place::Nowhere => Answer::Refused(Refusal::not_served()),
            Place::Server => server(ask),
            Place::Review(review) => self.review(*review, ask).into(),
            Place::Objects { kind, namespace, name, subresource } => {
                let key = (namespace.clone(), name.clone());
                self.objects(ask, kind, &key, subresource, stale)
            }
        }
    }

    fn objects(
        &mut self,
        ask: &Ask,
        kind: &'static Kind,
        key: &Key,
        subresource: &str,
        stale: Option<Duration>,
    ) -> Answer {
        let collection = key.1.is_empty();
        match (&ask.method, collection, subresource) {
            (&Method::GET, true, _) if ask.flag("watch") => match self.open_watch(ask, kind, &key.0) {
                Ok(opening) => Answer::Watch(opening),
                Err(refusal) => Answer::Refused(refusal),
            },
            (&Method::GET, true, _) => self.list(ask, kind, &key.0, stale).into(),
            (&Method::POST, false, "token") => self.token(ask, key).into(),
            (_, _, "token") => Answer::Refused(Refusal::method_not_allowed()),
            (&Method::GET, false, _) => self.get(ask, kind, key, stale).into(),
            (&Method::POST, true, _) => self.post(ask, kind, &key.0).into(),
            (&Method::PUT, false, _) => self.put(ask, kind, key, subresource).into(),
            (&Method::PATCH, false, _) => self.patch(ask, kind, key, subresource).into(),
            (&Method::DELETE, false, "") => self.delete(ask, kind, key).into(),
            _ => Answer::Refused(Refusal::method_not_allowed()),
        }
    }

    fn review(&mut self, review: Review, ask: &Ask) -> Result<(u16, Value), Refusal> {
        if ask.method != Method::POST {
            return Err(Refusal::method_not_allowed());
        }
        let body = parse(ask, "Review")?;
        Ok(match review {
            Review::Token => (201, self.access.review_token(&body, self.wall)),
            Review::SubjectAccess => (201, self.access.review_access(&body)),
        })
    }

    /// A token for a service account.
    fn token(&mut self, ask: &Ask, key: &Key) -> Result<(u16, Value), Refusal> {
        let mut request = parse(ask, "TokenRequest")?;

        let Some(kind) = Kind::find("", "v1", "serviceaccounts") else { return Err(Refusal::not_served()) };
        let account = self.store.get(kind, key).ok_or_else(|| Refusal::not_found(kind, &key.1))?;
        let uid = account["metadata"]["uid"].clone();
        let life = request["spec"]["expirationSeconds"].as_i64().unwrap_or(3600).max(600);
        let until = self.wall.checked_add(jiff::SignedDuration::from_secs(life)).unwrap_or(Timestamp::MAX);
        let token = format!("token-of-{}-{}-{}", key.0, key.1, self.ids.uuid());

        let mut user = User::service_account(&key.0, &key.1);
        uid.as_str().unwrap_or_default().clone_into(&mut user.uid);
        self.access.add(&token, user, Some(until));
        (request["kind"], request["apiVersion"]) = (json!("TokenRequest"), json!("authentication.k8s.io/v1"));
        request["metadata"] =
            json!({"name": key.1, "namespace": key.0, "uid": uid, "creationTimestamp": seconds(self.wall)});
        request["spec"]["audiences"] = json!([AUDIENCE]);
        request["spec"]["boundObjectRef"] = Value::Null;

        request["status"] = json!({"token": token, "expirationTimestamp": seconds(until)});
        Ok((201, request))
    }

    /// The parts that rules need, and the database beside them.
    fn rules(&mut self) -> (Rules<'_>, &mut Store) {
        (Rules { allocator: &mut self.allocator, rng: &mut self.rng }, &mut self.store)
    }
}

fn server(ask: &Ask) -> Answer {
    if ask.method != Method::GET {
        return Answer::Refused(Refusal::method_not_allowed());
    }
    if ask.path == "/version" {
        let version = json!({
            "major": "1", "minor": "36", "gitVersion": "v1.36.3", "platform": "linux/amd64", "goVersion": "go1.26"
        });
        return Answer::Object(200, version);
    }
    Answer::Text(200, "ok")
}

/// The body of a request as JSON, which is to be a `kind`.
pub(crate) fn parse(ask: &Ask, kind: &str) -> Result<Value, Refusal> {
    serde_json::from_slice(&ask.body).map_err(|error| {
        let why = go_error(&error);
        let text = String::from_utf8_lossy(&ask.body);
        Refusal::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: \
             {why} ({text})"
        ))
    })
}

/// What Go's parser says of the same mistake.
pub(crate) fn go_error(error: &serde_json::Error) -> String {
    if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() }
}
