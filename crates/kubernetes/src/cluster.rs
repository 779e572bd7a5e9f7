//! The client: one place through which every request to the API server passes, limited, timed and fenced.

mod silence;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response};
use kube::Client;
use kube::client::{AuthError, Body};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceExt as _};

use crate::error::Error;
use crate::fence::Fence;
use crate::limiter::{Limiter, Priority};
use crate::metrics::Metrics;

/// A Kubernetes cluster as seen by one account. Clones share connections and rate limit.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
    /// For the leader lease alone: a connection that died unnoticed costs it one attempt, never several.
    lease_client: Client,
    metrics: Metrics,
    limiter: Limiter,
    fence: Option<Fence>,
}

/// The body of an answer, piece by piece: what a stand-in for the API server hands out.
pub type Chunks = BoxStream<'static, Result<Bytes, BoxError>>;

/// How long one request may take from sending to the last byte of the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a request that the server turned away unprocessed is sent again.
const RETRIES: u32 = 3;
/// Longest single wait between these.
const LONGEST_RETRY_WAIT: Duration = Duration::from_secs(5);

/// One request, described.
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<(ContentType, Value)>,
    pub(crate) priority: Priority,
    /// Subject to the leader's write window.
    pub(crate) fenced: bool,
    pub(crate) timeout: Duration,
    /// Sent again when the server had no time for it (429, 503).
    pub(crate) retried: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum ContentType {
    Json,
    MergePatch,
    StrategicMergePatch,
}

impl ContentType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::MergePatch => "application/merge-patch+json",
            Self::StrategicMergePatch => "application/strategic-merge-patch+json",
        }
    }
}

impl Call {
    pub(crate) fn read(name: &'static str, path: String) -> Self {
        let priority = Priority::Object;
        Self {
            name,
            method: Method::GET,
            path,
            body: None,
            priority,
            fenced: false,
            timeout: REQUEST_TIMEOUT,
            retried: true,
        }
    }

    pub(crate) fn write(
        name: &'static str,
        method: Method,
        path: String,
        kind: ContentType,
        body: Value,
    ) -> Self {
        Self { method, body: Some((kind, body)), fenced: true, ..Self::read(name, path) }
    }
}

impl Cluster {
    /// A cluster behind two services that reach the API server at `host`, one for everything and one for the lease.
    pub(crate) fn over<S, B>(service: S, lease_service: S, host: &str, limiter: Limiter) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let metrics = Metrics::default();
        let (client, lease_client) =
            (counted(service, host, &metrics), counted(lease_service, host, &metrics));
        Self { client, lease_client, metrics, limiter, fence: None }
    }

    /// A cluster behind `service` instead of a network, without rate limit. Must be called within a tokio runtime.
    pub fn from_service<S>(service: S) -> Self
    where
        S: Service<Request<Bytes>, Response = Response<Chunks>, Error = BoxError> + Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        let service = tower::service_fn(move |request: Request<Body>| {
            let service = service.clone();
            async move {
                let (head, body) = request.into_parts();
                let request = Request::from_parts(head, body.collect_bytes().await?);
                Ok::<_, BoxError>(service.oneshot(request).await?.map(ChunkedBody))
            }
        });
        Self::over(service.clone(), service, "in-process", Limiter::unlimited())
    }

    /// What this cluster and its clones count.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The same cluster with writes of objects only while `fence` allows it; events and leases are not held back.
    #[must_use]
    pub fn with_fence(mut self, fence: Fence) -> Self {
        self.fence = Some(fence);
        self
    }

    /// The same cluster with this rate limit.
    #[must_use]
    pub fn with_limiter(mut self, limiter: Limiter) -> Self {
        self.limiter = limiter;
        self
    }

    pub(crate) async fn limit(&self, priority: Priority) {
        self.limiter.acquire(priority).await;
    }

    /// Sends `call` and parses the answer.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let mut attempt = 0;
        loop {
            let answer = self.send_once(call).await;
            let Err(Error::Api { code: 429 | 503, retry_after, .. }) = &answer else { return answer };
            if !call.retried || attempt >= RETRIES {
                return answer;
            }
            attempt += 1;
            let usual = Duration::from_millis(100) * 2_u32.pow(attempt);
            tokio::time::sleep(retry_after.unwrap_or(usual).min(LONGEST_RETRY_WAIT)).await;
        }
    }

    async fn send_once<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        self.limiter.acquire(call.priority).await;
        // Looked at after the wait for a token: the wait may be long.
        let within = self.allowed(call)?;
        match tokio::time::timeout(within, self.exchange(call)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Timeout { call: call.name, within }),
        }
    }

    fn allowed(&self, call: &Call) -> Result<Duration, Error> {
        let Some(fence) = self.fence.as_ref().filter(|_| call.fenced) else { return Ok(call.timeout) };
        let window = *fence.borrow();
        window
            .and_then(|window| window.allows(Instant::now(), call.timeout))
            .ok_or(Error::Fenced { call: call.name })
    }

    async fn exchange<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let transport = |source: BoxError| Error::Transport { call: call.name, source };
        let mut request =
            Request::builder().method(call.method.clone()).uri(&call.path).header(ACCEPT, "application/json");
        let mut body = Body::empty();
        if let Some((kind, value)) = &call.body {
            request = request.header(CONTENT_TYPE, kind.as_str());
            body = Body::from(value.to_string().into_bytes());
        }
        let request = request.body(body).map_err(|error| transport(error.into()))?;
        let client = if call.priority == Priority::Lease { &self.lease_client } else { &self.client };
        let response = client.send(request).await.map_err(|error| transport(without_output(error)))?;
        let (head, body) = response.into_parts();
        let body = body.collect_bytes().await.map_err(|error| transport(error.into()))?;
        if head.status.is_success() {
            return serde_json::from_slice(&body).map_err(|source| Error::Decode { call: call.name, source });
        }
        Err(refusal(call.name, head.status.as_u16(), &head.headers, &body))
    }
}

/// An exec plugin that failed is reported with all it printed, which may hold a token.
pub(crate) fn without_output(error: kube::Error) -> BoxError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = source {
        if let Some(AuthError::AuthExecRun { cmd, out }) = error.downcast_ref::<AuthError>() {
            return format!("credential plugin {cmd}: {}", out.status).into();
        }
        source = error.source();
    }
    error.into()
}

/// kube's client over `service`, with every request counted.
fn counted<S, B>(service: S, host: &str, metrics: &Metrics) -> Client
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (metrics, host) = (metrics.clone(), host.to_owned());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (service, metrics, host) = (service.clone(), metrics.clone(), host.clone());
        async move {
            let (method, start) = (request.method().clone(), Instant::now());
            let answer = silence::limited(service.oneshot(request)).await;
            let code = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            metrics.request(&host, &method, code, start.elapsed());
            answer
        }
    });
    Client::new(service, "default")
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireStatus {
    reason: String,
    message: String,
    details: WireDetails,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireDetails {
    causes: Vec<WireCause>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireCause {
    field: String,
}

/// Reads the API's `Status`; a proxy's page in its place is not quoted.
fn refusal(call: &'static str, code: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    let mut status: WireStatus = serde_json::from_slice(body).unwrap_or_default();
    let retry_after =
        headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    // A patch that names another uid is answered as a change of an immutable field, a deletion as a conflict. Both say
    // that the object is not the one that was meant.
    let mut code = code;
    if code == 422 && status.details.causes.iter().any(|cause| cause.field == "metadata.uid") {
        code = 409;
        "Conflict".clone_into(&mut status.reason);
    }
    Error::api(call, code, &status.reason, &status.message, retry_after)
}

/// The answer of [`Cluster::from_service`], in the form that the client wants.
struct ChunkedBody(Chunks);

impl http_body::Body for ChunkedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        self.0.poll_next_unpin(cx).map_ok(http_body::Frame::data)
    }
}
