//! Logins by every method, and what becomes of their tokens.
#![allow(clippy::needless_pass_by_value)] // json!(…) is written where it is used

use std::time::Duration;

use serde_json::{Value, json};

use super::{AccessRule, ApplicationCredential, KeystoneOptions, Trust};
use crate::openstack::CloudOptions;
use crate::openstack::testing::{Answer, Client};

async fn client() -> Client {
    Client::new(CloudOptions::default()).await
}

async fn log_in(client: &Client, identity: Value, scope: Value) -> Answer {
    let mut auth = json!({ "identity": identity });
    if !scope.is_null() {
        auth["scope"] = scope;
    }
    client.post("keystone/v3/auth/tokens", json!({ "auth": auth })).await
}

fn password(user: Value) -> Value {
    json!({"methods": ["password"], "password": {"user": user}})
}

fn tester() -> Value {
    password(json!({"name": "tester", "domain": {"name": "Default"}, "password": "secret"}))
}

fn demo() -> Value {
    json!({"project": {"name": "demo", "domain": {"id": "default"}}})
}

fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.headers["x-subject-token"].to_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_password_by_id_or_name_for_a_project_a_domain_or_nothing() {
    let client = client().await;
    let operator = client.cloud.operator();
    let (user, project) = (operator.user("tester").unwrap(), operator.project());
    let by_id = log_in(
        &client,
        password(json!({"id": user, "password": "secret"})),
        json!({"project": {"id": project}}),
    )
    .await;
    assert_eq!(
        by_id.body["token"]["project"],
        json!({"id": project, "name": "demo", "domain": {"id": "default", "name": "Default"}})
    );
    assert_eq!(by_id.body["token"]["user"]["id"], user.as_str());

    let unscoped = log_in(&client, tester(), Value::Null).await;
    assert_eq!(unscoped.status, 201);
    assert!(
        unscoped.body["token"].get("catalog").is_none() && unscoped.body["token"].get("project").is_none()
    );

    let domain = json!({"domain": {"name": "Default"}});
    assert_eq!(log_in(&client, tester(), domain.clone()).await.status, 401, "no role in the domain");
    operator.grant(&user, "default", &["reader"]);
    let scoped = log_in(&client, tester(), domain).await;
    assert_eq!(scoped.body["token"]["domain"]["id"], "default");
    assert_eq!(scoped.body["token"]["roles"][0]["name"], "reader");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_refused_in_keystones_words() {
    let client = client().await;
    let named = |user: Value| password(user);
    for (identity, scope, status) in [
        (named(json!({"name": "tester", "domain": {"id": "default"}, "password": "x"})), demo(), 401),
        (named(json!({"name": "nobody", "domain": {"id": "default"}, "password": "secret"})), demo(), 401),
        (named(json!({"name": "tester", "domain": {"id": "other"}, "password": "secret"})), demo(), 401),
        (named(json!({"name": "tester", "password": "secret"})), demo(), 400),
        (named(json!({"name": 7, "domain": {"id": "default"}, "password": "secret"})), demo(), 400),
        (named(json!({"password": "secret"})), demo(), 400),
        (json!({"methods": ["totp"], "totp": {}}), demo(), 401),
        (json!({"password": {}}), demo(), 400),
        (tester(), json!({"project": {"name": "demo"}}), 400),
        (tester(), json!({"project": {"name": "other", "domain": {"id": "default"}}}), 401),
        (tester(), json!({"project": {"id": "x"}, "domain": {"id": "default"}}), 400),
        (tester(), json!({"OS-TRUST:trust": {"id": "none"}}), 404),
    ] {
        let answer = log_in(&client, identity.clone(), scope.clone()).await;
        assert_eq!(answer.status, status, "{identity} {scope}: {}", answer.body);
        assert_eq!(answer.body["error"]["code"], status);
    }
    let nothing = client.post("keystone/v3/auth/tokens", json!({})).await;
    assert_eq!((nothing.status, &nothing.body["error"]["title"]), (400, &json!("Bad Request")));
}

#[tokio::test(start_paused = true)]
async fn the_catalogue_has_all_regions_and_interfaces() {
    let keystone = KeystoneOptions {
        regions: vec!["one".into(), "two".into()],
        interfaces: vec!["public".into(), "internal".into()],
        ..KeystoneOptions::default()
    };
    let client = Client::new(CloudOptions { keystone, ..CloudOptions::default() }).await;
    let token = log_in(&client, tester(), demo()).await;
    let catalog = token.body["token"]["catalog"].as_array().unwrap().clone();
    let types: Vec<&Value> = catalog.iter().map(|entry| &entry["type"]).collect();
    assert_eq!(types, ["identity", "compute", "network", "load-balancer"]);
    let nova = catalog[1]["endpoints"].as_array().unwrap();
    assert_eq!(nova.len(), 4);
    assert_eq!(nova[0]["url"], "http://nova/v2.1");
    assert_eq!((&nova[3]["region_id"], &nova[3]["interface"]), (&json!("two"), &json!("internal")));
    assert_eq!(client.get("keystone/v3/auth/catalog").await.body["catalog"], json!(catalog));
    assert_eq!(client.get("keystone/v3/auth/projects").await.body["projects"][0]["name"], "demo");
}

#[tokio::test(start_paused = true)]
async fn a_token_makes_another_that_lives_no_longer() {
    let mut client = client().await;
    let unscoped = token_of(&log_in(&client, tester(), Value::Null).await);
    tokio::time::advance(Duration::from_secs(600)).await;
    let identity = json!({"methods": ["token"], "token": {"id": unscoped}});
    let scoped = log_in(&client, identity.clone(), demo()).await;
    assert_eq!(scoped.body["token"]["methods"], json!(["token", "password"]));
    let time = |key: &str| scoped.body["token"][key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let life = time("expires_at").duration_since(time("issued_at"));
    assert!(life.as_secs() <= 3000 && life.as_secs() > 2990, "{life}");

    client.token.clone_from(&unscoped);
    client.headers = vec![("x-subject-token", unscoped.clone())];
    assert_eq!(client.get("keystone/v3/auth/tokens").await.status, 200);
    assert_eq!(client.delete("keystone/v3/auth/tokens").await.status, 204);
    client.headers.clear();
    assert_eq!(client.get("keystone/v3/auth/projects").await.status, 401);
    assert_eq!(log_in(&client, identity, demo()).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_shown_to_its_owner_only() {
    let mut client = client().await;
    let operator = client.cloud.operator();
    let other = operator.add_user("other", "default", "o");
    operator.grant(&other, &operator.project(), &["member"]);
    let user = json!({"id": other, "password": "o"});
    let foreign = token_of(&log_in(&client, password(user), demo()).await);
    client.headers = vec![("x-subject-token", foreign.clone())];
    assert_eq!(client.get("keystone/v3/auth/tokens").await.status, 403);
    operator.grant(&operator.user("tester").unwrap(), &operator.project(), &["admin"]);
    client.headers.clear();
    client.token = client.log_in().await;
    client.headers = vec![("x-subject-token", foreign)];
    assert_eq!(client.get("keystone/v3/auth/tokens").await.body["token"]["user"]["name"], "other");
    client.headers = vec![("x-subject-token", "unknown".into())];
    assert_eq!(client.get("keystone/v3/auth/tokens").await.status, 404);
}

fn credential(client: &Client) -> ApplicationCredential {
    let operator = client.cloud.operator();
    ApplicationCredential {
        name: "ccm".into(),
        secret: "s3".into(),
        user: operator.user("tester").unwrap(),
        project: operator.project(),
        roles: vec!["member".into()],
        expires: None,
        access_rules: None,
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_credential_brings_its_project_and_takes_no_scope() {
    let client = client().await;
    let operator = client.cloud.operator();
    let id = operator.add_application_credential(credential(&client));
    let by_id =
        json!({"methods": ["application_credential"], "application_credential": {"id": id, "secret": "s3"}});
    let answer = log_in(&client, by_id.clone(), Value::Null).await;
    assert_eq!(answer.body["token"]["project"]["name"], "demo");
    assert_eq!(answer.body["token"]["roles"], json!([{"id": "member", "name": "member"}]));
    assert_eq!(answer.body["token"]["application_credential"]["id"], id.as_str());
    assert_eq!(log_in(&client, by_id.clone(), demo()).await.status, 401);
    let by_name = |secret: &str| {
        let user = json!({"name": "tester", "domain": {"id": "default"}});
        json!({"methods": ["application_credential"],
            "application_credential": {"name": "ccm", "user": user, "secret": secret}})
    };
    let token = token_of(&log_in(&client, by_name("s3"), Value::Null).await);
    assert_eq!(log_in(&client, by_name("wrong"), Value::Null).await.status, 401);
    let again = json!({"methods": ["token"], "token": {"id": token}});
    assert_eq!(log_in(&client, again, Value::Null).await.status, 403);

    // A role that its owner lost is handed on no more.
    operator.grant(&operator.user("tester").unwrap(), &operator.project(), &["reader"]);
    assert_eq!(log_in(&client, by_id.clone(), Value::Null).await.status, 401);
    operator.grant(&operator.user("tester").unwrap(), &operator.project(), &["member"]);
    assert_eq!(log_in(&client, by_id.clone(), Value::Null).await.status, 201);
    operator.delete_application_credential(&id);
    assert_eq!(log_in(&client, by_id, Value::Null).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn an_application_credential_ends_and_may_be_limited() {
    let mut client = client().await;
    let operator = client.cloud.operator();
    let expires = client.world.wall().checked_add(jiff::SignedDuration::from_secs(60)).unwrap();
    let rule = AccessRule { service: "compute".into(), method: "GET".into(), path: "/v2.1/servers".into() };
    let limited = ApplicationCredential {
        expires: Some(expires),
        access_rules: Some(vec![rule]),
        ..credential(&client)
    };
    let id = operator.add_application_credential(limited);
    let identity =
        json!({"methods": ["application_credential"], "application_credential": {"id": id, "secret": "s3"}});
    client.token = token_of(&log_in(&client, identity.clone(), Value::Null).await);
    assert_ne!(client.get("nova/v2.1/servers").await.status, 401);
    assert_eq!(client.get("nova/v2.1/flavors").await.status, 401);
    assert_eq!(client.get("octavia/v2/lbaas/pools").await.status, 401);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(client.get("nova/v2.1/servers").await.status, 401);
    assert_eq!(log_in(&client, identity, Value::Null).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_trust_lets_its_trustee_act_for_another() {
    let client = client().await;
    let operator = client.cloud.operator();
    let helper = operator.add_user("helper", "default", "h");
    let tester = operator.user("tester").unwrap();
    let trust = operator.add_trust(Trust {
        trustor: tester.clone(),
        trustee: helper.clone(),
        impersonation: true,
        project: operator.project(),
        roles: vec!["member".into()],
    });
    let scope = json!({"OS-TRUST:trust": {"id": trust}});
    let by_helper = || password(json!({"id": helper, "password": "h"}));
    let answer = log_in(&client, by_helper(), scope.clone()).await;
    assert_eq!(answer.body["token"]["user"]["id"], tester.as_str(), "{}", answer.body);
    assert_eq!(answer.body["token"]["project"]["name"], "demo");
    assert_eq!(answer.body["token"]["OS-TRUST:trust"]["trustee_user"]["id"], helper.as_str());
    assert_eq!(log_in(&client, self::tester(), scope.clone()).await.status, 403, "not the trustee");
    operator.grant(&tester, &operator.project(), &["reader"]);
    assert_eq!(log_in(&client, by_helper(), scope).await.status, 401, "the role is gone");
}

#[tokio::test(start_paused = true)]
async fn who_is_let_out_has_no_token_any_more() {
    let client = client().await;
    let operator = client.cloud.operator();
    let user = operator.user("tester").unwrap();
    operator.enable_user(&user, false);
    assert_eq!(client.get("keystone/v3/auth/projects").await.status, 401);
    assert_eq!(log_in(&client, tester(), demo()).await.status, 401);
    operator.enable_user(&user, true);
    operator.enable_project(&operator.project(), false);
    assert_eq!(log_in(&client, tester(), demo()).await.status, 401);
    operator.enable_project(&operator.project(), true);
    assert_eq!(log_in(&client, tester(), demo()).await.status, 201);
    operator.set_password(&user, "new");
    assert_eq!(operator.last_expiry(), None);
    assert_eq!(log_in(&client, tester(), demo()).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn the_versions_are_listed_without_a_token() {
    let mut client = client().await;
    client.token.clear();
    let list = client.get("keystone/").await;
    assert_eq!(
        (list.status, &list.body["versions"]["values"][0]["links"][0]["href"]),
        (300, &json!("http://keystone/v3/"))
    );
    assert_eq!(client.get("keystone/v3").await.body["version"]["id"], "v3.14");
    assert_eq!(client.put("keystone/v3", json!({})).await.status, 401);
}
