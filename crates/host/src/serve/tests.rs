//! The router, without sockets.

use axum::http::header::AUTHORIZATION;
use tower::ServiceExt as _;

use super::*;

/// Knows the token `good`; `slow` takes for ever.
struct Tokens;

impl Authorizer for Tokens {
    fn authorize<'a>(&'a self, caller: &'a Caller, verb: &'a str, _: &'a str) -> DecisionFuture<'a> {
        Box::pin(async move {
            let token = match caller {
                Caller::Bearer(token) => Some(token.as_str()),
                Caller::User(user) => return Decision::Forbidden { user: user.name.clone() },
                Caller::Anonymous => None,
            };
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
        debug: true,
        proxy_headers: ProxyHeaders::default(),
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
    let response = router.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
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

#[tokio::test]
async fn a_certificate_names_the_caller() {
    let user = crate::tls::CertificateUser { name: "scraper".to_owned(), groups: Vec::new() };
    let peer = Peer { user: Some(user), is_proxy: false };
    let router = router(&ALWAYS_ALLOW).layer(axum::Extension(peer));
    let (status, body) = ask(&router, "GET", "/metrics", Some("good")).await;
    assert!(status == 403 && body.contains("User \\\"scraper\\\" cannot get path"), "{body}");
}

#[tokio::test]
async fn checks_are_counted_as_kubernetes_does() {
    let router = router(&["*"]);
    ask(&router, "GET", "/readyz", None).await;
    ask(&router, "GET", "/readyz", None).await;
    let (status, page) = ask(&router, "GET", "/metrics/slis", None).await;
    assert_eq!(status, 200);
    for line in [
        "kubernetes_healthcheck{name=\"cloud\",type=\"readyz\"} 0",
        "kubernetes_healthchecks_total{name=\"cloud\",status=\"error\",type=\"readyz\"} 2",
        "kubernetes_healthcheck{name=\"ping\",type=\"readyz\"} 1",
    ] {
        assert!(page.lines().any(|have| have == line), "{line} in\n{page}");
    }
}

#[tokio::test]
async fn verbosity_can_be_changed_by_those_who_may() {
    let router = router(&["/debug/*"]);
    let put = |body: &'static str| {
        let request = Request::builder()
            .method("PUT")
            .uri("/debug/flags/v")
            .body(axum::body::Body::from(body))
            .unwrap();
        let router = router.clone();
        async move {
            let response = router.oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
    };
    assert_eq!(put("6").await, (200, "successfully set klog.logging.verbosity to 6".to_owned()));
    assert_eq!(crate::logging::verbosity(), 6);
    assert_eq!(put("loud").await.0, 400);
    assert_eq!(put("0").await.0, 200);
    assert_eq!(ask(&self::router(&ALWAYS_ALLOW), "PUT", "/debug/flags/v", None).await.0, 403);
}

#[tokio::test]
async fn the_plain_endpoint_has_metrics_and_nothing_else() {
    let router = metrics_only(Arc::new(metrics::registry()));
    let (status, page) = ask(&router, "GET", "/metrics", None).await;
    assert!(status == 200 && page.contains("process_resident_memory_bytes"));
    for (method, path) in [("GET", "/"), ("GET", "/healthz"), ("GET", "/configz"), ("PUT", "/debug/flags/v")]
    {
        assert_eq!(ask(&router, method, path, None).await.0, 404, "{path}");
    }
    assert_eq!(ask(&router, "POST", "/metrics", None).await.0, 405);
}
