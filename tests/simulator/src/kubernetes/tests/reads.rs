//! Lists, pages, versions, rights.

use super::*;

#[tokio::test(start_paused = true)]
async fn pages_show_one_moment() {
    let client = Client::new();
    for n in 0..5 {
        client.server.create(NODES, &node(&format!("n{n}")));
    }
    let (_, first) = client.get(&format!("{NODES}?limit=2")).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    client.server.delete(&format!("{NODES}/n3"));
    client.server.create(NODES, &node("n9"));
    let mut names = Vec::new();
    let mut page = first.clone();
    loop {
        names.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()),
        );
        let Some(token) = page["metadata"]["continue"].as_str() else { break };
        page = client.get(&format!("{NODES}?limit=2&continue={token}")).await.1;
        assert_eq!(page["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    }
    assert_eq!(names, ["n0", "n1", "n2", "n3", "n4"]);
    client.server.forget();
    let gone = client
        .get(&format!("{NODES}?limit=2&continue={}", first["metadata"]["continue"].as_str().unwrap()))
        .await;
    assert_eq!((gone.0, &gone.1["reason"]), (410, &json!("Expired")));
}

#[tokio::test(start_paused = true)]
async fn lists_of_all_namespaces_by_fields_and_labels() {
    let client = Client::new();
    client.server.create("/api/v1/namespaces", &json!({"metadata": {"name": "web"}}));
    client.server.create(SERVICES, &balancer("a"));
    client.server.create("/api/v1/namespaces/web/services", &balancer("b"));
    let names = async |query: &str| {
        let (_, list) = client.get(&format!("/api/v1/services{query}")).await;
        assert_eq!(list["kind"], "ServiceList");
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["a", "kubernetes", "b"]);
    assert_eq!(names("?fieldSelector=spec.type%3DLoadBalancer,metadata.namespace%3Dweb").await, ["b"]);
    assert_eq!(names("?labelSelector=component%3Dapiserver").await, ["kubernetes"]);
    assert_eq!(client.get("/api/v1/services?fieldSelector=spec.x%3D1").await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn a_lagging_cache_shows_the_past_to_those_who_allow_it() {
    let client = Client::new();
    client.server.set_lag(Duration::from_secs(5));
    tokio::time::advance(Duration::from_secs(10)).await;
    client.server.create(NODES, &node("n1"));
    let count =
        async |query: &str| client.get(&format!("{NODES}{query}")).await.1["items"].as_array().unwrap().len();
    assert_eq!((count("?resourceVersion=0").await, count("").await), (0, 1));
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(count("?resourceVersion=0").await, 1);
}

#[tokio::test(start_paused = true)]
async fn versions_out_of_reach() {
    let client = Client::new();
    let future = client.get(&format!("{NODES}?resourceVersion=100000")).await;
    assert_eq!(
        (future.0, &future.1["details"]["causes"][0]["reason"]),
        (504, &json!("ResourceVersionTooLarge"))
    );
    let before = client.server.revision();
    client.server.create(NODES, &node("n1"));
    let exact = format!("{NODES}?resourceVersion={before}&resourceVersionMatch=Exact");
    assert_eq!(client.get(&exact).await.1["items"], json!([]));
    client.server.forget();
    assert_eq!(client.get(&exact).await.0, 410);
    assert_eq!(client.get(&format!("{NODES}?resourceVersion=x")).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn rights_are_rules_and_tokens_are_users() {
    let mut client = Client::new();
    let user = User::service_account("kube-system", "ccm");
    client.server.add_user("good", user.clone());
    let rule = json!({"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]});
    client.server.grant(&user.name, [AccessRule::from_json(&rule, None)]);
    client.token = Some("good");
    assert_eq!(client.get(NODES).await.0, 200);
    assert_eq!(client.get("/version").await.1["minor"], "36");
    let forbidden = client.get(&format!("{NODES}/n1")).await;
    assert_eq!((forbidden.0, &forbidden.1["reason"]), (403, &json!("Forbidden")));
    assert_eq!(forbidden.1["details"], json!({"name": "n1", "kind": "nodes"}));
    client.token = Some("bad");
    assert_eq!(client.get(NODES).await.0, 401);
    client.token = None;
    let review = json!({"spec": {"token": "good"}});
    let (status, answer) = client.post("/apis/authentication.k8s.io/v1/tokenreviews", review).await;
    assert_eq!((status, &answer["status"]["user"]["username"]), (201, &json!(user.name)));
}

#[tokio::test(start_paused = true)]
async fn a_service_account_gets_tokens_that_end() {
    let mut client = Client::new();
    client.server.create("/api/v1/namespaces/default/serviceaccounts", &node("app"));
    let path = "/api/v1/namespaces/default/serviceaccounts/app/token";
    let (status, made) = client.post(path, json!({"spec": {"expirationSeconds": 600}})).await;
    assert_eq!(status, 201);
    let token = made["status"]["token"].as_str().unwrap().to_owned();
    client.token = Some(token.leak());
    assert_eq!(client.get(NODES).await.0, 403);
    tokio::time::advance(Duration::from_secs(601)).await;
    assert_eq!(client.get(NODES).await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn paths_that_are_not_served() {
    let client = Client::new();
    assert_eq!(client.get("/none").await, (404, json!("404 page not found\n")));
    assert_eq!(client.get("/api/v1/none").await.1["reason"], "NotFound");
    assert_eq!(client.get("/readyz").await, (200, json!("ok")));
    assert_eq!(client.post("/api/v1/services", balancer("a")).await.0, 405);
    client.server.set_down(true);
    assert_eq!(client.get(NODES).await.0, 503);
}
