//! The endpoint for probes, scrapers and people: `/healthz`, `/livez`, `/readyz`, `/metrics`, `/configz`.
//!
//! Everything but the health pages asks an [`Authorizer`] first. A connection has ten seconds for its handshake and for
//! each request's header, and is closed when idle for as long; when too many are open the oldest gives way, so that a
//! flood cannot keep the kubelet's probes out. HTTP/1.1 only: there are no streams to reset.

mod connections;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};

use crate::health::Health;
use crate::metrics;
use text::printable;

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
    /// Whether the bearer of `token` (anybody, without one) may use `verb` (a method in lower case) on `path`.
    fn authorize<'a>(&'a self, token: Option<&'a str>, verb: &'a str, path: &'a str) -> DecisionFuture<'a>;
}

/// Allows everything: for endpoints that only the host itself can reach.
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn authorize<'a>(&'a self, _: Option<&'a str>, _: &'a str, _: &'a str) -> DecisionFuture<'a> {
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
    /// Paths for which nobody is asked; a `*` at the end stands for any rest.
    pub always_allow: Vec<String>,
    /// Asked for all others.
    pub authorizer: Arc<dyn Authorizer>,
}

/// Paths that are open unless configured otherwise.
pub const ALWAYS_ALLOW: [&str; 3] = ["/healthz", "/readyz", "/livez"];
/// Longest time to decide about one request.
const DECISION_TIMEOUT: Duration = Duration::from_secs(10);

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
        let Self { registry, health, config, always_allow, authorizer } = self;
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
            .route("/configz", get(move || async move { axum::Json(config) }))
            .merge(more)
            .layer(from_fn_with_state(Arc::new(Gate { always_allow, authorizer }), authorize))
    }
}

fn metrics_page(registry: &Registry, headers: &HeaderMap) -> impl IntoResponse + use<> {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let (kind, text) = metrics::exposition(registry, accept);
    ([(CONTENT_TYPE, kind)], text)
}

struct Gate {
    always_allow: Vec<String>,
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
        let token = bearer(request.headers()).map(str::to_owned);
        let decision = gate.authorizer.authorize(token.as_deref(), &verb, &path);
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
    next.run(request).await
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

/// A Kubernetes `Status`, as API clients expect it.
fn refusal(code: StatusCode, reason: &str, message: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    });
    (code, axum::Json(status)).into_response()
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt as _;

    use super::*;

    /// Knows the token `good`; `slow` takes for ever.
    struct Tokens;

    impl Authorizer for Tokens {
        fn authorize<'a>(&'a self, token: Option<&'a str>, verb: &'a str, _: &'a str) -> DecisionFuture<'a> {
            Box::pin(async move {
                match token {
                    None => Decision::Forbidden { user: "system:anonymous".into() },
                    Some("good") if verb == "get" => Decision::Allow,
                    Some("good") => Decision::Forbidden { user: "prometheus".into() },
                    Some("slow") => std::future::pending().await,
                    Some(_) => Decision::Unauthenticated,
                }
            })
        }
    }

    fn router(always_allow: &[&str]) -> Router {
        let mut health = Health::default();
        health.add(crate::health::Probe::Ready, "cloud", || Err("down".into()));
        Endpoint {
            registry: Arc::new(metrics::registry()),
            health,
            config: json!({"kind": "config"}),
            always_allow: always_allow.iter().map(ToString::to_string).collect(),
            authorizer: Arc::new(Tokens),
        }
        .router()
    }

    async fn ask(router: &Router, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let response =
            router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn health_is_open_and_the_rest_is_not() {
        let router = router(&ALWAYS_ALLOW);
        assert_eq!(ask(&router, "GET", "/healthz", None).await, (200, "ok".into()));
        assert_eq!(ask(&router, "GET", "/livez?verbose", Some("unknown")).await.0, 200);
        let (status, page) = ask(&router, "GET", "/readyz", None).await;
        assert!(status == 500 && page.contains("[-]cloud failed: reason withheld") && !page.contains("down"));
        for path in ["/metrics", "/configz", "/healthz/", "/healthz/../metrics", "/nothing"] {
            assert_eq!(ask(&router, "GET", path, None).await.0, 403, "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_decision_has_its_status() {
        let router = router(&ALWAYS_ALLOW);
        assert_eq!(ask(&router, "GET", "/metrics", Some("good")).await.0, 200);
        assert_eq!(ask(&router, "GET", "/nothing", Some("good")).await.0, 404);
        assert_eq!(ask(&router, "GET", "/metrics", Some("bad")).await.0, 401);
        assert_eq!(ask(&router, "GET", "/metrics", Some("slow")).await.0, 503);
        let (status, body) = ask(&router, "POST", "/metrics", Some("good")).await;
        assert_eq!(status, 403);
        assert!(body.contains("User \\\"prometheus\\\" cannot post path \\\"/metrics\\\""), "{body}");
    }

    #[tokio::test]
    async fn paths_can_be_opened_one_by_one_and_by_prefix() {
        let router = router(&["/metrics", "/conf*"]);
        assert_eq!(ask(&router, "GET", "/metrics", None).await.0, 200);
        assert_eq!(ask(&router, "GET", "/configz", None).await, (200, "{\"kind\":\"config\"}".into()));
        assert_eq!(ask(&router, "GET", "/healthz", None).await.0, 403);
    }

    #[test]
    fn tokens_are_read_from_the_header() {
        let headers = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        assert_eq!(bearer(&headers("Bearer abc")), Some("abc"));
        assert_eq!(bearer(&headers("bearer  abc ")), Some("abc"));
        for value in ["Basic abc", "Bearer", "Bearer ", "abc"] {
            assert_eq!(bearer(&headers(value)), None, "{value}");
        }
    }
}
