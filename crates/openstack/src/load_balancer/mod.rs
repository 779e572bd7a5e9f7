//! Octavia v2.0: load balancers, listeners, pools, members, health monitors.

mod graph;
mod types;

pub use graph::{LoadBalancerGraph, StatusTree};

pub use types::{
    Cascade, HealthMonitor, HealthMonitorCreate, HealthMonitorUpdate, Listener, ListenerCreate,
    ListenerUpdate, LoadBalancer, LoadBalancerCreate, LoadBalancerFilter, LoadBalancerUpdate, Member,
    MemberSet, Pool, PoolCreate, PoolUpdate, ProvisioningStatus, SessionPersistence,
};

use futures::future::join_all;
use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::catalog::ServiceType::LoadBalancer as OCTAVIA;
use crate::error::Error;
use crate::ids::{HealthMonitorId, ListenerId, LoadBalancerId, PoolId};
use crate::request::Call;
use crate::session::Session;

/// The load-balancing calls of a cloud.
#[derive(Clone, Debug)]
pub struct LoadBalancing {
    session: Session,
}

impl LoadBalancing {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// The ids of the API versions that Octavia offers, in its order: `v2.0`, …, `v2.29`.
    pub async fn versions(&self) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Version {
            id: String,
        }
        // The base carries `v2.0/`; the list stands one level above.
        let call = Call::get("version_list", OCTAVIA, "../", &[])?;
        let versions: Vec<Version> = self.session.object(call, "versions").await?;
        Ok(versions.into_iter().map(|version| version.id).collect())
    }

    /// One load balancer.
    pub async fn load_balancer(&self, id: &LoadBalancerId) -> Result<LoadBalancer, Error> {
        let call = Call::get("loadbalancer_get", OCTAVIA, "lbaas/loadbalancers/{}", &[id.as_str()])?;
        self.session.object(call, "loadbalancer").await
    }

    /// All load balancers that fit the filter.
    pub async fn load_balancers(&self, filter: &LoadBalancerFilter) -> Result<Vec<LoadBalancer>, Error> {
        let mut call = Call::get("loadbalancer_list", OCTAVIA, "lbaas/loadbalancers", &[])?
            .query_if("name", filter.name.as_deref())
            .query_if("vip_address", filter.vip_address.as_deref())
            .query_if("vip_port_id", filter.vip_port_id.as_ref());
        if !filter.tags.is_empty() {
            call = call.query("tags", &filter.tags.join(","));
        }
        self.session.list(call, "loadbalancers").await
    }

    /// The statuses of a load balancer and of all that is in it.
    pub async fn status_tree(&self, id: &LoadBalancerId) -> Result<StatusTree, Error> {
        let template = "lbaas/loadbalancers/{}/status";
        let call = Call::get("loadbalancer_status_get", OCTAVIA, template, &[id.as_str()])?;
        let statuses: serde_json::Value = self.session.object(call, "statuses").await?;
        Ok(StatusTree::count(&statuses))
    }

    /// Creates a load balancer, with its children if the body has them.
    pub async fn create_load_balancer(&self, body: &LoadBalancerCreate) -> Result<LoadBalancerGraph, Error> {
        self.create("loadbalancer_create", "lbaas/loadbalancers", "loadbalancer", body).await
    }

    /// Changes a load balancer's own fields.
    pub async fn update_load_balancer(
        &self,
        id: &LoadBalancerId,
        body: &LoadBalancerUpdate,
    ) -> Result<LoadBalancer, Error> {
        self.update("loadbalancer_update", "lbaas/loadbalancers/{}", id.as_str(), "loadbalancer", body).await
    }

    /// Deletes a load balancer.
    pub async fn delete_load_balancer(&self, id: &LoadBalancerId, cascade: Cascade) -> Result<(), Error> {
        let call = Call::new(
            "loadbalancer_delete",
            OCTAVIA,
            Method::DELETE,
            "lbaas/loadbalancers/{}",
            &[id.as_str()],
        )?;
        let call = match cascade {
            Cascade::Yes => call.query("cascade", "true"),
            Cascade::No => call,
        };
        self.session.done(call).await
    }

    /// The listeners of a load balancer.
    pub async fn listeners(&self, load_balancer: &LoadBalancerId) -> Result<Vec<Listener>, Error> {
        let call = Call::get("loadbalancer_listener_list", OCTAVIA, "lbaas/listeners", &[])?
            .query("loadbalancer_id", load_balancer.as_str());
        self.session.list(call, "listeners").await
    }

    /// Creates a listener.
    pub async fn create_listener(&self, body: &ListenerCreate) -> Result<Listener, Error> {
        self.create("loadbalancer_listener_create", "lbaas/listeners", "listener", body).await
    }

    /// Changes a listener.
    pub async fn update_listener(&self, id: &ListenerId, body: &ListenerUpdate) -> Result<Listener, Error> {
        self.update("loadbalancer_listener_update", "lbaas/listeners/{}", id.as_str(), "listener", body).await
    }

    /// Deletes a listener; its pool stays.
    pub async fn delete_listener(&self, id: &ListenerId) -> Result<(), Error> {
        self.delete("loadbalancer_listener_delete", "lbaas/listeners/{}", id.as_str()).await
    }

    /// The pools of a load balancer.
    pub async fn pools(&self, load_balancer: &LoadBalancerId) -> Result<Vec<Pool>, Error> {
        let call = Call::get("loadbalancer_pool_list", OCTAVIA, "lbaas/pools", &[])?
            .query("loadbalancer_id", load_balancer.as_str());
        self.session.list(call, "pools").await
    }

    /// Creates a pool, without members or monitor.
    pub async fn create_pool(&self, body: &PoolCreate) -> Result<Pool, Error> {
        self.create("loadbalancer_pool_create", "lbaas/pools", "pool", body).await
    }

    /// Changes a pool.
    pub async fn update_pool(&self, id: &PoolId, body: &PoolUpdate) -> Result<Pool, Error> {
        self.update("loadbalancer_pool_update", "lbaas/pools/{}", id.as_str(), "pool", body).await
    }

    /// Deletes a pool with its members and monitor.
    pub async fn delete_pool(&self, id: &PoolId) -> Result<(), Error> {
        self.delete("loadbalancer_pool_delete", "lbaas/pools/{}", id.as_str()).await
    }

    /// The members of a pool.
    pub async fn members(&self, pool: &PoolId) -> Result<Vec<Member>, Error> {
        let call =
            Call::get("loadbalancer_member_list", OCTAVIA, "lbaas/pools/{}/members", &[pool.as_str()])?;
        self.session.list(call, "members").await
    }

    /// Makes `members` the members of a pool: what is missing is created, what is left out deleted, in one call.
    pub async fn set_members(&self, pool: &PoolId, members: &[MemberSet]) -> Result<(), Error> {
        let call = Call::new(
            "loadbalancer_members_update",
            OCTAVIA,
            Method::PUT,
            "lbaas/pools/{}/members",
            &[pool.as_str()],
        )?;
        self.session.done(call.body("members", members)?).await
    }

    /// The health monitors of a load balancer's pools. Octavia cannot list them by load balancer: this reads the
    /// pools first; who has them asks [`Self::monitors_of`].
    pub async fn health_monitors(&self, load_balancer: &LoadBalancerId) -> Result<Vec<HealthMonitor>, Error> {
        self.monitors_of(&self.pools(load_balancer).await?).await
    }

    /// The health monitors of these pools, one read each, together.
    pub async fn monitors_of(&self, pools: &[Pool]) -> Result<Vec<HealthMonitor>, Error> {
        let ids = pools.iter().filter_map(|pool| pool.healthmonitor_id.as_ref());
        let found = join_all(ids.map(|id| self.health_monitor(id))).await;
        // One that was deleted since the pools were read is none.
        found.into_iter().filter(|found| !found.as_ref().is_err_and(Error::is_not_found)).collect()
    }

    /// One health monitor.
    pub async fn health_monitor(&self, id: &HealthMonitorId) -> Result<HealthMonitor, Error> {
        let call =
            Call::get("loadbalancer_healthmonitor_get", OCTAVIA, "lbaas/healthmonitors/{}", &[id.as_str()])?;
        self.session.object(call, "healthmonitor").await
    }

    /// Creates a health monitor.
    pub async fn create_health_monitor(&self, body: &HealthMonitorCreate) -> Result<HealthMonitor, Error> {
        self.create("loadbalancer_healthmonitor_create", "lbaas/healthmonitors", "healthmonitor", body).await
    }

    /// Changes a health monitor.
    pub async fn update_health_monitor(
        &self,
        id: &HealthMonitorId,
        body: &HealthMonitorUpdate,
    ) -> Result<HealthMonitor, Error> {
        let template = "lbaas/healthmonitors/{}";
        self.update("loadbalancer_healthmonitor_update", template, id.as_str(), "healthmonitor", body).await
    }

    /// Deletes a health monitor.
    pub async fn delete_health_monitor(&self, id: &HealthMonitorId) -> Result<(), Error> {
        self.delete("loadbalancer_healthmonitor_delete", "lbaas/healthmonitors/{}", id.as_str()).await
    }

    async fn create<B: Serialize, T: DeserializeOwned>(
        &self,
        name: &'static str,
        path: &'static str,
        object: &'static str,
        body: &B,
    ) -> Result<T, Error> {
        let call = Call::new(name, OCTAVIA, Method::POST, path, &[])?.body(object, body)?;
        self.session.object(call, object).await
    }

    async fn update<B: Serialize, T: DeserializeOwned>(
        &self,
        name: &'static str,
        template: &'static str,
        id: &str,
        object: &'static str,
        body: &B,
    ) -> Result<T, Error> {
        let call = Call::new(name, OCTAVIA, Method::PUT, template, &[id])?.body(object, body)?;
        self.session.object(call, object).await
    }

    async fn delete(&self, name: &'static str, template: &'static str, id: &str) -> Result<(), Error> {
        self.session.done(Call::new(name, OCTAVIA, Method::DELETE, template, &[id])?).await
    }
}
