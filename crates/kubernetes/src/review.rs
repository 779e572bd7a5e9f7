//! Asks the API server who a caller is (`TokenReview`) and what they may do (`SubjectAccessReview`).
//!
//! Answers are kept for ten seconds, under a hash of the token. Their number, and the number of questions under way, are
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

/// Reviews requests to our own endpoint. Clones share the answers.
#[derive(Clone)]
pub struct Reviewer {
    cluster: Cluster,
    shared: Arc<Shared>,
}

struct Shared {
    known: Mutex<BTreeMap<[u8; 32], (Instant, Verdict)>>,
    under_way: Semaphore,
}

/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(10);
/// How many answers are kept.
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
    user: User,
}

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
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

impl User {
    fn anonymous() -> Self {
        Self {
            username: "system:anonymous".into(),
            groups: vec!["system:unauthenticated".into()],
            ..Self::default()
        }
    }
}

impl Reviewer {
    /// A reviewer that asks with the rights of `cluster`'s account: `create` on `tokenreviews` and `subjectaccessreviews`.
    pub fn new(cluster: Cluster) -> Self {
        let shared = Shared { known: Mutex::default(), under_way: Semaphore::new(AT_A_TIME) };
        Self { cluster, shared: Arc::new(shared) }
    }

    /// Whether the bearer of `token`, or anybody without one, may use `verb` on the URL path `path`.
    ///
    /// # Errors
    /// The API server cannot be asked.
    pub async fn review(&self, token: Option<&str>, verb: &str, path: &str) -> Result<Verdict, Error> {
        let key = digest(token, verb, path);
        if let Some(verdict) = self.shared.recall(&key) {
            return Ok(verdict);
        }
        // The semaphore is never closed.
        let _turn = self.shared.under_way.acquire().await;
        if let Some(verdict) = self.shared.recall(&key) {
            return Ok(verdict);
        }
        let verdict = self.ask(token, verb, path).await?;
        self.shared.remember(key, verdict.clone());
        Ok(verdict)
    }

    async fn ask(&self, token: Option<&str>, verb: &str, path: &str) -> Result<Verdict, Error> {
        let user = match token {
            None => User::anonymous(),
            Some(token) => match self.user(token).await {
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
            Ok(false) => Ok(Verdict::Forbidden { user: user.username }),
            Err(error) => unless_not_ours_to_ask(error, &user.username),
        }
    }

    async fn user(&self, token: &str) -> Result<Option<User>, Error> {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
        let call = question("token_review", "/apis/authentication.k8s.io/v1/tokenreviews", body);
        let review: TokenReview = self.cluster.send(&call).await?;
        Ok(review.status.authenticated.then_some(review.status.user))
    }

    async fn may(&self, user: &User, verb: &str, path: &str) -> Result<bool, Error> {
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {
                "user": user.username, "uid": user.uid, "groups": user.groups, "extra": user.extra,
                "nonResourceAttributes": {"verb": verb, "path": path},
            },
        });
        let call = question("access_review", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body);
        let review: AccessReview = self.cluster.send(&call).await?;
        Ok(review.status.allowed)
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

fn digest(token: Option<&str>, verb: &str, path: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([u8::from(token.is_some())]);
    for part in [token.unwrap_or_default(), verb, path] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

impl Shared {
    fn recall(&self, key: &[u8; 32]) -> Option<Verdict> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(at, _)| at.elapsed() < HOLDS).map(|(_, verdict)| verdict.clone())
    }

    fn remember(&self, key: [u8; 32], verdict: Verdict) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.retain(|_, (at, _)| at.elapsed() < HOLDS);
        }
        if known.len() >= KEPT
            && let Some(oldest) = known.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| *key)
        {
            known.remove(&oldest);
        }
        known.insert(key, (Instant::now(), verdict));
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
        (Reviewer::new(api), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn verdicts() {
        let (reviewer, _) = reviewer();
        let forbidden = |user: &str| Verdict::Forbidden { user: user.into() };
        for (token, path, verdict) in [
            (Some("good"), "/metrics", Verdict::Allowed),
            (Some("good"), "/configz", forbidden("prometheus")),
            (Some("master"), "/configz", Verdict::Allowed),
            (Some("bad"), "/metrics", Verdict::Unauthenticated),
            (None, "/metrics", forbidden("system:anonymous")),
            (Some("norights"), "/metrics", forbidden("unknown")),
        ] {
            assert_eq!(reviewer.review(token, "get", path).await.unwrap(), verdict, "{token:?} {path}");
        }
        assert!(reviewer.review(Some("down"), "get", "/metrics").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_holds_ten_seconds_for_that_request_alone() {
        let (reviewer, asked) = reviewer();
        for _ in 0..5 {
            reviewer.review(Some("good"), "get", "/metrics").await.unwrap();
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        reviewer.review(Some("good"), "post", "/metrics").await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        tokio::time::advance(HOLDS).await;
        reviewer.review(Some("good"), "get", "/metrics").await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn invented_tokens_do_not_fill_the_memory() {
        let (reviewer, _) = reviewer();
        for n in 0..2 * KEPT {
            reviewer.review(Some(&n.to_string()), "get", "/metrics").await.unwrap();
        }
        assert!(reviewer.shared.known.lock().unwrap().len() <= KEPT);
    }

    #[test]
    fn parts_of_the_request_do_not_run_into_one_another() {
        assert_ne!(digest(Some("ab"), "c", "d"), digest(Some("a"), "bc", "d"));
        assert_ne!(digest(Some(""), "c", "d"), digest(None, "c", "d"));
    }
}
