//! One cloud as one identity sees it: token, endpoints, limits, and the way every call goes.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::auth::AuthConfig;
use crate::catalog::Interface;
use crate::error::Error;
use crate::fence::Fence;
use crate::metrics::Metrics;
use crate::request::Call;
use crate::transport::Transport;

/// What a session needs to know.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Where and as whom to log in.
    pub auth: AuthConfig,
    /// The region whose endpoints are used; without one the first of any region.
    pub region: Option<String>,
    /// The interface whose endpoints are used.
    pub interface: Interface,
    /// Longest time a call may take, repetitions included.
    pub request_timeout: Duration,
    /// Longest time a login may take.
    pub auth_timeout: Duration,
    /// `User-Agent` of every request.
    pub user_agent: String,
    /// Most requests in flight to one service.
    pub max_in_flight: usize,
}

impl SessionConfig {
    /// A configuration with the defaults: any region, public endpoints, 60 s a call, 30 s a login, 16 in flight.
    pub fn new(auth: AuthConfig) -> Self {
        Self {
            auth,
            region: None,
            interface: Interface::Public,
            request_timeout: Duration::from_secs(60),
            auth_timeout: Duration::from_secs(30),
            user_agent: concat!("openstack-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_in_flight: 16,
        }
    }
}

/// A session; clones share everything but the fence.
#[derive(Clone, Debug)]
pub struct Session {
    shared: Arc<Shared>,
    fence: Option<Fence>,
}

#[derive(Debug)]
struct Shared {
    metrics: Metrics,
}

impl Session {
    /// A session that logs in when it is first used.
    pub fn new(_config: SessionConfig, _transport: Transport) -> Self {
        Self { shared: Arc::new(Shared { metrics: Metrics::new() }), fence: None }
    }

    /// The same session, whose writes are bound to the fence's window.
    #[must_use]
    pub fn with_fence(&self, fence: Fence) -> Self {
        Self { shared: Arc::clone(&self.shared), fence: Some(fence) }
    }

    /// The session's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(crate) async fn object<T: DeserializeOwned>(
        &self,
        _call: Call,
        _name: &'static str,
    ) -> Result<T, Error> {
        unimplemented!()
    }

    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        _call: Call,
        _name: &'static str,
    ) -> Result<Vec<T>, Error> {
        unimplemented!()
    }

    pub(crate) async fn done(&self, _call: Call) -> Result<(), Error> {
        unimplemented!()
    }
}
