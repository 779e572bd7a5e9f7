//! Neutron's guards, each by a request that breaks it.

use serde_json::{Value, json};

use super::operator::Place;
use crate::openstack::testing::{Answer, Client};
use crate::openstack::{CloudOptions, Release};

/// A network behind a router to an external one, and another network without a router.
struct World {
    client: Client,
    outside: Place,
    inside: Place,
    router: String,
}

async fn world() -> World {
    let client = Client::new(CloudOptions::default()).await;
    let operator = client.cloud.operator();
    let outside = operator.external_network("public", &["172.24.4.0/28"]);
    let inside = operator.network("nodes", &["10.0.0.0/24"]);
    let router = operator.router("router", &outside, &inside);
    World { client, outside, inside, router }
}

impl World {
    async fn make(&self, kind: &str, body: Value) -> Answer {
        self.client.post(&format!("neutron/v2.0/{}s", kind.replace('_', "-")), json!({ kind: body })).await
    }

    async fn made(&self, kind: &str, body: Value) -> Value {
        let mut answer = self.make(kind, body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body[kind].take()
    }

    async fn port(&self, more: Value) -> Value {
        let mut body = json!({"network_id": self.inside.network});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.made("port", body).await
    }

    async fn change(&self, path: &str, kind: &str, body: Value) -> Answer {
        self.client.put(&format!("neutron/v2.0/{path}"), json!({ kind: body })).await
    }

    async fn ids(&self, query: &str) -> Vec<String> {
        let answer = self.client.get(&format!("neutron/v2.0/{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let key = query.split('?').next().unwrap().replace('-', "_");
        let rows = answer.body[key.as_str()].as_array().unwrap().clone();
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// Status, type and the beginning of the message.
fn refusal(answer: &Answer) -> (u16, &str, &str) {
    let error = &answer.body["NeutronError"];
    (answer.status, error["type"].as_str().unwrap_or_default(), error["message"].as_str().unwrap_or_default())
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn bodies_are_read_strictly() {
    let world = world().await;
    let network = &world.inside.network;
    for (body, text) in [
        (json!({"network_id": network, "colour": "red"}), "Unrecognized attribute(s) 'colour'"),
        (json!({}), "Failed to parse request. Required attribute 'network_id' not specified"),
        (json!({"network_id": network, "status": "ACTIVE"}), "Attribute 'status' not allowed in POST"),
        (
            json!({"network_id": network, "name": 5}),
            "Invalid input for name. Reason: '5' is not a valid string.",
        ),
    ] {
        assert_eq!(refusal(&world.make("port", body).await), (400, "HTTPBadRequest", text));
    }
    let port = world.port(json!({})).await;
    let answer = world.change(&format!("ports/{}", id(&port)), "port", json!({"network_id": network})).await;
    assert_eq!(refusal(&answer).2, "Cannot update read-only attribute network_id");
    let answer = world.client.post("neutron/v2.0/ports", json!({"prt": {}})).await;
    assert_eq!(refusal(&answer).2, "Unable to find 'port' in request body");
}

#[tokio::test(start_paused = true)]
async fn addresses_are_handed_out_once() {
    let world = world().await;
    let subnet = &world.inside.subnets[0];
    let first = world.port(json!({})).await;
    assert_eq!(first["fixed_ips"], json!([{"subnet_id": subnet, "ip_address": "10.0.0.2"}]));
    let network = &world.inside.network;
    let wanted =
        |ip: &str| json!({"network_id": network, "fixed_ips": [{"subnet_id": subnet, "ip_address": ip}]});
    assert_eq!(refusal(&world.make("port", wanted("10.0.0.2")).await).1, "IpAddressAlreadyAllocated");
    assert_eq!(refusal(&world.make("port", wanted("10.9.0.2")).await).1, "InvalidIpForSubnet");
    assert_eq!(world.make("port", wanted("10.0.0.9")).await.status, 201);
    assert_eq!(world.client.delete(&format!("neutron/v2.0/ports/{}", id(&first))).await.status, 204);
    assert_eq!(world.make("port", wanted("10.0.0.2")).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_floating_ip_leads_where_a_router_leads() {
    let world = world().await;
    let network = &world.outside.network;
    let port = world.port(json!({})).await;
    let floating_ip =
        world.made("floatingip", json!({"floating_network_id": network, "port_id": id(&port)})).await;
    assert_eq!(floating_ip["router_id"], json!(world.router));
    assert_eq!(floating_ip["fixed_ip_address"], "10.0.0.2");
    let again = world.make("floatingip", json!({"floating_network_id": network, "port_id": id(&port)})).await;
    assert_eq!(refusal(&again).1, "FloatingIPPortAlreadyAssociated");

    let lonely = world.client.cloud.operator().network("lonely", &["10.1.0.0/24"]);
    let unreachable = world.made("port", json!({"network_id": lonely.network})).await;
    let answer =
        world.make("floatingip", json!({"floating_network_id": network, "port_id": id(&unreachable)})).await;
    assert_eq!((refusal(&answer).0, refusal(&answer).1), (404, "ExternalGatewayForFloatingIPNotFound"));
    let answer = world.make("floatingip", json!({"floating_network_id": lonely.network})).await;
    assert!(refusal(&answer).2.ends_with("is not a valid external network."), "{}", answer.body);
    let fixed = json!({"floating_network_id": network, "floating_ip_address": "172.24.4.9"});
    assert_eq!(refusal(&world.make("floatingip", fixed).await).0, 403);

    let path = format!("floatingips/{}", id(&floating_ip));
    let answer = world.change(&path, "floatingip", json!({"port_id": null})).await;
    assert_eq!((&answer.body["floatingip"]["port_id"], answer.status), (&Value::Null, 200));
    assert_eq!(world.client.delete(&format!("neutron/v2.0/{path}")).await.status, 204);
    assert_eq!(refusal(&world.client.get(&format!("neutron/v2.0/{path}")).await).1, "FloatingIPNotFound");
}

#[tokio::test(start_paused = true)]
async fn a_floating_ip_outlives_its_port() {
    let world = world().await;
    let port = world.port(json!({})).await;
    let body = json!({"floating_network_id": world.outside.network, "port_id": id(&port)});
    let floating_ip = world.made("floatingip", body).await;
    world.client.delete(&format!("neutron/v2.0/ports/{}", id(&port))).await;
    let left = world.client.get(&format!("neutron/v2.0/floatingips/{}", id(&floating_ip))).await;
    assert_eq!(left.body["floatingip"]["port_id"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn full_quotas_and_full_networks_are_conflicts() {
    let world = world().await;
    let body = || json!({"floating_network_id": world.outside.network});
    world.client.cloud.operator().quota("floatingip", 1);
    world.made("floatingip", body()).await;
    let full = world.make("floatingip", body()).await;
    assert_eq!(refusal(&full), (409, "OverQuota", "Quota exceeded for resources: ['floatingip']."));
    world.client.cloud.operator().quota("floatingip", -1);
    let mut last = world.make("floatingip", body()).await;
    for _ in 0..20 {
        last = world.make("floatingip", body()).await;
    }
    assert_eq!((refusal(&last).0, refusal(&last).1), (409, "IpAddressGenerationFailure"));
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered_sorted_and_cut_into_pages() {
    let world = world().await;
    for n in 0..5 {
        world.port(json!({"name": format!("p{n}"), "device_id": format!("d{}", n % 2)})).await;
    }
    assert_eq!(world.ids("ports?device_id=d0").await.len(), 3);
    assert_eq!(world.ids("ports?device_id=d0&device_id=d1").await.len(), 5);
    assert_eq!(world.ids("ports?fixed_ips=ip_address%3D10.0.0.3").await.len(), 1);
    let subnet = &world.inside.subnets[0];
    let both = format!("ports?fixed_ips=ip_address%3D10.0.0.3&fixed_ips=subnet_id%3D{subnet}");
    assert_eq!(world.ids(&both).await.len(), 1);
    let all = world.ids("ports?device_id=d0&device_id=d1").await;
    assert!(all.is_sorted());

    let mut pages = Vec::new();
    let mut next = "neutron/v2.0/ports?device_id=d0&device_id=d1&limit=2".to_owned();
    for _ in 0..3 {
        let answer = world.client.get(&next).await;
        for row in answer.body["ports"].as_array().unwrap() {
            pages.push(id(row).to_owned());
        }
        let links = answer.body["ports_links"].as_array().unwrap();
        let Some(link) = links.iter().find(|link| link["rel"] == "next") else { break };
        next = link["href"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    }
    assert_eq!(pages, all);

    let names =
        world.client.get("neutron/v2.0/ports?fields=name&sort_key=name&sort_dir=desc&device_id=d1").await;
    assert_eq!(names.body["ports"], json!([{"name": "p3"}, {"name": "p1"}]));
    let unknown = world.client.get("neutron/v2.0/ports?colour=red").await;
    assert_eq!(refusal(&unknown), (400, "HTTPBadRequest", "['colour'] is invalid attribute for filtering"));
    let marker = world.client.get("neutron/v2.0/ports?limit=1&marker=gone").await;
    assert_eq!(refusal(&marker), (404, "PortNotFound", "Port gone could not be found."));
    world.client.cloud.operator().scramble_lists(Some(7));
    let scrambled = world.ids("ports?device_id=d0&device_id=d1").await;
    assert_ne!(scrambled, all);
}

#[tokio::test(start_paused = true)]
async fn tags_are_a_call_of_their_own() {
    let world = world().await;
    let floating_ip = world.made("floatingip", json!({"floating_network_id": world.outside.network})).await;
    let path = format!("neutron/v2.0/floatingips/{}/tags", id(&floating_ip));
    let answer = world.client.put(&path, json!({"tags": ["b", "a"]})).await;
    assert_eq!((answer.status, answer.body), (200, json!({"tags": ["b", "a"]})));
    assert_eq!(world.ids("floatingips?tags=a,b").await.len(), 1);
    assert_eq!(world.ids("floatingips?tags=a,c").await.len(), 0);
    assert_eq!(world.ids("floatingips?tags-any=a,c").await.len(), 1);
    assert_eq!(world.ids("floatingips?not-tags-any=a,c").await.len(), 0);
    assert_eq!(world.client.delete(&format!("{path}/a")).await.status, 204);
    assert_eq!(refusal(&world.client.delete(&format!("{path}/a")).await).1, "TagNotFound");
    let long = world.client.put(&path, json!({"tags": ["x".repeat(256)]})).await;
    assert_eq!((refusal(&long).0, refusal(&long).1), (400, "InvalidInput"));
    let tagged =
        world.make("floatingip", json!({"floating_network_id": world.outside.network, "tags": ["a"]})).await;
    assert_eq!(refusal(&tagged).2, "Attribute 'tags' not allowed in POST");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_what_has_changed_is_refused_if_the_revision_was_named() {
    let mut world = world().await;
    let router = world.router.clone();
    let path = format!("routers/{router}");
    let revision =
        world.client.get(&format!("neutron/v2.0/{path}")).await.body["router"]["revision_number"].clone();
    world.client.headers.push(("if-match", format!("revision_number={revision}")));
    assert_eq!(world.change(&path, "router", json!({"name": "a"})).await.status, 200);
    assert_eq!(world.change(&path, "router", json!({"name": "b"})).await.status, 412);
}

#[tokio::test(start_paused = true)]
async fn routes_are_changed_as_a_whole_or_one_by_one() {
    let world = world().await;
    let path = format!("routers/{}", world.router);
    let route =
        |n: u8| json!({"destination": format!("10.244.{n}.0/24"), "nexthop": format!("10.0.0.{}", n + 10)});
    let routes = |list: Vec<Value>| json!({ "routes": list });
    let answer =
        world.change(&format!("{path}/add_extraroutes"), "router", routes(vec![route(1), route(2)])).await;
    assert_eq!((answer.status, &answer.body["router"]["routes"]), (200, &json!([route(1), route(2)])));
    let answer =
        world.change(&format!("{path}/remove_extraroutes"), "router", routes(vec![route(1), route(3)])).await;
    assert_eq!(answer.body["router"]["routes"], json!([route(2)]));
    let answer = world.change(&path, "router", routes(vec![route(5)])).await;
    assert_eq!(answer.body["router"]["routes"], json!([route(5)]));
    let astray = json!({"destination": "10.244.9.0/24", "nexthop": "192.168.0.1"});
    let answer = world.change(&path, "router", routes(vec![astray])).await;
    assert_eq!((refusal(&answer).0, refusal(&answer).1), (400, "InvalidRoutes"));
    let many = (1..=31).map(route).collect();
    assert_eq!(refusal(&world.change(&path, "router", routes(many)).await).0, 400);
}

#[tokio::test(start_paused = true)]
async fn an_old_neutron_does_not_know_single_routes() {
    let options = CloudOptions { profile: Release::Train.into(), ..CloudOptions::default() };
    let client = Client::new(options).await;
    let operator = client.cloud.operator();
    let (outside, inside) =
        (operator.external_network("e", &["172.24.4.0/24"]), operator.network("n", &["10.0.0.0/24"]));
    let router = operator.router("r", &outside, &inside);
    let path = format!("neutron/v2.0/routers/{router}/add_extraroutes");
    assert_eq!(client.put(&path, json!({"router": {"routes": []}})).await.status, 404);
    let extensions = client.get("neutron/v2.0/extensions").await.body.to_string();
    assert!(extensions.contains("\"extraroute\"") && !extensions.contains("extraroute-atomic"));
}

#[tokio::test(start_paused = true)]
async fn security_groups_come_with_rules_and_stay_while_used() {
    let world = world().await;
    let group = world.made("security_group", json!({"name": "web"})).await;
    assert_eq!(group["security_group_rules"].as_array().unwrap().len(), 2);
    let rule = |port: u16| {
        json!({"security_group_id": id(&group), "direction": "ingress", "protocol": "tcp",
            "port_range_min": port, "port_range_max": port, "remote_ip_prefix": "0.0.0.0/0"})
    };
    let made = world
        .client
        .post("neutron/v2.0/security-group-rules", json!({"security_group_rules": [rule(80), rule(443)]}))
        .await;
    assert_eq!((made.status, made.body["security_group_rules"].as_array().unwrap().len()), (201, 2));
    assert_eq!(refusal(&world.make("security_group_rule", rule(80)).await).1, "SecurityGroupRuleExists");
    let bulk = world
        .client
        .post("neutron/v2.0/security-group-rules", json!({"security_group_rules": [rule(81), rule(80)]}))
        .await;
    assert_eq!(bulk.status, 409);
    assert_eq!(world.ids(&format!("security-group-rules?security_group_id={}", id(&group))).await.len(), 4);
    let mut wrong = rule(82);
    wrong["protocol"] = Value::Null;
    assert_eq!(
        refusal(&world.make("security_group_rule", wrong).await).1,
        "SecurityGroupProtocolRequiredWithPorts"
    );
    let port = world.port(json!({"security_groups": [id(&group)]})).await;
    let path = format!("neutron/v2.0/security-groups/{}", id(&group));
    assert_eq!(refusal(&world.client.delete(&path).await).1, "SecurityGroupInUse");
    assert_eq!(world.ids(&format!("ports?security_groups={}", id(&group))).await, [id(&port)]);
    world.client.delete(&format!("neutron/v2.0/ports/{}", id(&port))).await;
    assert_eq!(world.client.delete(&path).await.status, 204);
    assert_eq!(world.ids("security-groups").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn address_pairs_need_port_security() {
    let world = world().await;
    let port = world.port(json!({"allowed_address_pairs": [{"ip_address": "10.244.1.0/24"}]})).await;
    let pair = json!([{"ip_address": "10.244.1.0/24", "mac_address": port["mac_address"]}]);
    assert_eq!(port["allowed_address_pairs"], pair);
    let network = &world.inside.network;
    let open = json!({"network_id": network, "port_security_enabled": false, "allowed_address_pairs": [{"ip_address": "10.244.1.0/24"}]});
    assert_eq!(refusal(&world.make("port", open).await).1, "AddressPairAndPortSecurityRequired");
    let path = format!("ports/{}", id(&port));
    let answer = world.change(&path, "port", json!({"port_security_enabled": false})).await;
    assert_eq!(refusal(&answer).1, "PortSecurityPortHasSecurityGroup");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_projects_is_not_there() {
    let world = world().await;
    let operator = world.client.cloud.operator();
    let foreign = operator.make("port", &json!({"network_id": world.inside.network, "project_id": "other"}));
    assert_eq!(world.client.get(&format!("neutron/v2.0/ports/{foreign}")).await.status, 404);
    assert!(!world.ids("ports").await.contains(&foreign));
    let outside = format!("networks/{}", world.outside.network);
    assert_eq!(world.client.get(&format!("neutron/v2.0/{outside}")).await.status, 200);
    assert_eq!(world.change(&outside, "network", json!({"name": "mine"})).await.status, 403);
    let body = json!({"floating_network_id": world.outside.network, "port_id": foreign});
    assert_eq!(refusal(&world.make("floatingip", body).await).1, "PortNotFound");
}

#[tokio::test(start_paused = true)]
async fn what_is_used_stays() {
    let world = world().await;
    let port = world.port(json!({})).await;
    let delete = async |path: String| world.client.delete(&format!("neutron/v2.0/{path}")).await;
    assert_eq!(refusal(&delete(format!("networks/{}", world.inside.network)).await).1, "NetworkInUse");
    assert_eq!(refusal(&delete(format!("subnets/{}", world.inside.subnets[0])).await).1, "SubnetInUse");
    assert_eq!(refusal(&delete(format!("routers/{}", world.router)).await).1, "RouterInUse");
    let interface = world.ids(&format!("ports?device_id={}", world.router)).await;
    assert_eq!(refusal(&delete(format!("ports/{}", interface[0])).await).1, "ServicePortInUse");
    let body = json!({"floating_network_id": world.outside.network, "port_id": id(&port)});
    world.made("floatingip", body).await;
    let remove = format!("neutron/v2.0/routers/{}/remove_router_interface", world.router);
    let answer = world.client.put(&remove, json!({"subnet_id": world.inside.subnets[0]})).await;
    assert_eq!(refusal(&answer).1, "RouterInterfaceInUseByFloatingIP");
}
