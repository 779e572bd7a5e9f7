//! The service catalogue of a token: which URL a service has in our region, on our interface.

use std::fmt;

use serde::Deserialize;
use url::Url;

/// A service that this crate calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceType {
    /// Nova.
    Compute,
    /// Neutron.
    Network,
    /// Octavia.
    LoadBalancer,
}

impl ServiceType {
    pub(crate) const ALL: [Self; 3] = [Self::Compute, Self::Network, Self::LoadBalancer];

    /// The type's name in the service types authority.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Network => "network",
            Self::LoadBalancer => "load-balancer",
        }
    }

    /// Whether a catalogue entry of type `entry` is this service.
    ///
    /// Besides the official name, old catalogues write underscores and version suffixes (`computev21`).
    fn is(self, entry: &str) -> bool {
        let entry = entry.replace('_', "-").to_ascii_lowercase();
        let name = self.name();
        entry == name
            || (self == Self::LoadBalancer && (entry == "loadbalancer" || entry == "octavia"))
            || entry.strip_prefix(name).and_then(|rest| rest.strip_prefix('v')).is_some_and(|version| {
                !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            })
    }
}

impl fmt::Display for ServiceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which of a service's URLs is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interface {
    /// For everybody.
    #[default]
    Public,
    /// Inside the cloud.
    Internal,
    /// For administrators.
    Admin,
}

impl Interface {
    fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

/// One entry of a token's catalogue.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Endpoint {
    pub interface: String,
    #[serde(default)]
    pub region: Option<String>,
    #[serde(default)]
    pub region_id: Option<String>,
    pub url: String,
}

/// The first endpoint of `service` on `interface`; without a region the first of any region counts.
///
/// Entries of the official type win over those of an alias.
pub(crate) fn endpoint(
    catalogue: &[Entry],
    service: ServiceType,
    interface: Interface,
    region: Option<&str>,
) -> Option<Url> {
    let fits = |endpoint: &&Endpoint| {
        endpoint.interface.trim_end_matches("URL") == interface.name()
            && region.is_none_or(|wanted| {
                endpoint.region.as_deref() == Some(wanted) || endpoint.region_id.as_deref() == Some(wanted)
            })
    };
    let exact = catalogue.iter().filter(|entry| entry.kind == service.name());
    let alias = catalogue.iter().filter(|entry| entry.kind != service.name() && service.is(&entry.kind));
    let mut url =
        exact.chain(alias).flat_map(|entry| &entry.endpoints).filter(fits).find_map(|endpoint| {
            Url::parse(&endpoint.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
        })?;
    url.set_query(None);
    url.set_fragment(None);
    Some(base_path(service, &url))
}

/// The URL under which the calls of a service lie, ending in a slash.
///
/// Neutron and Octavia are versioned by us whatever the catalogue says; Nova's entry carries its version, and
/// where it does not, the session asks for it.
fn base_path(service: ServiceType, endpoint: &Url) -> Url {
    let mut base = endpoint.clone();
    let path = endpoint.path().trim_end_matches('/');
    let path = match service {
        ServiceType::Compute => format!("{path}/"),
        ServiceType::Network | ServiceType::LoadBalancer => {
            format!(
                "{}/v2.0/",
                path.strip_suffix("/v2.0").or_else(|| path.strip_suffix("/v2")).unwrap_or(path)
            )
        }
    };
    base.set_path(&path);
    base
}

/// Whether a path has a version in it, as `/v2.1/` or `/compute/v2.1/<project>/` have.
pub(crate) fn has_version(url: &Url) -> bool {
    url.path().split('/').any(|segment| {
        segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, endpoints: &[(&str, &str, &str)]) -> Entry {
        let endpoints = endpoints
            .iter()
            .map(|&(interface, region, url)| Endpoint {
                interface: interface.into(),
                region: Some(region.into()),
                region_id: None,
                url: url.into(),
            })
            .collect();
        Entry { kind: kind.into(), endpoints }
    }

    fn pick(
        catalogue: &[Entry],
        service: ServiceType,
        interface: Interface,
        region: Option<&str>,
    ) -> Option<String> {
        endpoint(catalogue, service, interface, region).map(String::from)
    }

    #[test]
    fn region_and_interface_choose_the_endpoint() {
        let catalogue = [entry(
            "compute",
            &[
                ("internal", "one", "http://in.one/v2.1"),
                ("public", "one", "http://one/v2.1"),
                ("public", "two", "http://two/v2.1"),
            ],
        )];
        let pick = |interface, region| pick(&catalogue, ServiceType::Compute, interface, region);
        assert_eq!(pick(Interface::Public, None).unwrap(), "http://one/v2.1/");
        assert_eq!(pick(Interface::Public, Some("two")).unwrap(), "http://two/v2.1/");
        assert_eq!(pick(Interface::Internal, Some("one")).unwrap(), "http://in.one/v2.1/");
        assert_eq!(pick(Interface::Admin, None), None);
        assert_eq!(pick(Interface::Public, Some("three")), None);
    }

    #[test]
    fn network_and_load_balancer_are_versioned_once() {
        for (url, expected) in [
            ("http://n:9696", "http://n:9696/v2.0/"),
            ("http://n:9696/", "http://n:9696/v2.0/"),
            ("http://n/network/v2.0/", "http://n/network/v2.0/"),
            ("http://n/load-balancer/v2", "http://n/load-balancer/v2.0/"),
        ] {
            let catalogue =
                [entry("network", &[("public", "r", url)]), entry("load-balancer", &[("public", "r", url)])];
            for service in [ServiceType::Network, ServiceType::LoadBalancer] {
                assert_eq!(pick(&catalogue, service, Interface::Public, None).unwrap(), expected);
            }
        }
    }

    #[test]
    fn an_alias_serves_when_the_official_type_is_missing() {
        let alias = entry("load_balancer", &[("publicURL", "r", "http://alias")]);
        let official = entry("load-balancer", &[("public", "r", "http://official")]);
        let pick = |catalogue: &[Entry]| {
            pick(catalogue, ServiceType::LoadBalancer, Interface::Public, None).unwrap()
        };
        assert_eq!(pick(std::slice::from_ref(&alias)), "http://alias/v2.0/");
        assert_eq!(pick(&[alias, official]), "http://official/v2.0/");
        assert!(ServiceType::Compute.is("computev21") && !ServiceType::Compute.is("computevalue"));
    }

    #[test]
    fn versions_in_paths_are_seen() {
        assert!(has_version(&Url::parse("http://n/compute/v2.1/project/").unwrap()));
        assert!(!has_version(&Url::parse("http://n/compute/").unwrap()));
    }
}
