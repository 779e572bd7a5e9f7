//! Two clusters of one name in one project give their load balancers the same names. Neither touches the other's.

use cloud_tests::{Cluster, Controller, Fleet, Lab, Namespace, Options, Snapshot, eventually, real_nodes};
use serde_json::json;

use crate::support::{
    SOON, delete, floating_ip_description, id, load_balancer_name, only_load_balancer, settled,
};

const NAME: &str = "e2e-twins";

#[test]
fn a_service_is_refused_the_load_balancer_that_another_cluster_of_the_same_name_made() {
    let lab = Lab::take();
    let (one, other) = (lab.cluster(), lab.other_cluster());
    let fleet = Fleet::servers(&other, "e2e-twin", 1);
    fleet.register(1);
    let options = Options::new(NAME);
    let _controller = Controller::lead(&lab, &one, &options);
    let _other_controller = Controller::lead(&lab, &other, &options);
    real_nodes(&one);
    refuses(&lab, &one, &other);
    refuses(&lab, &other, &one);
}

/// `first` makes the load balancer, `second` must leave it alone.
fn refuses(lab: &Lab, first: &Cluster, second: &Cluster) {
    let cloud = lab.cloud();
    let of_first = Namespace::make(first, cloud, NAME);
    let owner = of_first.service("web", "LoadBalancer", &json!({}));
    let address = owner.address(SOON);
    let load_balancer = id(&only_load_balancer(cloud, &load_balancer_name(NAME, NAME, "web")));
    settled(cloud, &load_balancer);
    let look = || Snapshot::of_project(cloud).part_of(&load_balancer);
    let before = look();
    assert!(before.len() >= 5, "a load balancer, listener, pool, port, floating IP: {before}");

    // Making this namespace must not sweep away what the other cluster has there: the names are the same on purpose.
    let of_second = Namespace::beside(second, cloud, NAME);
    let refused = of_second.service("web", "LoadBalancer", &json!({}));
    let message = eventually(SOON, "the second cluster says that it is a conflict", || {
        refused.events("LoadBalancerConflict").pop().ok_or_else(|| "no such event".to_owned())
    });
    for uid in [first.uid(), second.uid()] {
        assert!(message.contains(&uid), "{message} does not name {uid}");
    }
    assert_eq!(refused.published(), None);
    assert_eq!(look(), before, "after the refusal");

    delete(&refused, SOON);
    assert_eq!(look(), before, "after the refused Service was deleted");
    assert_eq!(owner.published(), Some(address));
    assert_eq!(cloud.floating_ips(&floating_ip_description(NAME, NAME, "web")).len(), 1);
    delete(&owner, SOON);
}
