//! One request: from a call to the wire and back, again where that helps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use tokio::time::Instant;
use tower::ServiceExt as _;
use url::Url;

use super::Session;
use crate::answer;
use crate::auth::keyring::Setup;
use crate::auth::keystone::{self, Login};
use crate::catalog::{self, ServiceType};
use crate::error::{Error, Fault};
use crate::fence;
use crate::request::Call;
use crate::retry::{self, Trouble};
use crate::transport::TransportError;
use crate::versions::{self, Range};

/// A successful answer.
pub(super) struct Answer {
    pub body: Bytes,
    pub request_id: Option<Box<str>>,
}

/// An attempt that failed.
struct Setback {
    error: Box<Error>,
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
    /// An older microversion than this; the service may have said which ones it takes.
    Older(&'static str, Option<Range>),
}

impl Setback {
    fn new(error: Error, cure: Cure) -> Self {
        Self { error: Box::new(error), cure }
    }
}

impl Session {
    /// Sends a request until it succeeds, its fault cannot be cured, or its time is over.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, Error> {
        let setup = self.shared.keyring.setup();
        let deadline = Instant::now() + setup.config.request_timeout;
        let global_id: Box<str> = format!("req-{}", uuid::Uuid::new_v4()).into();
        let mut attempt = 1;
        let mut renewed = false;
        let mut uncertain = false;
        loop {
            let Setback { mut error, cure } = match self.attempt(call, &setup, &global_id, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(setback) => setback,
            };
            // What an earlier attempt may have done, it has done however this one ended.
            uncertain |= error.uncertain;
            error.uncertain = uncertain;
            match cure {
                Cure::Renew(refused) if !renewed => {
                    renewed = true;
                    match tokio::time::timeout_at(deadline, self.shared.keyring.renewed(&refused)).await {
                        Ok(Ok(_)) => {}
                        Ok(Err(cause)) => return Err(cause),
                        Err(_) => return Err(Error::new(keystone::CALL, Fault::Timeout)),
                    }
                }
                Cure::Older(version, range) => {
                    tracing::info!(service = %call.service, version, "microversion not supported");
                    self.refused().insert((call.service, version));
                    if let Some(range) = range {
                        self.ranges().insert(call.service, range);
                    }
                }
                Cure::Repeat { trouble, after } => {
                    let pause = retry::pause(attempt, after, fastrand::f64());
                    let again =
                        retry::may_go_on(attempt, trouble) && retry::may_repeat(&call.method, trouble);
                    if !again || Instant::now() + pause >= deadline {
                        if trouble == Trouble::NotSent {
                            self.shared.keyring.doubt();
                        }
                        return Err(*error);
                    }
                    attempt += 1;
                    tokio::time::sleep(pause).await;
                }
                Cure::None | Cure::Renew(_) => return Err(*error),
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
        let give_up = |fault| Setback::new(Error::new(call.name, fault), Cure::None);
        let limit = self.shared.limits.get(&call.service);
        let ready = async {
            // Who waits for Keystone until the end is told so.
            let login = tokio::time::timeout_at(deadline, self.shared.keyring.login())
                .await
                .unwrap_or_else(|_| Err(Error::new(keystone::CALL, Fault::Timeout)))
                .map_err(|error| Setback::new(error, Cure::None))?;
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
        let request = build(call, setup, &login, &url, version, global_id).map_err(give_up)?;

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
        log(call, outcome.as_ref(), start.elapsed(), global_id);
        let mut result = judge(call, outcome, version, login);
        if let Err(setback) = &mut result {
            setback.error.request_id.get_or_insert_with(|| global_id.into());
            setback.error.global_request_id = Some(global_id.into());
        }
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
        let give_up = |fault| Setback::new(Error::new(call.name, fault), Cure::None);
        let base =
            login.endpoints.get(&call.service).ok_or_else(|| give_up(Fault::NoService(call.service)))?;
        let versioned;
        let base = if catalog::has_version(base) {
            base
        } else {
            versioned = self
                .versioned(setup, login, call.service, base)
                .await
                .map_err(|error| Setback::new(error, Cure::None))?;
            &versioned
        };
        let mut url = base.join(&call.path).map_err(|_| give_up(Fault::Invalid("endpoint".into())))?;
        url.set_query(Some(call.query.as_str()).filter(|query| !query.is_empty()));
        Ok(url)
    }

    /// The best microversion of the call that the service takes, as far as is known.
    fn microversion(&self, call: &Call) -> Option<&'static str> {
        let refused = self.refused();
        let wanted: Vec<&'static str> = call
            .microversions
            .iter()
            .copied()
            .filter(|version| !refused.contains(&(call.service, *version)))
            .collect();
        versions::best(&wanted, self.ranges().get(&call.service).copied())
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, BTreeSet<(ServiceType, &'static str)>> {
        self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The microversions that services have told they take.
    pub(super) fn ranges(&self) -> std::sync::MutexGuard<'_, BTreeMap<ServiceType, Range>> {
        self.shared.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    if let Some((name, value)) = version.and_then(|version| call.service.microversion(version.parse().ok()?))
    {
        builder = builder.header(name, value);
    }
    builder
        .body(call.body.clone().unwrap_or_default())
        .map_err(|_| Fault::Invalid("endpoint or user agent cannot be sent".into()))
}

/// The setback of a request that got no answer.
fn broken(call: &Call, error: TransportError) -> Setback {
    let trouble = error.trouble();
    let mut failure = Error::unanswered(call.name, error);
    failure.uncertain = call.is_write() && retry::may_have_happened(trouble);
    Setback::new(failure, Cure::Repeat { trouble, after: None })
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
            return Err(Setback::new(error, Cure::None));
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
    let trouble = Trouble::status(status, after);
    let mut error = Error::new(call.name, answer::fault(call.service, status, after, response.body()));
    if error.is_not_found()
        && let Some(remark) = answer::remark(status, response.body())
    {
        error = error.caused_by(remark);
    }
    error.request_id = request_id;
    error.uncertain = call.is_write() && retry::may_have_happened(trouble);
    let cure = match (status.as_u16(), version) {
        (401, _) => Cure::Renew(login),
        (406, Some(version)) => Cure::Older(version, answer::microversions(status, response.body())),
        _ => Cure::Repeat { trouble, after },
    };
    Err(Setback::new(error, cure))
}

/// One line for each request sent: what, how it went, how long it took. Never headers or bodies.
fn log(
    call: &Call,
    outcome: Option<&Result<Response<Bytes>, TransportError>>,
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
