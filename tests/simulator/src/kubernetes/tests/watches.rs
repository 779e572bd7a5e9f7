//! Watches: what they deliver, where they begin, how they end.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_watch_follows_from_its_version() {
    let client = Client::new();
    client.server.create(NODES, &node("n1"));
    let version = client.server.revision();
    client.server.create(NODES, &node("n2"));
    let mut watch = client.watch(&format!("{NODES}?watch=true&resourceVersion={version}")).await;
    client.server.change(&format!("{NODES}/n1"), &json!({"metadata": {"labels": {"a": "b"}}}));
    client.server.create(SERVICES, &balancer("other"));
    client.server.delete(&format!("{NODES}/n2"));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(watch.next().await);
    }
    assert_eq!(seen, ["ADDED n2", "MODIFIED n1", "DELETED n2", "silence"]);
    assert_eq!(client.server.watches("nodes"), 1);
    drop(watch);
    assert_eq!(client.server.watches("nodes"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_watch_without_version_begins_with_what_is_there() {
    let client = Client::new();
    client.server.create(NODES, &node("n1"));
    let mut watch = client.watch(&format!("{NODES}?watch=true")).await;
    assert_eq!((watch.next().await, watch.next().await), ("ADDED n1".into(), "silence".into()));
    let streaming =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = client.watch(&format!("{NODES}?{streaming}")).await;
    assert_eq!(watch.next().await, "ADDED n1");
    let mark = watch.event().await.unwrap();
    assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(mark["object"]["metadata"]["resourceVersion"], json!(client.server.revision().to_string()));
    assert_eq!(client.get(&format!("{NODES}?watch=1&sendInitialEvents=true")).await.0, 422);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_forgotten_is_gone() {
    let client = Client::with(ApiServerOptions { window: 3, ..ApiServerOptions::default() });
    let version = client.server.revision();
    for n in 0..5 {
        client.server.create(NODES, &node(&format!("n{n}")));
    }
    let mut watch = client.watch(&format!("{NODES}?watch=1&resourceVersion={version}")).await;
    let error = watch.event().await.unwrap();
    assert_eq!((&error["type"], &error["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert!(error["object"]["message"].as_str().unwrap().starts_with("too old resource version: "));
    assert_eq!(watch.next().await, "end");
}

#[tokio::test(start_paused = true)]
async fn bookmarks_come_every_minute_and_the_time_limit_ends_it() {
    let client = Client::new();
    let mut watch = client
        .watch(&format!(
            "{NODES}?watch=1&resourceVersion={}&allowWatchBookmarks=true&timeoutSeconds=70",
            client.server.revision()
        ))
        .await;
    client.server.create(SERVICES, &balancer("a"));
    tokio::time::advance(Duration::from_secs(55)).await;
    let mark = watch.event().await.unwrap();
    assert_eq!(
        (&mark["type"], &mark["object"]["metadata"]["resourceVersion"]),
        (&json!("BOOKMARK"), &json!(client.server.revision().to_string()))
    );
    assert_eq!(watch.next().await, "end");
}

#[tokio::test(start_paused = true)]
async fn an_object_enters_and_leaves_a_selection() {
    let client = Client::new();
    client.server.create(NODES, &node("n1"));
    let version = client.server.revision();
    let mut watch =
        client.watch(&format!("{NODES}?watch=1&resourceVersion={version}&labelSelector=a%3Db")).await;
    for label in ["x", "b", "b2", "b"] {
        client.server.change(&format!("{NODES}/n1"), &json!({"metadata": {"labels": {"a": label}}}));
    }
    client.server.delete(&format!("{NODES}/n1"));
    let seen = [watch.next().await, watch.next().await, watch.next().await, watch.next().await];
    assert_eq!(seen, ["ADDED n1", "DELETED n1", "ADDED n1", "DELETED n1"]);
}

#[tokio::test(start_paused = true)]
async fn watches_are_disturbed() {
    for (how, expected) in [
        (Disturbance::Silence, vec!["silence"]),
        (Disturbance::Break, vec!["half a line", "broken", "end"]),
        (Disturbance::End, vec!["end"]),
        (Disturbance::Expire, vec!["ERROR Expired", "end"]),
        (Disturbance::Fail, vec!["ERROR InternalError", "end"]),
    ] {
        let client = Client::new();
        let mut watch = client.watch(&format!("{NODES}?watch=1")).await;
        assert_eq!(client.server.disturb_watches("services", how), 0);
        assert_eq!(client.server.disturb_watches("nodes", how), 1);
        client.server.create(NODES, &node("n1"));
        for expected in expected {
            assert_eq!(watch.next().await, expected, "{how:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_holds_a_watch_up_and_a_reset_ends_it() {
    use crate::link::Cut;
    let client = Client::new();
    let mut watch = client.watch(&format!("{NODES}?watch=1")).await;
    client.link.cut(SERVICE, Cut::Silent);
    client.server.create(NODES, &node("n1"));
    assert_eq!(watch.next().await, "silence");
    client.link.mend(SERVICE);
    // A line that had left is not lost: the waiting above was given up, not the connection.
    let mut again = client.watch(&format!("{NODES}?watch=1")).await;
    assert_eq!(again.next().await, "ADDED n1");
    client.link.cut(SERVICE, Cut::Refused);
    client.server.create(NODES, &node("n2"));
    assert_eq!((again.next().await, again.next().await), ("broken".into(), "end".into()));
}
