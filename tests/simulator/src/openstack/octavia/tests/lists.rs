//! Lists, projects, quotas, versions.

use serde_json::{Value, json};

use super::{custom, id, said, world};
use crate::openstack::Release;
use crate::openstack::octavia::{Build, OctaviaOptions};
use crate::openstack::testing::Answer;

fn names(answer: &Answer, key: &str) -> Vec<String> {
    let rows = answer.body[key].as_array().unwrap_or_else(|| panic!("{}", answer.body));
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

async fn with_three() -> super::World {
    let world = world("amphora").await;
    for (name, tags) in [("a", json!(["x", "y"])), ("b", json!(["x"])), ("c", json!([]))] {
        let body = json!({"name": name, "tags": tags, "vip_subnet_id": world.place.subnets[0]});
        world.make("loadbalancers", "loadbalancer", body).await;
        world.sleep(1000).await;
    }
    world
}

#[tokio::test(start_paused = true)]
async fn filters_and_tags() {
    let world = with_three().await;
    let list = async |query: &str| {
        names(&world.client.get(&format!("octavia/v2/lbaas/loadbalancers?{query}")).await, "loadbalancers")
            .join("")
    };
    for (query, found) in [
        ("", "abc"),
        ("name=b", "b"),
        ("provisioning_status=ACTIVE&admin_state_up=true", "abc"),
        ("provisioning_status=ERROR", ""),
        ("tags=x", "ab"),
        ("tags=x,y", "a"),
        ("tags=x&tags=y", "a"),
        ("tags-any=y,z", "a"),
        ("not-tags=x,y", "bc"),
        ("not-tags-any=x,y", "c"),
        ("tags=x&name=b", "b"),
        ("sort_key=name&sort_dir=desc", "cba"),
        ("sort=name:desc", "cba"),
        ("vip_subnet_id=nowhere", ""),
    ] {
        assert_eq!(list(query).await, found, "{query}");
    }
    for (query, message) in [
        ("colour=red", "One or more arguments are either duplicate or invalid"),
        ("sort_key=colour", "Supplied sort key 'colour' is not valid."),
        ("sort_key=name&sort_dir=up", "Supplied sort direction 'up' is not valid."),
        ("marker=none", "Supplied pagination marker 'none' is not valid."),
    ] {
        let answer = world.client.get(&format!("octavia/v2/lbaas/loadbalancers?{query}")).await;
        assert_eq!(said(&answer), (400, message.to_owned()));
    }
    let only = world.client.get("octavia/v2/lbaas/loadbalancers?fields=name&fields=id&name=a").await;
    assert_eq!(only.body["loadbalancers"][0].as_object().unwrap().len(), 2);
    let monitors = world.client.get("octavia/v2/lbaas/healthmonitors?loadbalancer_id=x").await;
    assert_eq!(monitors.status, 400, "monitors are not found by load balancer");
}

#[tokio::test(start_paused = true)]
async fn pages_are_linked_and_links_lose_the_filters() {
    let world = with_three().await;
    let mut to = "octavia/v2/lbaas/loadbalancers?limit=2&provisioning_status=ACTIVE".to_owned();
    let first = world.client.get(&to).await;
    assert_eq!(names(&first, "loadbalancers"), ["a", "b"]);
    let next = &first.body["loadbalancers_links"][0];
    assert_eq!(next["rel"], "next");
    let href = next["href"].as_str().unwrap();
    assert!(href.starts_with("http://octavia/v2/lbaas/loadbalancers?limit=2&marker="), "{href}");
    assert!(!href.contains("provisioning_status"), "{href}");
    href.trim_start_matches("http://").clone_into(&mut to);
    let second = world.client.get(&to).await;
    assert_eq!(names(&second, "loadbalancers"), ["c"]);
    let links = second.body["loadbalancers_links"].as_array().unwrap();
    assert_eq!(links.iter().map(|link| &link["rel"]).collect::<Vec<_>>(), ["previous"]);
}

#[tokio::test(start_paused = true)]
async fn the_clouds_own_limit_bounds_a_page() {
    let options = OctaviaOptions { page: Some(1), ..OctaviaOptions::default() };
    let world =
        custom("amphora", Release::Newest, options.building(Build::fixed(std::time::Duration::ZERO))).await;
    for name in ["a", "b"] {
        world
            .make(
                "loadbalancers",
                "loadbalancer",
                json!({"name": name, "vip_subnet_id": world.place.subnets[0]}),
            )
            .await;
    }
    for query in ["", "?limit=5"] {
        let page = world.client.get(&format!("octavia/v2/lbaas/loadbalancers{query}")).await;
        assert_eq!(page.body["loadbalancers"].as_array().unwrap().len(), 1);
        assert_eq!(page.body["loadbalancers_links"][0]["rel"], "next");
    }
}

#[tokio::test(start_paused = true)]
async fn projects_do_not_see_each_other() {
    let mut world = with_three().await;
    let lb = id(&world.get("loadbalancers?name=a", "loadbalancers").await[0]);
    let pool = world.pool(&lb).await;
    let operator = world.operator.clone();
    let (tester, other) = (operator.user("tester").unwrap(), operator.add_project("other", "default"));
    operator.grant(&tester, &other, &["load-balancer_member"]);
    let log_in = async |world: &super::World| {
        let user = json!({"id": tester, "password": "secret"});
        let auth = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"id": other}}}});
        let answer = world.client.post("keystone/v3/auth/tokens", auth).await;
        answer.headers["x-subject-token"].to_str().unwrap().to_owned()
    };
    world.client.token = log_in(&world).await;
    assert_eq!(world.get("loadbalancers", "loadbalancers").await, json!([]));
    let forbidden = (403, "Policy does not allow this request to be performed.".to_owned());
    for path in [format!("loadbalancers/{lb}"), format!("pools/{pool}"), format!("pools/{pool}/members")] {
        assert_eq!(said(&world.client.get(&format!("octavia/v2/lbaas/{path}")).await), forbidden, "{path}");
    }
    assert_eq!(world.delete(&format!("loadbalancers/{lb}?cascade=true")).await, forbidden);
    assert_eq!(world.put(&format!("pools/{pool}/members"), "members", json!([])).await, forbidden);
    let project = operator.project();
    let foreign = world.client.get(&format!("octavia/v2/lbaas/loadbalancers?project_id={project}")).await;
    assert_eq!(said(&foreign), forbidden);
    operator.grant(&tester, &other, &["load-balancer_global_observer"]);
    world.client.token = log_in(&world).await;
    assert_eq!(world.get("loadbalancers", "loadbalancers").await.as_array().unwrap().len(), 3);
    assert_eq!(world.delete(&format!("loadbalancers/{lb}?cascade=true")).await, forbidden);
}

#[tokio::test(start_paused = true)]
async fn who_has_no_role_for_load_balancers_may_do_nothing() {
    let mut world = world("amphora").await;
    let operator = world.operator.clone();
    operator.grant(&operator.user("tester").unwrap(), &operator.project(), &["member", "reader"]);
    world.client.token = world.client.log_in().await;
    assert_eq!(world.client.get("octavia/v2/lbaas/loadbalancers").await.status, 403);
    operator.grant(&operator.user("tester").unwrap(), &operator.project(), &["load-balancer_observer"]);
    world.client.token = world.client.log_in().await;
    assert_eq!(world.client.get("octavia/v2/lbaas/loadbalancers").await.status, 200);
    let body = json!({"vip_subnet_id": world.place.subnets[0]});
    assert_eq!(world.post("loadbalancers", "loadbalancer", body).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn a_full_quota_is_told() {
    let world = world("amphora").await;
    let full = |what: &str| (403, format!("Quota has been met for resources: {what}"));
    assert!(world.operator.octavia_quota("member", 3));
    assert_eq!(world.post("loadbalancers", "loadbalancer", world.graph()).await, full("Member"));
    assert!(world.operator.octavia_quota("member", 4));
    let lb = id(&world.make("loadbalancers", "loadbalancer", world.graph()).await);
    world.sleep(1000).await;
    for (kind, most) in [("loadbalancer", 1), ("listener", 2), ("pool", 2), ("healthmonitor", 1)] {
        assert!(world.operator.octavia_quota(kind, most));
    }
    let pool = id(&world.get(&format!("pools?loadbalancer_id={lb}&sort_key=name"), "pools").await[1]);
    let subnet = &world.place.subnets[0];
    for (path, key, body, what) in [
        ("loadbalancers".to_owned(), "loadbalancer", json!({"vip_subnet_id": subnet}), "Load Balancer"),
        (
            "listeners".to_owned(),
            "listener",
            json!({"loadbalancer_id": lb, "protocol": "UDP", "protocol_port": 1}),
            "Listener",
        ),
        (
            "pools".to_owned(),
            "pool",
            json!({"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}),
            "Pool",
        ),
        (
            "healthmonitors".to_owned(),
            "healthmonitor",
            json!({"pool_id": pool, "type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}),
            "Health Monitor",
        ),
        (
            format!("pools/{pool}/members"),
            "member",
            json!({"address": "10.0.9.9", "protocol_port": 1}),
            "Member",
        ),
    ] {
        assert_eq!(world.post(&path, key, body).await, full(what));
    }
    // As many as there are can be replaced.
    let two =
        json!([{"address": "10.0.9.1", "protocol_port": 1}, {"address": "10.0.9.2", "protocol_port": 1}]);
    assert_eq!(world.put(&format!("pools/{pool}/members"), "members", two).await.0, 202);
    let project = world.operator.project();
    assert_eq!(world.get(&format!("quotas/{project}"), "quota").await["load_balancer"], 1);
    let set = world.put(&format!("quotas/{project}"), "quota", json!({"pool": 9})).await;
    assert_eq!(set.0, 403, "only administrators set quotas");
}

#[tokio::test(start_paused = true)]
async fn versions_and_providers_are_listed() {
    for (release, newest) in [(Release::Train, "v2.13"), (Release::Newest, "v2.30")] {
        let mut world = custom("amphora", release, OctaviaOptions::default()).await;
        let providers = world.get("providers", "providers").await;
        assert_eq!(providers[1]["name"], "ovn");
        world.client.token.clear();
        let versions = world.client.get("octavia/").await.body["versions"].clone();
        let last: &Value = versions.as_array().unwrap().last().unwrap();
        assert_eq!((&last["id"], &last["status"]), (&json!(newest), &json!("CURRENT")));
    }
}
