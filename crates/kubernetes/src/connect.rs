//! Connects to a real API server: kubeconfig, `--master`, or the in-cluster service account.

use std::path::PathBuf;
use std::time::Duration;

use http::header::{HeaderValue, USER_AGENT};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::Config;
use kube::client::{Body, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

use crate::cluster::{Cluster, without_output};
use crate::error::Error;
use crate::limiter::Limiter;

/// How to reach the API server.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// Path of a kubeconfig; its current context is used.
    pub kubeconfig: Option<PathBuf>,
    /// URL of the API server, in place of the kubeconfig's. With neither, the pod's service account is used.
    pub master: Option<String>,
    /// Calls a second, see [`Limiter::new`].
    pub qps: f64,
    /// Calls at once, see [`Limiter::new`].
    pub burst: u32,
    /// `User-Agent` of every request.
    pub user_agent: String,
}

/// Connections kept while nothing is sent.
const IDLE: usize = 8;

type ApiService = BoxCloneSyncService<http::Request<Body>, http::Response<hyper::body::Incoming>, BoxError>;

/// Longest time to establish a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is probed after this time, and given up when nothing is acknowledged for as long: else a watch whose
/// peer vanished without a word would stay silent for minutes.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long written data may stay unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

impl Cluster {
    /// Prepares the client; nothing is sent yet. Needs the process-wide TLS provider.
    ///
    /// # Errors
    /// [`Error::Setup`] when a file is missing or not understood.
    pub async fn connect(options: ConnectOptions) -> Result<Self, Error> {
        let (mut config, from) = configuration(&options).await?;
        let setup = |source: BoxError| Error::Setup { from: from.clone().into(), source };
        if !options.user_agent.is_empty() {
            let agent = HeaderValue::from_str(&options.user_agent).map_err(|error| setup(error.into()))?;
            config.headers.push((USER_AGENT, agent));
        }
        let host = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
        let service = |idle| service(&config, idle).map_err(|error| setup(without_output(error)));
        Ok(Self::over(service(IDLE)?, service(1)?, &host, Limiter::new(options.qps, options.burst)))
    }
}

async fn configuration(options: &ConnectOptions) -> Result<(Config, String), Error> {
    if let Some(path) = &options.kubeconfig {
        let from = path.display().to_string();
        let setup = |source: BoxError| Error::Setup { from: from.clone().into(), source };
        let file = Kubeconfig::read_from(path).map_err(|error| setup(unquoted(error)))?;
        if cluster_of_context(&file).is_some_and(|cluster| cluster.proxy_url.is_some()) {
            return Err(setup("proxy-url is not supported".into()));
        }
        let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .map_err(|error| setup(error.into()))?;
        if let Some(master) = &options.master {
            config.cluster_url =
                master.parse().map_err(|error: http::uri::InvalidUri| setup(error.into()))?;
        }
        return Ok((config, from));
    }
    if let Some(master) = &options.master {
        let from = "--master".to_owned();
        let url = master.parse().map_err(|error: http::uri::InvalidUri| Error::Setup {
            from: from.clone().into(),
            source: error.into(),
        })?;
        return Ok((Config::new(url), from));
    }
    let from = "the pod's service account".to_owned();
    let config = Config::incluster()
        .map_err(|error| Error::Setup { from: from.clone().into(), source: error.into() })?;
    Ok((config, from))
}

/// The parser quotes the lines around an error, which may hold a token; the place alone will do.
fn unquoted(error: KubeconfigError) -> BoxError {
    let KubeconfigError::Parse(error) = error else { return error.into() };
    match error.location() {
        Some(at) => format!("not a kubeconfig: line {}, column {}", at.line(), at.column()).into(),
        None => "not a kubeconfig".into(),
    }
}

fn cluster_of_context(file: &Kubeconfig) -> Option<&kube::config::Cluster> {
    let name = file.current_context.as_ref()?;
    let context = file.contexts.iter().find(|context| context.name == *name)?.context.as_ref()?;
    file.clusters.iter().find(|cluster| cluster.name == context.cluster)?.cluster.as_ref()
}

/// kube's usual stack without its retries (each caller knows better what may be repeated, and for how long), without its
/// request log, and with keep-alive probes on the connections.
/// `idle` connections at most are kept when nothing is sent.
fn service(config: &Config, idle: usize) -> Result<ApiService, kube::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE / 3));
    tcp.set_keepalive_retries(Some(3));
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let https = config.rustls_https_connector_with_connector(tcp)?;
    let mut http = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    let http = http.pool_max_idle_per_host(idle).build::<_, Body>(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(BoxCloneSyncService::new(service.map_err(BoxError::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_is_that_of_the_current_context() {
        let file = Kubeconfig::from_yaml(
            "current-context: b\ncontexts: [{name: a, context: {cluster: x}}, {name: b, context: {cluster: y}}]\n\
             clusters: [{name: x, cluster: {server: 'https://x'}}, {name: y, cluster: {server: 'https://y', proxy-url: 'http://p'}}]\n",
        )
        .unwrap();
        assert_eq!(cluster_of_context(&file).unwrap().proxy_url.as_deref(), Some("http://p"));
    }

    #[tokio::test]
    async fn a_broken_kubeconfig_is_not_quoted() {
        let path = std::env::temp_dir().join(format!("kubeconfig-{}", std::process::id()));
        for text in [
            "users:\n- name: a\n  user:\n    token: hush\n   bad: [\n",
            "users:\n- name: a\n  user:\n    token: [hush]\n",
            "users: hush\n",
        ] {
            std::fs::write(&path, text).unwrap();
            let options = ConnectOptions { kubeconfig: Some(path.clone()), ..ConnectOptions::default() };
            let error = Cluster::connect(options).await.err().unwrap();
            let told = format!("{} {error:?}", text::Chain(&error));
            assert!(!told.contains("hush"), "{told}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[tokio::test]
    async fn a_missing_kubeconfig_is_named() {
        let options = ConnectOptions {
            kubeconfig: Some("/nonexistent/kubeconfig".into()),
            ..ConnectOptions::default()
        };
        let error = Cluster::connect(options).await.err().unwrap();
        assert_eq!(error.to_string(), "cannot set up the Kubernetes client from /nonexistent/kubeconfig");
    }
}
