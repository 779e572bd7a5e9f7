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
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
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
fn what_go_ignores_is_a_warning_with_its_line() {
    assert_eq!(
        warnings(
            "[LoadBalancer]\nuse-octavia = true\nlb-provider = acme\nmonitor-max-retries = 11\n[Gloabl]\n"
        ),
        [
            "cloud.conf:9: lb-provider \"acme\" is none of those that are known to work",
            "cloud.conf:10: monitor-max-retries is 11, but Octavia takes 1 to 10",
            "cloud.conf:8: unknown key `use-octavia` in [LoadBalancer]",
            "cloud.conf:11: unknown section [Gloabl]",
        ]
    );
    assert_eq!(
        warnings("[Networking]\naddress-sort-order = 10.0.0.0/8 oops\n[Global]\ntls-insecure = yes\n"),
        [
            "cloud.conf:10: tls-insecure: certificates are checked; only the word `true` turns that off",
            "cloud.conf:8: address-sort-order: \"oops\" is not a CIDR and is left out",
        ]
    );
}

#[test]
fn a_file_shared_with_the_volume_driver_is_fine() {
    let conf = with_login("[Global \"second\"]\nauth-url = x\n[BlockStorage]\nbs-version = v3\n");
    let warnings: Vec<String> = conf.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["cloud.conf:7: unknown section [Global \"second\"]"]);
    assert_eq!(conf.global.auth.auth_url, "http://keystone/v3");
}

#[test]
fn wrong_values_are_errors_with_their_place() {
    for (text, expected) in [
        ("[LoadBalancer]\nlb-version = v1\n", "cloud.conf:8: lb-version: only v2 is supported"),
        (
            "[LoadBalancer]\nmonitor-delay = 5\n",
            "cloud.conf:8:1: monitor-delay: a duration needs a unit, as in 5s or 1m30s",
        ),
        (
            "[Metadata]\nsearch-order =\n",
            "cloud.conf:8: search-order: expected configDrive, metadataService or both, separated by a comma",
        ),
        ("[Compatibility]\nprofile = newest\n", "cloud.conf:8: profile: expected upstream or recommended"),
        (
            "[Global]\nos-endpoint-type = publicURL\n",
            "cloud.conf:8:1: os-endpoint-type: expected public, internal or admin",
        ),
        (
            "[Global]\nuse-clouds = true\nclouds-file = /nowhere/clouds.yaml\n",
            "cloud.conf:8: there is no clouds.yaml: looked for /nowhere/clouds.yaml",
        ),
    ] {
        assert_eq!(error(&format!("{LOGIN}{text}")), expected);
    }
    assert!(!error(&format!("{LOGIN}[Global]\nuser-id = u\ntrustee-password = hush\n")).contains("hush"));
}

#[test]
fn global_is_the_login() {
    let conf = with_login("[Global]\nregion = north\n");
    assert_eq!(
        (conf.global.auth.auth_url.as_str(), conf.global.region.as_deref()),
        ("http://keystone/v3", Some("north"))
    );
    assert_eq!(error("[Global]\n"), "cloud.conf: [Global] needs auth-url, the address of Keystone");
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let conf = read("[Global]\nauth-url = x\nuser-id = u\npassword = hunter2\ntenant-id = t\n");
    assert!(!format!("{conf:?}").contains("hunter2"));
}
