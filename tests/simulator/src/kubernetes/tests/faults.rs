//! What a fault script does to requests, and what the ledger says of them.

use super::*;
use crate::fault::{Fault, Rule, Script};
use crate::link::Point;

fn follow(client: &Client, rule: Rule) {
    client.world.faults().follow(Script { rules: vec![rule] });
}

fn said(status: u16) -> Fault {
    Fault::Status { status, message: None, retry_after: None, foreign: false }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_has_happened_and_a_lost_request_has_not() {
    let client = Client::new();
    follow(&client, Rule::new(Fault::LostAfter).method("POST"));
    assert_eq!(client.open("POST", NODES, "application/json", &node("n1")).await.err(), Some(Broken::Reset));
    assert_ne!(client.server.get(&format!("{NODES}/n1")), Value::Null);
    follow(&client, Rule::new(Fault::LostBefore).method("POST"));
    assert_eq!(client.open("POST", NODES, "application/json", &node("n2")).await.err(), Some(Broken::Reset));
    assert_eq!(client.server.get(&format!("{NODES}/n2")), Value::Null);
    assert_eq!(client.world.faults().fired()["lost-before"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_happens_after_its_sender_has_given_up() {
    let client = Client::new();
    follow(&client, Rule::new(Fault::Late { by_ms: 30_000 }).method("POST"));
    assert_eq!(client.open("POST", NODES, "application/json", &node("n1")).await.err(), Some(Broken::Reset));
    assert_eq!(client.server.get(&format!("{NODES}/n1")), Value::Null);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_ne!(client.server.get(&format!("{NODES}/n1")), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_busy_says_when_to_come_again() {
    let client = Client::new();
    follow(&client, Rule::new(said(429)));
    let response = client.open("GET", NODES, "", &Value::Null).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    follow(&client, Rule::new(said(503)));
    assert_eq!(client.get(NODES).await.1["reason"], "ServiceUnavailable");
}

#[tokio::test(start_paused = true)]
async fn watches_by_script() {
    for (fault, expected) in
        [(said(410), "ERROR Expired"), (Fault::HangAfter, "silence"), (Fault::Truncated, "half a line")]
    {
        let client = Client::new();
        client.server.create(NODES, &node("n1"));
        follow(&client, Rule::new(fault.clone()).path("/api/v1/watch/nodes"));
        assert_eq!(client.get(NODES).await.0, 200);
        let mut watch = client.watch(&format!("{NODES}?watch=1")).await;
        assert_eq!(watch.next().await, expected, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_shows_what_was() {
    let client = Client::new();
    tokio::time::advance(Duration::from_secs(60)).await;
    client.server.create(NODES, &node("n1"));
    follow(&client, Rule::new(Fault::Stale { by_ms: 10_000 }).times(2));
    assert_eq!(client.get(NODES).await.1["items"], json!([]));
    assert_eq!(client.get(&format!("{NODES}/n1")).await.0, 404);
    assert_eq!(client.get(&format!("{NODES}/n1")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_hears_nothing_but_its_last_write_counts() {
    let client = Client::new();
    client.link.kill_at(Point::Effect, 1);
    assert!(client.open("POST", NODES, "application/json", &node("n1")).await.is_err());
    assert_ne!(client.server.get(&format!("{NODES}/n1")), Value::Null);
    assert_eq!(client.open("GET", NODES, "", &Value::Null).await.err(), Some(Broken::Connect));
}

#[tokio::test(start_paused = true)]
async fn the_ledger_knows_every_request() {
    let mut client = Client::new();
    client.server.create(NODES, &node("n1"));
    client.server.add_user("t", User::service_account("a", "b"));
    client.get(&format!("{NODES}?limit=5")).await;
    let mut watch = client.watch(&format!("{NODES}?watch=1")).await;
    watch.next().await;
    client.token = Some("t");
    client.merge(&format!("{NODES}/n1/status"), json!({})).await;
    let entries = client.world.ledger().entries();
    let told: Vec<_> =
        entries.iter().map(|entry| (entry.call(), entry.status.unwrap(), entry.rows)).collect();
    assert_eq!(
        told,
        [
            ("GET kubernetes /api/v1/nodes".into(), 200, 1),
            ("GET kubernetes /api/v1/watch/nodes".into(), 200, 1),
            ("PATCH kubernetes /api/v1/nodes/{id}/status".into(), 403, 0),
        ]
    );
    assert_eq!(entries[2].user.as_deref(), Some("system:serviceaccount:a:b"));
    assert!(entries.iter().all(|entry| entry.answered > entry.effect));
}
