//! Asks the API server who a caller is (`TokenReview`) and what they may do (`SubjectAccessReview`).
//!
//! Answers are kept for a while, under a hash of the question. Their number, and the number of questions under way, are
//! bounded, and questions wait behind all other traffic: whoever floods the endpoint with invented tokens slows down
//! nobody but themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::cluster::{Call, Cluster, ContentType};
use crate::error::Error;
use crate::limiter::Priority;

/// What the API server says about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Allowed,
    /// The token is not valid.
    Unauthenticated,
    /// The user may not do this, or we may not ask.
    Forbidden {
        /// Name of the user.
        user: String,
    },
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requester {
    /// Somebody who is known already.
    User(UserInfo),
    /// The bearer of this token.
    Bearer(String),
    /// Anybody.
    Anonymous,
}

/// A user of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct UserInfo {
    /// Name.
    #[serde(rename(deserialize = "username", serialize = "user"))]
    pub name: String,
    /// Unique id, where there is one.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// More, by key.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// How long answers are kept; zero for not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Who bears a token, or that nobody does.
    pub token: Duration,
    /// A yes.
    pub allowed: Duration,
    /// A no.
    pub refused: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        let usual = Duration::from_secs(10);
        Self { token: usual, allowed: usual, refused: usual }
    }
}

/// Reviews requests to our own endpoint. Clones share the answers.
#[derive(Clone)]
pub struct Reviewer {
    authentication: Cluster,
    authorization: Cluster,
    lifetimes: Lifetimes,
    shared: Arc<Shared>,
}

struct Shared {
    tokens: Answers<Option<UserInfo>>,
    access: Answers<bool>,
    under_way: Semaphore,
}

/// How many answers of each kind are kept.
const KEPT: usize = 1024;
/// How many questions are asked at a time.
const AT_A_TIME: usize = 4;
/// Members pass without question, as in every Kubernetes component.
const MASTERS: &str = "system:masters";

#[derive(Deserialize)]
struct TokenReview {
    #[serde(default)]
    status: TokenStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenStatus {
    authenticated: bool,
    user: UserInfo,
}

#[derive(Deserialize)]
struct AccessReview {
    #[serde(default)]
    status: AccessStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AccessStatus {
    allowed: bool,
}

impl UserInfo {
    fn anonymous() -> Self {
        Self {
            name: "system:anonymous".into(),
            groups: vec!["system:unauthenticated".into()],
            ..Self::default()
        }
    }
}

impl Reviewer {
    /// A reviewer that asks who somebody is with the rights of one account (`create` on `tokenreviews`), and what they may
    /// do with those of another (`create` on `subjectaccessreviews`).
    pub fn new(authentication: Cluster, authorization: Cluster, lifetimes: Lifetimes) -> Self {
        let shared = Shared {
            tokens: Answers::default(),
            access: Answers::default(),
            under_way: Semaphore::new(AT_A_TIME),
        };
        Self { authentication, authorization, lifetimes, shared: Arc::new(shared) }
    }

    /// Whether `who` may use `verb` on the URL path `path`.
    ///
    /// # Errors
    /// The API server cannot be asked.
    pub async fn review(&self, who: &Requester, verb: &str, path: &str) -> Result<Verdict, Error> {
        let user = match who {
            Requester::User(user) => user.clone(),
            Requester::Anonymous => UserInfo::anonymous(),
            Requester::Bearer(token) => match self.user(token).await {
                Ok(Some(user)) => user,
                Ok(None) => return Ok(Verdict::Unauthenticated),
                Err(error) => return unless_not_ours_to_ask(error, "unknown"),
            },
        };
        if user.groups.iter().any(|group| group == MASTERS) {
            return Ok(Verdict::Allowed);
        }
        match self.may(&user, verb, path).await {
            Ok(true) => Ok(Verdict::Allowed),
            Ok(false) => Ok(Verdict::Forbidden { user: user.name }),
            Err(error) => unless_not_ours_to_ask(error, &user.name),
        }
    }

    async fn user(&self, token: &str) -> Result<Option<UserInfo>, Error> {
        let key = digest(&[token]);
        // The semaphore is never closed.
        if let Some(user) = self.shared.tokens.recall(&key) {
            return Ok(user);
        }
        let _turn = self.shared.under_way.acquire().await;
        if let Some(user) = self.shared.tokens.recall(&key) {
            return Ok(user);
        }
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
        let call = question("token_review", "/apis/authentication.k8s.io/v1/tokenreviews", body);
        let review: TokenReview = self.authentication.send(&call).await?;
        let user = review.status.authenticated.then_some(review.status.user);
        self.shared.tokens.remember(key, user.clone(), self.lifetimes.token);
        Ok(user)
    }

    async fn may(&self, user: &UserInfo, verb: &str, path: &str) -> Result<bool, Error> {
        let mut spec = serde_json::to_value(user).unwrap_or_default();
        spec["nonResourceAttributes"] = json!({"verb": verb, "path": path});
        let key = digest(&[&spec.to_string()]);
        if let Some(allowed) = self.shared.access.recall(&key) {
            return Ok(allowed);
        }
        let _turn = self.shared.under_way.acquire().await;
        if let Some(allowed) = self.shared.access.recall(&key) {
            return Ok(allowed);
        }
        let body =
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
        let call = question("access_review", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body);
        let review: AccessReview = self.authorization.send(&call).await?;
        let allowed = review.status.allowed;
        let lifetime = if allowed { self.lifetimes.allowed } else { self.lifetimes.refused };
        self.shared.access.remember(key, allowed, lifetime);
        Ok(allowed)
    }
}

/// Installations without the right to ask are common; to the caller that is a plain no.
fn unless_not_ours_to_ask(error: Error, user: &str) -> Result<Verdict, Error> {
    if error.is_forbidden() { Ok(Verdict::Forbidden { user: user.to_owned() }) } else { Err(error) }
}

fn question(name: &'static str, path: &str, body: Value) -> Call {
    let call = Call::write(name, Method::POST, path.to_owned(), ContentType::Json, body);
    Call { priority: Priority::Event, fenced: false, ..call }
}

fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Answers of one kind, each until its end.
struct Answers<T>(Mutex<BTreeMap<[u8; 32], (Instant, T)>>);

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Answers<T> {
    fn recall(&self, key: &[u8; 32]) -> Option<T> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(end, _)| Instant::now() < *end).map(|(_, answer)| answer.clone())
    }

    fn remember(&self, key: [u8; 32], answer: T, lifetime: Duration) {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.retain(|_, (end, _)| now < *end);
        }
        if known.len() >= KEPT
            && let Some(first) = known.iter().min_by_key(|(_, (end, _))| *end).map(|(key, _)| *key)
        {
            known.remove(&first);
        }
        if !lifetime.is_zero() {
            known.insert(key, (now + lifetime, answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::testing::{Answer, cluster};

    /// Knows `good` (may get /metrics), `master`; counts the questions.
    fn reviewer() -> (Reviewer, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let api = cluster(move |asked| {
            count.fetch_add(1, Ordering::Relaxed);
            let spec = &asked.body["spec"];
            let answer = if asked.path.ends_with("/tokenreviews") {
                let known = |name: &str, group: &str| json!({"authenticated": true, "user": {"username": name, "groups": [group], "extra": {"k": ["v"]}}});
                match spec["token"].as_str().unwrap() {
                    "good" => {
                        Answer::json(201, &json!({"status": known("prometheus", "system:authenticated")}))
                    }
                    "master" => Answer::json(201, &json!({"status": known("admin", "system:masters")})),
                    "norights" => Answer::refusal(403, "Forbidden"),
                    "down" => Answer::refusal(500, "InternalError"),
                    _ => Answer::json(201, &json!({"status": {"user": {}}})),
                }
            } else {
                let allowed = spec["user"] == "prometheus"
                    && spec["extra"] == json!({"k": ["v"]})
                    && spec["nonResourceAttributes"] == json!({"verb": "get", "path": "/metrics"});
                Answer::json(201, &json!({"status": {"allowed": allowed}}))
            };
            async move { Ok(answer) }
        });
        (Reviewer::new(api.clone(), api, LIFETIMES), asked)
    }

    const LIFETIMES: Lifetimes = Lifetimes {
        token: Duration::from_secs(10),
        allowed: Duration::from_secs(10),
        refused: Duration::from_secs(5),
    };

    fn bearer(token: &str) -> Requester {
        Requester::Bearer(token.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn verdicts() {
        let (reviewer, _) = reviewer();
        let forbidden = |user: &str| Verdict::Forbidden { user: user.into() };
        for (who, path, verdict) in [
            (bearer("good"), "/metrics", Verdict::Allowed),
            (bearer("good"), "/configz", forbidden("prometheus")),
            (bearer("master"), "/configz", Verdict::Allowed),
            (bearer("bad"), "/metrics", Verdict::Unauthenticated),
            (Requester::Anonymous, "/metrics", forbidden("system:anonymous")),
            (bearer("norights"), "/metrics", forbidden("unknown")),
            (
                Requester::User(UserInfo { name: "u".into(), ..UserInfo::default() }),
                "/metrics",
                forbidden("u"),
            ),
            (
                Requester::User(UserInfo { groups: vec![MASTERS.into()], ..UserInfo::default() }),
                "/configz",
                Verdict::Allowed,
            ),
        ] {
            assert_eq!(reviewer.review(&who, "get", path).await.unwrap(), verdict, "{who:?} {path}");
        }
        assert!(reviewer.review(&bearer("down"), "get", "/metrics").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn answers_hold_as_long_as_they_are_said_to() {
        let (reviewer, asked) = reviewer();
        let count = || asked.swap(0, Ordering::Relaxed);
        for _ in 0..5 {
            reviewer.review(&bearer("good"), "get", "/metrics").await.unwrap();
        }
        assert_eq!(count(), 2);
        reviewer.review(&bearer("good"), "post", "/metrics").await.unwrap();
        assert_eq!(count(), 1, "who it is, is known; whether they may do that, is not");
        tokio::time::advance(LIFETIMES.refused).await;
        reviewer.review(&bearer("good"), "post", "/metrics").await.unwrap();
        reviewer.review(&bearer("good"), "get", "/metrics").await.unwrap();
        assert_eq!(count(), 1, "a no is forgotten earlier than a yes");
        tokio::time::advance(LIFETIMES.token).await;
        reviewer.review(&bearer("good"), "get", "/metrics").await.unwrap();
        assert_eq!(count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn invented_tokens_do_not_fill_the_memory() {
        let (reviewer, _) = reviewer();
        for n in 0..2 * KEPT {
            reviewer.review(&bearer(&n.to_string()), "get", "/metrics").await.unwrap();
            reviewer.review(&bearer("good"), "get", &format!("/{n}")).await.unwrap();
        }
        assert!(reviewer.shared.tokens.0.lock().unwrap().len() <= KEPT);
        assert!(reviewer.shared.access.0.lock().unwrap().len() <= KEPT);
    }

    #[test]
    fn parts_of_the_request_do_not_run_into_one_another() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["", "c"]), digest(&["c"]));
    }
}
