//! Plans for the cases that matter, and the law that every plan obeys: what it leads to needs no further plan, and
//! nothing foreign is touched on the way.

use kubernetes::{Protocol, Service, ServicePort};
use openstack::load_balancer::{Listener, ProvisioningStatus};
use openstack::{FloatingIpId, LoadBalancerId};
use proptest::prelude::*;

use super::*;
use crate::load_balancer::desired::{DesiredAddress, desired};
use crate::load_balancer::node_set::NodeSet;
use crate::load_balancer::testing::{
    apply, desired_of, facts, floating_ip, load_balancer, mark, nodes, service, spec_of,
};

fn port(port: u16, node_port: u16) -> ServicePort {
    ServicePort { port, node_port, ..ServicePort::default() }
}

fn with_ports(ports: &[(u16, u16)]) -> Service {
    Service { ports: ports.iter().map(|(front, back)| port(*front, *back)).collect(), ..service() }
}

/// The cloud after `service` was served.
fn served(service: &Service) -> Observed {
    let desired = desired_of(service);
    let nothing = Observed::default();
    apply(&plan(&desired, &nothing).unwrap(), &nothing)
}

fn text(desired: &Desired, observed: &Observed) -> String {
    plan(desired, observed).unwrap().to_string()
}

#[test]
fn a_new_service_is_one_call_and_an_address() {
    let plan = plan(&desired_of(&with_ports(&[(80, 30080), (443, 30443)])), &Observed::default()).unwrap();
    insta::assert_snapshot!(plan, @"create load balancer kube_service_kubernetes_default_web on amphora, 80/TCP to 2 members, 443/TCP to 2 members; create floating IP on network public");
    assert_eq!(plan.address_when, When::Accepted);
}

#[test]
fn the_body_of_a_new_load_balancer_is_what_clusters_hold() {
    let plan = plan(&desired_of(&service()), &Observed::default()).unwrap();
    let Call::CreateLoadBalancer(create) = &plan.lane[0] else { panic!("{plan}") };
    insta::assert_snapshot!(serde_json::to_string_pretty(create).unwrap(), @r#"
    {
      "name": "kube_service_kubernetes_default_web",
      "description": "Kubernetes external service default/web from cluster kubernetes",
      "provider": "amphora",
      "tags": [
        "kube_service_kubernetes_default_web",
        "k8s-cluster-uid=cluster-a",
        "k8s-service-uid=uid-1"
      ],
      "vip_subnet_id": "subnet",
      "listeners": [
        {
          "name": "listener_0_kube_service_kubernetes_default_web",
          "protocol": "TCP",
          "protocol_port": 80,
          "connection_limit": -1,
          "tags": [
            "kube_service_kubernetes_default_web"
          ],
          "allowed_cidrs": [
            "0.0.0.0/0"
          ],
          "timeout_client_data": 50000,
          "timeout_member_connect": 5000,
          "timeout_member_data": 50000,
          "timeout_tcp_inspect": 0,
          "default_pool": {
            "name": "pool_0_kube_service_kubernetes_default_web",
            "protocol": "TCP",
            "lb_algorithm": "ROUND_ROBIN",
            "members": [
              {
                "name": "a",
                "address": "10.0.0.1",
                "protocol_port": 30080,
                "subnet_id": "subnet"
              },
              {
                "name": "b",
                "address": "10.0.0.2",
                "protocol_port": 30080,
                "subnet_id": "subnet"
              }
            ]
          }
        }
      ]
    }
    "#);
}

#[test]
fn on_ovn_the_floating_ip_waits_until_the_load_balancer_is_active() {
    let mut desired = desired_of(&service());
    desired.provider = "ovn".to_owned();
    assert_eq!(plan(&desired, &Observed::default()).unwrap().address_when, When::Active);
}

#[test]
fn what_is_as_it_should_be_needs_no_plan() {
    let service = with_ports(&[(80, 30080), (443, 30443)]);
    assert_eq!(text(&desired_of(&service), &served(&service)), "nothing to do");
}

#[test]
fn a_node_that_comes_is_one_call_a_port() {
    let service = with_ports(&[(80, 30080), (443, 30443)]);
    let more = desired(&spec_of(&service), &nodes(&["a", "b", "c"]), &facts(), &mark());
    let plan = plan(&more, &served(&service)).unwrap();
    assert_eq!(plan.lane.len(), 2);
    assert!(plan.lane.iter().all(|call| matches!(call, Call::SetMembers(_, members) if members.len() == 3)));
    assert!(plan.address.is_empty());
}

#[test]
fn an_empty_node_list_keeps_the_members() {
    let nobody = desired(&spec_of(&service()), &NodeSet::of(&[]), &facts(), &mark());
    assert_eq!(text(&nobody, &served(&service())), "nothing to do");
}

#[test]
fn members_go_when_no_node_is_eligible() {
    let mut selective = service();
    let selector = crate::load_balancer::annotations::NODE_SELECTOR.to_owned();
    selective.annotations.insert(selector, "role=edge".to_owned());
    let plan = plan(&desired_of(&selective), &served(&service())).unwrap();
    assert!(matches!(&plan.lane[..], [Call::SetMembers(_, members)] if members.is_empty()), "{plan}");
}

#[test]
fn weights_that_somebody_gave_are_kept() {
    let mut observed = served(&service());
    let pool = observed.pools[0].id.clone();
    observed.members.get_mut(&pool).unwrap()[0].weight = 7;
    let more = desired(&spec_of(&service()), &nodes(&["a", "b", "c"]), &facts(), &mark());
    let plan = plan(&more, &observed).unwrap();
    let Call::SetMembers(_, members) = &plan.lane[0] else { panic!("{plan}") };
    let weights: Vec<Option<u32>> = members.iter().map(|member| member.weight).collect();
    assert_eq!(weights, [Some(7), None, None]);
}

#[test]
fn a_new_port_gets_its_pool_before_its_listener() {
    let plan = plan(&desired_of(&with_ports(&[(80, 30080), (443, 30443)])), &served(&service())).unwrap();
    insta::assert_snapshot!(plan, @"create pool pool_1_kube_service_kubernetes_default_web (TCP, ROUND_ROBIN); set members of the new pool: a b; create listener listener_1_kube_service_kubernetes_default_web (443/TCP) on the new pool");
}

#[test]
fn an_interrupted_new_port_is_finished_with_the_pool_that_is_there() {
    let both = with_ports(&[(80, 30080), (443, 30443)]);
    let observed = served(&service());
    let mut first = plan(&desired_of(&both), &observed).unwrap();
    first.lane.truncate(1);
    let interrupted = apply(&first, &observed);
    let second = plan(&desired_of(&both), &interrupted).unwrap();
    assert!(!second.lane.iter().any(|call| matches!(call, Call::CreatePool(_))), "{second}");
    assert_eq!(text(&desired_of(&both), &apply(&second, &interrupted)), "nothing to do");
}

#[test]
fn a_port_that_goes_takes_pool_and_listener_along() {
    let plan = plan(&desired_of(&service()), &served(&with_ports(&[(80, 30080), (443, 30443)]))).unwrap();
    assert!(matches!(plan.lane[..], [Call::DeletePool(_), Call::DeleteListener(_)]), "{plan}");
}

#[test]
fn a_port_that_changes_its_protocol_is_freed_first() {
    let mut forwarded = service();
    let name = crate::load_balancer::annotations::X_FORWARDED_FOR.to_owned();
    forwarded.annotations.insert(name, "true".to_owned());
    let observed = served(&service());
    let plan = plan(&desired_of(&forwarded), &observed).unwrap();
    assert!(matches!(plan.lane[..2], [Call::DeletePool(_), Call::DeleteListener(_)]), "{plan}");
    assert_eq!(text(&desired_of(&forwarded), &apply(&plan, &observed)), "nothing to do");
}

#[test]
fn tcp_and_udp_share_a_port_number() {
    let mut both = with_ports(&[(53, 30053), (53, 30054)]);
    both.ports[1].protocol = Protocol::Udp;
    let plan = plan(&desired_of(&both), &served(&with_ports(&[(53, 30053)]))).unwrap();
    assert!(!plan.lane.iter().any(|call| matches!(call, Call::DeleteListener(_))), "{plan}");
    assert!(
        plan.lane
            .iter()
            .any(|call| matches!(call, Call::CreateListener(_, create) if create.protocol == "UDP"))
    );
}

#[test]
fn a_foreign_listener_on_a_wanted_port_is_an_obstacle() {
    let mut observed = served(&service());
    observed.listeners[0].tags = vec!["kube_service_kubernetes_default_other".to_owned()];
    let Err(Obstacle::PortTaken { port: 80, .. }) = plan(&desired_of(&service()), &observed) else {
        panic!("the port of another Service was taken")
    };
}

#[test]
fn a_foreign_listener_of_another_protocol_is_an_obstacle_as_well() {
    let mut observed = served(&service());
    observed.listeners[0].tags = vec!["somebody".to_owned()];
    observed.listeners[0].protocol = "HTTP".to_owned();
    let planned = plan(&desired_of(&service()), &observed);
    assert!(matches!(planned, Err(Obstacle::PortTaken { port: 80, .. })), "{planned:?}");
}

#[test]
fn pools_and_tags_that_somebody_made_stay() {
    let mut observed = served(&service());
    let mut pool = observed.pools[0].clone();
    (pool.id, pool.name) = ("theirs".into(), "somebodys".to_owned());
    pool.listeners.clear();
    observed.pools.push(pool);
    observed.load_balancer.as_mut().unwrap().tags = vec!["somebody".to_owned()];
    let plan = plan(&desired_of(&service()), &observed).unwrap();
    let [Call::UpdateLoadBalancer(update)] = &plan.lane[..] else { panic!("{plan}") };
    assert_eq!(update.tags.as_ref().unwrap()[0], "somebody");
}

#[test]
fn members_are_set_before_anything_is_freed() {
    let (both, mut forwarded) = (with_ports(&[(80, 30080), (443, 30443)]), service());
    let name = crate::load_balancer::annotations::X_FORWARDED_FOR.to_owned();
    forwarded.annotations.insert(name, "true".to_owned());
    let mut observed = served(&both);
    // One port needs another listener, the other one has it already.
    let mut wanted = desired_of(&Service { ports: both.ports.clone(), ..forwarded });
    observed.members.values_mut().for_each(Vec::clear);
    wanted.ports[1] = desired_of(&both).ports[1].clone();
    let plan = plan(&wanted, &observed).unwrap();
    assert!(matches!(plan.lane[..2], [Call::SetMembers(..), Call::DeletePool(_)]), "{plan}");
}

#[test]
fn a_listener_without_tags_is_adopted_and_tagged() {
    let mut observed = served(&service());
    observed.listeners[0].tags = vec![String::new()];
    let plan = plan(&desired_of(&service()), &observed).unwrap();
    let [Call::UpdateListener(_, update)] = &plan.lane[..] else { panic!("{plan}") };
    assert_eq!(update.tags.as_deref(), Some(&["kube_service_kubernetes_default_web".to_owned()][..]));
}

#[test]
fn an_adopted_load_balancer_is_not_marked() {
    let mut observed = served(&service());
    observed.load_balancer.as_mut().unwrap().tags = vec!["kube_service_kubernetes_default_web".to_owned()];
    assert_eq!(text(&desired_of(&service()), &observed), "nothing to do");
}

#[test]
fn a_broken_load_balancer_is_not_touched() {
    let mut observed = served(&service());
    observed.load_balancer.as_mut().unwrap().provisioning_status = ProvisioningStatus::Error;
    assert!(matches!(plan(&desired_of(&service()), &observed), Err(Obstacle::Broken(_))));
}

#[test]
fn an_internal_service_gives_its_own_floating_ip_back_and_no_other() {
    let mut internal = desired_of(&service());
    internal.address = DesiredAddress::VirtualIp { detach: true, delete: true };
    let mut observed = served(&service());
    assert!(matches!(plan(&internal, &observed).unwrap().address[..], [AddressCall::Delete(_)]));
    let present = observed.floating_ip.as_mut().unwrap();
    present.description = "reserved by hand".to_owned();
    assert!(matches!(plan(&internal, &observed).unwrap().address[..], [AddressCall::Detach(_)]));
}

#[test]
fn a_floating_ip_that_was_not_tagged_in_time_is_tagged() {
    let mut observed = served(&service());
    observed.floating_ip.as_mut().unwrap().tags.clear();
    let plan = plan(&desired_of(&service()), &observed).unwrap();
    assert!(
        matches!(&plan.address[..], [AddressCall::Tag(_, tags)] if *tags == mark().tags("uid-1")),
        "{plan}"
    );
}

#[test]
fn an_address_that_serves_something_else_is_not_taken() {
    let mut wanting = desired_of(&service());
    if let DesiredAddress::Floating { address, .. } = &mut wanting.address {
        *address = Some("203.0.113.9".parse().unwrap());
    }
    let found = floating_ip("203.0.113.9");
    let mut observed = Observed { requested_floating_ip: Some(found), ..Observed::default() };
    assert!(matches!(plan(&wanting, &observed), Err(Obstacle::AddressTaken(_))));
    let found = observed.requested_floating_ip.as_mut().unwrap();
    found.port_id = None;
    found.tags = mark().tags("uid-of-another");
    assert!(matches!(plan(&wanting, &observed), Err(Obstacle::AddressOfAnother(_))));
    observed.requested_floating_ip.as_mut().unwrap().tags.clear();
    assert!(matches!(plan(&wanting, &observed).unwrap().address[..], [AddressCall::Attach(_)]));
}

#[test]
fn removal_takes_the_floating_ip_first_and_leaves_what_is_not_ours() {
    let mut observed = served(&service());
    let marks = mark().tags("uid-1");
    let plan = removal(&observed, &marks, false, Cascade::Yes);
    assert_eq!(plan.address_when, When::First);
    insta::assert_snapshot!(plan, @"delete floating IP fip; delete load balancer made");
    assert!(removal(&observed, &marks, true, Cascade::Yes).address.is_empty());
    observed.floating_ip.as_mut().unwrap().tags = mark().tags("uid-of-another");
    assert!(removal(&observed, &marks, false, Cascade::Yes).address.is_empty());
    observed.floating_ip.as_mut().unwrap().description = "by hand".to_owned();
    assert!(removal(&observed, &marks, false, Cascade::Yes).address.is_empty());
}

#[test]
fn removal_collects_a_floating_ip_that_lost_its_load_balancer() {
    let mut stray = floating_ip("203.0.113.8");
    stray.id = FloatingIpId::from("stray");
    stray.port_id = None;
    let observed = Observed { stray_floating_ips: vec![stray], ..Observed::default() };
    let plan = removal(&observed, &mark().tags("uid-1"), false, Cascade::Yes);
    assert_eq!(plan.to_string(), "delete floating IP stray");
}

#[test]
fn removal_in_parts_ends_with_the_load_balancer() {
    let plan = removal(&served(&service()), &[], false, Cascade::No);
    assert!(
        matches!(
            plan.lane[..],
            [Call::DeletePool(_), Call::DeleteListener(_), Call::DeleteLoadBalancer(_, Cascade::No)]
        ),
        "{plan}"
    );
}

#[test]
fn a_double_goes_once_the_winner_is_known() {
    let mut observed = served(&service());
    observed.doubles = vec![load_balancer("double")];
    let plan = plan(&desired_of(&service()), &observed).unwrap();
    assert_eq!(plan.lane, [Call::DeleteLoadBalancer(LoadBalancerId::from("double"), Cascade::Yes)]);
}

/// A Service with up to four ports and any setting that changes a plan.
fn any_service() -> impl Strategy<Value = Service> {
    let ports = proptest::collection::btree_map((1_u16..5, any::<bool>()), 30_000_u16..30_005, 1..4);
    (ports, any::<bool>(), any::<bool>(), any::<bool>(), 0..3_usize).prop_map(
        |(ports, monitored, forwarded, affinity, method)| {
            let mut service = service();
            let to_port = |((number, udp), node_port): ((u16, bool), u16)| ServicePort {
                protocol: if udp { Protocol::Udp } else { Protocol::Tcp },
                ..port(number, node_port)
            };
            service.ports = ports.into_iter().map(to_port).collect();
            // HTTP listeners on both would collide, as Octavia's own rule has it.
            let mixed = service.ports.iter().any(|port| port.protocol == Protocol::Udp);
            service.client_ip_affinity = affinity;
            for (name, on) in [
                (crate::load_balancer::annotations::ENABLE_HEALTH_MONITOR, monitored),
                (crate::load_balancer::annotations::X_FORWARDED_FOR, forwarded && !mixed),
            ] {
                service.annotations.insert(name.to_owned(), on.to_string());
            }
            let method = ["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"][method].to_owned();
            service.annotations.insert(crate::load_balancer::annotations::LB_METHOD.to_owned(), method);
            service
        },
    )
}

fn foreign_listener() -> Listener {
    let mut listener = served(&with_ports(&[(9999, 30999)])).listeners.remove(0);
    listener.tags = vec!["somebody-else".to_owned()];
    listener.default_pool_id = None;
    listener.id = openstack::ListenerId::from("foreign");
    listener
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_leads_to_what_is_desired_and_leaves_the_rest(
        before in any_service(),
        after in any_service(),
        cut in 0_usize..30,
        foreign in any::<bool>(),
    ) {
        let mut observed = served(&before);
        if foreign {
            observed.listeners.push(foreign_listener());
        }
        let wanted = desired_of(&after);
        let whole = plan(&wanted, &observed).unwrap();
        prop_assert_eq!(&whole, &plan(&wanted, &observed).unwrap(), "equal input gives an equal plan");

        // Killed anywhere on the way, the rest is planned anew and leads to the same end.
        let mut part = whole.clone();
        part.lane.truncate(cut);
        let halfway = apply(&part, &observed);
        let rest = plan(&wanted, &halfway).unwrap();
        let end = apply(&rest, &halfway);
        prop_assert_eq!(plan(&wanted, &end).unwrap().to_string(), "nothing to do");
        prop_assert_eq!(end.listeners.iter().any(|one| one.id.as_str() == "foreign"), foreign);
        let own = end.listeners.len() - usize::from(foreign);
        prop_assert_eq!(own, after.ports.len(), "one listener a port");
        prop_assert_eq!(end.pools.len(), after.ports.len(), "no pool is left over");
        for port in &wanted.ports {
            let listener = end.listeners.iter().find(|one| one.protocol_port == port.listener.port
                && one.protocol == port.listener.protocol).unwrap();
            let pool = listener.default_pool_id.clone().unwrap();
            prop_assert_eq!(end.members[&pool].len(), 2, "every pool has its members");
        }
    }
}
