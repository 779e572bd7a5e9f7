//! Where the services are, and which of them a request is for.

use std::fmt;

/// One of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    Keystone,
    Nova,
    Neutron,
    Octavia,
}

impl Service {
    pub(crate) const ALL: [Self; 4] = [Self::Keystone, Self::Nova, Self::Neutron, Self::Octavia];

    /// Its name, as in the ledger and in fault scripts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keystone => "keystone",
            Self::Nova => "nova",
            Self::Neutron => "neutron",
            Self::Octavia => "octavia",
        }
    }

    /// Its type in the catalogue, see the service types authority.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Keystone => "identity",
            Self::Nova => "compute",
            Self::Neutron => "network",
            Self::Octavia => "load-balancer",
        }
    }

    /// The path that its entry in the catalogue has.
    pub(crate) fn root(self) -> &'static str {
        match self {
            Self::Keystone => "/v3",
            Self::Nova => "/v2.1",
            Self::Neutron | Self::Octavia => "",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The services' URLs, without a path and without a slash at the end.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Keystone's.
    pub keystone: String,
    /// Nova's.
    pub nova: String,
    /// Neutron's.
    pub neutron: String,
    /// Octavia's.
    pub octavia: String,
}

impl Default for Endpoints {
    fn default() -> Self {
        let url = |service: Service| format!("http://{service}");
        Self {
            keystone: url(Service::Keystone),
            nova: url(Service::Nova),
            neutron: url(Service::Neutron),
            octavia: url(Service::Octavia),
        }
    }
}

impl Endpoints {
    pub(crate) fn of(&self, service: Service) -> &str {
        match service {
            Service::Keystone => &self.keystone,
            Service::Nova => &self.nova,
            Service::Neutron => &self.neutron,
            Service::Octavia => &self.octavia,
        }
    }

    /// The service at `host[:port]`.
    pub(crate) fn at(&self, authority: &str) -> Option<Service> {
        let host = |url: &str| url.split_once("://").map(|(_, host)| host.to_owned());
        Service::ALL.into_iter().find(|service| host(self.of(*service)).as_deref() == Some(authority))
    }
}
