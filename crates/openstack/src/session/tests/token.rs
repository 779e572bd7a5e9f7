//! Logging in, renewing, reloading.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::auth::{AuthConfig, Credentials, Scope};
use crate::error::Fault;
use crate::testing::{self, Fake, Seen, answer, auth};
use crate::transport::TransportError;
use crate::{Cloud, ReloadError, ServerId, Session, SessionConfig};

const SECOND: Duration = Duration::from_secs(1);

fn server() -> Value {
    json!({"server": {"id": "s", "name": "s", "status": "ACTIVE"}})
}

fn unauthorized() -> testing::Outcome {
    answer(
        401,
        &json!({"error": {"code": 401, "title": "Unauthorized", "message": "The token is not valid."}}),
    )
}

/// A cloud whose services take the tokens of which `valid` says so.
fn cloud(valid: impl Fn(&str) -> bool + Send + Sync + 'static) -> (Cloud, Fake) {
    let (session, fake) = testing::slow_session(move |seen: Seen| {
        let good = valid(seen.token.as_deref().unwrap_or_default());
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if good { answer(200, &server()) } else { unauthorized() }
        })
    });
    (Cloud::new(session), fake)
}

async fn get(cloud: &Cloud) -> Result<crate::Server, crate::Error> {
    cloud.compute().server(&ServerId::from("s")).await
}

#[tokio::test(start_paused = true)]
async fn the_first_calls_share_one_login() {
    let (cloud, fake) = cloud(|_| true);
    let all = join_all((0..50).map(|_| get(&cloud))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((fake.logins(), fake.seen().len()), (1, 50));
    assert_eq!(fake.seen()[0].token.as_deref(), Some("token-1"));
    assert_eq!(cloud.session().project_id().await.unwrap(), Some("project-1".into()));
}

#[tokio::test(start_paused = true)]
async fn fifty_refused_calls_share_one_renewal_and_are_repeated_once() {
    let (cloud, fake) = cloud(|token| token != "token-1");
    let all = join_all((0..50).map(|_| get(&cloud))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!((fake.logins(), fake.seen().len()), (2, 100));
}

#[tokio::test(start_paused = true)]
async fn a_second_refusal_is_final() {
    let (cloud, fake) = cloud(|_| false);
    let error = get(&cloud).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Unauthorized(_)), "{error}");
    assert_eq!((fake.logins(), fake.seen().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_expires_without_anyone_waiting() {
    let (cloud, fake) = cloud(|_| true);
    get(&cloud).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2_600)).await;
    get(&cloud).await.unwrap();
    assert_eq!(fake.logins(), 1, "45 minutes of an hour are not over");
    tokio::time::sleep(Duration::from_secs(200)).await;
    let start = Instant::now();
    get(&cloud).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(100), "the call waited for the renewal");
    tokio::time::sleep(SECOND).await;
    get(&cloud).await.unwrap();
    let tokens: Vec<_> = fake.seen().into_iter().filter_map(|seen| seen.token).collect();
    assert_eq!(tokens, ["token-1", "token-1", "token-1", "token-2"]);
    assert_eq!(fake.logins(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hung_keystone_stops_nobody_who_has_a_valid_token() {
    let (cloud, fake) = cloud(|_| true);
    get(&cloud).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2_800)).await;
    fake.keystone().faults.lock().unwrap().extend((0..999).map(|_| None));
    let start = Instant::now();
    for _ in 0..700 {
        get(&cloud).await.unwrap();
        tokio::time::sleep(SECOND).await;
    }
    assert!(start.elapsed() < Duration::from_secs(740));
    let logins = fake.logins();
    assert!((2..700 / 3 * 2).contains(&logins), "{logins} logins");
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_waits_for_keystone_no_longer_than_the_call_may_take() {
    let (cloud, fake) = cloud(|_| true);
    get(&cloud).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3_601)).await;
    fake.keystone().faults.lock().unwrap().extend((0..99).map(|_| None));
    let start = Instant::now();
    let error = get(&cloud).await.unwrap_err();
    assert_eq!((error.call, error.fault), ("token_create", Fault::Timeout));
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    // The next one does not try at once, and is told why.
    assert_eq!(get(&cloud).await.unwrap_err().fault, Fault::Timeout);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    let logins = fake.logins();
    assert!((16..=17).contains(&logins), "{logins}: one more every two seconds without an answer");
}

#[tokio::test(start_paused = true)]
async fn a_keystone_that_went_away_without_a_word_is_found_again_within_five_seconds() {
    for gone in [1, 4, 20, 29, 31, 120, 300] {
        let (cloud, fake) = cloud(|_| true);
        get(&cloud).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3_601)).await;
        // Nothing sent meanwhile is ever answered, not even when it is back.
        fake.keystone().faults.lock().unwrap().extend((0..999).map(|_| None));
        let calls = tokio::spawn({
            let cloud = cloud.clone();
            async move {
                while get(&cloud).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Instant::now()
            }
        });
        tokio::time::sleep(SECOND * gone).await;
        fake.keystone().faults.lock().unwrap().clear();
        let back = Instant::now();
        let took = calls.await.unwrap() - back;
        assert!(took <= 5 * SECOND, "{took:?} after {gone} s");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_keystone_until_the_end_is_told_so() {
    let (fake, transport) = Fake::new(|_| Box::pin(async { answer(200, &server()) }));
    fake.keystone().faults.lock().unwrap().extend((0..99).map(|_| None));
    let config = SessionConfig { request_timeout: 10 * SECOND, ..SessionConfig::new(auth()) };
    let error = get(&Cloud::new(Session::new(config, transport))).await.unwrap_err();
    assert_eq!((error.call, error.fault), ("token_create", Fault::Timeout));
}

#[tokio::test(start_paused = true)]
async fn a_slow_keystone_has_all_the_time_there_is() {
    let (cloud, fake) = cloud(|_| true);
    *fake.keystone().latency.lock().unwrap() = 20 * SECOND;
    let start = Instant::now();
    get(&cloud).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn keystone_is_asked_again_after_a_fault_and_not_hammered_with_a_wrong_password() {
    let (cloud, fake) = cloud(|_| true);
    let refused = TransportError::Connect("refused".into());
    let busy = answer(503, &Value::Null);
    *fake.keystone().faults.lock().unwrap() = vec![Some(Err(refused)), Some(busy)];
    get(&cloud).await.unwrap();
    assert_eq!(fake.logins(), 3);

    let (cloud, fake) = self::cloud(|_| true);
    fake.keystone().faults.lock().unwrap().extend((0..99).map(|_| Some(unauthorized())));
    for _ in 0..600 {
        let error = get(&cloud).await.unwrap_err();
        assert!(matches!(error.fault, Fault::Unauthorized(_)), "{error}");
        assert_eq!(error.request_id.as_deref(), Some("req-cloud"));
        tokio::time::sleep(SECOND).await;
    }
    assert!(fake.logins() <= 16, "{} logins in 10 minutes", fake.logins());
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_gives_up_does_not_stop_the_login() {
    let (cloud, fake) = cloud(|_| true);
    *fake.keystone().latency.lock().unwrap() = Duration::from_millis(1_500);
    assert!(tokio::time::timeout(SECOND, get(&cloud)).await.is_err());
    tokio::time::sleep(2 * SECOND).await;
    get(&cloud).await.unwrap();
    assert_eq!(fake.logins(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_services_are_those_of_the_region() {
    let (fake, transport) = Fake::new(|_| Box::pin(async { answer(200, &server()) }));
    let config = SessionConfig { region: Some("r2".into()), ..SessionConfig::new(auth()) };
    let error = get(&Cloud::new(Session::new(config, transport))).await.unwrap_err();
    assert_eq!(error.to_string(), "server_get: no compute endpoint in the service catalogue");
    assert!(fake.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_catalogue_is_read_again_when_a_service_cannot_be_reached() {
    let (session, fake) = testing::session(|_| Err(TransportError::Connect("refused".into())));
    let cloud = Cloud::new(session);
    for (wait, logins) in [(0_u32, 1), (30, 1), (60, 2), (1, 2)] {
        tokio::time::sleep(SECOND * wait).await;
        assert!(matches!(get(&cloud).await.unwrap_err().fault, Fault::Transport(_)));
        tokio::time::sleep(SECOND).await;
        assert_eq!(fake.logins(), logins);
    }
}

#[tokio::test(start_paused = true)]
async fn a_base_url_is_asked_for_the_identity_api() {
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&requests);
    let (_fake, transport) = Fake::new(move |seen| {
        log.lock().unwrap().push(seen.line.clone());
        let listed = json!({"versions": {"values": [{"id": "v3.14", "status": "stable",
            "links": [{"rel": "self", "href": "http://keystone/v3/"}]}]}});
        Box::pin(async move {
            if seen.line == "GET http://keystone/" { answer(300, &listed) } else { answer(200, &server()) }
        })
    });
    let auth = AuthConfig { auth_url: "http://keystone".into(), ..auth() };
    get(&Cloud::new(Session::new(SessionConfig::new(auth), transport))).await.unwrap();
    assert_eq!(requests.lock().unwrap()[..], ["GET http://keystone/", "GET http://nova/v2.1/servers/s"]);

    for (url, text) in
        [("http://keystone/v2.0/", "v2.0"), ("keystone", "not a URL"), ("ftp://k/v3", "neither")]
    {
        let (_fake, transport) = Fake::new(|_| Box::pin(async { answer(200, &server()) }));
        let auth = AuthConfig { auth_url: url.into(), ..testing::auth() };
        let error = get(&Cloud::new(Session::new(SessionConfig::new(auth), transport))).await.unwrap_err();
        assert!(matches!(&error.fault, Fault::Invalid(said) if said.contains(text)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_given_token_is_used_as_it_is() {
    let (fake, transport) = Fake::new(|_| Box::pin(async { answer(200, &server()) }));
    let token = answer(
        200,
        &json!({"token": {"expires_at": "1970-01-01T01:00:00.000000Z",
        "issued_at": "1970-01-01T00:00:00.000000Z", "project": {"id": "p"}, "catalog": [
        {"type": "compute", "endpoints": [{"interface": "public", "url": "http://nova/v2.1"}]}]}}),
    );
    fake.keystone().faults.lock().unwrap().push(Some(token));
    let auth =
        AuthConfig { credentials: Credentials::Token("given".into()), scope: Scope::Unscoped, ..auth() };
    get(&Cloud::new(Session::new(SessionConfig::new(auth), transport))).await.unwrap();
    assert_eq!((fake.logins(), fake.seen()[0].token.as_deref()), (0, Some("given")));
}

#[tokio::test(start_paused = true)]
async fn new_credentials_are_taken_only_for_the_same_project() {
    let (cloud, fake) = cloud(|_| true);
    get(&cloud).await.unwrap();
    let (other, transport) = Fake::new(|_| Box::pin(async { answer(200, &server()) }));
    *other.keystone().project.lock().unwrap() = "project-2";
    let reload = |config, transport| cloud.session().reload(config, transport);
    let refused = reload(SessionConfig::new(auth()), transport.clone()).await.unwrap_err();
    assert!(matches!(refused, ReloadError::OtherIdentity("project")), "{refused}");
    *other.keystone().project.lock().unwrap() = "project-1";
    let elsewhere = SessionConfig { region: Some("r1".into()), ..SessionConfig::new(auth()) };
    let refused = reload(elsewhere, transport.clone()).await.unwrap_err();
    assert!(matches!(refused, ReloadError::OtherIdentity("region")), "{refused}");
    get(&cloud).await.unwrap();
    assert_eq!((fake.seen().len(), other.seen().len()), (2, 0), "the old settings stay");

    other.keystone().faults.lock().unwrap().push(Some(unauthorized()));
    let refused = reload(SessionConfig::new(auth()), transport.clone()).await.unwrap_err();
    assert!(matches!(refused, ReloadError::Login(_)), "{refused}");
    reload(SessionConfig::new(auth()), transport).await.unwrap();
    get(&cloud).await.unwrap();
    assert_eq!((fake.seen().len(), other.seen().len()), (2, 1));
}
