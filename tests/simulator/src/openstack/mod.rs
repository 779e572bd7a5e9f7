//! A strict OpenStack in one process: Keystone, Nova, Neutron and Octavia, answering plain HTTP requests.
//!
//! Each service is a synchronous function on one `State`. Its state machines are lazy: what becomes due
//! is scheduled, and applied in order of time before a request is served or the state is looked at.

mod ask;
mod call;
mod endpoints;
mod keystone;
mod neutron;
mod nova;
mod octavia;
mod operator;
mod pipeline;
mod profile;
mod respond;
mod state;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};

pub use endpoints::Endpoints;
pub use keystone::{AccessRule, ApplicationCredential, KeystoneOptions, Trust};
pub use neutron::Place;
pub use nova::ServerDraft;
pub use octavia::{Build, Front, OctaviaOptions, Span};
pub use operator::Operator;
pub use profile::{Latency, Profile, Release};

use crate::fault::Faults;
use crate::ledger::Ledger;
use crate::link::{Broken, Link};
use crate::world::World;
use state::State;

/// How a cloud is set up.
#[derive(Clone, Debug, Default)]
pub struct CloudOptions {
    /// Which OpenStack it is.
    pub profile: Profile,
    /// How long requests take.
    pub latency: Latency,
    /// Where the services are.
    pub endpoints: Endpoints,
    /// Users, projects, tokens.
    pub keystone: KeystoneOptions,
    /// Load balancing.
    pub octavia: OctaviaOptions,
}

/// A cloud; clones share it.
#[derive(Clone, Debug)]
pub struct Cloud(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: World,
    options: CloudOptions,
    state: Mutex<State>,
    dice: Mutex<fastrand::Rng>,
    history: Mutex<pipeline::History>,
}

impl Cloud {
    /// A cloud with a project and a user, and nothing else in it.
    pub fn new(world: &World, options: CloudOptions) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State::new(world, &options)),
            dice: Mutex::new(world.rng("latency of openstack")),
            history: Mutex::default(),
            world: world.clone(),
            options,
        }))
    }

    /// One request, over the network of `link`. It goes its way even if the caller stops waiting for it.
    ///
    /// # Errors
    ///
    /// [`Broken`] where there is no answer; it says what may have happened.
    pub async fn send(&self, link: &Link, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        pipeline::send(self, link, request).await
    }

    /// One who changes the cloud from within: an administrator, or a service by itself.
    pub fn operator(&self) -> Operator {
        Operator::new(self.clone())
    }

    /// Every request into this world so far.
    pub fn ledger(&self) -> &Ledger {
        self.0.world.ledger()
    }

    /// What goes wrong in this world.
    pub fn faults(&self) -> &Faults {
        self.0.world.faults()
    }

    /// How it was set up.
    pub fn options(&self) -> &CloudOptions {
        &self.0.options
    }

    /// Brings the state up to this instant and hands it over.
    fn with_state<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(tokio::time::Instant::now());
        act(&mut state)
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
