//! Metrics keep the names and labels that users' alerts and dashboards read: those of the Go program.

use crate::tree::{Text, assert_none, product};

/// Names as they are registered; counters get their `_total` when they are written.
const NAMES: [&str; 19] = [
    "openstack_api_request_duration_seconds",
    "openstack_api_requests",
    "openstack_api_request_errors",
    "cloudprovider_openstack_reconcile_duration_seconds",
    "cloudprovider_openstack_reconcile",
    "cloudprovider_openstack_reconcile_errors",
    "node_controller_cloud_provider_taint_removal_delay_seconds",
    "node_controller_initial_node_sync_delay_seconds",
    "running_managed_controllers",
    "leader_election_master_status",
    "leader_election_slowpath",
    "workqueue_depth",
    "workqueue_adds",
    "workqueue_retries",
    "workqueue_queue_duration_seconds",
    "workqueue_work_duration_seconds",
    "rest_client_requests",
    "kubernetes_healthcheck",
    "kubernetes_healthchecks",
];

/// Values of the label `request` of the calls that are made so far.
const REQUESTS: [&str; 32] = [
    "flavor_get",
    "floating_ip_create",
    "floating_ip_delete",
    "floating_ip_list",
    "floating_ip_update",
    "loadbalancer_create",
    "loadbalancer_delete",
    "loadbalancer_get",
    "loadbalancer_healthmonitor_create",
    "loadbalancer_healthmonitor_delete",
    "loadbalancer_healthmonitor_get",
    "loadbalancer_healthmonitor_update",
    "loadbalancer_list",
    "loadbalancer_listener_create",
    "loadbalancer_listener_delete",
    "loadbalancer_listener_list",
    "loadbalancer_listener_update",
    "loadbalancer_member_list",
    "loadbalancer_members_update",
    "loadbalancer_pool_create",
    "loadbalancer_pool_delete",
    "loadbalancer_pool_list",
    "loadbalancer_pool_update",
    "loadbalancer_update",
    "network_extension_list",
    "network_list",
    "port_list",
    "server_get",
    "server_list",
    "subnet_get",
    "subnet_list",
    "version_list",
];

fn missing(names: &[&str], files: &[Text]) -> Vec<String> {
    let spelt = |name: &str| {
        let literal = format!("\"{name}\"");
        files.iter().any(|file| file.code().any(|(_, line)| line.contains(&literal)))
    };
    names.iter().filter(|name| !spelt(name)).map(ToString::to_string).collect()
}

#[test]
fn metrics_have_the_names_that_alerts_read() {
    let files = product();
    assert_none("metrics that are gone", missing(&NAMES, &files));
    assert_eq!(missing(&["openstack_api_nonsense"], &files).len(), 1, "the search can fail");
}

#[test]
fn calls_are_counted_under_the_names_that_alerts_read() {
    let files: Vec<Text> =
        product().into_iter().filter(|file| file.path.starts_with("crates/openstack/")).collect();
    assert_none("values of `request` that are gone", missing(&REQUESTS, &files));
}
