//! Nova's ways, each by a request.

use std::time::Duration;

use serde_json::{Value, json};

use super::ServerDraft;
use crate::openstack::testing::{Answer, Client};
use crate::openstack::{CloudOptions, Place, Release};

async fn world(release: Release) -> (Client, Place) {
    let client = Client::new(CloudOptions { profile: release.into(), ..CloudOptions::default() }).await;
    let place = client.cloud.operator().network("nodes", &["10.0.0.0/24"]);
    (client, place)
}

fn names(answer: &Answer) -> Vec<&str> {
    let rows = answer.body["servers"].as_array().unwrap();
    rows.iter().map(|row| row["name"].as_str().unwrap_or("?")).collect()
}

impl Client {
    async fn at(&mut self, version: &str, to: &str) -> Answer {
        self.headers = vec![("openstack-api-version", format!("compute {version}"))];
        self.get(&format!("nova/v2.1/{to}")).await
    }
}

#[tokio::test(start_paused = true)]
async fn microversions_are_negotiated_by_release() {
    for (release, good, bad) in [
        (Release::Train, "2.79", "2.80"),
        (Release::Yoga, "2.90", "2.91"),
        (Release::Caracal, "2.96", "2.97"),
    ] {
        let (mut client, _) = world(release).await;
        let answer = client.at(good, "servers").await;
        assert_eq!(
            (answer.status, answer.headers["openstack-api-version"].to_str().unwrap()),
            (200, format!("compute {good}").as_str())
        );
        let refused = client.at(bad, "servers").await;
        let text =
            format!("Version {bad} is not supported by the API. Minimum is 2.1 and maximum is {good}.");
        assert_eq!((refused.status, &refused.body["computeFault"]["message"]), (406, &json!(text)));
        assert_eq!(client.at("two", "servers").await.body["badRequest"]["code"], 400);
        let versions = client.get("nova").await;
        assert_eq!(versions.body["versions"][1]["version"], good);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_shows_more_from_version_to_version() {
    let (mut client, place) = world(Release::Newest).await;
    let id = client.cloud.operator().server(&ServerDraft::new("a", &place.network));
    let path = format!("servers/{id}");
    let old = client.at("2.1", &path).await.body["server"].take();
    assert_eq!(
        (&old["flavor"]["id"], &old["locked"], &old["server_groups"]),
        (&json!("1"), &Value::Null, &Value::Null)
    );
    let newer = client.at("2.71", &path).await.body["server"].take();
    assert_eq!(
        (&newer["flavor"]["original_name"], &newer["server_groups"]),
        (&json!("m1.small"), &json!([]))
    );
    assert_eq!(newer["addresses"]["nodes"][0]["addr"], "10.0.0.2");
    assert_eq!(client.at("2.1", "flavors/1").await.body["flavor"]["name"], "m1.small");
    assert_eq!(
        client.at("2.1", "flavors/2").await.body["itemNotFound"]["message"],
        "Flavor 2 could not be found."
    );
}

#[tokio::test(start_paused = true)]
async fn lists_are_the_projects_newest_first_and_filtered_by_expressions() {
    let (client, place) = world(Release::Newest).await;
    let operator = client.cloud.operator();
    for name in ["web-1", "web-2", "db.1"] {
        operator.server(&ServerDraft::new(name, &place.network));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    operator
        .server(&ServerDraft { project: Some("other".into()), ..ServerDraft::new("web-3", &place.network) });
    let list = async |query: &str| client.get(&format!("nova/v2.1/servers/detail{query}")).await;
    assert_eq!(names(&list("").await), ["db.1", "web-2", "web-1"]);
    assert_eq!(names(&list("?name=%5Eweb-1%24").await), ["web-1"]);
    assert_eq!(names(&list("?name=WEB").await), ["web-2", "web-1"]);
    assert_eq!(names(&list("?name=web-1%7Cweb-2").await), [""; 0]);
    assert_eq!(names(&list("?status=ACTIVE").await).len(), 3);
    assert_eq!(names(&list("?status=SHUTOFF").await).len(), 0);
    assert_eq!(list("?all_tenants=1").await.status, 403);
    assert_eq!(list("?limit=x").await.status, 400);
    assert_eq!(list("?changes-since=yesterday").await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages() {
    let (client, place) = world(Release::Newest).await;
    for n in 0..5 {
        client.cloud.operator().server(&ServerDraft::new(&format!("s{n}"), &place.network));
    }
    let mut next = Some("nova/v2.1/servers/detail?limit=2".to_owned());
    let mut seen = Vec::new();
    while let Some(to) = next {
        let answer = client.get(&to).await;
        seen.extend(names(&answer).into_iter().map(str::to_owned));
        let link = answer.body["servers_links"][0]["href"].as_str();
        next = link.map(|href| href.strip_prefix("http://").unwrap().to_owned());
    }
    seen.sort();
    assert_eq!(seen, ["s0", "s1", "s2", "s3", "s4"]);
    let lost = client.get("nova/v2.1/servers?marker=gone").await;
    assert_eq!((lost.status, &lost.body["badRequest"]["message"]), (400, &json!("marker [gone] not found")));
}

#[tokio::test(start_paused = true)]
async fn a_down_cell_shortens_lists_and_its_servers_are_unknown_by_id() {
    let (mut client, place) = world(Release::Newest).await;
    let operator = client.cloud.operator();
    let far = operator.server(&ServerDraft { cell: Some(2), ..ServerDraft::new("far", &place.network) });
    operator.server(&ServerDraft::new("near", &place.network));
    operator.cell(2, false);
    assert_eq!(names(&client.at("2.47", "servers/detail").await), ["near"]);
    assert_eq!(names(&client.at("2.69", "servers/detail").await), ["near", "?"]);
    assert_eq!(names(&client.at("2.69", "servers/detail?limit=5").await), ["near"]);
    let path = format!("servers/{far}");
    let old = client.at("2.68", &path).await;
    assert_eq!((old.status, &old.body["computeFault"]["code"]), (500, &json!(500)));
    assert_eq!(client.at("2.69", &path).await.body["server"]["status"], "UNKNOWN");
    operator.cell(2, true);
    assert_eq!(client.at("2.69", &path).await.body["server"]["status"], "ACTIVE");
}

#[tokio::test(start_paused = true)]
async fn nova_hears_of_addresses_a_little_later_and_updated_does_not_move() {
    let (client, place) = world(Release::Newest).await;
    let operator = client.cloud.operator();
    let outside = operator.external_network("public", &["172.24.4.0/24"]);
    operator.router("router", &outside, &place);
    let id = operator.server(&ServerDraft::new("a", &place.network));
    let to = format!("nova/v2.1/servers/{id}");
    let before = client.get(&to).await.body["server"].take();
    let ports = client.get(&format!("neutron/v2.0/ports?device_id={id}")).await;
    let body = json!({"floating_network_id": outside.network, "port_id": ports.body["ports"][0]["id"]});
    client.post("neutron/v2.0/floatingips", json!({"floatingip": body})).await;
    assert_eq!(client.get(&to).await.body["server"]["addresses"], before["addresses"]);
    tokio::time::advance(Duration::from_secs(5)).await;
    let after = client.get(&to).await.body["server"].take();
    assert_eq!(after["addresses"]["nodes"][1]["OS-EXT-IPS:type"], "floating");
    assert_eq!(after["updated"], before["updated"]);
    let attached = client.get(&format!("{to}/os-interface")).await;
    assert_eq!(attached.body["interfaceAttachments"][0]["port_state"], "ACTIVE");
}

#[tokio::test(start_paused = true)]
async fn a_server_is_built_stopped_and_deleted_with_its_ports() {
    let (client, place) = world(Release::Newest).await;
    let body = json!({"server": {"name": "a", "flavorRef": "1", "imageRef": "", "networks": [{"uuid": place.network}]}});
    let made = client.post("nova/v2.1/servers", body).await;
    assert_eq!(made.status, 202, "{}", made.body);
    let to = format!("nova/v2.1/servers/{}", made.body["server"]["id"].as_str().unwrap());
    let status = async || client.get(&to).await.body["server"]["status"].clone();
    assert_eq!(status().await, "BUILD");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(status().await, "ACTIVE");
    let action = format!("{to}/action");
    assert_eq!(client.post(&action, json!({"os-stop": null})).await.status, 202);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(status().await, "SHUTOFF");
    assert_eq!(client.post(&action, json!({"os-stop": null})).await.status, 409);
    let deleted_after = client.world.wall();
    assert_eq!(client.delete(&to).await.status, 204);
    tokio::time::advance(Duration::from_secs(10)).await;
    let gone = client.get(&to).await;
    assert_eq!((gone.status, gone.body.get("itemNotFound").is_some()), (404, true));
    assert_eq!(client.get("neutron/v2.0/ports").await.body["ports"], json!([]));
    let changes = client.get(&format!("nova/v2.1/servers/detail?changes-since={deleted_after}")).await;
    assert_eq!(changes.body["servers"][0]["status"], "DELETED");
}
