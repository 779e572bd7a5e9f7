//! The whole program between stand-ins, in virtual time.

use std::ffi::OsString;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::*;
use crate::node::plan::UNINITIALIZED;
use crate::testing::{ApiServer, FakeCloud};

const UUID: &str = "6f1d8a55-9d6e-4b0a-a3f4-0f6f2a0c1d2e";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cloud-controller-manager";

#[derive(Default)]
struct World {
    api: ApiServer,
    cloud: FakeCloud,
    stop: CancellationToken,
}

impl World {
    fn new() -> Self {
        Self::default()
    }

    fn start(&self, args: &[&str]) -> JoinHandle<Result<(), Error>> {
        let required = ["program", "--cloud-provider=openstack", "--cloud-config=/c", "--secure-port=0"];
        let flags: Flags = host::flags::parse(required.iter().chain(args).map(OsString::from)).unwrap();
        assert_eq!(flags.validate(), Ok(()));
        let conf = "[Global]\nauth-url=http://keystone/v3\nuser-id=u\npassword=p\ntenant-id=project\nregion=north\n[LoadBalancer]\nsubnet-id=subnet\nfloating-network-id=public\n";
        let options = Options {
            flags,
            conf: CloudConf::parse("cloud.conf", conf).unwrap(),
            regional_provider_ids: false,
            host: "test".to_owned(),
        };
        let worlds = Worlds::open(self.api.cluster(), self.cloud.transport());
        tokio::spawn(run(options, worlds, self.stop.clone()))
    }

    /// A Node as a kubelet registers it.
    fn register(&self, name: &str) {
        self.api.put(
            &format!("/api/v1/nodes/{name}"),
            json!({
                "metadata": {"name": name},
                "spec": {"taints": [{"key": UNINITIALIZED, "value": "true", "effect": "NoSchedule"}]},
                "status": {"addresses": [{"type": "Hostname", "address": name}]}
            }),
        );
    }

    fn service(&self, name: &str) {
        self.api.put(
            &format!("/api/v1/namespaces/default/services/{name}"),
            json!({
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv4"], "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]}
            }),
        );
    }

    fn node(&self, name: &str) -> Value {
        self.api.get(&format!("/api/v1/nodes/{name}"))
    }

    fn is_initialised(&self, name: &str) -> bool {
        self.node(name)["spec"]["providerID"].is_string() && self.node(name)["spec"]["taints"].is_null()
    }

    async fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) -> Duration {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < Duration::from_secs(600), "not within ten minutes: {what}");
            sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    }
}

async fn seconds(n: u64) {
    sleep(Duration::from_secs(n)).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_is_initialised_and_the_lease_is_given_back() {
    let world = World::new();
    world.cloud.server(UUID, "n1", &["10.0.0.5"]);
    let program = world.start(&[]);
    seconds(2).await;
    world.register("n1");
    world.until("n1 initialised", |world| world.is_initialised("n1")).await;
    let node = world.node("n1");
    assert_eq!(node["spec"]["providerID"], format!("openstack:///{UUID}"));
    assert_eq!(
        node["status"]["addresses"],
        json!([{"type": "InternalIP", "address": "10.0.0.5"}, {"type": "Hostname", "address": "n1"}])
    );
    assert_eq!(node["metadata"]["labels"]["topology.kubernetes.io/region"], "north");
    assert_eq!(node["metadata"]["labels"]["node.kubernetes.io/instance-type"], "m1.small");
    seconds(1).await;
    assert!(world.api.events().contains(&"Node/n1 Synced".to_owned()), "{:?}", world.api.events());
    assert_eq!(world.api.writes(), ["PATCH /api/v1/nodes/n1/status", "PATCH /api/v1/nodes/n1"]);
    assert_ne!(world.api.get(LEASE)["spec"]["holderIdentity"], "");
    world.stop.cancel();
    let began = Instant::now();
    program.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(world.api.get(LEASE)["spec"]["holderIdentity"], "");
}

#[tokio::test(start_paused = true)]
async fn twenty_nodes_at_once_cost_five_calls_at_most() {
    let world = World::new();
    for n in 0..20 {
        world.cloud.server(&format!("server-{n}"), &format!("n{n}"), &[&format!("10.0.0.{n}")]);
    }
    let _program = world.start(&[]);
    seconds(2).await;
    let calls_before = world.cloud.calls().len();
    for n in 0..20 {
        world.register(&format!("n{n}"));
        sleep(Duration::from_millis(20)).await;
    }
    let took =
        world.until("all initialised", |world| (0..20).all(|n| world.is_initialised(&format!("n{n}")))).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    seconds(5).await;
    let calls = &world.cloud.calls()[calls_before..];
    assert!(calls.len() <= 5, "{calls:#?}");
    assert_eq!(world.api.writes().len(), 40, "one for the addresses, one for the rest");
}

#[tokio::test(start_paused = true)]
async fn nodes_that_are_right_are_not_written_whatever_order_the_ports_come_in() {
    let world = World::new();
    for n in 0..5 {
        let (id, name) = (format!("server-{n}"), format!("n{n}"));
        let addresses = [format!("10.0.0.{n}"), format!("10.1.0.{n}"), format!("10.2.0.{n}")];
        world.cloud.server(&id, &name, &addresses.each_ref().map(String::as_str));
        let status: Vec<Value> = addresses
            .iter()
            .map(|ip| json!({"type": "InternalIP", "address": ip}))
            .chain([json!({"type": "Hostname", "address": name})])
            .collect();
        world.api.put(
            &format!("/api/v1/nodes/{name}"),
            json!({"metadata": {"name": name}, "spec": {"providerID": format!("openstack:///{id}")}, "status": {"addresses": status}}),
        );
    }
    world.cloud.reverse_ports();
    let _program = world.start(&["--node-status-update-frequency=1m"]);
    seconds(600).await;
    assert_eq!(world.api.writes(), Vec::<String>::new());
    let calls = world.cloud.calls().len();
    assert!((10..=24).contains(&calls), "two lists a minute: {calls}");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_changes_is_written_at_the_next_refresh() {
    let world = World::new();
    world.cloud.server(UUID, "n1", &["10.0.0.5"]);
    world.register("n1");
    let _program = world.start(&[]);
    world.until("n1 initialised", |world| world.is_initialised("n1")).await;
    world.cloud.server("unrelated", "n2", &["10.0.0.6"]);
    world.api.change(
        "/api/v1/nodes/n1",
        &json!({"status": {"addresses": [{"type": "InternalIP", "address": "10.9.9.9"}]}}),
    );
    let took = world
        .until("address refreshed", |world| {
            world.node("n1")["status"]["addresses"][0]["address"] == "10.0.0.5"
        })
        .await;
    assert!(took <= Duration::from_secs(301), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_writes_nothing_anywhere_and_takes_no_lease() {
    let world = World::new();
    world.cloud.server(UUID, "n1", &["10.0.0.5"]);
    world.register("n1");
    world.service("web");
    let program = world.start(&["--dry-run"]);
    seconds(120).await;
    assert_eq!(world.api.writes(), Vec::<String>::new());
    assert_eq!(world.cloud.writes(), Vec::<String>::new());
    assert_eq!(world.api.events(), Vec::<String>::new());
    assert_eq!(world.api.get(LEASE), Value::Null);
    assert!(!world.cloud.calls().is_empty(), "it has looked");
    world.stop.cancel();
    program.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_belongs_to_one_node() {
    let world = World::new();
    world.cloud.server(UUID, "n1", &["10.0.0.5"]);
    let _program = world.start(&[]);
    world.register("n1");
    world.until("n1 initialised", |world| world.is_initialised("n1")).await;
    // Has read n1's UUID somewhere and reports its address as well.
    world.register("intruder");
    world.api.change(
        "/api/v1/nodes/intruder",
        &json!({"status": {"nodeInfo": {"systemUUID": UUID}, "addresses": [{"type": "InternalIP", "address": "10.0.0.5"}]}}),
    );
    seconds(60).await;
    assert!(!world.is_initialised("intruder"));
    let events = world.api.events();
    for expected in ["Node/intruder ServerClaimedTwice", "Node/n1 ServerClaimedTwice"] {
        assert!(events.contains(&expected.to_owned()), "{events:?}");
    }
    assert!(world.is_initialised("n1"));
}

/// Says that it runs on the server `UUID`, and has its address.
fn claims_the_server(world: &World, name: &str) {
    world.register(name);
    let status = json!({"nodeInfo": {"systemUUID": UUID}, "addresses": [{"type": "InternalIP", "address": "10.0.0.5"}]});
    world.api.change(&format!("/api/v1/nodes/{name}"), &json!({"status": status}));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_had_its_node_before_the_start_keeps_it() {
    let world = World::new();
    world.cloud.server(UUID, "n1", &["10.0.0.5"]);
    claims_the_server(&world, "intruder");
    world.register("n1");
    let done = json!({"spec": {"providerID": format!("openstack:///{UUID}"), "taints": null}});
    world.api.change("/api/v1/nodes/n1", &done);
    let _program = world.start(&[]);
    seconds(60).await;
    assert!(world.is_initialised("n1") && !world.is_initialised("intruder"));
}

#[tokio::test(start_paused = true)]
async fn of_two_nodes_that_come_at_once_one_gets_the_server() {
    let world = World::new();
    world.cloud.server(UUID, "n1", &["10.0.0.5"]);
    claims_the_server(&world, "n1");
    claims_the_server(&world, "n2");
    let _program = world.start(&[]);
    seconds(60).await;
    assert_ne!(world.is_initialised("n1"), world.is_initialised("n2"));
}

#[tokio::test(start_paused = true)]
async fn a_server_named_without_any_other_proof_is_refused() {
    let world = World::new();
    world.cloud.server(UUID, "victim", &["10.0.0.5"]);
    let _program = world.start(&[]);
    world.register("intruder");
    world
        .api
        .change("/api/v1/nodes/intruder", &json!({"spec": {"providerID": format!("openstack:///{UUID}")}}));
    seconds(60).await;
    assert!(!world.is_initialised("intruder"));
    assert!(
        world.api.events().contains(&"Node/intruder ServerRefused".to_owned()),
        "{:?}",
        world.api.events()
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_cloud_is_waited_out() {
    let world = World::new();
    world.cloud.server(UUID, "n1", &["10.0.0.5"]);
    world.cloud.set_down(true);
    let program = world.start(&[]);
    world.register("n1");
    seconds(60).await;
    assert!(!program.is_finished());
    world.cloud.set_down(false);
    let took = world.until("n1 initialised", |world| world.is_initialised("n1")).await;
    assert!(took < Duration::from_secs(90), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_the_program_and_every_write() {
    let world = World::new();
    world.cloud.server(UUID, "n1", &["10.0.0.5"]);
    let program = world.start(&[]);
    seconds(5).await;
    world.api.change(LEASE, &json!({"spec": {"holderIdentity": "another"}}));
    let began = Instant::now();
    let error = program.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::LeaseLost(_)), "{error}");
    assert!(began.elapsed() <= Duration::from_secs(13), "{:?}", began.elapsed());
    world.register("n1");
    seconds(60).await;
    assert_eq!(world.api.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_too_long_costs_the_lease() {
    let world = World::new();
    let program = world.start(&[]);
    seconds(5).await;
    world.api.set_down(true);
    let began = Instant::now();
    let error = program.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::LeaseLost(_)), "{error}");
    // Not before the renew deadline has passed, and before anybody else may lead.
    assert!((8..15).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_second_replica_takes_over_within_two_seconds() {
    let world = World::new();
    let first = world.start(&[]);
    seconds(3).await;
    let second_world =
        World { api: world.api.clone(), cloud: world.cloud.clone(), stop: CancellationToken::new() };
    let _second = second_world.start(&[]);
    seconds(20).await;
    let holder = |world: &World| world.api.get(LEASE)["spec"]["holderIdentity"].clone();
    let before = holder(&world);
    world.stop.cancel();
    first.await.unwrap().unwrap();
    let took =
        second_world.until("the second leads", |world| holder(world) != before && holder(world) != "").await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_instance_type_is_the_flavors_name_or_else_its_id() {
    let world = World::new();
    for (name, id, flavor) in [
        ("plain", "flavor-1", Some("m1.small")),
        ("odd", "flavor-2", Some("big box (gpu)")),
        ("old", "flavor-7", None),
        ("lost", "flavor-8", None),
    ] {
        world.cloud.server(&format!("server-{name}"), name, &["10.0.0.5"]);
        world.cloud.set_flavor(&format!("server-{name}"), id, flavor);
        world.register(name);
    }
    let _program = world.start(&[]);
    for (name, expected) in [
        ("plain", json!("m1.small")),
        ("odd", json!("flavor-2")),
        ("old", json!("m1.tiny")),
        ("lost", Value::Null),
    ] {
        world.until(name, |world| world.is_initialised(name)).await;
        assert_eq!(
            world.node(name)["metadata"]["labels"]["node.kubernetes.io/instance-type"],
            expected,
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowded_project_is_not_read_as_a_whole_at_each_refresh() {
    let world = World::new();
    for n in 0..1000 {
        world.cloud.server(&format!("foreign-{n}"), &format!("foreign-{n}"), &["10.9.0.1"]);
    }
    for n in 0..100 {
        // One of them has another name than its Node.
        let name = if n == 7 { "node-7.example.org".to_owned() } else { format!("node-{n}") };
        world.cloud.server(&format!("server-{n}"), &name, &[&format!("10.0.0.{n}")]);
        world.api.put(
            &format!("/api/v1/nodes/node-{n}"),
            json!({
                "metadata": {"name": format!("node-{n}")}, "spec": {"providerID": format!("openstack:///server-{n}")},
                "status": {"addresses": [{"type": "InternalIP", "address": format!("10.0.0.{n}")}]}
            }),
        );
    }
    let _program = world.start(&[]);
    seconds(60).await;
    let (rows, calls) = (world.cloud.rows(), world.cloud.calls().len());
    world.api.change(
        "/api/v1/nodes/node-7",
        &json!({"status": {"addresses": [{"type": "InternalIP", "address": "10.8.8.8"}]}}),
    );
    seconds(300).await;
    assert!(world.cloud.rows() - rows <= 2 * 100, "{} rows", world.cloud.rows() - rows);
    assert!(world.cloud.calls().len() - calls <= 6, "{} calls", world.cloud.calls().len() - calls);
    assert_eq!(world.node("node-7")["status"]["addresses"][0]["address"], "10.0.0.7");
    assert_eq!(world.api.writes(), ["PATCH /api/v1/nodes/node-7/status"]);
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_that_takes_its_time_does_not_hold_up_the_hand_over() {
    let world = World::new();
    world.cloud.server(UUID, "n1", &["10.0.0.5"]);
    world.register("n1");
    let program = world.start(&[]);
    world.until("n1 initialised", |world| world.is_initialised("n1")).await;
    world.service("web");
    world.until("load balancer asked for", |world| !world.cloud.writes().is_empty()).await;
    seconds(20).await;
    world.stop.cancel();
    let began = Instant::now();
    program.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(world.api.get(LEASE)["spec"]["holderIdentity"], "");
    assert_eq!(world.cloud.writes(), ["POST http://octavia/v2.0/lbaas/loadbalancers"]);
}

/// What upstream's `ClusterRole` for the program grants, of what is asked here: no `get` of Services or namespaces.
fn upstreams_role() -> Value {
    json!([
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["services"], "verbs": ["list", "patch", "update", "watch"]},
        {"apiGroups": [""], "resources": ["services/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch", "update"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
    ])
}

#[tokio::test(start_paused = true)]
async fn the_rights_of_upstreams_role_are_enough() {
    let world = World::new();
    world.api.allow_only(&upstreams_role());
    world.cloud.server(UUID, "n1", &["10.0.0.5"]);
    let program = world.start(&[]);
    world.register("n1");
    world.until("n1 initialised", |world| world.is_initialised("n1")).await;
    world.service("web");
    // The stand-in's load balancer stays as it is asked for; what Kubernetes must allow for it has been done by then.
    world.until("load balancer asked for", |world| !world.cloud.writes().is_empty()).await;
    let service = world.api.get("/api/v1/namespaces/default/services/web");
    assert_eq!(service["metadata"]["finalizers"], json!(["service.kubernetes.io/load-balancer-cleanup"]));
    assert_ne!(world.api.get(LEASE)["spec"]["holderIdentity"], "");
    world
        .until("events", |world| {
            let events = world.api.events();
            ["Node/n1 Synced", "Service/web EnsuringLoadBalancer"]
                .iter()
                .all(|event| events.iter().any(|e| e == event))
        })
        .await;
    world.stop.cancel();
    program.await.unwrap().unwrap();
}
