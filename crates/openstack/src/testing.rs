//! A cloud in process for this crate's tests: Keystone is built in, the services are a function of the test.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use serde_json::{Value, json};
use tower::util::BoxCloneSyncService;

use crate::auth::{AuthConfig, Credentials, Domain, Project, Scope, User};
use crate::session::{Session, SessionConfig};
use crate::transport::{Transport, TransportError};

pub(crate) const PASSWORD: &str = "pa55word-hunter2";

pub(crate) type Outcome = Result<Response<Bytes>, TransportError>;

/// A request as the cloud saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `GET http://nova/v2.1/servers?x=y`
    pub line: String,
    pub token: Option<String>,
    pub headers: http::HeaderMap,
    pub body: String,
}

/// The cloud: Keystone at `http://keystone/v3`, tokens `token-1`, `token-2`, …
#[derive(Clone)]
pub(crate) struct Fake {
    seen: Arc<Mutex<Vec<Seen>>>,
    keystone: Arc<Keystone>,
}

pub(crate) struct Keystone {
    issued: AtomicU64,
    /// What comes instead of a token, oldest first; `None` is a Keystone that never answers.
    pub faults: Mutex<Vec<Option<Outcome>>>,
    pub life: Mutex<Duration>,
    pub project: Mutex<&'static str>,
    pub latency: Mutex<Duration>,
    /// Cinder's endpoint.
    pub cinder: Mutex<&'static str>,
}

impl Fake {
    /// A cloud whose services answer with `answer`, called with the request's line.
    pub(crate) fn new<F>(answer: F) -> (Self, Transport)
    where
        F: Fn(Seen) -> BoxFuture<'static, Outcome> + Send + Sync + 'static,
    {
        let fake = Self {
            seen: Arc::default(),
            keystone: Arc::new(Keystone {
                issued: AtomicU64::new(0),
                faults: Mutex::default(),
                life: Mutex::new(Duration::from_secs(3600)),
                project: Mutex::new("project-1"),
                latency: Mutex::new(Duration::from_millis(100)),
                cinder: Mutex::new("http://cinder/"),
            }),
        };
        let cloud = fake.clone();
        let answer = Arc::new(answer);
        let transport = BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
            let cloud = cloud.clone();
            let answer = Arc::clone(&answer);
            async move {
                let seen = cloud.see(request);
                if seen.line.contains("http://keystone/v3") {
                    return cloud.keystone.answer().await;
                }
                answer(seen).await
            }
        }));
        (fake, transport)
    }

    fn see(&self, request: Request<Bytes>) -> Seen {
        let (parts, body) = request.into_parts();
        let token =
            parts.headers.get("x-auth-token").and_then(|token| token.to_str().ok()).map(str::to_owned);
        let seen = Seen {
            line: format!("{} {}", parts.method, parts.uri),
            token,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        self.seen.lock().unwrap().push(seen.clone());
        seen
    }

    pub(crate) fn keystone(&self) -> &Keystone {
        &self.keystone
    }

    /// All requests so far, logins left out.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let all = self.seen.lock().unwrap().clone();
        all.into_iter().filter(|seen| !seen.line.contains("http://keystone")).collect()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    pub(crate) fn logins(&self) -> usize {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .filter(|seen| seen.line == "POST http://keystone/v3/auth/tokens")
            .count()
    }
}

impl Keystone {
    async fn answer(&self) -> Outcome {
        let latency = *self.latency.lock().unwrap();
        tokio::time::sleep(latency).await;
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            (!faults.is_empty()).then(|| faults.remove(0))
        };
        match fault {
            Some(Some(fault)) => return fault,
            Some(None) => return std::future::pending().await,
            None => {}
        }
        let number = self.issued.fetch_add(1, Ordering::Relaxed) + 1;
        let issued = jiff::Timestamp::UNIX_EPOCH;
        let expires = issued + *self.life.lock().unwrap();
        let endpoint = |kind: &str, url: &str| json!({"type": kind, "endpoints": [{"interface": "public", "region": "r1", "region_id": "r1", "url": url}]});
        let body = json!({"token": {
            "issued_at": issued.to_string(),
            "expires_at": expires.to_string(),
            "project": {"id": *self.project.lock().unwrap(), "name": "p"},
            "user": {"id": "u", "name": "u", "domain": {"id": "default"}},
            "catalog": [
                endpoint("compute", "http://nova/v2.1"),
                endpoint("network", "http://neutron"),
                endpoint("load-balancer", "http://octavia"),
                endpoint("volumev3", *self.cinder.lock().unwrap()),
                endpoint("sharev2", "http://manila/"),
                endpoint("key-manager", "http://barbican"),
            ],
        }});
        let mut response = answer(201, &body)?;
        response.headers_mut().insert("x-subject-token", format!("token-{number}").parse().unwrap());
        Ok(response)
    }
}

/// An answer with a JSON body and the request id `req-cloud`.
#[expect(clippy::unnecessary_wraps, reason = "it is returned where a fault could be")]
pub(crate) fn answer(status: u16, body: &Value) -> Outcome {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    Ok(Response::builder().status(status).header("x-openstack-request-id", "req-cloud").body(body).unwrap())
}

pub(crate) fn auth() -> AuthConfig {
    AuthConfig {
        auth_url: "http://keystone/v3".into(),
        credentials: Credentials::Password {
            user: User::Name { name: "u".into(), domain: Domain::Id("default".into()) },
            password: PASSWORD.into(),
        },
        scope: Scope::Project(Project::Id("project-1".into())),
    }
}

/// A session with a cloud whose services answer at once with `answer`.
pub(crate) fn session<F>(answer: F) -> (Session, Fake)
where
    F: Fn(Seen) -> Outcome + Send + Sync + 'static,
{
    slow_session(move |seen| {
        let outcome = answer(seen);
        Box::pin(async move { outcome })
    })
}

/// A session with a cloud whose services take their time.
pub(crate) fn slow_session<F>(answer: F) -> (Session, Fake)
where
    F: Fn(Seen) -> BoxFuture<'static, Outcome> + Send + Sync + 'static,
{
    let (fake, transport) = Fake::new(answer);
    (Session::new(SessionConfig::new(auth()), transport), fake)
}
