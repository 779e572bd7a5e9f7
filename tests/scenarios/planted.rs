//! Bugs that are planted into a program's way to the cloud are found, each by the invariant that it breaks.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Method, Request, Response};
use openstack::{Transport, TransportError};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::boundaries::CREATE_AND_DELETE;
use crate::catalogue;
use crate::harness::{Outcome, Scenario, Setup, shrink};

type Answer = Result<Response<Bytes>, TransportError>;

/// A bug: what it makes of each request on its way.
struct Bug {
    /// The invariants that may find it.
    breaks: &'static [&'static str],
    /// Where it shows.
    scenario: &'static str,
    plant: fn(Transport) -> Transport,
}

const BUGS: [Bug; 5] = [
    Bug { breaks: &["never-empty"], scenario: "nodes-come-and-go", plant: without_members },
    Bug { breaks: &["converges"], scenario: "services-come-and-go", plant: pretending_to_delete },
    Bug { breaks: &["own-only", "foreign-stays"], scenario: "services-come-and-go", plant: hitting_others },
    Bug { breaks: &["no-secrets"], scenario: "keystone-away", plant: telling },
    Bug { breaks: &["converges"], scenario: "services-come-and-go", plant: twice },
];

#[test]
fn planted_bugs_are_found() {
    for (number, bug) in BUGS.iter().enumerate() {
        let scenario = catalogue::named(bug.scenario);
        let mut found = None;
        for seed in 1..=20 {
            let Outcome { failure, .. } = scenario.run_with(seed, &scenario.script(seed), bug.plant);
            if let Some(failure) = failure {
                found = Some(failure);
                break;
            }
        }
        let failure = found.unwrap_or_else(|| panic!("bug {number} is not found in {}", bug.scenario));
        let by = failure.why.split(':').next().unwrap_or_default();
        assert!(
            bug.breaks.contains(&by),
            "bug {number} is found by {by} in place of {:?}: {failure}",
            bug.breaks
        );
    }
}

/// Two programs that do not ask for the lease.
static LEADERLESS: Scenario = Scenario {
    name: "leaderless",
    setup: |_| Setup { replicas: 2, flags: &["--leader-elect=false"], ..Setup::default() },
    within: Duration::from_secs(1),
    troubles: |_| Vec::new(),
    act: |run| async move { run.create_service(0, "web", &[80]) }.boxed(),
    bound: Duration::from_secs(60),
};

#[test]
fn writing_without_the_lease_is_found() {
    let failure = LEADERLESS.run(1).failure.unwrap();
    assert!(failure.why.starts_with("fenced: "), "{failure}");
}

#[test]
fn a_failure_is_shrunk_and_says_how_to_replay_it() {
    // A bug that shows whatever else goes wrong needs no trouble at all.
    let scenario = &CREATE_AND_DELETE;
    let script = catalogue::named("services-come-and-go").script(1);
    assert!(!script.is_empty());
    let kept =
        shrink(&script, 40, |script| scenario.run_with(1, script, pretending_to_delete).failure.is_some());
    assert_eq!(kept, []);
    let failure = scenario.run_with(1, &kept, pretending_to_delete).failure.unwrap();
    let report = failure.to_string();
    let again = format!("SCENARIO={} SEED=1 TROUBLES='[]'", scenario.name);
    for part in [again.as_str(), "last requests:", "last log lines:", "left over"] {
        assert!(report.contains(part), "{part} is missing in {report}");
    }
}

/// A transport that does something with each request.
fn wrapped<F, Fut>(inner: Transport, act: F) -> Transport
where
    F: Fn(Transport, Request<Bytes>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| act(inner.clone(), request)))
}

fn is_write(request: &Request<Bytes>) -> bool {
    request.method() != Method::GET && !request.uri().path().ends_with("/auth/tokens")
}

fn is_at(request: &Request<Bytes>, method: &Method, end: &str) -> bool {
    request.method() == method && request.uri().path().ends_with(end)
}

fn without_members(inner: Transport) -> Transport {
    wrapped(inner, |inner, mut request| {
        if is_at(&request, &Method::PUT, "/members") {
            *request.body_mut() = Bytes::from_static(br#"{"members":[]}"#);
        }
        inner.oneshot(request)
    })
}

fn pretending_to_delete(inner: Transport) -> Transport {
    wrapped(inner, |inner, request| async move {
        if request.method() == Method::DELETE && request.uri().path().contains("/loadbalancers/") {
            return Ok(Response::builder().status(404).body(gone()).unwrap_or_default());
        }
        inner.oneshot(request).await
    })
}

/// Octavia's words for what does not exist.
fn gone() -> Bytes {
    Bytes::from_static(br#"{"faultcode":"Client","faultstring":"Load Balancer not found.","debuginfo":null}"#)
}

fn hitting_others(inner: Transport) -> Transport {
    wrapped(inner, |inner, mut request| async move {
        if request.method() == Method::DELETE && request.uri().path().contains("/loadbalancers/") {
            let mut list = Request::get("http://octavia/v2.0/lbaas/loadbalancers?name=customer-facing");
            if let (Some(headers), Some(token)) = (list.headers_mut(), request.headers().get("x-auth-token"))
            {
                headers.insert("x-auth-token", token.clone());
            }
            let found = inner.clone().oneshot(list.body(Bytes::new()).unwrap_or_default()).await?;
            let found: serde_json::Value = serde_json::from_slice(found.body()).unwrap_or_default();
            let id = found["loadbalancers"][0]["id"].as_str().unwrap_or_default();
            let uri = format!("http://octavia/v2.0/lbaas/loadbalancers/{id}?cascade=true");
            *request.uri_mut() = uri.parse().unwrap_or_default();
        }
        inner.oneshot(request).await
    })
}

fn telling(inner: Transport) -> Transport {
    wrapped(inner, |inner, request| {
        if is_write(&request) {
            let token = request.headers().get("x-auth-token").and_then(|token| token.to_str().ok());
            tracing::info!(token, "sending");
        }
        inner.oneshot(request)
    })
}

fn twice(inner: Transport) -> Transport {
    wrapped(inner, |inner, request| async move {
        if is_at(&request, &Method::POST, "/floatingips") {
            let mut again = Request::new(request.body().clone());
            (*again.method_mut(), *again.uri_mut()) = (request.method().clone(), request.uri().clone());
            again.headers_mut().clone_from(request.headers());
            let mut body: serde_json::Value = serde_json::from_slice(again.body()).unwrap_or_default();
            if let Some(wanted) = body["floatingip"].as_object_mut() {
                wanted.remove("port_id");
            }
            *again.body_mut() = Bytes::from(body.to_string());
            inner.clone().oneshot(again).await?;
        }
        inner.oneshot(request).await
    })
}
