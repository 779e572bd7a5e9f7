//! The running program: serves its endpoint, waits for the lease, runs the controllers, goes in good order.
//!
//! Both worlds are handed in, so a test runs the whole program against stand-ins. An outage of the cloud never ends the
//! process: whoever needs the cloud tries again.

mod access;
mod configz;
mod dry_run;
mod gate;
mod mark;
mod metrics;
mod readiness;
mod reload;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use host::health::Health;
use host::serve::{self, AllowAll, Authorizer, Endpoint};
use kubernetes::{Cluster, Leadership, LeaseOptions, Lost, Recorder};
use openstack::transport::TlsOptions;
use openstack::{Cloud, Inventory, LoadBalancerWaiter, Session, Transport, TransportError};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::CloudConf;
use crate::flags::{ControllerName, Flags};
use crate::queue::QueueMetrics;
use crate::{load_balancer, node};
pub use access::Reviewed;
use gate::{Gate, Traffic};
use metrics::AppMetrics;
use readiness::Readiness;

/// Where events of the program itself come from. Do not change: users filter by it.
const COMPONENT: &str = "cloud-controller-manager";
/// How long events that are still to be written may hold up the end of the process.
const LAST_EVENTS: Duration = Duration::from_millis(500);

/// What the program was told.
#[derive(Debug)]
pub struct Options {
    /// The command line; must have been validated.
    pub flags: Flags,
    /// The configuration file.
    pub conf: CloudConf,
    /// Whether new provider IDs contain the region.
    pub regional_provider_ids: bool,
    /// Name of the host, for the identity in the lease.
    pub host: String,
}

/// The two worlds outside, and who may look at this one.
pub struct Worlds {
    /// The Kubernetes cluster.
    pub cluster: Cluster,
    /// The way to the cloud.
    pub transport: Transport,
    /// Makes another way to the cloud, when certificates have changed.
    pub connect: Connect,
    /// Decides who may read what is not open to everybody.
    pub authorizer: Arc<dyn Authorizer>,
}

/// Makes connections to the cloud with this TLS material.
pub type Connect = Arc<dyn Fn(&TlsOptions) -> Result<Transport, TransportError> + Send + Sync>;

/// Why the program ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process may lead by now; starting anew is the way back.
    #[error("no longer leading")]
    LeaseLost(#[from] Lost),
    /// The endpoint's address is taken.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The endpoint's certificate is unusable.
    #[error("the certificate of the endpoint cannot be used")]
    Certificate(#[from] host::tls::CertificateError),
    /// A controller ended without being asked to.
    #[error("a controller ended")]
    ControllerEnded(#[from] tokio::task::JoinError),
}

impl Worlds {
    /// Worlds whose endpoint shows everything to everybody; for tests.
    pub fn open(cluster: Cluster, transport: Transport) -> Self {
        let again = transport.clone();
        let connect = move |_: &TlsOptions| Ok(again.clone());
        Self { cluster, transport, connect: Arc::new(connect), authorizer: Arc::new(AllowAll) }
    }
}

/// Runs until `stop` is cancelled or the lease is lost.
///
/// # Errors
/// See [`Error`]; the process should end with status 1 then.
pub async fn run(options: Options, worlds: Worlds, stop: CancellationToken) -> Result<(), Error> {
    let serving = CancellationToken::new();
    let _until_the_end = serving.clone().drop_guard();
    let program = Program::assemble(options, worlds.cluster, worlds.transport, stop.clone());
    program.serve(worlds.authorizer, serving.clone())?;
    tokio::spawn(
        serving.clone().run_until_cancelled_owned(program.readiness.clone().log_in(program.session.clone())),
    );
    tokio::spawn(serving.run_until_cancelled_owned(reload::watch(Arc::clone(&program), worlds.connect)));
    let flags = &program.options.flags;
    let result = if flags.provider.dry_run {
        info!("dry run: nothing is written, neither to OpenStack nor to Kubernetes");
        program.work_without_lease(Some(dry_run::closed_fence()), stop).await
    } else if flags.election.leader_elect {
        program.work_with_lease(stop).await
    } else {
        program.gate.open();
        program.work_without_lease(None, stop).await
    };
    program.recorder.flush(LAST_EVENTS).await;
    result
}

struct Program {
    options: Options,
    cluster: Cluster,
    session: Session,
    gate: Gate,
    traffic: Traffic,
    recorder: Recorder,
    registry: Arc<Registry>,
    readiness: Arc<Readiness>,
    metrics: AppMetrics,
    queue_metrics: QueueMetrics,
    node_metrics: node::NodeMetrics,
    load_balancer_metrics: load_balancer::Metrics,
}

impl Program {
    fn assemble(
        options: Options,
        cluster: Cluster,
        transport: Transport,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let conf = &options.conf;
        let agent = options.flags.user_agent();
        let traffic = Traffic::default();
        let session =
            Session::new(conf.global.session(conf.config.request_timeout, agent), traffic.counted(transport));
        let events = if options.flags.provider.dry_run { dry_run::logged_events() } else { cluster.clone() };
        let metrics = AppMetrics::default();
        let queue_metrics = QueueMetrics::default();
        let node_metrics = node::NodeMetrics::default();
        let load_balancer_metrics = load_balancer::Metrics::default();
        let mut registry = host::metrics::registry();
        cluster.metrics().register(&mut registry);
        session.metrics().register(&mut registry);
        metrics.register(&mut registry);
        queue_metrics.register(&mut registry);
        node_metrics.register(&mut registry);
        load_balancer_metrics.register(&mut registry);
        Arc::new(Self {
            recorder: Recorder::new(events, COMPONENT),
            options,
            cluster,
            session,
            gate: Gate::new(stop),
            traffic,
            registry: Arc::new(registry),
            readiness: Arc::default(),
            metrics,
            queue_metrics,
            node_metrics,
            load_balancer_metrics,
        })
    }

    /// Serves the endpoint in the background, from now on and also while another process leads.
    fn serve(&self, authorizer: Arc<dyn Authorizer>, stop: CancellationToken) -> Result<(), Error> {
        let serving = &self.options.flags.serving;
        let Some(address) = serving.address() else { return Ok(()) };
        let mut health = Health::default();
        self.readiness.register(&mut health);
        let endpoint = Endpoint {
            registry: Arc::clone(&self.registry),
            health,
            config: configz::page(&self.options.flags),
            debug: self.options.flags.debugging.profiling,
            proxy_headers: self.options.flags.authentication.proxy_headers(),
            always_allow: self.options.flags.authorization.open_paths(),
            authorizer,
        };
        let tls = host::tls::server(&self.options.flags.tls())?;
        let listener = serve::listen(address, serving.permit_port_sharing)
            .map_err(|source| Error::Listen(address, source))?;
        info!(%address, "serving");
        tokio::spawn(serve::serve_tls(listener, tls, endpoint.router(), stop));
        Ok(())
    }

    async fn work_with_lease(self: &Arc<Self>, stop: CancellationToken) -> Result<(), Error> {
        let gate = self.gate.clone();
        let mut leadership =
            Leadership::new(self.cluster.clone(), self.lease_options(), Some(self.recorder.clone()))
                .mirrored_to(move |window| gate.follow(window));
        self.readiness.lead_by(leadership.fence());
        self.metrics.leads(false);
        if stop.run_until_cancelled(leadership.acquire()).await.is_none() {
            return Ok(());
        }
        self.metrics.leads(true);
        let working = stop.child_token();
        let fence = Some(leadership.fence());
        let mut controllers = tokio::spawn(Arc::clone(self).run_controllers(fence, working.clone()));
        // The lease is renewed until the last write has ended.
        let abandoned = tokio::select! {
            biased;
            lost = leadership.hold() => {
                self.metrics.leads(false);
                working.cancel();
                return Err(Error::LeaseLost(lost));
            }
            ended = &mut controllers => ended?,
        };
        self.metrics.leads(false);
        if abandoned == 0 {
            leadership.release().await;
        } else {
            warn!(
                abandoned,
                "lease not given back: requests may still be on their way, it is left to expire"
            );
        }
        Ok(())
    }

    async fn work_without_lease(
        self: &Arc<Self>,
        fence: Option<kubernetes::Fence>,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        tokio::spawn(Arc::clone(self).run_controllers(fence, stop)).await?;
        Ok(())
    }

    fn lease_options(&self) -> LeaseOptions {
        let election = &self.options.flags.election;
        LeaseOptions {
            duration: election.leader_elect_lease_duration,
            renew_deadline: election.leader_elect_renew_deadline,
            retry: election.leader_elect_retry_period,
            ..LeaseOptions::new(
                &election.leader_elect_resource_namespace,
                &election.leader_elect_resource_name,
                &self.options.host,
            )
        }
    }

    /// Runs all controllers until `stop` is cancelled and they have ended; returns how many of their runs did not end.
    async fn run_controllers(
        self: Arc<Self>,
        fence: Option<kubernetes::Fence>,
        stop: CancellationToken,
    ) -> usize {
        let own = self.cluster.clone();
        let cluster = fence.map_or_else(|| own.clone(), |fence| own.clone().with_fence(fence));
        let cloud = Cloud::new(self.session.with_fence(self.gate.fence()));
        let inventory = Arc::new(Inventory::new(cloud.clone()));
        let (nodes, _) = self.cluster.nodes().start(stop.clone());
        let node_store = nodes.clone();
        let is_on = |name| self.is_on(name);

        let node_controller = async {
            if !is_on(ControllerName::Node) {
                return 0;
            }
            let controller = node::Controller::new(node::Dependencies {
                cloud: cloud.clone(),
                cluster: cluster.clone(),
                nodes: nodes.clone(),
                inventory: Arc::clone(&inventory),
                recorder: self.recorder.clone(),
                settings: self.node_settings(),
                workers: self.options.flags.controllers.concurrent_node_syncs as usize,
                refresh_every: self.options.flags.controllers.node_status_update_frequency,
                metrics: self.node_metrics.clone(),
                queue_metrics: self.queue_metrics.clone(),
                dry_run: self.options.flags.provider.dry_run,
            });
            self.starts(ControllerName::Node, move || node_store.is_ready());
            controller.run(stop.clone()).await
        };
        let service_controller = async {
            if !is_on(ControllerName::Service) {
                return 0;
            }
            let Some(mark) = stop.run_until_cancelled(mark::find(&self.cluster)).await else { return 0 };
            let (services, _) = self.cluster.services().start(stop.clone());
            let service_store = services.clone();
            let controller = load_balancer::Controller::new(load_balancer::Dependencies {
                cloud: cloud.clone(),
                cluster: cluster.clone(),
                services,
                nodes: nodes.clone(),
                recorder: self.recorder.clone(),
                config: Arc::new(self.options.conf.config.clone()),
                cluster_name: self.options.flags.controllers.cluster_name.clone(),
                mark,
                waiter: LoadBalancerWaiter::new(cloud.load_balancer()),
                inventory: Arc::clone(&inventory),
                metrics: self.load_balancer_metrics.clone(),
                queue_metrics: self.queue_metrics.clone(),
                in_flight: self.traffic.changes(),
                dry_run: self.options.flags.provider.dry_run,
            });
            self.starts(ControllerName::Service, move || service_store.is_ready());
            controller.run(stop.clone()).await
        };
        let stopping = async {
            stop.cancelled().await;
            self.gate.close();
        };
        let (nodes_abandoned, services_abandoned, ()) =
            tokio::join!(node_controller, service_controller, stopping);
        nodes_abandoned + services_abandoned
    }

    fn is_on(&self, name: ControllerName) -> bool {
        let on = self.options.flags.controllers().is_ok_and(|controllers| controllers.is_on(name));
        let wanted = name != ControllerName::Service || self.options.conf.config.load_balancer.enabled;
        on && wanted
    }

    fn starts(&self, name: ControllerName, is_ready: impl Fn() -> bool + Send + Sync + 'static) {
        info!(controller = %name, "controller starts");
        self.metrics.runs(name);
        self.readiness.depends_on(name, is_ready);
    }

    fn node_settings(&self) -> node::plan::Settings {
        node::plan::Settings {
            networking: self.options.conf.config.networking.clone(),
            region: self.options.conf.global.region.clone(),
            regional: self.options.regional_provider_ids,
        }
    }
}
