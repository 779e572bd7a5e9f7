//! Identifiers of cloud objects, one type a kind, so that a port can never be passed where a server is meant.
//!
//! They hold whatever the service gave: most are UUIDs, some providers use other forms. Whether one may stand in
//! a URL is decided where the URL is built.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The identifier as the service writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    )+};
}

ids! {
    /// A Nova server.
    ServerId
    /// A Nova flavor.
    FlavorId
    /// A Keystone project.
    ProjectId
    /// A Neutron port.
    PortId
    /// A Neutron network.
    NetworkId
    /// A Neutron subnet.
    SubnetId
    /// A Neutron router.
    RouterId
    /// A Neutron floating IP.
    FloatingIpId
    /// A Neutron security group.
    SecurityGroupId
    /// A rule of a Neutron security group.
    SecurityGroupRuleId
    /// An Octavia load balancer.
    LoadBalancerId
    /// An Octavia listener.
    ListenerId
    /// An Octavia pool.
    PoolId
    /// A member of an Octavia pool.
    MemberId
    /// An Octavia health monitor.
    HealthMonitorId
}

/// `{"id": …}`, the way the services refer to other objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRef<T> {
    /// The object referred to.
    pub id: T,
}
