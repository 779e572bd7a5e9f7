//! The way of a request: token check, faults, ledger.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::CloudOptions;
use super::testing::Client;
use crate::fault::{Fault, Rule, Script};
use crate::link::{Broken, Cut, Point};
use crate::world::Moment;

async fn client() -> Client {
    Client::new(CloudOptions::default()).await
}

fn follow(client: &Client, rule: Rule) {
    client.cloud.faults().follow(Script { rules: vec![rule] });
}

#[tokio::test(start_paused = true)]
async fn nobody_comes_in_without_a_good_token() {
    let mut client = client().await;
    assert_eq!(client.get("nova/v2.1/servers").await.status, 200, "let in");
    tokio::time::advance(Duration::from_secs(3600)).await;
    let refused = client.get("nova/v2.1/servers").await;
    assert_eq!((refused.status, &refused.body["error"]["code"]), (401, &json!(401)));
    assert_eq!(refused.headers["www-authenticate"], "Keystone uri=\"http://keystone/v3\"");
    client.token = "guessed".into();
    assert_eq!(client.get("octavia/v2/lbaas/pools").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_refused() {
    let client = client().await;
    let user = json!({"name": "tester", "domain": {"id": "default"}, "password": "guess"});
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": "demo", "domain": {"id": "default"}}}}});
    assert_eq!(client.post("keystone/v3/auth/tokens", body).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn the_ledger_knows_what_was_asked_and_when() {
    let client = client().await;
    client.get("neutron/v2.0/ports/6e0c5b8e-0c3c-4f39-9d37-6f9bdb7a1b10?b=1&a=2&a=3").await;
    let entries = client.cloud.ledger().entries();
    assert_eq!(entries[0].call(), "POST keystone /v3/auth/tokens");
    let last = &entries[1];
    assert_eq!(last.call(), "GET neutron /v2.0/ports/{id}");
    assert_eq!(last.query_keys, ["a", "b"]);
    assert_eq!(
        (last.status, last.user.as_deref(), last.client.as_str()),
        (Some(404), Some("tester"), "test")
    );
    assert!(last.begun < last.effect.unwrap() && last.effect < last.answered);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_before_has_no_effect_and_what_is_lost_after_has_one() {
    let client = client().await;
    for (fault, broken, effect) in [
        (Fault::Refused, Broken::Connect, false),
        (Fault::LostBefore, Broken::Reset, false),
        (Fault::LostAfter, Broken::Reset, true),
    ] {
        follow(&client, Rule::new(fault.clone()));
        let answer = client.send("POST", "octavia/v2/lbaas/pools", json!({})).await;
        assert_eq!(answer.err(), Some(broken), "{fault:?}");
        let entry = client.cloud.ledger().entries().pop().unwrap();
        assert_eq!((entry.effect.is_some(), entry.answered), (effect, None), "{fault:?}");
        assert_eq!(entry.faults, [fault.kind()]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_request_takes_effect_after_its_sender_gave_up() {
    let client = client().await;
    follow(&client, Rule::new(Fault::Late { by_ms: 30_000 }));
    let begun = Instant::now();
    let answer = client.send("POST", "octavia/v2/lbaas/pools", json!({})).await;
    assert_eq!(answer.err(), Some(Broken::Reset));
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(client.cloud.ledger().entries()[1].effect, None);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(client.cloud.ledger().entries()[1].effect.unwrap() > Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_request_is_answered_by_nobody() {
    let client = client().await;
    for (fault, effect) in [(Fault::Hang, false), (Fault::HangAfter, true)] {
        follow(&client, Rule::new(fault));
        let answer = tokio::time::timeout(Duration::from_secs(600), client.get("nova/v2.1/servers")).await;
        assert!(answer.is_err());
        assert_eq!(client.cloud.ledger().entries().pop().unwrap().effect.is_some(), effect);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_comes_in_the_services_form_or_a_proxys() {
    let client = client().await;
    let status = |foreign| Fault::Status { status: 503, message: None, retry_after: Some(7), foreign };
    follow(&client, Rule::new(status(false)));
    for (to, key) in [
        ("keystone/v3", "error"),
        ("nova/v2.1/servers", "serviceUnavailable"),
        ("neutron/v2.0/ports", "NeutronError"),
        ("octavia/v2/lbaas/pools", "faultcode"),
    ] {
        let answer = client.get(to).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.headers["retry-after"], "7");
        assert!(answer.body.get(key).is_some(), "{to}: {}", answer.body);
    }
    follow(&client, Rule::new(status(true)));
    let page = client.get("nova/v2.1/servers").await;
    assert_eq!(
        (page.status, page.body, page.headers["content-type"].to_str().unwrap()),
        (503, Value::Null, "text/html")
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_dies_and_the_clock_jumps_when_the_script_says_so() {
    let client = client().await;
    follow(&client, Rule::new(Fault::TokenDeath).nth(1));
    assert_eq!(client.get("nova/v2.1/servers").await.status, 401);
    assert_eq!(client.get("nova/v2.1/servers").await.status, 401);
    let wall = client.world.wall();
    follow(&client, Rule::new(Fault::ClockJump { by_ms: -3_600_000 }));
    client.get("nova/v2.1/servers").await;
    assert!(client.world.wall() < wall);
}

#[tokio::test(start_paused = true)]
async fn a_partition_is_refused_silent_or_deaf() {
    let client = client().await;
    let effects = || client.cloud.ledger().count(|entry| entry.service == "nova" && entry.effect.is_some());
    let get = async || {
        let get = client.send("GET", "nova/v2.1/servers", Value::Null);
        tokio::time::timeout(Duration::from_secs(60), get)
            .await
            .map(|answer| answer.map(|answer| answer.status))
    };
    client.link.cut("nova", Cut::Refused);
    assert_eq!(get().await, Ok(Err(Broken::Connect)));
    client.link.cut("nova", Cut::Silent);
    assert!(get().await.is_err());
    assert_eq!(effects(), 0);
    client.link.cut("nova", Cut::Deaf);
    assert!(get().await.is_err());
    assert_eq!(effects(), 1);
    client.link.mend("nova");
    assert_eq!(get().await, Ok(Ok(200)));
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_reaches_nothing_but_what_was_on_its_way_goes_on() {
    let client = client().await;
    let killed_at = async |point| {
        let link = client.world.link("victim");
        link.kill_at(point, 1);
        let request =
            http::Request::builder().uri("http://nova/v2.1/servers").body(bytes::Bytes::new()).unwrap();
        let answer = client.cloud.send(&link, request.clone()).await;
        let again = client.cloud.send(&link, request).await;
        assert_eq!(again.err(), Some(Broken::Connect));
        let done = client.cloud.ledger().count(|entry| entry.client == "victim" && entry.effect.is_some());
        (answer.err(), done)
    };
    assert_eq!(killed_at(Point::Leaves).await, (Some(Broken::Connect), 0));
    assert_eq!(killed_at(Point::Effect).await, (Some(Broken::Reset), 1));
    assert_eq!(killed_at(Point::Arrives).await, (Some(Broken::Reset), 2));
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_on_when_its_sender_stops_waiting() {
    let client = client().await;
    let send = client.send("POST", "octavia/v2/lbaas/pools", json!({}));
    assert!(tokio::time::timeout(Duration::from_millis(1), send).await.is_err());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let entry = client.cloud.ledger().entries().pop().unwrap();
    assert!(entry.effect.is_some() && entry.answered.is_none(), "{entry:?}");
}

#[tokio::test(start_paused = true)]
async fn writes_are_shown_to_who_observes_when_they_have_their_effect() {
    let client = client().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (notes, cloud) = (seen.clone(), client.cloud.clone());
    client.world.on_write(move |moment, entry| {
        // No lock is held.
        cloud.operator().next_change();
        notes.lock().unwrap().push((moment, entry.call(), entry.status));
    });
    client.get("octavia/v2/lbaas/nothing").await;
    client.log_in().await;
    let late = Rule::new(Fault::Late { by_ms: 5_000 }).method("POST");
    follow(&client, late);
    client.send("POST", "octavia/v2/lbaas/nothing", json!({})).await.unwrap_err();
    assert_eq!(*seen.lock().unwrap(), []);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let entry = client.cloud.ledger().entries().pop().unwrap();
    let expected = [(Moment::Before, entry.call(), None), (Moment::After, entry.call(), entry.status)];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// A load balancer of this name, finished.
async fn load_balancer(client: &Client, name: &str) -> String {
    let operator = client.cloud.operator();
    let place = operator.network(name, &["10.0.0.0/16"]);
    let body = json!({"loadbalancer": {"name": name, "vip_subnet_id": place.subnets[0]}});
    let made = client.post("octavia/v2/lbaas/loadbalancers", body).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    made.body["loadbalancer"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_shows_what_was_and_changes_nothing() {
    let client = client().await;
    follow(&client, Rule::new(Fault::Stale { by_ms: 5_000 }).method("GET").service("octavia"));
    let first = load_balancer(&client, "first").await;
    let path = format!("octavia/v2/lbaas/loadbalancers/{first}");
    let shown = |answer: super::testing::Answer| answer.body["loadbalancer"]["name"].clone();
    assert_eq!(shown(client.get(&path).await), "first");
    let renamed = client.put(&path, json!({"loadbalancer": {"name": "second"}})).await;
    assert_eq!(renamed.status, 200);
    assert_eq!(shown(client.get(&path).await), "first", "stale");
    client.world.faults().follow(Script::default());
    assert_eq!(shown(client.get(&path).await), "second", "and only the read was");
    follow(&client, Rule::new(Fault::Stale { by_ms: 5_000 }));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(shown(client.get(&path).await), "second", "in time");
    client.delete(&path).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(client.get(&path).await.status, 200, "gone, but still shown");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(client.get(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn lists_come_short_or_in_another_order() {
    let client = client().await;
    for number in 0..6 {
        client.cloud.operator().network(&format!("n{number}"), &["10.0.0.0/24"]);
    }
    let ids = async |to: &str| {
        let rows = client.get(to).await.body["networks"].as_array().unwrap().clone();
        rows.iter().map(|row| row["id"].to_string()).collect::<Vec<_>>()
    };
    let usual = ids("neutron/v2.0/networks").await;
    follow(&client, Rule::new(Fault::Shuffled));
    let mut other = ids("neutron/v2.0/networks").await;
    assert_ne!(other, usual);
    other.sort();
    let mut sorted = usual.clone();
    sorted.sort();
    assert_eq!(other, sorted);
    follow(&client, Rule::new(Fault::ShortPage { rows: 4 }));
    assert_eq!(ids("neutron/v2.0/networks").await, usual[..4]);
    assert_eq!(ids("neutron/v2.0/networks?limit=2").await, usual[..2]);
    let page = client.get("neutron/v2.0/networks").await;
    let links = page.body["networks_links"].to_string();
    assert!(links.contains("next"), "the rest can be had: {links}");
    assert_eq!(client.cloud.ledger().entries().pop().unwrap().rows, 4);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_cut_off_or_late() {
    let client = client().await;
    follow(&client, Rule::new(Fault::Truncated));
    let cut = client.get("neutron/v2.0/networks").await;
    assert_eq!((cut.status, cut.body), (200, Value::Null));
    follow(&client, Rule::new(Fault::Slow { by_ms: 90_000 }));
    let begun = Instant::now();
    assert_eq!(client.get("neutron/v2.0/networks").await.status, 200);
    assert!(begun.elapsed() > Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_conflicts_sounds_like_the_services_own() {
    let client = client().await;
    let conflict = Fault::Status { status: 409, message: None, retry_after: None, foreign: false };
    let rule = Rule::new(conflict).service("octavia").method("write").times(3);
    follow(&client, rule);
    for round in 0..5 {
        let answer = client.delete("octavia/v2/lbaas/pools/none").await;
        let is_storm =
            answer.body["faultstring"].as_str().unwrap().contains("is immutable and cannot be updated");
        assert_eq!((answer.status == 409, is_storm), (round < 3, round < 3), "{}", answer.body);
    }
    assert_eq!(client.cloud.faults().fired()["status-4xx"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_repeated_exactly_by_its_seed() {
    let run = async |seed| {
        let world = crate::World::new(seed);
        let cloud = super::Cloud::new(&world, CloudOptions::default());
        let mut client = Client {
            world: world.clone(),
            cloud,
            link: world.link("a"),
            token: String::new(),
            headers: Vec::new(),
        };
        client.token = client.log_in().await;
        let rules =
            vec![Rule::new(Fault::LostAfter).probability(0.3), Rule::new(Fault::Fail).probability(0.3)];
        world.faults().follow(Script { rules });
        let place = client.cloud.operator().network("n", &["10.0.0.0/24"]);
        for name in ["a", "b", "c"] {
            let body = json!({"loadbalancer": {"name": name, "vip_subnet_id": place.subnets[0]}});
            let _ = client.send("POST", "octavia/v2/lbaas/loadbalancers", body).await;
            let _ = client.send("GET", "octavia/v2/lbaas/loadbalancers", Value::Null).await;
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        (format!("{:?}", client.cloud.ledger().entries()), client.cloud.operator().dump())
    };
    let first = run(5).await;
    assert_eq!(first, run(5).await);
    assert_ne!(first, run(6).await);
}
