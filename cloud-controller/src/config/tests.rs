//! `cloud.conf` by example.

use super::*;

/// What every file needs.
const LOGIN: &str = "[Global]\nauth-url = http://keystone/v3\nusername = u\npassword = p\ntenant-name = t\ndomain-id = default\n";

fn read(text: &str) -> CloudConf {
    CloudConf::parse("cloud.conf", text).unwrap()
}

fn with_login(text: &str) -> CloudConf {
    read(&format!("{LOGIN}{text}"))
}

fn error(text: &str) -> String {
    CloudConf::parse("cloud.conf", text).unwrap_err().to_string()
}

fn warnings(text: &str) -> Vec<String> {
    with_login(text).warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_file_has_the_defaults_of_the_go_provider() {
    let config = with_login("").config;
    assert_eq!(config, Config::default());
    let lb = config.load_balancer;
    assert!(
        lb.enabled && lb.cascade_delete && !lb.create_monitor && !lb.manage_security_groups && !lb.internal
    );
    assert_eq!((lb.provider.as_str(), lb.method, lb.max_shared_lb), ("amphora", None, 2));
    assert_eq!((lb.monitor_delay, lb.monitor_timeout), (Duration::from_secs(5), Duration::from_secs(3)));
    assert_eq!((lb.monitor_max_retries, lb.monitor_max_retries_down), (1, 3));
    assert_eq!(lb.ingress_hostname_suffix, "nip.io");
    assert_eq!(config.request_timeout, Duration::from_secs(60));
    assert_eq!(config.profile, Profile::Upstream);
}

#[test]
fn every_key_is_read() {
    let config = with_login(
        r#"
[Networking]
ipv6-support-disabled = yes
public-network-name = ext
public-network-name = ext2
internal-network-name = "int"
address-sort-order = "10.0.0.0/8, fd00::/8 192.168.0.0/16"
[LoadBalancer]
enabled = false
lb-provider = ovn
lb-method = SOURCE_IP_PORT
subnet-id = s
member-subnet-id = ms
network-id = n
floating-network-id = fn
floating-subnet-id = fs
floating-subnet = public*
floating-subnet-tags = a,b
create-monitor = true
monitor-delay = 1m
monitor-timeout = 30s
monitor-max-retries = 3
monitor-max-retries-down = 0x4
manage-security-groups = on
internal-lb = 1
node-selector = "env=prod, gpu"
cascade-delete = off
flavor-id = f
availability-zone = az
enable-ingress-hostname = true
ingress-hostname-suffix = example.org
default-tls-container-ref = ref
container-store = external
max-shared-lb = 5
provider-requires-serial-api-calls = true
[LoadBalancerClass "gold"]
floating-network-id = gold-net
floating-subnet-tags = t
subnet-id = gold-subnet
[Route]
router-id = r
[Metadata]
search-order = metadataService, configDrive
request-timeout = 1m30s
[Compatibility]
profile = recommended
"#,
    );
    assert!(config.warnings.iter().all(|note| note.message.contains("not in this version")));
    let Config { networking, load_balancer: lb, classes, router_id, request_timeout, profile } =
        config.config;
    assert!(networking.ipv6_support_disabled);
    assert_eq!(networking.public_network_names, ["ext", "ext2"]);
    assert_eq!(networking.internal_network_names, ["int"]);
    let order: Vec<String> = networking.address_sort_order.iter().map(ToString::to_string).collect();
    assert_eq!(order, ["10.0.0.0/8", "fd00::/8", "192.168.0.0/16"]);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        lb,
        LoadBalancerConfig {
            enabled: false,
            provider: "ovn".to_owned(),
            method: some("SOURCE_IP_PORT"),
            subnet_id: Some("s".into()),
            member_subnet_id: Some("ms".into()),
            network_id: Some("n".into()),
            floating_network_id: Some("fn".into()),
            floating_subnet_id: Some("fs".into()),
            floating_subnet: some("public*"),
            floating_subnet_tags: some("a,b"),
            create_monitor: true,
            monitor_delay: Duration::from_secs(60),
            monitor_timeout: Duration::from_secs(30),
            monitor_max_retries: 3,
            monitor_max_retries_down: 4,
            manage_security_groups: true,
            internal: true,
            node_selector: "env=prod, gpu".to_owned(),
            cascade_delete: false,
            flavor_id: some("f"),
            availability_zone: some("az"),
            enable_ingress_hostname: true,
            ingress_hostname_suffix: "example.org".to_owned(),
            default_tls_container_ref: some("ref"),
            max_shared_lb: 5,
            serial_api_calls: true,
        }
    );
    assert_eq!(
        classes["gold"],
        LoadBalancerClass {
            floating_network_id: Some("gold-net".into()),
            floating_subnet_tags: some("t"),
            subnet_id: Some("gold-subnet".into()),
            ..LoadBalancerClass::default()
        }
    );
    assert_eq!(router_id, Some("r".into()));
    assert_eq!((request_timeout, profile), (Duration::from_secs(90), Profile::Recommended));
}

#[test]
fn what_go_ignores_is_a_warning_with_its_place() {
    assert_eq!(
        warnings("[LoadBalancer]\nlb-provider = acme\n[Gloabl]\n[BlockStorage]\nrescan-on-resize = maybe\n"),
        [
            "cloud.conf:8:1: lb-provider: none of those that are known to work: amphora, octavia, ovn, f5, amphorav2",
            "cloud.conf:9:1: unknown section [Gloabl], did you mean [Global]?",
            "cloud.conf:11:1: rescan-on-resize: expected true, yes, on or 1, or false, no, off or 0",
        ]
    );
}

#[test]
fn an_empty_provider_is_the_usual_one() {
    let config = with_login("[LoadBalancer]\nlb-provider =\nlb-method =\n").config;
    assert_eq!((config.load_balancer.provider.as_str(), config.load_balancer.method), ("amphora", None));
}

#[test]
fn another_cloud_is_for_other_programs() {
    let conf = with_login("[Global \"second\"]\nauth-url = x\n");
    assert_eq!(conf.warnings.len(), 1);
    assert_eq!(conf.global.auth.auth_url, "http://keystone/v3");
}

#[test]
fn wrong_values_are_errors_with_their_place() {
    for (text, expected) in [
        (
            "[LoadBalancer]\nlb-version = v1\n",
            "cloud.conf:8:1: lb-version: only v2 is supported: take the line out",
        ),
        (
            "[LoadBalancer]\nmonitor-delay = 5\n",
            "cloud.conf:8:1: monitor-delay: a duration needs a unit, as in 5s or 1m30s",
        ),
        (
            "[Metadata]\nsearch-order =\n",
            "cloud.conf:8:1: search-order: expected configDrive, metadataService or both, separated by a comma",
        ),
        (
            "[Global]\nuse-clouds = true\nclouds-file = /nowhere/clouds.yaml\n",
            "cloud.conf:8:1: there is no clouds.yaml: looked for /nowhere/clouds.yaml",
        ),
        (
            "[Global]\nx_y = 1\n[Networking]\nipv6-support-disabled = maybe\n",
            "cloud.conf:8:2: keys are of letters, digits and `-`, not `_`: write `x-y`; \
             cloud.conf:10:1: ipv6-support-disabled: expected true, yes, on or 1, or false, no, off or 0",
        ),
    ] {
        assert_eq!(error(&format!("{LOGIN}{text}")), expected);
    }
    let off = with_login("[LoadBalancer]\nenabled = no\nlb-version = v1\n");
    assert_eq!(off.warnings, [], "nobody cares about the version then");
    assert!(!error(&format!("{LOGIN}[Global]\nuser-id = u\ntrustee-password = hush\n")).contains("hush"));
}

#[test]
fn global_is_the_login() {
    let conf = with_login("[Global]\nregion = north\n");
    assert_eq!(
        (conf.global.auth.auth_url.as_str(), conf.global.region.as_deref()),
        ("http://keystone/v3", Some("north"))
    );
    assert_eq!(error("[Global]\n"), "cloud.conf:1:1: [Global] needs auth-url, the address of Keystone");
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let conf = read("[Global]\nauth-url = x\nuser-id = u\npassword = hunter2\ntenant-id = t\n");
    assert!(!format!("{conf:?}").contains("hunter2"));
}
