//! What keeps the program from working, part by part, for `/readyz` and `/livez`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use host::health::{Health, Probe};
use kubernetes::Fence;
use openstack::Session;
use text::Chain;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::flags::ControllerName;

/// How long a leader may go on with an expired lease before it is to be started anew. It ends by itself much earlier.
const EXPIRED_FOR: Duration = Duration::from_secs(20);
/// Pauses between logins that fail: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

type Check = Box<dyn Fn() -> bool + Send + Sync>;

/// What is known of the program's parts.
#[derive(Default)]
pub(super) struct Readiness(Mutex<Parts>);

#[derive(Default)]
struct Parts {
    /// Why the cloud cannot be used; `None` once it could.
    cloud: CloudState,
    controllers: Vec<(ControllerName, Check)>,
    lease: Option<Fence>,
}

#[derive(Default)]
enum CloudState {
    #[default]
    Untried,
    Failed(String),
    Reached,
}

impl Readiness {
    /// Adds its checks to the endpoint.
    pub(super) fn register(self: &Arc<Self>, health: &mut Health) {
        let parts = Arc::clone(self);
        health.add(Probe::Live, "leaderElection", move || parts.lock().lease());
        let parts = Arc::clone(self);
        health.add(Probe::Ready, "cloud", move || parts.lock().cloud());
        for name in ControllerName::ALL {
            let parts = Arc::clone(self);
            health.add(Probe::Ready, name.canonical(), move || parts.lock().controller(name));
        }
    }

    /// The lease that the process works by.
    pub(super) fn lead_by(&self, lease: Fence) {
        self.lock().lease = Some(lease);
    }

    /// From now on the process is ready only if this controller is.
    pub(super) fn depends_on(
        &self,
        name: ControllerName,
        is_ready: impl Fn() -> bool + Send + Sync + 'static,
    ) {
        self.lock().controllers.push((name, Box::new(is_ready)));
    }

    /// Logs in to the cloud, so that wrong credentials show at once and not at the first Service. Tries until it works.
    pub(super) async fn log_in(self: Arc<Self>, session: Session) {
        let mut pause = FIRST_PAUSE;
        loop {
            match session.project_id().await {
                Ok(project) => {
                    info!(
                        project = project.as_ref().map(openstack::ProjectId::as_str),
                        "logged in to OpenStack"
                    );
                    self.lock().cloud = CloudState::Reached;
                    return;
                }
                Err(error) => {
                    let error = Chain(&error).to_string();
                    warn!(error, retry_in = ?pause, "not logged in to OpenStack");
                    self.lock().cloud = CloudState::Failed(error);
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parts {
    fn lease(&self) -> Result<(), String> {
        let window = self.lease.as_ref().and_then(|lease| *lease.borrow());
        match window {
            Some(window) if window.end_before + EXPIRED_FOR < Instant::now() => {
                Err("the lease has expired, and this process still holds it for its own".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn cloud(&self) -> Result<(), String> {
        match &self.cloud {
            CloudState::Reached => Ok(()),
            CloudState::Untried => Err("not logged in yet".to_owned()),
            CloudState::Failed(error) => Err(error.clone()),
        }
    }

    fn controller(&self, name: ControllerName) -> Result<(), String> {
        let waits = self.controllers.iter().any(|(controller, is_ready)| *controller == name && !is_ready());
        if waits { Err("waiting for the first list from the API server".to_owned()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use kubernetes::WriteWindow;
    use tokio::sync::watch;

    use super::*;

    #[test]
    fn a_controller_that_does_not_run_keeps_nothing_waiting() {
        let readiness = Readiness::default();
        let ready = Arc::new(AtomicBool::new(false));
        readiness.depends_on(ControllerName::Node, {
            let ready = Arc::clone(&ready);
            move || ready.load(Ordering::SeqCst)
        });
        assert!(readiness.lock().controller(ControllerName::Node).is_err());
        assert_eq!(readiness.lock().controller(ControllerName::Service), Ok(()));
        ready.store(true, Ordering::SeqCst);
        assert_eq!(readiness.lock().controller(ControllerName::Node), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_with_a_lease_long_expired_is_to_be_started_anew() {
        let readiness = Readiness::default();
        let (sender, lease) = watch::channel(None);
        readiness.lead_by(lease);
        assert_eq!(readiness.lock().lease(), Ok(()), "a candidate is well");
        let end_before = Instant::now() + Duration::from_secs(15);
        sender.send_replace(Some(WriteWindow { begin_before: end_before, end_before }));
        sleep(Duration::from_secs(34)).await;
        assert_eq!(readiness.lock().lease(), Ok(()));
        sleep(Duration::from_secs(2)).await;
        assert!(readiness.lock().lease().is_err());
    }
}
