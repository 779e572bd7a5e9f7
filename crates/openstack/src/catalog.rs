//! The service catalogue of a token: which URL a service has in our region, on our interface.

use std::fmt;

use serde::Deserialize;
use url::Url;

use crate::versions::Microversion;

/// A service that this crate calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceType {
    /// Keystone.
    Identity,
    /// Nova.
    Compute,
    /// Neutron.
    Network,
    /// Octavia.
    LoadBalancer,
    /// Cinder.
    BlockStorage,
    /// Manila.
    SharedFileSystem,
    /// Barbican.
    KeyManager,
}

impl ServiceType {
    pub(crate) const ALL: [Self; 7] = [
        Self::Identity,
        Self::Compute,
        Self::Network,
        Self::LoadBalancer,
        Self::BlockStorage,
        Self::SharedFileSystem,
        Self::KeyManager,
    ];

    /// The type's name in the service types authority.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Compute => "compute",
            Self::Network => "network",
            Self::LoadBalancer => "load-balancer",
            Self::BlockStorage => "block-storage",
            Self::SharedFileSystem => "shared-file-system",
            Self::KeyManager => "key-manager",
        }
    }

    /// Other names in catalogues, without version; see <https://service-types.openstack.org/>.
    fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::LoadBalancer => &["loadbalancer", "octavia"],
            Self::BlockStorage => &["volume", "block-store"],
            Self::SharedFileSystem => &["share"],
            _ => &[],
        }
    }

    /// The version of the API that we speak, as it stands in paths, and the part of it that tells.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Identity | Self::BlockStorage => "v3",
            Self::Compute => "v2.1",
            Self::Network | Self::LoadBalancer => "v2.0",
            Self::SharedFileSystem => "v2",
            Self::KeyManager => "v1",
        }
    }

    /// The header that asks for a microversion, and its value; `None` for services without.
    pub(crate) fn microversion(self, version: Microversion) -> Option<(&'static str, String)> {
        match self {
            Self::Compute => Some(("openstack-api-version", format!("compute {version}"))),
            // Cinder answers to its old name only.
            Self::BlockStorage => Some(("openstack-api-version", format!("volume {version}"))),
            Self::SharedFileSystem => Some(("x-openstack-manila-api-version", version.to_string())),
            Self::KeyManager => Some(("openstack-api-version", format!("key-manager {version}"))),
            Self::Identity | Self::Network | Self::LoadBalancer => None,
        }
    }

    /// Whether a catalogue entry of type `entry` is this service.
    ///
    /// Besides the official name, old catalogues write underscores and version suffixes (`computev21`, `volumev3`).
    /// The old versions of Cinder's and Manila's APIs have entries of their own, which are other services to us.
    fn is(self, entry: &str) -> bool {
        let entry = entry.replace('_', "-").to_ascii_lowercase();
        let names = [self.name()].into_iter().chain(self.aliases().iter().copied());
        names.into_iter().filter_map(|name| entry.strip_prefix(name)).any(|rest| {
            let version = rest.strip_prefix('v').unwrap_or(rest);
            match self {
                Self::BlockStorage => matches!(rest, "" | "v3"),
                Self::SharedFileSystem => matches!(rest, "" | "v2"),
                _ => {
                    rest.is_empty()
                        || (version != rest
                            && !version.is_empty()
                            && version.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
                }
            }
        })
    }

    /// How well an entry of this type names the service: the official name first, one with our version next, so that
    /// Manila's `sharev2` goes before its `share`, which is the old API.
    fn rank(self, entry: &str) -> Option<u8> {
        if entry == self.name() {
            return Some(0);
        }
        self.is(entry).then(|| if entry.ends_with(self.version()) { 1 } else { 2 })
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
/// Entries of the official type win over those of an alias. Endpoints whose path names a version that we do not speak
/// (`/v2/` of Cinder, `/v1/` of Manila) are not the service's.
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
    let mut ranked: Vec<(u8, &Entry)> =
        catalogue.iter().filter_map(|entry| Some((service.rank(&entry.kind)?, entry))).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut url =
        ranked.iter().flat_map(|(_, entry)| &entry.endpoints).filter(fits).find_map(|endpoint| {
            Url::parse(&endpoint.url).ok().filter(|url| {
                matches!(url.scheme(), "http" | "https") && url.has_host() && speaks(service, url)
            })
        })?;
    url.set_query(None);
    url.set_fragment(None);
    Some(base_path(service, &url))
}

/// Whether an endpoint can be of the API that we speak.
fn speaks(service: ServiceType, url: &Url) -> bool {
    let old = match service {
        ServiceType::BlockStorage => ["v1", "v2"],
        ServiceType::SharedFileSystem => ["v1", "v1.0"],
        _ => return true,
    };
    !url.path().split('/').any(|segment| old.contains(&segment))
}

/// The URL under which the calls of a service lie, ending in a slash.
///
/// Keystone, Neutron, Octavia and Barbican have one version each, put into the path by us whatever the catalogue says;
/// the entries of the others carry theirs, and where they do not, the session asks for it.
fn base_path(service: ServiceType, endpoint: &Url) -> Url {
    let mut base = endpoint.clone();
    let path = endpoint.path().trim_end_matches('/');
    let path = match service {
        ServiceType::Compute | ServiceType::BlockStorage | ServiceType::SharedFileSystem => {
            format!("{path}/")
        }
        ServiceType::Identity
        | ServiceType::Network
        | ServiceType::LoadBalancer
        | ServiceType::KeyManager => {
            let bare = ["/v3", "/v2.0", "/v2", "/v1"].iter().find_map(|version| path.strip_suffix(version));
            format!("{}/{}/", bare.unwrap_or(path), service.version())
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
    fn volumes_shares_and_secrets_are_found_by_all_their_names() {
        use ServiceType::{BlockStorage, Identity, KeyManager, SharedFileSystem};
        for (service, kind, url, expected) in [
            (BlockStorage, "volumev3", "http://c/v3/p", Some("http://c/v3/p/")),
            (BlockStorage, "block-storage", "http://c/v3", Some("http://c/v3/")),
            (BlockStorage, "volumev2", "http://c/v2/p", None),
            (BlockStorage, "volume", "http://c/v1/p", None),
            (SharedFileSystem, "sharev2", "http://m/v2", Some("http://m/v2/")),
            (SharedFileSystem, "shared-file-system", "http://m", Some("http://m/")),
            (SharedFileSystem, "share", "http://m/v1/p", None),
            (KeyManager, "key-manager", "http://b", Some("http://b/v1/")),
            (KeyManager, "key-manager", "http://b/key/v1/", Some("http://b/key/v1/")),
            (Identity, "identity", "http://k/identity", Some("http://k/identity/v3/")),
            (Identity, "identity", "http://k:5000/v3/", Some("http://k:5000/v3/")),
            (Identity, "identity", "http:///", None),
        ] {
            let catalogue = [entry(kind, &[("public", "r", url)])];
            assert_eq!(
                pick(&catalogue, service, Interface::Public, None).as_deref(),
                expected,
                "{kind} {url}"
            );
        }
        let both = [
            entry("share", &[("public", "r", "http://m/old")]),
            entry("sharev2", &[("public", "r", "http://m/v2")]),
        ];
        assert_eq!(pick(&both, SharedFileSystem, Interface::Public, None).unwrap(), "http://m/v2/");
    }

    #[test]
    fn each_service_is_asked_for_a_microversion_in_its_own_way() {
        let ask = |service: ServiceType| service.microversion("2.65".parse().unwrap());
        assert_eq!(ask(ServiceType::Compute), Some(("openstack-api-version", "compute 2.65".into())));
        assert_eq!(ask(ServiceType::BlockStorage), Some(("openstack-api-version", "volume 2.65".into())));
        assert_eq!(
            ask(ServiceType::SharedFileSystem),
            Some(("x-openstack-manila-api-version", "2.65".into()))
        );
        assert_eq!(ask(ServiceType::Network), None);
    }

    #[test]
    fn versions_in_paths_are_seen() {
        assert!(has_version(&Url::parse("http://n/compute/v2.1/project/").unwrap()));
        assert!(!has_version(&Url::parse("http://n/compute/").unwrap()));
    }
}
