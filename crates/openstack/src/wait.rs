//! Waiting for load balancers to settle, with few requests for many waiters.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::ids::LoadBalancerId;
use crate::load_balancer::{LoadBalancer, LoadBalancing};

/// How a load balancer came to rest.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// ACTIVE.
    Active(LoadBalancer),
    /// ERROR.
    Error(LoadBalancer),
    /// It does not exist any more.
    Gone,
}

/// Waits for load balancers; one per process.
#[derive(Clone, Debug)]
pub struct LoadBalancerWaiter {
    _api: LoadBalancing,
}

impl LoadBalancerWaiter {
    /// A waiter that reads through `api`.
    pub fn new(api: LoadBalancing) -> Self {
        Self { _api: api }
    }

    /// Waits until the load balancer is neither being created, nor changed, nor deleted.
    pub async fn settled(
        &self,
        _id: &LoadBalancerId,
        _since: Instant,
        _within: Duration,
    ) -> Result<Settlement, Error> {
        unimplemented!()
    }
}
