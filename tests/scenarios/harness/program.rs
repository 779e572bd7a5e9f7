//! One process of the program, between the two worlds: started, stopped, killed, restarted.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cloud_controller::app::{self, Options, Worlds};
use cloud_controller::config::CloudConf;
use cloud_controller::flags::Flags;
use host::serve::AllowAll;
use http::Request;
use kubernetes::Cluster;
use openstack::{Transport, TransportError};
use simulator::kubernetes::ApiServer;
use simulator::{Broken, Cloud, Link};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneSyncService;

use super::log::Log;

/// More requests than this in one virtual second are a loop: time stands still meanwhile, so nothing else would end it.
const MOST_IN_A_SECOND: usize = 20_000;

/// How a program is started.
#[derive(Clone)]
pub(crate) struct Recipe {
    /// Its cluster's API server.
    pub(crate) api: ApiServer,
    /// The cloud.
    pub(crate) cloud: Cloud,
    /// Where what it says is captured.
    pub(crate) log: Log,
    /// Its `cloud.conf`.
    pub(crate) conf: PathBuf,
    /// Further flags.
    pub(crate) flags: &'static [&'static str],
    /// The way to the cloud, wrapped.
    pub(crate) wrap: Wrap,
}

/// A running process.
pub(crate) struct Process {
    /// Its connections.
    pub(crate) link: Link,
    stop: CancellationToken,
    task: AbortHandle,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// How a process ended; an error is a panic.
pub(crate) type Outcome = Result<(), String>;

/// Wraps the way to the cloud; a planted bug does more than hand it back.
pub(crate) type Wrap = fn(Transport) -> Transport;

impl Process {
    /// Starts the program as `link`.
    pub(crate) fn start(recipe: &Recipe, link: Link) -> Self {
        let stop = CancellationToken::new();
        let config = format!("--cloud-config={}", recipe.conf.display());
        let required =
            ["program", "--cloud-provider=openstack", &config, "--secure-port=0"].map(OsString::from);
        let flags: Flags =
            host::flags::parse(required.into_iter().chain(recipe.flags.iter().map(OsString::from))).unwrap();
        assert_eq!(flags.validate(), Ok(()));
        let conf = CloudConf::read(&recipe.conf, login::Surroundings::default()).unwrap();
        let options = Options { flags, conf, regional_provider_ids: false, host: link.name().to_owned() };
        let transport = (recipe.wrap)(transport(recipe, &link));
        let again = transport.clone();
        let worlds = Worlds {
            cluster: cluster(recipe, &link),
            transport,
            connect: Arc::new(move |_| Ok(again.clone())),
            authorizer: Arc::new(AllowAll),
        };
        let run = tokio::spawn(app::run(options, worlds, stop.clone()));
        let task = run.abort_handle();
        let (tell, outcome) = watch::channel(None);
        let name = link.name().to_owned();
        tokio::spawn(async move {
            let panicked = run.await.is_err_and(|error| error.is_panic());
            tell.send_replace(Some(if panicked { Err(format!("{name} panicked")) } else { Ok(()) }));
        });
        Self { link, stop, task, outcome }
    }

    /// Asks it to stop, as SIGTERM does.
    pub(crate) fn terminate(&self) {
        self.stop.cancel();
    }

    /// Ends it at this instant: nothing of it reaches any world again.
    pub(crate) fn kill(&self) {
        self.link.kill();
        self.stop.cancel();
        self.task.abort();
    }

    /// Waits for its end.
    pub(crate) fn ended(&self) -> impl Future<Output = Outcome> + use<> {
        let mut outcome = self.outcome.clone();
        async move { outcome.wait_for(Option::is_some).await.ok().and_then(|end| end.clone()).unwrap_or(Ok(())) }
    }
}

/// The way to the cloud over `link`.
fn transport(recipe: &Recipe, link: &Link) -> Transport {
    let (cloud, link, log) = (recipe.cloud.clone(), link.clone(), recipe.log.clone());
    let pulse = Pulse::default();
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
        let (cloud, link, log) = (cloud.clone(), link.clone(), log.clone());
        let is_login = request.uri().path().ends_with("/auth/tokens");
        if !is_login {
            log.search("request to the cloud", &format!("{} {}", request.uri(), text(request.body())));
        }
        pulse.beat(&link);
        async move {
            let answer = cloud.send(&link, request).await.map_err(|broken| match broken {
                Broken::Connect => TransportError::Connect(broken.into()),
                Broken::Reset => TransportError::Interrupted(broken.into()),
            })?;
            if let Some(token) = answer.headers().get("x-subject-token").and_then(|token| token.to_str().ok())
            {
                log.add_secret(token);
            }
            Ok(answer)
        }
    }))
}

/// The way to the API server over `link`.
fn cluster(recipe: &Recipe, link: &Link) -> Cluster {
    let (api, link, log) = (recipe.api.clone(), link.clone(), recipe.log.clone());
    let pulse = Pulse::default();
    Cluster::from_service(tower::service_fn(move |request: Request<Bytes>| {
        let (api, link) = (api.clone(), link.clone());
        log.search("request to Kubernetes", &format!("{} {}", request.uri(), text(request.body())));
        pulse.beat(&link);
        async move { api.send(&link, request).await.map_err(tower::BoxError::from) }
    }))
}

fn text(body: &Bytes) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(body)
}

/// Ends a process that asks without pause.
#[derive(Clone, Default)]
struct Pulse(Arc<Mutex<Option<(Instant, usize)>>>);

impl Pulse {
    fn beat(&self, link: &Link) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (since, count) = state.get_or_insert((now, 0));
        if now.duration_since(*since) >= Duration::from_secs(1) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count > MOST_IN_A_SECOND {
            link.kill();
            panic!("{} asks without pause", link.name());
        }
    }
}
