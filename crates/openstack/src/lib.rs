//! A thin, typed client for the OpenStack APIs that a Kubernetes cloud provider needs.
//!
//! It knows neither Kubernetes nor CSI. A call goes
//!
//! ```text
//! compute, network, load_balancer      one typed method a call
//!        │ request::Call
//!     Session ── fence ── limit ── retry ── metrics
//!        │           token and endpoint: auth::keyring ── Keystone
//!     Transport                        a tower service: reqwest, or a simulator in tests
//! ```
//!
//! On top of the calls stand two things that many callers share: [`Inventory`], snapshots of servers and ports
//! with an explicit age, and [`LoadBalancerWaiter`], which watches any number of pending load balancers with one
//! request a tick.

mod answer;
mod auth;
mod catalog;
pub mod compute;
mod error;
mod fence;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod ids;
mod inventory;
mod json;
mod limit;
pub mod load_balancer;
mod metrics;
pub mod network;
mod page;
mod request;
mod retry;
mod session;
#[cfg(test)]
mod testing;
mod text;
pub mod transport;
mod versions;
mod wait;

pub use auth::{AuthConfig, Credentials, Domain, Project, Scope, User};
pub use catalog::{Interface, ServiceType};
pub use compute::{Compute, Server};
pub use error::{Error, Fault};
pub use fence::{Fence, WriteWindow};
pub use ids::{
    FlavorId, FloatingIpId, HealthMonitorId, IdRef, ListenerId, LoadBalancerId, MemberId, NetworkId, PoolId,
    PortId, ProjectId, RouterId, SecurityGroupId, SecurityGroupRuleId, ServerId, SubnetId,
};
pub use inventory::{Inventory, Ports, Servers};
pub use load_balancer::{LoadBalancer, LoadBalancing};
pub use metrics::Metrics;
pub use network::Network;
pub use session::{ReloadError, Session, SessionConfig};
pub use transport::{Transport, TransportError};
pub use versions::{Microversion, Range};
pub use wait::{LoadBalancerWaiter, Settlement};

/// One cloud: its services by name.
#[derive(Clone, Debug)]
pub struct Cloud {
    session: Session,
}

impl Cloud {
    /// The cloud that the session talks to.
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Nova.
    pub fn compute(&self) -> Compute {
        Compute::new(self.session.clone())
    }

    /// Neutron.
    pub fn network(&self) -> Network {
        Network::new(self.session.clone())
    }

    /// Octavia.
    pub fn load_balancer(&self) -> LoadBalancing {
        LoadBalancing::new(self.session.clone())
    }
}
