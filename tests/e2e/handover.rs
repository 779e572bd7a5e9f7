//! Two replicas: one works, the other writes nothing until the first has gone.

use std::time::{Duration, Instant};

use cloud_tests::{Controller, Lab, Namespace, Options, epoch, real_nodes};
use serde_json::json;

use crate::support::{SOON, delete};

const NAME: &str = "e2e-handover";
/// Far below the lease's 15 s: the leader has given the lease back and it did not run out.
const GIVEN_BACK: Duration = Duration::from_secs(5);

#[test]
fn the_standby_writes_nothing_and_takes_over_at_once_when_the_leader_is_asked_to_end() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let options = Options::new(NAME);
    let mut leader = Controller::lead(&lab, &cluster, &options);
    let begun = epoch();
    let mut standby = Controller::start(&lab, &cluster, &options);
    real_nodes(&cluster);
    let namespace = Namespace::make(&cluster, lab.cloud(), NAME);
    let first = namespace.service("first", "LoadBalancer", &json!({}));
    first.address(SOON);
    assert!(leader.is_leading() && !standby.is_leading());
    assert_eq!(standby.calls(begun).writes, [], "the standby");

    let asked = Instant::now();
    leader.terminate();
    standby.leads(GIVEN_BACK);
    let took = asked.elapsed();
    let ended = leader.ended(SOON);
    eprintln!("handed over in {took:?}, the former leader ended with {ended}");
    assert!(ended.success(), "{ended}");

    let second = namespace.service("second", "LoadBalancer", &json!({}));
    second.address(SOON);
    delete(&first, SOON);
    delete(&second, SOON);
}
