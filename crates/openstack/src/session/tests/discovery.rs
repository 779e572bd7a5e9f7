//! Where an API lies and which microversions it takes: found out once.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::catalog::ServiceType;
use crate::error::Fault;
use crate::request::{Call, Microversions};
use crate::testing::{self, Fake, Outcome, Seen, answer};
use crate::{Error, Session};

const SNAPSHOTS: Microversions = &["3.66", "3.43"];

/// A call of the kind that drivers of volumes and shares make.
async fn read(session: &Session, service: ServiceType) -> Result<Value, Error> {
    let call = Call::get("thing_get", service, "things/{}", &["1"])?.microversions(SNAPSHOTS);
    session.object(call, "thing").await
}

/// Services without a version in the catalogue; they take microversions up to 3.50.
fn services(seen: &Seen) -> Outcome {
    let versions = |id: &str| {
        json!({"versions": [{"id": "v1.0", "version": "", "min_version": ""},
            {"id": id, "status": "CURRENT", "version": "3.50", "min_version": "3.0"}]})
    };
    match seen.line.as_str() {
        "GET http://cinder/" => answer(300, &versions("v3.0")),
        "GET http://manila/" => answer(200, &versions("v2.0")),
        line if line.contains("/things/1") => answer(200, &json!({"thing": line})),
        line => panic!("unexpected {line}"),
    }
}

fn cloud() -> (Session, Fake) {
    testing::session(|seen| services(&seen))
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_a_version_is_asked_for_it_once_by_all() {
    let (session, fake) = cloud();
    let calls = (0..20).map(|_| read(&session, ServiceType::BlockStorage));
    for found in join_all(calls).await {
        assert_eq!(found.unwrap(), "GET http://cinder/v3/project-1/things/1");
    }
    let found = read(&session, ServiceType::SharedFileSystem).await.unwrap();
    assert_eq!(found, "GET http://manila/v2/project-1/things/1");
    let found = read(&session, ServiceType::KeyManager).await.unwrap();
    assert_eq!(found, "GET http://barbican/v1/things/1", "Barbican's only version needs no question");
    let asked = |line: &str| fake.lines().iter().filter(|seen| *seen == line).count();
    assert_eq!((asked("GET http://cinder/"), asked("GET http://manila/")), (1, 1));
    let of = |service: &str, header: &str| {
        let seen = fake.seen().into_iter().find(|seen| seen.line.contains(&format!("{service}/v")));
        seen.unwrap().headers.get(header).map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(of("cinder", "openstack-api-version").as_deref(), Some("volume 3.43"), "within what it takes");
    assert_eq!(of("manila", "x-openstack-manila-api-version").as_deref(), Some("3.43"));
    assert!(fake.seen().iter().filter(|seen| !seen.line.contains("/v")).all(|seen| seen.token.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_moved_endpoint_is_asked_anew() {
    let (session, fake) = testing::session(|seen| match seen.line.as_str() {
        "GET http://new-cinder/" => answer(200, &json!({"versions": [{"id": "v3.0"}]})),
        _ => services(&seen),
    });
    read(&session, ServiceType::BlockStorage).await.unwrap();
    *fake.keystone().cinder.lock().unwrap() = "http://new-cinder/";
    tokio::time::sleep(Duration::from_secs(3_601)).await;
    let found = read(&session, ServiceType::BlockStorage).await.unwrap();
    assert_eq!(found, "GET http://new-cinder/v3/project-1/things/1");
}

#[tokio::test(start_paused = true)]
async fn the_range_is_told_before_a_feature_is_used() {
    let (session, fake) = cloud();
    for _ in 0..3 {
        let range = session.microversions(ServiceType::BlockStorage).await.unwrap().unwrap();
        assert!(range.contains("3.43".parse().unwrap()) && !range.contains("3.66".parse().unwrap()));
    }
    assert_eq!(fake.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_makes_no_sense_leaves_the_usual_place() {
    for document in [json!({"versions": "x"}), Value::Null, json!({"versions": [{"id": "v9"}]})] {
        let (session, _fake) = testing::session(move |seen| {
            if seen.line == "GET http://cinder/" { answer(200, &document) } else { services(&seen) }
        });
        let found = read(&session, ServiceType::BlockStorage).await.unwrap();
        assert_eq!(found, "GET http://cinder/v3/project-1/things/1");
        assert_eq!(session.microversions(ServiceType::BlockStorage).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_is_an_error_and_asked_again_later() {
    let down = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_down = std::sync::Arc::clone(&down);
    let (session, _fake) = testing::session(move |seen| {
        if is_down.load(std::sync::atomic::Ordering::SeqCst) {
            answer(503, &Value::Null)
        } else {
            services(&seen)
        }
    });
    let error = read(&session, ServiceType::BlockStorage).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Unavailable(_)), "{error}");
    down.store(false, std::sync::atomic::Ordering::SeqCst);
    read(&session, ServiceType::BlockStorage).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_tells_the_range_for_all_calls_to_come() {
    let (session, fake) = testing::session(|seen| {
        let asked = seen.headers.get("openstack-api-version").map(|value| value.to_str().unwrap().to_owned());
        match asked.as_deref() {
            Some("compute 3.66" | "compute 3.43") => {
                let text = "Version 3.66 is not supported by the API. Minimum is 2.1 and maximum is 2.60.";
                answer(406, &json!({"computeFault": {"code": 406, "message": text}}))
            }
            _ => answer(200, &json!({"thing": 1})),
        }
    });
    for _ in 0..2 {
        read(&session, ServiceType::Compute).await.unwrap();
    }
    assert_eq!(fake.lines().len(), 3, "one refusal, and none of the wanted is tried again");
    let range = session.microversions(ServiceType::Compute).await.unwrap().unwrap();
    assert_eq!(range.most.to_string(), "2.60");
}
