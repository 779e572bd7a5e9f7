//! `--dry-run` tells what would be done and does none of it.

use cloud_tests::{Controller, Lab, Namespace, Options, epoch, eventually, lease, real_nodes};
use serde_json::json;

use crate::support::{SOON, load_balancer_name};

const NAME: &str = "e2e-dry-run";
/// Who the program is to Kubernetes.
const USER: &str = "system:serviceaccount:kube-system:cloud-controller-manager";

#[test]
fn a_dry_run_prints_the_plan_takes_no_lease_and_writes_nothing() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    // Nodes must be ready to be members; whoever makes them so has to be gone before the dry run.
    let mut before_us = Controller::lead(&lab, &cluster, &Options::new(NAME));
    real_nodes(&cluster);
    before_us.terminate();
    before_us.ended(SOON);
    drop(before_us);

    let namespace = Namespace::make(&cluster, lab.cloud(), NAME);
    let service = namespace.service("web", "LoadBalancer", &json!({}));
    let (lease_before, begun) = (lease(&cluster), epoch());
    let dry_run = Controller::start(&lab, &cluster, &Options::new(NAME).flag("--dry-run"));
    let plan = format!("create load balancer {} on ovn", load_balancer_name(NAME, NAME, "web"));
    eventually(SOON, "the plan is printed", || {
        let log = dry_run.log();
        if log.contains(&plan) && log.contains("create floating IP") { Ok(()) } else { Err(log) }
    });
    let calls = dry_run.calls(begun);
    assert!(calls.own > 0, "it must have looked: {calls}");
    assert_eq!(calls.writes, [], "{calls}");
    assert_eq!(cluster.writes_by(USER, begun), [] as [String; 0]);
    assert_eq!(lease(&cluster), lease_before);
    assert!(lab.cloud().load_balancers(&load_balancer_name(NAME, NAME, "web")).is_empty());
    let now = service.read().unwrap();
    assert!(now["metadata"]["finalizers"].is_null() && now["metadata"]["annotations"].is_null(), "{now}");
}
