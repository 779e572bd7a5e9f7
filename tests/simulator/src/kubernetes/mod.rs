//! A strict Kubernetes API server in one process: one database behind plain HTTP requests.
//!
//! It holds objects as JSON values under paths, and treats them by the rules of their kind, see `rules`. Lists, pages
//! and watches show the database as it was at one of its versions; a version that is too old is gone, and so it says.
//! There is no controller beside it: nobody deletes what stands in a namespace that goes, or makes endpoints.

mod access;
mod hands;
mod kind;
mod patch;
mod refusal;
mod route;
mod rules;
mod selector;
mod serve;
mod store;
#[cfg(test)]
mod tests;
mod watch;
mod way;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use http::{Request, Response};
use tokio::time::Instant;

pub use access::{Rule as AccessRule, User};
pub use watch::Disturbance;

use crate::link::{Broken, Link};
use crate::openstack::Latency;
use crate::world::World;
use serve::State;
use watch::Watches;

/// Its name in the ledger, in fault scripts and on links.
pub const SERVICE: &str = "kubernetes";

/// The body of an answer, piece by piece: what a watch needs.
pub type Chunks = BoxStream<'static, Result<Bytes, tower::BoxError>>;

/// How an API server is set up.
#[derive(Clone, Debug)]
pub struct ApiServerOptions {
    /// Its cluster's name: of two in one world each needs its own, or their objects would have the same UIDs.
    pub name: String,
    /// How long requests take, each way; a watch's events take one way.
    pub latency: Latency,
    /// How many changes of each kind are kept; watches and lists of older versions are answered with 410.
    pub window: usize,
}

impl Default for ApiServerOptions {
    fn default() -> Self {
        let latency = Latency { least: Duration::from_millis(1), most: Duration::from_millis(10) };
        Self { name: SERVICE.to_owned(), latency, window: 10_000 }
    }
}

/// An API server; clones share it.
#[derive(Clone)]
pub struct ApiServer(Arc<Shared>);

struct Shared {
    world: World,
    options: ApiServerOptions,
    state: Mutex<State>,
    dice: Mutex<fastrand::Rng>,
    watches: Watches,
}

impl ApiServer {
    /// A server with what every cluster has: the usual namespaces and the Service `default/kubernetes`.
    pub fn new(world: &World) -> Self {
        Self::with_options(world, ApiServerOptions::default())
    }

    /// The same with other settings.
    pub fn with_options(world: &World, options: ApiServerOptions) -> Self {
        let state =
            State::new(options.window, world.rng(&options.name), world.ids(&options.name), world.wall());
        let server = Self(Arc::new(Shared {
            state: Mutex::new(state),
            dice: Mutex::new(world.rng(&format!("latency of {}", options.name))),
            watches: Watches::default(),
            world: world.clone(),
            options,
        }));
        server.furnish();
        server
    }

    /// One request, over the network of `link`. It goes its way even if the caller stops waiting for it.
    ///
    /// A request without a bearer token is the administrator's.
    ///
    /// # Errors
    ///
    /// [`Broken`] where there is no answer; it says what may have happened.
    pub async fn send(&self, link: &Link, request: Request<Bytes>) -> Result<Response<Chunks>, Broken> {
        way::send(self, link, request).await
    }

    /// The time for one way.
    fn travel(&self) -> Duration {
        let mut dice = self.0.dice.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.options.latency.draw(&mut dice)
    }

    /// Brings the state up to this instant and hands it over.
    fn with_state<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(Instant::now(), self.0.world.wall());
        act(&mut state)
    }
}
