//! A bug that is planted into a program's way to the cloud is found, and its report leads to it.

use bytes::Bytes;
use http::{Method, Request, Response};
use openstack::{Transport, TransportError};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::boundaries::CREATE_AND_DELETE;
use crate::catalogue;
use crate::harness::shrink;

type Answer = Result<Response<Bytes>, TransportError>;

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
