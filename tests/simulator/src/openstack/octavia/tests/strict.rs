//! What Octavia does not take.

use serde_json::{Value, json};

use super::{custom, id, world};
use crate::openstack::Release;
use crate::openstack::octavia::OctaviaOptions;

fn merged(base: &Value, extra: &Value) -> Value {
    let mut merged = base.clone();
    merged.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    merged
}

#[tokio::test(start_paused = true)]
async fn bodies_of_listeners() {
    let world = world("amphora").await;
    let lb = world.load_balancer().await;
    let good = json!({"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 80});
    for (extra, status, message) in [
        (json!({"colour": 1}), 400, "Unknown attribute for argument listener_.listener: colour"),
        (json!({"protocol": null}), 400, "Mandatory field missing."),
        (
            json!({"protocol": "QUIC"}),
            400,
            "field/attribute protocol. Value: 'QUIC'. Value should be one of: TCP",
        ),
        (json!({"protocol_port": 0}), 400, "Value should be greater or equal to 1"),
        (json!({"connection_limit": -2}), 400, "Value should be greater or equal to -1"),
        (
            json!({"timeout_client_data": 3_000_000_000_u64}),
            400,
            "Value should be lower or equal to 2073600000",
        ),
        (json!({"loadbalancer_id": "x"}), 400, "Value should be UUID format"),
        (json!({"allowed_cidrs": ["fd00::/8"]}), 400, "CIDR fd00::/8 IP version incompatible with all VIPs"),
        (
            json!({"insert_headers": {"X-Forwarded-For": "true"}}),
            400,
            "insert-headers is not a valid option for a TCP protocol listener.",
        ),
        (
            json!({"protocol": "HTTP", "insert_headers": {"X-A": "true"}}),
            400,
            "['X-A'] is not a valid option for insert_headers",
        ),
        (
            json!({"protocol": "TERMINATED_HTTPS"}),
            400,
            "An SNI or default certificate container reference must be provided",
        ),
        (
            json!({"default_tls_container_ref": "unreadable"}),
            400,
            "Could not retrieve certificate: ['unreadable']",
        ),
        (json!({"default_pool_id": lb}), 404, "not found."),
        (
            json!({"loadbalancer_id": "6e0c5b8e-0c3c-4f39-9d37-6f9bdb7a1b10"}),
            404,
            "Load Balancer 6e0c5b8e-0c3c-4f39-9d37-6f9bdb7a1b10 not found.",
        ),
    ] {
        let (got, said) = world.post("listeners", "listener", merged(&good, &extra)).await;
        assert!(got == status && said.contains(message), "{extra}: {got} {said}");
    }
    world.operator.certificate("readable");
    let tls = json!({"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "readable", "protocol_port": 443});
    assert_eq!(world.post("listeners", "listener", merged(&good, &tls)).await.0, 201);
    world.sleep(1000).await;
    let on_tcp = json!({"default_tls_container_ref": "readable"});
    let (status, message) = world.post("listeners", "listener", merged(&good, &on_tcp)).await;
    assert!(status == 400 && message.contains("not allowed on TCP protocol listeners"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn one_port_has_one_listener_of_a_transport() {
    let world = world("amphora").await;
    let lb = world.load_balancer().await;
    let listener = |protocol: &str| json!({"loadbalancer_id": lb, "protocol": protocol, "protocol_port": 80});
    world.make("listeners", "listener", listener("TCP")).await;
    world.sleep(1000).await;
    let taken = "Another Listener on this Load Balancer is already using protocol TCP and protocol_port 80";
    assert_eq!(world.post("listeners", "listener", listener("HTTP")).await, (409, taken.to_owned()));
    world.make("listeners", "listener", listener("UDP")).await;
    world.sleep(1000).await;
    let mut graph = world.graph();
    graph["listeners"][1]["protocol_port"] = json!(80);
    assert_eq!(world.post("loadbalancers", "loadbalancer", graph).await, (409, taken.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn bodies_of_pools() {
    let world = world("amphora").await;
    let made = world.make("loadbalancers", "loadbalancer", world.graph()).await;
    world.sleep(1000).await;
    let (lb, listener) = (id(&made), id(&made["listeners"][0]));
    let good = json!({"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"});
    for (extra, status, message) in [
        (json!({"loadbalancer_id": null}), 400, "Must provide at least one of: loadbalancer_id, listener_id"),
        (json!({"lb_algorithm": "RANDOM"}), 400, "Value should be one of: LEAST_CONNECTIONS"),
        (
            json!({"loadbalancer_id": null, "listener_id": listener}),
            409,
            "This listener already has a default pool",
        ),
        (
            json!({"listener_id": listener, "protocol": "UDP"}),
            400,
            "The pool protocol 'UDP' is invalid while the listener protocol is 'TCP'.",
        ),
        (json!({"session_persistence": {"type": "STICKY"}}), 400, "Value should be one of: HTTP_COOKIE"),
        (json!({"session_persistence": {}}), 400, "Mandatory field missing."),
        (json!({"session_persistence": {"type": "APP_COOKIE"}}), 400, "\"cookie_name\" must be specified"),
        (
            json!({"session_persistence": {"type": "SOURCE_IP", "cookie_name": "c"}}),
            400,
            "\"cookie_name\" can only be specified",
        ),
        (
            json!({"session_persistence": {"type": "SOURCE_IP", "persistence_timeout": 5}}),
            400,
            "only for UDP and SCTP",
        ),
        (
            json!({"protocol": "UDP", "session_persistence": {"type": "HTTP_COOKIE"}}),
            400,
            "is not supported for UDP/SCTP",
        ),
        (
            json!({"members": [{"address": "10.0.0.1", "protocol_port": 1}]}),
            500,
            "only for POST /loadbalancers",
        ),
        (
            json!({"healthmonitor": {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}}),
            500,
            "only for POST /loadbalancers",
        ),
    ] {
        let (got, said) = world.post("pools", "pool", merged(&good, &extra)).await;
        assert!(got == status && said.contains(message), "{extra}: {got} {said}");
    }
    let pool = id(&made["pools"][0]);
    let (status, message) = world.put(&format!("pools/{pool}"), "pool", json!({"protocol": "UDP"})).await;
    assert_eq!((status, message.as_str()), (400, "Unknown attribute for argument pool_.pool: protocol"));
}

#[tokio::test(start_paused = true)]
async fn bodies_of_members() {
    let world = world("amphora").await;
    let lb = world.load_balancer().await;
    let pool = world.pool(&lb).await;
    let path = format!("pools/{pool}/members");
    let good = json!({"address": "10.0.0.9", "protocol_port": 80});
    for (extra, status, message) in [
        (json!({"address": "10.0.0"}), 400, "Value should be IPv4 or IPv6 format"),
        (
            json!({"address": "169.254.169.254"}),
            400,
            "169.254.169.254 is not a valid option for member address",
        ),
        (json!({"weight": 257}), 400, "Value should be lower or equal to 256"),
        (json!({"subnet_id": lb}), 400, "Subnet "),
        (json!({"request_sriov": true}), 400, "does not allow SR-IOV"),
    ] {
        let body = merged(&good, &extra);
        for (got, said) in [
            world.post(&path, "member", body.clone()).await,
            world.put(&path, "members", json!([body])).await,
        ] {
            assert!(got == status && said.contains(message), "{extra}: {got} {said}");
        }
    }
    world.make(&path, "member", good.clone()).await;
    world.sleep(1000).await;
    let taken = "Another member on this pool is already using ip 10.0.0.9 on protocol_port 80";
    assert_eq!(world.post(&path, "member", good.clone()).await, (409, taken.to_owned()));
    let twice = "Validation failure: Member must be updated only once in the same request.";
    assert_eq!(world.put(&path, "members", json!([good, good])).await, (400, twice.to_owned()));
    let member = id(&world.get(&path, "members").await[0]);
    let (status, message) =
        world.put(&format!("{path}/{member}"), "member", json!({"address": "10.0.0.8"})).await;
    assert_eq!((status, message.as_str()), (400, "Unknown attribute for argument member_.member: address"));
    let other = world.pool(&lb).await;
    assert_eq!(world.delete(&format!("pools/{other}/members/{member}")).await.0, 404, "of another pool");
}

#[tokio::test(start_paused = true)]
async fn bodies_of_monitors() {
    let world = world("amphora").await;
    let lb = world.load_balancer().await;
    let tcp = world.pool(&lb).await;
    let udp = json!({"loadbalancer_id": lb, "protocol": "UDP", "lb_algorithm": "ROUND_ROBIN"});
    let udp = id(&world.make("pools", "pool", udp).await);
    world.sleep(1000).await;
    let good = json!({"pool_id": tcp, "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 1});
    for (extra, message) in [
        (json!({"max_retries": 11}), "Value should be lower or equal to 10"),
        (json!({"max_retries": null}), "Mandatory field missing."),
        (json!({"type": "UDP-CONNECT"}), "only supported for pools of type UDP/SCTP"),
        (json!({"url_path": "/"}), "url_path is not a valid option for health monitors of type TCP"),
        (json!({"type": "HTTP", "url_path": "health"}), "Value must be a valid URL Path string"),
        (json!({"type": "HTTP", "expected_codes": "2xx"}), "Value should match the pattern"),
        (json!({"type": "HTTP", "domain_name": "a"}), "'http_version' must be specified"),
        (
            json!({"pool_id": udp, "type": "PING"}),
            "so only a UDP-CONNECT/SCTP/TCP/HTTP health monitor is supported",
        ),
        (json!({"pool_id": udp, "type": "UDP-CONNECT", "delay": 2}), "should be larger than 3"),
    ] {
        let (status, said) = world.post("healthmonitors", "healthmonitor", merged(&good, &extra)).await;
        assert!(status == 400 && said.contains(message), "{extra}: {status} {said}");
    }
    let made = id(&world.make("healthmonitors", "healthmonitor", good).await);
    world.sleep(1000).await;
    let (status, message) =
        world.put(&format!("healthmonitors/{made}"), "healthmonitor", json!({"type": "HTTP"})).await;
    assert_eq!(
        (status, message.as_str()),
        (400, "Unknown attribute for argument health_monitor_.healthmonitor: type")
    );
}

#[tokio::test(start_paused = true)]
async fn bodies_of_load_balancers() {
    let world = world("amphora").await;
    let subnet = &world.place.subnets[0];
    let good = json!({"vip_subnet_id": subnet});
    let nowhere = "6e0c5b8e-0c3c-4f39-9d37-6f9bdb7a1b10";
    for (extra, status, message) in [
        (
            json!({"vip_subnet_id": null}),
            400,
            "VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.",
        ),
        (json!({"vip_subnet_id": nowhere}), 400, "Subnet 6e0c5b8e-0c3c-4f39-9d37-6f9bdb7a1b10 not found."),
        (json!({"vip_network_id": nowhere}), 400, "Network 6e0c5b8e-0c3c-4f39-9d37-6f9bdb7a1b10 not found."),
        (json!({"vip_port_id": nowhere}), 400, "Port 6e0c5b8e-0c3c-4f39-9d37-6f9bdb7a1b10 not found."),
        (
            json!({"vip_address": "192.168.0.1"}),
            500,
            "Provider 'amphora' reports error: BadRequestException: 400",
        ),
        (json!({"provider": "f5"}), 400, "Provider 'f5' is not enabled."),
        (json!({"flavor_id": nowhere}), 400, "Invalid flavor_id."),
        (json!({"availability_zone": "mars"}), 400, "Invalid availability zone."),
        (json!({"additional_vips": [{"subnet_id": subnet}]}), 400, "Duplicate VIP subnet(s) specified."),
        (json!({"name": "n".repeat(256)}), 400, "maximum character requirement of 255"),
    ] {
        let (got, said) = world.post("loadbalancers", "loadbalancer", merged(&good, &extra)).await;
        assert!(got == status && said.contains(message), "{extra}: {got} {said}");
    }
    let flavor = world.operator.load_balancer_flavor("small", "amphora", true);
    let other = json!({"flavor_id": flavor, "provider": "ovn"});
    let (status, message) = world.post("loadbalancers", "loadbalancer", merged(&good, &other)).await;
    assert!(status == 400 && message.contains("is not compatible with provider 'ovn'"), "{message}");
    world.operator.load_balancer_zone("closed", false);
    let (status, message) = world
        .post("loadbalancers", "loadbalancer", merged(&good, &json!({"availability_zone": "closed"})))
        .await;
    assert!(status == 400 && message.contains("is not allowed in this deployment"), "{message}");
    assert_eq!(world.operator.dump()["loadbalancers"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn wholes_name_their_pools() {
    let world = world("amphora").await;
    for (path, value, message) in [
        ("/listeners/0/default_pool/name", json!(""), "Pools must be named"),
        ("/listeners/1/default_pool/name", json!("first"), "Pool names must be unique"),
        (
            "/listeners/0/default_pool",
            json!({"name": "third"}),
            "Pool 'third' was referenced but no full definition",
        ),
        ("/listeners/0/default_pool/protocol", json!(null), "missing required attribute: protocol"),
        ("/listeners/0/default_pool/protocol", json!("UDP"), "The pool protocol 'UDP' is invalid"),
        ("/listeners/0/default_pool/members/1/address", json!("10.0.1.1"), "Another member on this pool"),
    ] {
        let mut body = world.graph();
        *body.pointer_mut(path).unwrap() = value;
        let (status, said) = world.post("loadbalancers", "loadbalancer", body).await;
        assert!((status == 400 || status == 409) && said.contains(message), "{path}: {status} {said}");
    }
    // Two listeners may share a pool by its name.
    let mut body = world.graph();
    body["listeners"][1]["default_pool"] = json!({"name": "first"});
    let made = world.make("loadbalancers", "loadbalancer", body).await;
    assert_eq!(made["listeners"][0]["default_pool_id"], made["listeners"][1]["default_pool_id"]);
}

#[tokio::test(start_paused = true)]
async fn two_addresses_of_one_network() {
    let world = world("amphora").await;
    let dual = world.operator.network("dual", &["10.9.0.0/24", "fd00:9::/64"]);
    let body = json!({"vip_subnet_id": dual.subnets[0], "additional_vips": [{"subnet_id": dual.subnets[1]}]});
    let made = world.make("loadbalancers", "loadbalancer", body).await;
    assert!(made["additional_vips"][0]["ip_address"].as_str().unwrap().starts_with("fd00:9::"), "{made}");
    let apart =
        json!({"vip_subnet_id": dual.subnets[0], "additional_vips": [{"subnet_id": world.place.subnets[0]}]});
    let (status, message) = world.post("loadbalancers", "loadbalancer", apart).await;
    assert_eq!(
        (status, message.as_str()),
        (400, "Validation failure: All VIP subnets must belong to the same network.")
    );
}

#[tokio::test(start_paused = true)]
async fn old_releases_do_not_know_what_came_later() {
    let world = custom("amphora", Release::Train, OctaviaOptions::default()).await;
    let subnet = &world.place.subnets[0];
    for (attribute, value) in
        [("availability_zone", json!("a")), ("additional_vips", json!([])), ("vip_sg_ids", json!([]))]
    {
        let body = json!({"vip_subnet_id": subnet, attribute: value});
        let (status, message) = world.post("loadbalancers", "loadbalancer", body).await;
        assert_eq!(
            (status, message),
            (400, format!("Unknown attribute for argument load_balancer.loadbalancer: {attribute}"))
        );
    }
    let lb = id(&world.make("loadbalancers", "loadbalancer", json!({"vip_subnet_id": subnet})).await);
    world.sleep(15_000).await;
    let sctp = json!({"loadbalancer_id": lb, "protocol": "SCTP", "protocol_port": 80});
    assert_eq!(world.post("listeners", "listener", sctp).await.0, 400);
}
