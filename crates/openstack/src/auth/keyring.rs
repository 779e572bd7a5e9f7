//! Keeps one valid token for everybody: one login at a time, renewed before its end, with the old one in use
//! meanwhile.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::keystone::{self, CALL, Login};
use crate::error::{Error, Fault};
use crate::metrics::Metrics;
use crate::session::SessionConfig;
use crate::transport::Transport;

/// Where to log in, with what, and how the bytes get there.
#[derive(Debug)]
pub(crate) struct Setup {
    pub config: SessionConfig,
    pub transport: Transport,
}

/// How old a catalogue is at least before it is doubted.
const FRESH: Duration = Duration::from_secs(60);

/// The shared token.
pub(crate) struct Keyring {
    state: Mutex<State>,
    metrics: Metrics,
}

struct State {
    setup: Arc<Setup>,
    login: Option<Arc<Login>>,
    running: Option<Running>,
    failures: u32,
    /// After a failed login: not again before this, and what was wrong.
    hold: Option<(Instant, Error)>,
}

type Running = Shared<BoxFuture<'static, Result<Arc<Login>, Error>>>;

impl Keyring {
    pub(crate) fn new(setup: Setup, metrics: Metrics) -> Arc<Self> {
        let state = State { setup: Arc::new(setup), login: None, running: None, failures: 0, hold: None };
        Arc::new(Self { state: Mutex::new(state), metrics })
    }

    pub(crate) fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.lock().setup)
    }

    /// A token that is valid now. Waits for a login only when there is none.
    pub(crate) async fn login(self: &Arc<Self>) -> Result<Arc<Login>, Error> {
        let running = {
            let mut state = self.lock();
            let now = Instant::now();
            match &state.login {
                Some(login) if now < login.expires_at => {
                    let login = Arc::clone(login);
                    if now >= login.renew_at {
                        // What comes of it shows in the next calls.
                        drop(self.join_or_start(&mut state, now));
                    }
                    return Ok(login);
                }
                _ => self.join_or_start(&mut state, now)?,
            }
        };
        running.await
    }

    /// A token other than `refused`, which a service did not accept.
    pub(crate) async fn renewed(self: &Arc<Self>, refused: &Arc<Login>) -> Result<Arc<Login>, Error> {
        let running = {
            let mut state = self.lock();
            match &state.login {
                Some(login) if !Arc::ptr_eq(login, refused) => return Ok(Arc::clone(login)),
                _ => self.join_or_start(&mut state, Instant::now())?,
            }
        };
        running.await
    }

    /// A service cannot be reached where the catalogue says it is: the catalogue is read again, with a new token,
    /// unless it is fresh.
    pub(crate) fn doubt(self: &Arc<Self>) {
        let mut state = self.lock();
        let now = Instant::now();
        if state.login.as_ref().is_some_and(|login| now >= login.begun + FRESH) {
            drop(self.join_or_start(&mut state, now));
        }
    }

    /// Replaces setup and token at once.
    pub(crate) fn replace(&self, setup: Setup, login: Login) {
        let mut state = self.lock();
        state.setup = Arc::new(setup);
        state.login = Some(Arc::new(login));
        state.running = None;
        state.failures = 0;
        state.hold = None;
    }

    /// The token in use, valid or not.
    pub(crate) fn present(&self) -> Option<Arc<Login>> {
        self.lock().login.clone()
    }

    /// The login that runs, or a new one; after a failure not at once, since Keystone locks out users who insist.
    fn join_or_start(self: &Arc<Self>, state: &mut State, now: Instant) -> Result<Running, Error> {
        if let Some(running) = state.running.as_ref().filter(|running| running.peek().is_none()) {
            return Ok(running.clone());
        }
        if let Some((_, error)) = state.hold.as_ref().filter(|(until, _)| now < *until) {
            return Err(error.clone());
        }
        let setup = Arc::clone(&state.setup);
        let keyring = Arc::clone(self);
        // A task of its own: a caller who gives up does not stop the login that others wait for.
        let task = tokio::spawn(async move {
            let start = Instant::now();
            let limit = setup.config.auth_timeout;
            let result = tokio::time::timeout(limit, keystone::log_in(&setup.config, &setup.transport))
                .await
                .unwrap_or_else(|_| Err(Error::new(CALL, Fault::Timeout)));
            let fault = result.as_ref().err().map(|error| &error.fault);
            keyring.metrics.observe(CALL, start.elapsed(), fault);
            keyring.finish(&setup, result)
        });
        let stopped = |_| Err(Error::new(CALL, Fault::Unavailable("the login was stopped".into())));
        let running = task.map(move |result| result.unwrap_or_else(stopped)).boxed().shared();
        state.running = Some(running.clone());
        Ok(running)
    }

    fn finish(&self, setup: &Arc<Setup>, result: Result<Login, Error>) -> Result<Arc<Login>, Error> {
        let mut state = self.lock();
        if !Arc::ptr_eq(&state.setup, setup) {
            // The setup was replaced meanwhile, and a token came with it.
            return state
                .login
                .clone()
                .ok_or_else(|| Error::new(CALL, Fault::Unavailable("replaced".into())));
        }
        state.running = None;
        match result {
            Ok(login) => {
                let login = Arc::new(login);
                state.login = Some(Arc::clone(&login));
                state.failures = 0;
                state.hold = None;
                tracing::debug!(
                    service = "identity",
                    valid_s = login.expires_at.saturating_duration_since(Instant::now()).as_secs(),
                    "token issued"
                );
                Ok(login)
            }
            Err(error) => {
                let until = Instant::now() + hold(state.failures, error.is_transient());
                state.hold = Some((until, error.clone()));
                state.failures = state.failures.saturating_add(1);
                tracing::warn!(service = "identity", %error, failures = state.failures, "no token");
                Err(error)
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the next login waits after a number of earlier failures: 1 s doubling to 1 min, but to 2 s only when
/// Keystone could not be asked, so that its return is noticed soon.
fn hold(failures: u32, transient: bool) -> Duration {
    let longest = if transient { 2 } else { 60 };
    Duration::from_secs((1 << failures.min(6)).min(longest))
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}
