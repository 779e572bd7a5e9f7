//! What is written back to the Service. Pure.

use std::collections::BTreeMap;

use kubernetes::{Ingress, Service};
use openstack::LoadBalancerId;

use super::names;
use super::observe::Observed;
use super::spec::{HostnameRule, ProxyProtocol, Spec};

/// What a Service should say about its load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Annotations to set.
    pub annotations: BTreeMap<String, String>,
    /// `status.loadBalancer.ingress`; `None` while there is no address to publish.
    pub ingress: Option<Vec<Ingress>>,
}

/// What to publish of a load balancer that is ready.
pub fn publication(spec: &Spec, observed: &Observed) -> Option<Publication> {
    let load_balancer = observed.load_balancer.as_ref()?;
    let address = match &observed.floating_ip {
        Some(floating_ip) => floating_ip.floating_ip_address.to_string(),
        None => load_balancer.vip_address.clone(),
    };
    let mut publication = claimed(&load_balancer.id);
    publication.ingress = Some(vec![ingress(spec, &address)]);
    publication.annotations.insert(names::LOAD_BALANCER_ADDRESS.to_owned(), address);
    Some(publication)
}

/// What to publish of a load balancer that exists but is not ready: its id, so that it is found again.
pub fn claimed(id: &LoadBalancerId) -> Publication {
    let annotation = (names::LOAD_BALANCER_ID.to_owned(), id.to_string());
    Publication { annotations: BTreeMap::from([annotation]), ingress: None }
}

fn ingress(spec: &Spec, address: &str) -> Ingress {
    let hostname = match &spec.hostname {
        HostnameRule::Fixed(name) => Some(name.clone()),
        HostnameRule::Suffix(suffix) => Some(format!("{address}.{suffix}")),
        HostnameRule::Address => None,
    };
    if hostname.is_some() {
        return Ingress { hostname, ..Ingress::default() };
    }
    let ip_mode = if spec.proxy_protocol == ProxyProtocol::Off { "VIP" } else { "Proxy" };
    Ingress { ip: Some(address.to_owned()), ip_mode: Some(ip_mode.to_owned()), ..Ingress::default() }
}

impl Publication {
    /// The annotations that the Service does not carry yet.
    pub fn missing_annotations(&self, service: &Service) -> BTreeMap<String, Option<String>> {
        self.annotations
            .iter()
            .filter(|(name, value)| service.annotations.get(*name) != Some(value))
            .map(|(name, value)| (name.clone(), Some(value.clone())))
            .collect()
    }

    /// The ingress list, if the Service shows another one.
    pub fn changed_ingress(&self, service: &Service) -> Option<&[Ingress]> {
        self.ingress.as_deref().filter(|ingress| *ingress != service.ingress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_balancer::testing::{floating_ip, load_balancer, spec};

    fn observed() -> Observed {
        Observed {
            load_balancer: Some(load_balancer("lb")),
            floating_ip: Some(floating_ip("203.0.113.7")),
            ..Observed::default()
        }
    }

    #[test]
    fn the_floating_ip_is_published_before_the_virtual_ip() {
        let publication = publication(&spec(), &observed()).unwrap();
        assert_eq!(publication.annotations["loadbalancer.openstack.org/load-balancer-id"], "lb");
        assert_eq!(
            publication.annotations["loadbalancer.openstack.org/load-balancer-address"],
            "203.0.113.7"
        );
        let ingress = publication.ingress.unwrap();
        assert_eq!(ingress[0].ip.as_deref(), Some("203.0.113.7"));
        assert_eq!(ingress[0].ip_mode.as_deref(), Some("VIP"));
    }

    #[test]
    fn a_host_name_hides_the_address() {
        let mut named = spec();
        named.hostname = HostnameRule::Fixed("web.example.org".to_owned());
        let ingress = publication(&named, &observed()).unwrap().ingress.unwrap();
        assert_eq!(
            (ingress[0].ip.as_deref(), ingress[0].hostname.as_deref()),
            (None, Some("web.example.org"))
        );
    }

    #[test]
    fn the_proxy_protocol_shows_in_the_ip_mode_or_in_a_host_name() {
        let mut proxied = spec();
        proxied.proxy_protocol = ProxyProtocol::V1;
        let ingress = publication(&proxied, &observed()).unwrap().ingress.unwrap();
        assert_eq!(ingress[0].ip_mode.as_deref(), Some("Proxy"));
        proxied.hostname = HostnameRule::Suffix("nip.io".to_owned());
        let ingress = publication(&proxied, &observed()).unwrap().ingress.unwrap();
        assert_eq!(ingress[0].hostname.as_deref(), Some("203.0.113.7.nip.io"));
    }

    #[test]
    fn what_the_service_says_already_is_not_written_again() {
        let publication = publication(&spec(), &observed()).unwrap();
        let mut service = Service {
            annotations: publication.annotations.clone(),
            ingress: publication.ingress.clone().unwrap(),
            ..Service::default()
        };
        assert!(publication.missing_annotations(&service).is_empty());
        assert_eq!(publication.changed_ingress(&service), None);
        service.annotations.clear();
        service.ingress.clear();
        assert_eq!(publication.missing_annotations(&service).len(), 2);
        assert!(publication.changed_ingress(&service).is_some());
    }
}
