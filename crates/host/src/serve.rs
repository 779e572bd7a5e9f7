//! The endpoint for probes, scrapers and people: `/healthz`, `/livez`, `/readyz`, `/metrics`, `/metrics/slis`, `/configz`,
//! and `/debug/flags/v` to change the log's verbosity.
//!
//! Everything but the health pages asks an [`Authorizer`] first. A connection has ten seconds for its handshake and for
//! each request's header, and is closed when idle, or when it does not read its answer, for as long; when too many are open
//! the oldest gives way, so that a flood cannot keep the kubelet's probes out. HTTP/1.1 only: there are no streams to reset.

mod caller;
mod connections;
mod debug;
mod stall;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};

use crate::health::Health;
use crate::metrics;
use crate::tls::Peer;
use text::printable;

pub use caller::{Caller, ProxyHeaders, User};
pub use connections::{serve_plain, serve_tls};

/// What a caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go ahead.
    Allow,
    /// Credentials were given, but nobody knows them.
    Unauthenticated,
    /// This user may not.
    Forbidden {
        /// Name of the user.
        user: String,
    },
    /// Nobody can tell now.
    Unavailable,
}

/// The answer of an [`Authorizer`], on its way.
pub type DecisionFuture<'a> = Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;

/// Decides who may see what.
pub trait Authorizer: Send + Sync {
    /// Whether `caller` may use `verb` (a method in lower case) on `path`.
    fn authorize<'a>(&'a self, caller: &'a Caller, verb: &'a str, path: &'a str) -> DecisionFuture<'a>;
}

/// Allows everything: for endpoints that only the host itself can reach.
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn authorize<'a>(&'a self, _: &'a Caller, _: &'a str, _: &'a str) -> DecisionFuture<'a> {
        Box::pin(async { Decision::Allow })
    }
}

/// What is served.
pub struct Endpoint {
    /// For `/metrics`.
    pub registry: Arc<Registry>,
    /// For the health pages.
    pub health: Health,
    /// For `/configz`; must hold no secret.
    pub config: Value,
    /// Whether `/debug/flags/v` is there.
    pub debug: bool,
    /// Headers in which a proxy names a user.
    pub proxy_headers: ProxyHeaders,
    /// Paths for which nobody is asked; a `*` at the end stands for any rest.
    pub always_allow: Vec<String>,
    /// Asked for all others.
    pub authorizer: Arc<dyn Authorizer>,
}

/// Paths that are open unless configured otherwise.
pub const ALWAYS_ALLOW: [&str; 3] = ["/healthz", "/readyz", "/livez"];
/// Longest time to decide about one request.
const DECISION_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time to answer one.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Listens on `address`; with `share_port` other processes may listen on it at the same time.
///
/// # Errors
/// The address is not free, or not ours.
pub fn listen(address: SocketAddr, share_port: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(share_port)?;
    socket.bind(address)?;
    socket.listen(128)
}

impl Endpoint {
    /// All routes, with authorization.
    pub fn router(self) -> Router {
        self.router_with(Router::new())
    }

    /// All routes and `more`, with authorization.
    pub fn router_with(self, more: Router) -> Router {
        let Self { registry, health, config, debug, proxy_headers, always_allow, authorizer } = self;
        let slis = Arc::new(health.slis());
        let health_page = |name: &'static str| {
            let health = health.clone();
            get(move |uri: Uri| async move {
                let (healthy, page) = health.page(name, uri.query().unwrap_or_default());
                let status = if healthy { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
                (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], page)
            })
        };
        Router::new()
            .route("/healthz", health_page("healthz"))
            .route("/livez", health_page("livez"))
            .route("/readyz", health_page("readyz"))
            .route(
                "/metrics",
                get(move |headers: HeaderMap| async move { metrics_page(&registry, &headers) }),
            )
            .route(
                "/metrics/slis",
                get(move |headers: HeaderMap| async move { metrics_page(&slis, &headers) }),
            )
            .route("/configz", get(move || async move { axum::Json(config) }))
            .merge(if debug { debug::router() } else { Router::new() })
            .merge(more)
            .layer(from_fn_with_state(Arc::new(Gate { always_allow, proxy_headers, authorizer }), authorize))
    }
}

/// `/metrics` and nothing else, for everybody: for the plain HTTP endpoint of programs on nodes.
pub fn metrics_only(registry: Arc<Registry>) -> Router {
    let page = move |headers: HeaderMap| async move { metrics_page(&registry, &headers) };
    Router::new().route("/metrics", get(page))
}

fn metrics_page(registry: &Registry, headers: &HeaderMap) -> impl IntoResponse + use<> {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let (kind, text) = metrics::exposition(registry, accept);
    ([(CONTENT_TYPE, kind)], text)
}

struct Gate {
    always_allow: Vec<String>,
    proxy_headers: ProxyHeaders,
    authorizer: Arc<dyn Authorizer>,
}

impl Gate {
    fn is_open(&self, path: &str) -> bool {
        self.always_allow.iter().any(|open| match open.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => path == open,
        })
    }
}

async fn authorize(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if !gate.is_open(request.uri().path()) {
        let verb = request.method().as_str().to_ascii_lowercase();
        let path = request.uri().path().to_owned();
        let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
        let caller = Caller::of(&peer, request.headers(), &gate.proxy_headers);
        let decision = gate.authorizer.authorize(&caller, &verb, &path);
        match tokio::time::timeout(DECISION_TIMEOUT, decision).await.unwrap_or(Decision::Unavailable) {
            Decision::Allow => {}
            Decision::Unauthenticated => {
                return refusal(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized");
            }
            Decision::Forbidden { user } => {
                let (user, path) = (printable(&user, 256), printable(&path, 256));
                let message = format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\"");
                return refusal(StatusCode::FORBIDDEN, "Forbidden", &message);
            }
            Decision::Unavailable => {
                let message = "authorization is not available now";
                return refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message);
            }
        }
    }
    // A body that comes drop by drop holds a request up as well.
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => refusal(StatusCode::REQUEST_TIMEOUT, "Timeout", "the request took too long"),
    }
}

/// A Kubernetes `Status`, as API clients expect it.
fn refusal(code: StatusCode, reason: &str, message: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    });
    (code, axum::Json(status)).into_response()
}
