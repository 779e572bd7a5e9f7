//! Precedence, normalisation and refusals of what a Service asks for.

use super::*;
use crate::load_balancer::testing::{service, spec, spec_of};

fn annotated(pairs: &[(&str, &str)]) -> Service {
    let mut service = service();
    service.annotations.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    service
}

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

#[test]
fn a_plain_service_is_external_without_monitor_and_open_to_all() {
    let spec = spec();
    assert_eq!(spec.exposure, Exposure::External { network: None, subnet: None, address: None });
    assert_eq!((spec.monitor, spec.source_ranges, spec.connection_limit), (None, None, -1));
    assert_eq!((spec.provider.as_str(), spec.lb_method.as_str()), ("amphora", "ROUND_ROBIN"));
    assert_eq!(spec.warnings, Vec::<String>::new());
}

#[test]
fn ovn_gets_the_algorithm_that_it_takes() {
    let ovn = config(|config| config.load_balancer.provider = "ovn".to_owned());
    assert_eq!(Spec::read(&service(), &ovn, "kubernetes").unwrap().lb_method, "SOURCE_IP_PORT");
    let chosen = annotated(&[(annotation::LB_METHOD, "SOURCE_IP")]);
    assert_eq!(Spec::read(&chosen, &ovn, "kubernetes").unwrap().lb_method, "SOURCE_IP");
}

#[test]
fn an_internal_cluster_stays_internal_whatever_the_annotation_says() {
    let internal = config(|config| config.load_balancer.internal = true);
    let external = annotated(&[(annotation::INTERNAL, "false")]);
    let spec = Spec::read(&external, &internal, "kubernetes").unwrap();
    assert_eq!(spec.exposure, Exposure::Internal);
    assert_eq!(spec_of(&annotated(&[(annotation::INTERNAL, "true")])).exposure, Exposure::Internal);
}

#[test]
fn of_an_external_load_balancer_the_class_has_the_last_word() {
    let classes = config(|config| {
        let class = LoadBalancerClass {
            subnet_id: Some(SubnetId::from("of-class")),
            floating_network_id: Some(NetworkId::from("public-2")),
            ..LoadBalancerClass::default()
        };
        config.classes.insert("edge".to_owned(), class);
        config.load_balancer.subnet_id = Some(SubnetId::from("of-config"));
    });
    let pairs = [(annotation::CLASS, "edge"), (annotation::SUBNET_ID, "of-annotation")];
    let external = Spec::read(&annotated(&pairs), &classes, "kubernetes").unwrap();
    assert_eq!(external.vip.subnet, Some(SubnetId::from("of-class")));
    let Exposure::External { network, .. } = &external.exposure else { panic!("{external:?}") };
    assert_eq!(*network, Some(NetworkId::from("public-2")));

    let pairs = [pairs[0], pairs[1], (annotation::INTERNAL, "true")];
    let internal = Spec::read(&annotated(&pairs), &classes, "kubernetes").unwrap();
    assert_eq!(internal.vip.subnet, Some(SubnetId::from("of-annotation")));
    let plain = Spec::read(&service(), &classes, "kubernetes").unwrap();
    assert_eq!(plain.vip.subnet, Some(SubnetId::from("of-config")));
    assert_eq!(plain.member_subnet, Some(SubnetId::from("of-config")));
}

#[test]
fn source_ranges_come_from_the_spec_first_and_are_normalised() {
    let name = annotation::SOURCE_RANGES;
    let mut both = annotated(&[(name, "198.51.100.0/24, 203.0.113.9/24")]);
    let ranges = |service: &Service| {
        let ranges = spec_of(service).source_ranges.unwrap_or_default();
        ranges.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(ranges(&both), ["198.51.100.0/24", "203.0.113.0/24"]);
    both.source_ranges = vec!["192.0.2.7/24".to_owned(), "192.0.2.0/24".to_owned()];
    assert_eq!(ranges(&both), ["192.0.2.0/24"]);
}

#[test]
fn what_would_expose_or_break_a_service_is_refused_and_not_ignored() {
    let refusal = |service: &Service| Spec::read(service, &Config::default(), "kubernetes").unwrap_err();
    let mut odd = service();
    odd.source_ranges = vec!["192.0.2.0".to_owned()];
    assert_eq!(refusal(&odd), Refusal::SourceRange("192.0.2.0".to_owned()));
    assert_eq!(refusal(&annotated(&[(annotation::CLASS, "edge")])), Refusal::UnknownClass("edge".to_owned()));
    assert!(matches!(
        refusal(&annotated(&[(annotation::TLS_CONTAINER_REF, "https://barbican/v1/secrets/x")])),
        Refusal::Unsupported(_)
    ));
    let both = [(annotation::X_FORWARDED_FOR, "true"), (annotation::PROXY_PROTOCOL, "v2")];
    assert!(matches!(refusal(&annotated(&both)), Refusal::Exclusive(..)));
    assert_eq!(refusal(&Service { ports: Vec::new(), ..service() }), Refusal::NoPorts);
    let mut address = service();
    address.load_balancer_ip = Some("203.0.113".to_owned());
    assert_eq!(refusal(&address), Refusal::Address("203.0.113".to_owned()));
}

#[test]
fn a_value_that_cannot_be_used_is_told() {
    let spec = spec_of(&annotated(&[(annotation::CONNECTION_LIMIT, "lots"), (annotation::INTERNAL, "yes")]));
    assert_eq!(spec.connection_limit, -1);
    assert_eq!(spec.warnings.len(), 2, "{:?}", spec.warnings);
}

#[test]
fn a_node_selector_compares_values_and_looks_for_names() {
    let labels = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let selector = NodeSelector::parse("role=edge, zone, gpu=");
    assert!(selector.matches(&labels(&[("role", "edge"), ("zone", "a"), ("gpu", "")])));
    assert!(!selector.matches(&labels(&[("role", "core"), ("zone", "a"), ("gpu", "")])));
    assert!(!selector.matches(&labels(&[("role", "edge"), ("gpu", "")])));
    assert!(NodeSelector::parse("").matches(&labels(&[])));
}

#[test]
fn identity_can_be_read_of_a_service_that_cannot_be_served() {
    let odd = annotated(&[(annotation::CLASS, "edge"), (annotation::KEEP_FLOATING_IP, "true")]);
    let identity = Identity::read(&odd, "kubernetes");
    assert!(identity.keep_floating_ip);
    assert_eq!(identity.names.load_balancer(), "kube_service_kubernetes_default_web");
}
