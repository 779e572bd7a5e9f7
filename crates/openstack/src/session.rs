//! One cloud as one identity sees it: token, endpoints, limits, and the way every call goes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tower::ServiceExt as _;
use url::Url;

use crate::answer;
use crate::auth::AuthConfig;
use crate::auth::keyring::{Keyring, Setup};
use crate::auth::keystone::{self, Identity, Login};
use crate::catalog::{self, Interface, ServiceType};
use crate::error::{Error, Fault};
use crate::fence::{self, Fence};
use crate::ids::ProjectId;
use crate::json;
use crate::limit::Limit;
use crate::metrics::Metrics;
use crate::page;
use crate::request::Call;
use crate::retry::{self, Trouble};
use crate::transport::{Transport, TransportError};

/// Most pages of one list; a server that gives more is broken.
const MOST_PAGES: usize = 10_000;

/// What a session needs to know.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Where and as whom to log in.
    pub auth: AuthConfig,
    /// The region whose endpoints are used; without one the first of any region.
    pub region: Option<String>,
    /// The interface whose endpoints are used.
    pub interface: Interface,
    /// Longest time a request may take, repetitions included. Each page of a list has this time.
    pub request_timeout: Duration,
    /// Longest time a login may take.
    pub auth_timeout: Duration,
    /// `User-Agent` of every request.
    pub user_agent: String,
    /// Most requests in flight to one service.
    pub max_in_flight: usize,
}

impl SessionConfig {
    /// A configuration with the defaults: any region, public endpoints, 60 s a call, 30 s a login, 16 in flight.
    pub fn new(auth: AuthConfig) -> Self {
        Self {
            auth,
            region: None,
            interface: Interface::Public,
            request_timeout: Duration::from_secs(60),
            auth_timeout: Duration::from_secs(30),
            user_agent: concat!("openstack-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_in_flight: 16,
        }
    }
}

/// A session; clones share everything but the fence.
#[derive(Clone, Debug)]
pub struct Session {
    shared: Arc<Shared>,
    fence: Option<Fence>,
}

struct Shared {
    keyring: Arc<Keyring>,
    metrics: Metrics,
    limits: BTreeMap<ServiceType, Limit>,
    /// Microversions that a service has refused.
    refused: Mutex<BTreeSet<(ServiceType, &'static str)>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Why new settings were not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// They do not give a token.
    #[error("cannot log in with the new settings")]
    Login(#[source] Error),
    /// They belong to another project, region or domain. There all our servers would seem to be gone.
    #[error("the new settings belong to another {0}")]
    OtherIdentity(&'static str),
}

/// A successful answer.
struct Answer {
    body: Bytes,
    request_id: Option<Box<str>>,
}

/// An attempt that failed.
struct Setback {
    error: Error,
    /// What to do about it.
    cure: Cure,
}

enum Cure {
    /// Nothing helps.
    None,
    /// The table of retries decides.
    Repeat { trouble: Trouble, after: Option<Duration> },
    /// A token other than this.
    Renew(Arc<Login>),
    /// An older microversion.
    Older(&'static str),
}

impl Session {
    /// A session that logs in when it is first used.
    pub fn new(config: SessionConfig, transport: Transport) -> Self {
        let limits =
            ServiceType::ALL.into_iter().map(|service| (service, Limit::new(config.max_in_flight))).collect();
        let shared = Shared {
            keyring: Keyring::new(Setup { config, transport }),
            metrics: Metrics::new(),
            limits,
            refused: Mutex::default(),
        };
        Self { shared: Arc::new(shared), fence: None }
    }

    /// The same session, whose writes are bound to the fence's window.
    #[must_use]
    pub fn with_fence(&self, fence: Fence) -> Self {
        Self { shared: Arc::clone(&self.shared), fence: Some(fence) }
    }

    /// The session's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// The project that the token is for. Logs in if need be, and so tells whether the credentials are good.
    pub async fn project_id(&self) -> Result<Option<ProjectId>, Error> {
        Ok(self.shared.keyring.login().await?.identity.project.clone())
    }

    /// The region as configured.
    pub fn region(&self) -> Option<String> {
        self.shared.keyring.setup().config.region.clone()
    }

    /// Takes new settings (rotated credentials, another CA) after a login has proved that they are for the same
    /// project, region and user domain; otherwise the old ones stay.
    pub async fn reload(&self, config: SessionConfig, transport: Transport) -> Result<(), ReloadError> {
        let login = tokio::time::timeout(config.auth_timeout, keystone::log_in(&config, &transport))
            .await
            .unwrap_or_else(|_| Err(Error::new(keystone::CALL, Fault::Timeout)))
            .map_err(ReloadError::Login)?;
        if let Some(present) = self.shared.keyring.present() {
            same_identity(&present.identity, &login.identity)?;
        }
        if self.region() != config.region {
            return Err(ReloadError::OtherIdentity("region"));
        }
        self.shared.keyring.replace(Setup { config, transport }, login);
        Ok(())
    }

    /// Sends a call and reads the object under `name` from the answer.
    pub(crate) async fn object<T: DeserializeOwned>(
        &self,
        call: Call,
        name: &'static str,
    ) -> Result<T, Error> {
        self.measured(&call, async {
            let answer = self.send(&call).await?;
            json::unwrap(name, &answer.body).map_err(|error| undecodable(&call, &error, answer.request_id))
        })
        .await
    }

    /// Sends a call whose answer does not matter.
    pub(crate) async fn done(&self, call: Call) -> Result<(), Error> {
        self.measured(&call, async { self.send(&call).await.map(|_| ()) }).await
    }

    /// Reads all pages of a list.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        call: Call,
        name: &'static str,
    ) -> Result<Vec<T>, Error> {
        self.measured(&call, async {
            let mut call = call.clone();
            let mut items = Vec::new();
            let mut seen = HashSet::new();
            loop {
                let answer = self.send(&call).await?;
                let page: json::Page<T> = json::page(name, &answer.body)
                    .map_err(|error| undecodable(&call, &error, answer.request_id.clone()))?;
                items.extend(page.items);
                let Some(href) = page.next.filter(|href| !page::is_empty_promise(href)) else {
                    return Ok(items);
                };
                let next = page::next_query(&call.query, &href).filter(|next| seen.insert(next.clone()));
                match next.filter(|_| seen.len() < MOST_PAGES) {
                    Some(next) => call.query = next,
                    None => {
                        let mut error = Error::new(call.name, Fault::Decode("the list has no end".into()));
                        error.request_id = answer.request_id;
                        return Err(error);
                    }
                }
            }
        })
        .await
    }

    /// Counts a call. That an object does not exist is an answer, not an error.
    async fn measured<T>(
        &self,
        call: &Call,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let start = Instant::now();
        let result = work.await;
        let failed = result.as_ref().is_err_and(|error| !error.is_not_found());
        self.shared.metrics.observe(call.name, start.elapsed(), failed);
        result
    }

    /// Sends a request until it succeeds, its fault cannot be cured, or its time is over.
    async fn send(&self, call: &Call) -> Result<Answer, Error> {
        let setup = self.shared.keyring.setup();
        let deadline = Instant::now() + setup.config.request_timeout;
        let global_id: Box<str> = format!("req-{}", uuid::Uuid::new_v4()).into();
        let mut attempt = 1;
        let mut renewed = false;
        loop {
            let Setback { mut error, cure } = match self.attempt(call, &setup, &global_id, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(setback) => setback,
            };
            error.request_id.get_or_insert_with(|| global_id.clone());
            match cure {
                Cure::Renew(refused) if !renewed => {
                    renewed = true;
                    match tokio::time::timeout_at(deadline, self.shared.keyring.renewed(&refused)).await {
                        Ok(Ok(_)) => {}
                        Ok(Err(cause)) => return Err(cause),
                        Err(_) => return Err(Error::new(call.name, Fault::Timeout)),
                    }
                }
                Cure::Older(version) => {
                    tracing::info!(service = %call.service, version, "microversion not supported");
                    self.refused().insert((call.service, version));
                }
                Cure::Repeat { trouble, after } => {
                    let pause = retry::pause(attempt, after, fastrand::f64());
                    let again = attempt < retry::MAX_ATTEMPTS && retry::may_repeat(&call.method, trouble);
                    if !again || Instant::now() + pause >= deadline {
                        return Err(error);
                    }
                    attempt += 1;
                    tokio::time::sleep(pause).await;
                }
                Cure::None | Cure::Renew(_) => return Err(error),
            }
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        setup: &Setup,
        global_id: &str,
        deadline: Instant,
    ) -> Result<Answer, Setback> {
        let give_up = |fault| Setback { error: Error::new(call.name, fault), cure: Cure::None };
        let limit = self.shared.limits.get(&call.service);
        let ready = async {
            let login =
                self.shared.keyring.login().await.map_err(|error| Setback { error, cure: Cure::None })?;
            let url = self.url(call, setup, &login).await?;
            let slot = match limit {
                Some(limit) => Some(limit.slot().await),
                None => None,
            };
            Ok((login, url, slot))
        };
        let (login, url, _slot) = tokio::time::timeout_at(deadline, ready)
            .await
            .unwrap_or_else(|_| Err(give_up(Fault::Timeout)))?;
        let version = self.microversion(call);
        let request = build(call, setup, &login, &url, version, global_id).map_err(|fault| give_up(fault))?;

        // Asked last of all, right before the request leaves.
        let window = match &self.fence {
            Some(fence) if call.is_write() => {
                let window =
                    fence::open_window(fence, Instant::now()).ok_or_else(|| give_up(Fault::Fenced))?;
                Some((fence.clone(), window))
            }
            _ => None,
        };
        let window_ended = async {
            match window {
                Some((fence, window)) => fence::window_ended(fence, window).await,
                None => std::future::pending().await,
            }
        };
        let start = Instant::now();
        let outcome = tokio::select! {
            biased;
            outcome = setup.transport.clone().oneshot(request) => Some(outcome),
            () = tokio::time::sleep_until(deadline) => None,
            () = window_ended => None,
        };
        log(call, &outcome, start.elapsed(), global_id);
        let result = judge(call, outcome, version, login);
        if let Some(limit) = limit {
            match &result {
                Ok(_) => limit.good(),
                Err(Setback {
                    cure: Cure::Repeat { trouble: Trouble::Status { status, .. }, .. }, ..
                }) if matches!(status.as_u16(), 429 | 503) => {
                    limit.complaint();
                }
                Err(_) => {}
            }
        }
        result
    }

    /// The URL of a call.
    async fn url(&self, call: &Call, setup: &Setup, login: &Login) -> Result<Url, Setback> {
        let give_up = |fault| Setback { error: Error::new(call.name, fault), cure: Cure::None };
        let base =
            login.endpoints.get(&call.service).ok_or_else(|| give_up(Fault::NoService(call.service)))?;
        let base = if call.service == ServiceType::Compute && !catalog::has_version(base) {
            login.discovered.get_or_try_init(|| discover(call, setup, base)).await?
        } else {
            base
        };
        let mut url = base.join(&call.path).map_err(|_| give_up(Fault::Invalid("endpoint".into())))?;
        url.set_query(Some(call.query.as_str()).filter(|query| !query.is_empty()));
        Ok(url)
    }

    /// The best microversion of the call that the service has not refused.
    fn microversion(&self, call: &Call) -> Option<&'static str> {
        let refused = self.refused();
        call.microversions.iter().copied().find(|version| !refused.contains(&(call.service, *version)))
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, BTreeSet<(ServiceType, &'static str)>> {
        self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same_identity(old: &Identity, new: &Identity) -> Result<(), ReloadError> {
    if old.project != new.project {
        return Err(ReloadError::OtherIdentity("project"));
    }
    if old.user_domain != new.user_domain {
        return Err(ReloadError::OtherIdentity("user domain"));
    }
    Ok(())
}

/// A success whose body makes no sense. A write has happened all the same.
fn undecodable(call: &Call, error: &serde_json::Error, request_id: Option<Box<str>>) -> Error {
    let mut failure = Error::new(call.name, Fault::Decode(answer::unreadable(error)));
    failure.uncertain = call.is_write();
    failure.request_id = request_id;
    failure
}

/// Asks an unversioned Nova endpoint for its versions and takes v2.1, its only API since Mitaka.
async fn discover(call: &Call, setup: &Setup, endpoint: &Url) -> Result<Url, Setback> {
    #[derive(Deserialize)]
    struct Version {
        id: String,
    }
    let give_up = |fault| Setback { error: Error::new(call.name, fault), cure: Cure::None };
    let request = Request::get(endpoint.as_str())
        .header(http::header::USER_AGENT, &setup.config.user_agent)
        .header(http::header::ACCEPT, "application/json")
        .body(Bytes::new())
        .map_err(|_| give_up(Fault::Invalid("endpoint".into())))?;
    let response = setup.transport.clone().oneshot(request).await.map_err(|error| broken(call, error))?;
    let versions: Vec<Version> = json::unwrap("versions", response.body()).unwrap_or_default();
    let version =
        versions.iter().rev().find(|version| version.id.starts_with("v2")).map_or("v2.1", |v| v.id.as_str());
    endpoint.join(&format!("{version}/")).map_err(|_| give_up(Fault::Invalid("endpoint".into())))
}

fn build(
    call: &Call,
    setup: &Setup,
    login: &Login,
    url: &Url,
    version: Option<&'static str>,
    global_id: &str,
) -> Result<Request<Bytes>, Fault> {
    let mut builder = Request::builder()
        .method(call.method.clone())
        .uri(url.as_str())
        .header(http::header::USER_AGENT, &setup.config.user_agent)
        .header(http::header::ACCEPT, "application/json")
        .header("x-auth-token", &login.token)
        .header("x-openstack-request-id", global_id);
    if call.body.is_some() {
        builder = builder.header(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(version) = version {
        builder = builder.header("openstack-api-version", format!("{} {version}", call.service));
    }
    builder
        .body(call.body.clone().unwrap_or_default())
        .map_err(|_| Fault::Invalid("endpoint or user agent cannot be sent".into()))
}

/// The setback of a request that got no answer.
fn broken(call: &Call, error: TransportError) -> Setback {
    let trouble = error.trouble();
    let fault = match &error {
        TransportError::TooLarge { .. } => Fault::Decode(error.to_string()),
        _ => Fault::Transport(error.to_string()),
    };
    let mut failure = Error::new(call.name, fault).caused_by(error);
    failure.uncertain = call.is_write() && retry::may_have_happened(trouble);
    Setback { error: failure, cure: Cure::Repeat { trouble, after: None } }
}

/// What came of an attempt; no outcome means that the time was over.
fn judge(
    call: &Call,
    outcome: Option<Result<Response<Bytes>, TransportError>>,
    version: Option<&'static str>,
    login: Arc<Login>,
) -> Result<Answer, Setback> {
    let response = match outcome {
        None => {
            let mut error = Error::new(call.name, Fault::Timeout);
            error.uncertain = call.is_write();
            return Err(Setback { error, cure: Cure::None });
        }
        Some(Err(error)) => return Err(broken(call, error)),
        Some(Ok(response)) => response,
    };
    let status = response.status();
    let request_id = answer::request_id(response.headers());
    if status.is_success() || (status.as_u16() == 300 && call.path == "../") {
        return Ok(Answer { body: response.into_body(), request_id });
    }
    let after = retry::retry_after(response.headers());
    let trouble = Trouble::Status { status, named_a_time: after.is_some() };
    let mut error = Error::new(call.name, answer::fault(Some(call.service), status, after, response.body()));
    error.request_id = request_id;
    error.uncertain = call.is_write() && retry::may_have_happened(trouble);
    let cure = match (status.as_u16(), version) {
        (401, _) => Cure::Renew(login),
        (406, Some(version)) => Cure::Older(version),
        _ => Cure::Repeat { trouble, after },
    };
    Err(Setback { error, cure })
}

/// One line for each request sent: what, how it went, how long it took. Never headers or bodies.
fn log(
    call: &Call,
    outcome: &Option<Result<Response<Bytes>, TransportError>>,
    took: Duration,
    global_id: &str,
) {
    let (status, id, problem) = match outcome {
        Some(Ok(response)) => {
            (Some(response.status().as_u16()), answer::request_id(response.headers()), None)
        }
        Some(Err(error)) => (None, None, Some(error.to_string())),
        None => (None, None, Some("timed out".to_owned())),
    };
    tracing::debug!(
        service = %call.service,
        call = call.name,
        method = %call.method,
        path = call.template,
        status,
        ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        request_id = id.as_deref(),
        global_request_id = global_id,
        problem,
        "request"
    );
}
