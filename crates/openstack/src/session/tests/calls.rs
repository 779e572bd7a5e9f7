//! What happens to a call between the typed method and the wire.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::Fault;
use crate::load_balancer::{Cascade, LoadBalancerCreate, LoadBalancerFilter};
use crate::network::{FloatingIpUpdate, PortFilter};
use crate::testing::{self, Fake, Outcome, PASSWORD, answer};
use crate::transport::TransportError;
use crate::{Cloud, LoadBalancerId, ServerId, WriteWindow};

const SECOND: Duration = Duration::from_secs(1);

/// A cloud that gives these answers in turn; `None` is one that never comes.
fn cloud(answers: impl IntoIterator<Item = Option<Outcome>>) -> (Cloud, Fake) {
    let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
    let (session, fake) = testing::slow_session(move |seen| {
        let next = answers.lock().unwrap().pop_front().unwrap_or_else(|| panic!("unexpected {}", seen.line));
        Box::pin(async move {
            match next {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        })
    });
    (Cloud::new(session), fake)
}

fn load_balancer() -> Outcome {
    answer(201, &json!({"loadbalancer": {"id": "l", "name": "n", "provisioning_status": "PENDING_CREATE"}}))
}

fn octavia(status: u16, text: &str) -> Outcome {
    answer(status, &json!({"faultcode": "Client", "faultstring": text, "debuginfo": null}))
}

fn interrupted() -> Outcome {
    Err(TransportError::Interrupted("reset".into()))
}

fn refused() -> Outcome {
    Err(TransportError::Connect("refused".into()))
}

fn with_retry_after(status: u16, seconds: &'static str) -> Outcome {
    let mut response = answer(status, &Value::Null)?;
    response.headers_mut().insert("retry-after", seconds.parse().unwrap());
    Ok(response)
}

async fn create(cloud: &Cloud) -> Result<(), crate::Error> {
    let body = LoadBalancerCreate { name: "n".into(), ..LoadBalancerCreate::default() };
    cloud.load_balancer().create_load_balancer(&body).await.map(|_| ())
}

async fn read(cloud: &Cloud) -> Result<(), crate::Error> {
    cloud.load_balancer().load_balancer(&"l".into()).await.map(|_| ())
}

async fn delete(cloud: &Cloud) -> Result<(), crate::Error> {
    cloud.load_balancer().delete_load_balancer(&"l".into(), Cascade::Yes).await
}

#[tokio::test(start_paused = true)]
async fn a_request_carries_what_it_should() {
    let (cloud, fake) = cloud([Some(load_balancer()), Some(answer(200, &json!({"server": {"id": "s"}})))]);
    create(&cloud).await.unwrap();
    cloud.compute().server(&"s".into()).await.unwrap();
    let seen = fake.seen();
    assert_eq!(seen[0].line, "POST http://octavia/v2.0/lbaas/loadbalancers");
    assert_eq!(seen[0].body, r#"{"loadbalancer":{"name":"n"}}"#);
    let header = |at: usize, name: &str| seen[at].headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header(0, "content-type"), Some("application/json"));
    assert_eq!(header(0, "accept"), Some("application/json"));
    assert!(header(0, "user-agent").unwrap().starts_with("openstack-rust/"));
    let global = header(0, "x-openstack-request-id").unwrap();
    assert!(global.len() == 40 && global.starts_with("req-"), "{global}");
    assert_eq!(header(0, "openstack-api-version"), None);
    assert_eq!(header(1, "openstack-api-version"), Some("compute 2.69"));
    assert_eq!(header(1, "content-type"), None);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_post_is_not_sent_again_and_may_have_happened() {
    for outcome in
        [interrupted(), answer(500, &Value::Null), answer(504, &Value::Null), answer(503, &Value::Null)]
    {
        let (cloud, fake) = cloud([Some(outcome)]);
        let error = create(&cloud).await.unwrap_err();
        assert!(error.may_have_happened() && error.is_transient(), "{error:?}");
        assert_eq!(fake.lines().len(), 1);
    }
    let (cloud, _fake) = self::cloud([None]);
    let start = Instant::now();
    let error = create(&cloud).await.unwrap_err();
    assert_eq!((error.fault.clone(), start.elapsed().as_secs()), (Fault::Timeout, 60));
    assert!(error.may_have_happened());
    assert!(error.request_id.unwrap().starts_with("req-"), "the id that we sent");

    let (cloud, _fake) = self::cloud([Some(answer(201, &json!({"unexpected": true})))]);
    let error = create(&cloud).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Decode(_)) && error.may_have_happened(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_surely_did_not_happen_is_sent_again() {
    let (cloud, fake) = cloud([
        Some(refused()),
        Some(with_retry_after(429, "2")),
        Some(with_retry_after(503, "3")),
        Some(load_balancer()),
    ]);
    let start = Instant::now();
    create(&cloud).await.unwrap();
    assert_eq!(fake.lines().len(), 4);
    let took = start.elapsed();
    assert!(took >= 5 * SECOND && took < 6 * SECOND, "{took:?}");
    for outcome in [
        octavia(409, "Load Balancer l is immutable and cannot be updated."),
        octavia(403, "Quota has been met"),
    ] {
        let (cloud, fake) = self::cloud([Some(outcome)]);
        let error = create(&cloud).await.unwrap_err();
        assert!(!error.may_have_happened(), "{error}");
        assert_eq!(fake.lines().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn reads_and_deletes_are_repeated_a_few_times() {
    let found = || answer(200, &json!({"loadbalancer": {"id": "l"}}));
    let (cloud, fake) = cloud([Some(interrupted()), Some(answer(502, &Value::Null)), Some(found())]);
    read(&cloud).await.unwrap();
    assert_eq!(fake.lines().len(), 3);

    let (cloud, fake) = self::cloud([Some(interrupted()), Some(answer(204, &Value::Null))]);
    delete(&cloud).await.unwrap();
    assert_eq!(fake.lines(), ["DELETE http://octavia/v2.0/lbaas/loadbalancers/l?cascade=true"; 2]);

    let (cloud, fake) = self::cloud((0..4).map(|_| Some(answer(503, &Value::Null))));
    let error = read(&cloud).await.unwrap_err();
    assert_eq!(error.fault, Fault::Unavailable("status 503".into()));
    assert!(!error.may_have_happened(), "a read changes nothing");
    assert_eq!(fake.lines().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_time_to_come_back_after_the_deadline_is_not_waited_for() {
    let (cloud, _fake) = cloud([Some(with_retry_after(429, "120"))]);
    let start = Instant::now();
    let error = read(&cloud).await.unwrap_err();
    assert_eq!(error.fault, Fault::TooMany { after: Some(120 * SECOND) });
    assert!(start.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn errors_name_call_fault_and_request() {
    let (cloud, _fake) = cloud([Some(octavia(409, "Load Balancer l is immutable and cannot be updated."))]);
    let error = delete(&cloud).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "loadbalancer_delete: immutable: Load Balancer l is immutable and cannot be updated. (request id req-cloud)"
    );
    assert!(error.is_transient() && !error.is_not_found());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_found_in_a_create_is_told_by_the_cause() {
    let (cloud, _fake) = cloud([Some(octavia(404, "Subnet x not found."))]);
    let error = create(&cloud).await.unwrap_err();
    assert_eq!(error.to_string(), "loadbalancer_create: not found (request id req-cloud)");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "Subnet x not found.");
}

#[tokio::test(start_paused = true)]
async fn writes_are_fenced_and_reads_are_not() {
    let found = || Some(answer(200, &json!({"loadbalancer": {"id": "l"}})));
    let (cloud, fake) = cloud([found(), Some(answer(204, &Value::Null)), found(), None]);
    let (lease, fence) = watch::channel(None);
    let fenced = Cloud::new(cloud.session().with_fence(fence));
    let window = |begin: u32, end: u32| {
        let now = Instant::now();
        Some(WriteWindow { begin_before: now + SECOND * begin, end_before: now + SECOND * end })
    };
    let refused = delete(&fenced).await.unwrap_err();
    assert_eq!(refused.fault, Fault::Fenced);
    assert!(!refused.may_have_happened() && fake.lines().is_empty());
    read(&fenced).await.unwrap();

    lease.send_replace(window(5, 10));
    delete(&fenced).await.unwrap();
    tokio::time::sleep(6 * SECOND).await;
    assert_eq!(delete(&fenced).await.unwrap_err().fault, Fault::Fenced);
    read(&fenced).await.unwrap();

    // A write that hangs is given up before the lease could be someone else's.
    lease.send_replace(window(5, 10));
    let start = Instant::now();
    let error = delete(&fenced).await.unwrap_err();
    assert_eq!((error.fault.clone(), start.elapsed()), (Fault::Timeout, 10 * SECOND));
    assert!(error.may_have_happened());
    assert_eq!(fake.lines().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_repetition_is_fenced_again() {
    let (cloud, fake) = cloud([Some(with_retry_after(429, "8"))]);
    let now = Instant::now();
    let window = WriteWindow { begin_before: now + 5 * SECOND, end_before: now + 10 * SECOND };
    let (_lease, fence) = watch::channel(Some(window));
    let error = create(&Cloud::new(cloud.session().with_fence(fence))).await.unwrap_err();
    assert_eq!(error.fault, Fault::Fenced);
    assert_eq!(fake.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_attempt_may_have_done_is_not_forgotten() {
    let (cloud, fake) = cloud([
        Some(interrupted()),
        Some(octavia(409, "Invalid state PENDING_DELETE of loadbalancer resource l")),
    ]);
    let error = delete(&cloud).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Immutable(_)) && error.may_have_happened(), "{error:?}");
    assert_eq!(fake.lines().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_to_the_end_by_marker_with_their_filters() {
    let page = |id: &str, next: Option<&str>| {
        let links: Vec<_> = next.into_iter().map(|href| json!({"rel": "next", "href": href})).collect();
        Some(answer(200, &json!({"loadbalancers": [{"id": id}], "loadbalancers_links": links})))
    };
    let link = "http://internal.example/v2.0/lbaas/loadbalancers?limit=1&marker=";
    let (cloud, fake) =
        cloud([page("a", Some(&format!("{link}a"))), page("b", Some(&format!("{link}b"))), page("c", None)]);
    let filter = LoadBalancerFilter { name: Some("n m".into()), ..LoadBalancerFilter::default() };
    let found = cloud.load_balancer().load_balancers(&filter).await.unwrap();
    assert_eq!(found.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let base = "GET http://octavia/v2.0/lbaas/loadbalancers?name=n%20m";
    assert_eq!(
        fake.lines(),
        [base.to_owned(), format!("{base}&limit=1&marker=a"), format!("{base}&limit=1&marker=b")]
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_that_goes_round_ends_with_an_error() {
    let page = || {
        let link = json!([{"rel": "next", "href": "http://n/v2.0/ports?marker=a"}]);
        Some(answer(200, &json!({"ports": [{"id": "a", "network_id": "n"}], "ports_links": link})))
    };
    let (cloud, fake) = cloud([page(), page()]);
    let error = cloud.network().ports(&PortFilter::default()).await.unwrap_err();
    assert_eq!(error.fault, Fault::Decode("the list has no end".into()));
    assert_eq!(fake.lines().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn long_lists_of_ids_are_asked_for_in_parts() {
    let part = || Some(answer(200, &json!({"ports": []})));
    let (cloud, fake) = cloud([part(), part(), part()]);
    let device_ids = (0..100).map(|n| format!("{n:036}")).collect();
    cloud.network().ports(&PortFilter { device_ids, ..PortFilter::default() }).await.unwrap();
    let lengths: Vec<_> = fake.lines().iter().map(String::len).collect();
    assert!(lengths.len() == 3 && lengths.iter().all(|length| *length < 2_100), "{lengths:?}");
}

#[tokio::test(start_paused = true)]
async fn an_older_microversion_is_used_once_the_best_is_refused() {
    let found = || Some(answer(200, &json!({"server": {"id": "s"}})));
    let refused = || {
        let text = "Version 2.69 is not supported by the API. Minimum is 2.1 and maximum is 2.60.";
        Some(answer(406, &json!({"computeFault": {"code": 406, "message": text}})))
    };
    let (cloud, fake) = cloud([refused(), found(), found()]);
    for _ in 0..2 {
        cloud.compute().server(&"s".into()).await.unwrap();
    }
    let versions: Vec<_> =
        fake.seen().iter().map(|seen| seen.headers["openstack-api-version"].clone()).collect();
    assert_eq!(versions, ["compute 2.69", "compute 2.47", "compute 2.47"]);
}

#[tokio::test(start_paused = true)]
async fn hostile_ids_are_refused_before_anything_is_sent() {
    let (cloud, fake) = cloud([]);
    for id in ["../servers/x", "..", "", "a/../b"] {
        let error = cloud.compute().server(&ServerId::from(id)).await.unwrap_err();
        assert!(matches!(error.fault, Fault::Invalid(_)), "{error}");
        assert!(!error.is_not_found(), "that nothing is there was not proved");
        let error = cloud.load_balancer().delete_load_balancer(&LoadBalancerId::from(id), Cascade::No).await;
        assert!(matches!(error.unwrap_err().fault, Fault::Invalid(_)));
    }
    assert!(fake.lines().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_detached_floating_ip_is_an_explicit_null() {
    let body =
        json!({"floatingip": {"id": "f", "floating_ip_address": "192.0.2.1", "floating_network_id": "n"}});
    let (cloud, fake) = cloud([Some(answer(200, &body))]);
    let detach = FloatingIpUpdate { port_id: Some(None), ..FloatingIpUpdate::default() };
    cloud.network().update_floating_ip(&"f".into(), &detach).await.unwrap();
    assert_eq!(fake.seen()[0].body, r#"{"floatingip":{"port_id":null}}"#);
}

#[tokio::test(start_paused = true)]
async fn octavias_versions_stand_above_its_base() {
    let versions =
        json!({"versions": [{"id": "v2.0", "status": "SUPPORTED"}, {"id": "v2.29", "status": "CURRENT"}]});
    let (cloud, fake) = cloud([Some(answer(200, &versions))]);
    assert_eq!(cloud.load_balancer().versions().await.unwrap(), ["v2.0", "v2.29"]);
    assert_eq!(fake.lines(), ["GET http://octavia/"]);
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_are_bounded_and_fewer_after_complaints() {
    let running = Arc::new(Mutex::new((0_usize, 0_usize)));
    let (session, _fake) = testing::slow_session({
        let running = Arc::clone(&running);
        move |_| {
            let running = Arc::clone(&running);
            Box::pin(async move {
                {
                    let mut running = running.lock().unwrap();
                    running.0 += 1;
                    running.1 = running.1.max(running.0);
                }
                tokio::time::sleep(SECOND).await;
                running.lock().unwrap().0 -= 1;
                answer(200, &json!({"loadbalancer": {"id": "l"}}))
            })
        }
    });
    let cloud = Cloud::new(session);
    let all = futures::future::join_all((0..100).map(|_| read(&cloud))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(running.lock().unwrap().1, 16);
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_under_the_names_that_dashboards_know() {
    let (cloud, _fake) = cloud([
        Some(load_balancer()),
        Some(octavia(404, "Load Balancer l not found.")),
        Some(octavia(409, "Load Balancer l is immutable and cannot be updated.")),
    ]);
    create(&cloud).await.unwrap();
    assert!(read(&cloud).await.unwrap_err().is_not_found());
    delete(&cloud).await.unwrap_err();
    let mut registry = prometheus_client::registry::Registry::default();
    cloud.session().metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        r#"openstack_api_requests_total{request="loadbalancer_create"} 1"#,
        r#"openstack_api_requests_total{request="loadbalancer_get"} 1"#,
        r#"openstack_api_request_errors_total{request="loadbalancer_delete"} 1"#,
        r#"openstack_api_request_duration_seconds_bucket{le="0.005",request="loadbalancer_delete"}"#,
        r#"openstack_api_request_duration_seconds_bucket{le="10.0",request="loadbalancer_delete"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(
        !text.contains(r#"errors_total{request="loadbalancer_get""#),
        "that nothing is there is no error"
    );
}

#[tokio::test(start_paused = true)]
async fn secrets_are_never_shown() {
    let (cloud, fake) = cloud([Some(load_balancer()), Some(interrupted()), Some(octavia(500, "boom"))]);
    create(&cloud).await.unwrap();
    let broken = create(&cloud).await.unwrap_err();
    let failed = create(&cloud).await.unwrap_err();
    fake.keystone().faults.lock().unwrap().push(Some(answer(401, &Value::Null)));
    let config = crate::SessionConfig::new(testing::auth());
    let waiter = crate::LoadBalancerWaiter::new(cloud.load_balancer());
    let shown = [
        format!("{cloud:?} {:#?} {:?} {:?}", cloud.session(), cloud.compute(), cloud.session().metrics()),
        format!("{config:?} {:?}", config.auth),
        format!("{broken:?} {broken} {failed:?} {failed}"),
        format!("{waiter:?} {:?}", crate::Inventory::new(cloud.clone())),
    ]
    .concat();
    let token = fake.seen()[0].token.clone().unwrap();
    for secret in [PASSWORD, token.as_str()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
