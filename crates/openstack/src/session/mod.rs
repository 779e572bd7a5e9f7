//! One cloud as one identity sees it: token, endpoints, limits, and the way every call goes.

mod discovery;
mod exchange;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::answer;
use crate::auth::AuthConfig;
use crate::auth::keyring::{Keyring, Setup};
use crate::auth::keystone::{self, Identity};
use crate::catalog::{Interface, ServiceType};
use crate::error::{Error, Fault};
use crate::fence::Fence;
use crate::ids::ProjectId;
use crate::json;
use crate::limit::Limit;
use crate::metrics::Metrics;
use crate::page;
use crate::request::Call;
use crate::transport::Transport;
use crate::versions::Range;

/// Most pages of one list; a server that gives more is broken.
const MOST_PAGES: usize = 10_000;

/// What a session needs to know.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Where and as whom to log in.
    pub auth: AuthConfig,
    /// The region whose endpoints are used; without one the first of any region.
    pub region: Option<String>,
    /// The interface whose endpoints are used.
    pub interface: Interface,
    /// Longest time a request may take, repetitions included. Each page of a list has this time.
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

struct Shared {
    keyring: Arc<Keyring>,
    metrics: Metrics,
    limits: BTreeMap<ServiceType, Limit>,
    /// Microversions that a service has refused.
    refused: Mutex<BTreeSet<(ServiceType, &'static str)>>,
    /// Microversions that a service has told it takes.
    ranges: Mutex<BTreeMap<ServiceType, Range>>,
    /// What the endpoints have told about their versions.
    apis: Mutex<BTreeMap<ServiceType, discovery::Known>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Why new settings were not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// They do not give a token.
    #[error("cannot log in with the new settings")]
    Login(#[source] Error),
    /// They belong to another project, region or domain. There all our servers would seem to be gone.
    #[error("the new settings belong to another {0}")]
    OtherIdentity(&'static str),
}

impl Session {
    /// A session that logs in when it is first used.
    pub fn new(config: SessionConfig, transport: Transport) -> Self {
        let limits =
            ServiceType::ALL.into_iter().map(|service| (service, Limit::new(config.max_in_flight))).collect();
        let metrics = Metrics::new();
        let shared = Shared {
            keyring: Keyring::new(Setup { config, transport }, metrics.clone()),
            metrics,
            limits,
            refused: Mutex::default(),
            ranges: Mutex::default(),
            apis: Mutex::default(),
        };
        Self { shared: Arc::new(shared), fence: None }
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

    /// The project that the token is for. Logs in if need be, and so tells whether the credentials are good.
    pub async fn project_id(&self) -> Result<Option<ProjectId>, Error> {
        Ok(self.shared.keyring.login().await?.identity.project.clone())
    }

    /// The region as configured.
    pub fn region(&self) -> Option<String> {
        self.shared.keyring.setup().config.region.clone()
    }

    /// Takes new settings (rotated credentials, another CA) after a login has proved that they are for the same
    /// project, region and domains; otherwise the old ones stay.
    pub async fn reload(&self, config: SessionConfig, transport: Transport) -> Result<(), ReloadError> {
        let login = tokio::time::timeout(config.auth_timeout, keystone::log_in(&config, &transport))
            .await
            .unwrap_or_else(|_| Err(Error::new(keystone::CALL, Fault::Timeout)))
            .map_err(ReloadError::Login)?;
        if let Some(present) = self.shared.keyring.present() {
            same_identity(&present.identity, &login.identity)?;
        }
        if self.region() != config.region {
            return Err(ReloadError::OtherIdentity("region"));
        }
        self.shared.keyring.replace(Setup { config, transport }, login);
        Ok(())
    }

    /// Sends a call and reads the object under `name` from the answer.
    pub(crate) async fn object<T: DeserializeOwned>(
        &self,
        call: Call,
        name: &'static str,
    ) -> Result<T, Error> {
        self.measured(&call, async {
            let answer = self.send(&call).await?;
            json::unwrap(name, &answer.body).map_err(|error| undecodable(&call, &error, answer.request_id))
        })
        .await
    }

    /// Sends a call whose answer does not matter.
    pub(crate) async fn done(&self, call: Call) -> Result<(), Error> {
        self.measured(&call, async { self.send(&call).await.map(|_| ()) }).await
    }

    /// Reads all pages of a list.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        call: Call,
        name: &'static str,
    ) -> Result<Vec<T>, Error> {
        self.measured(&call, async {
            let mut call = call.clone();
            let mut items = Vec::new();
            let mut seen = HashSet::new();
            loop {
                let answer = self.send(&call).await?;
                let page: json::Page<T> = json::page(name, &answer.body)
                    .map_err(|error| undecodable(&call, &error, answer.request_id.clone()))?;
                items.extend(page.items);
                let Some(href) = page.next.filter(|href| !page::is_empty_promise(href)) else {
                    return Ok(items);
                };
                let next = page::next_query(&call.query, &href).filter(|next| seen.insert(next.clone()));
                let Some(next) = next.filter(|_| seen.len() < MOST_PAGES) else {
                    let mut error = Error::new(call.name, Fault::Decode("the list has no end".into()));
                    error.request_id = answer.request_id;
                    return Err(error);
                };
                call.query = next;
            }
        })
        .await
    }

    /// Counts a call. That an object does not exist is an answer, not an error.
    async fn measured<T>(
        &self,
        call: &Call,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let start = Instant::now();
        let result = work.await;
        let fault = result.as_ref().err().map(|error| &error.fault);
        self.shared.metrics.observe(call.name, start.elapsed(), fault);
        result
    }
}

fn same_identity(old: &Identity, new: &Identity) -> Result<(), ReloadError> {
    if old.project != new.project {
        return Err(ReloadError::OtherIdentity("project"));
    }
    if old.domain != new.domain {
        return Err(ReloadError::OtherIdentity("domain"));
    }
    if old.user_domain != new.user_domain {
        return Err(ReloadError::OtherIdentity("user domain"));
    }
    Ok(())
}

/// A success whose body makes no sense. A write has happened all the same.
fn undecodable(call: &Call, error: &serde_json::Error, request_id: Option<Box<str>>) -> Error {
    let mut failure = Error::new(call.name, Fault::Decode(answer::unreadable(error)));
    failure.uncertain = call.is_write();
    failure.request_id = request_id;
    failure
}

#[cfg(test)]
mod tests;
