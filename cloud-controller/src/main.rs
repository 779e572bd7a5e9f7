//! `openstack-cloud-controller-manager`: reads what it is told, connects to both worlds, runs.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use cloud_controller::app::{self, Options, Reviewed, Worlds};
use cloud_controller::config::{self, CloudConf};
use cloud_controller::flags::Flags;
use login::Surroundings;
use tracing::{error, info, warn};

fn main() -> ExitCode {
    let flags: Flags = match host::flags::parse(std::env::args_os()) {
        Ok(flags) => flags,
        Err(error) => {
            // Help is no failure.
            let failed = error.use_stderr();
            let _ = error.print();
            return if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    if let Some(version) = flags.version() {
        return print(&version, true);
    }
    if let Some(path) = flags.check_config() {
        let (page, good) = match path {
            Ok(path) => config::check(path, &surroundings()),
            Err(fault) => (fault, false),
        };
        return print(&page, good);
    }
    let _ = host::logging::init(flags.logs.format(), flags.logs.verbosity(), flags.logs.modules());
    host::tls::init();
    // One thread does: nearly all of the time everybody waits for an API.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.context("cannot start").and_then(|runtime| runtime.block_on(start(flags)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!(error = format!("{failure:#}"), "ends");
            ExitCode::FAILURE
        }
    }
}

/// Prints a page that is all that was asked for.
fn print(page: &str, good: bool) -> ExitCode {
    let printed = writeln!(std::io::stdout(), "{}", page.trim_end()).is_ok();
    if printed && good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn start(flags: Flags) -> anyhow::Result<()> {
    if let Err(faults) = flags.validate() {
        bail!("wrong flags: {}", faults.join("; "));
    }
    info!(version = env!("CARGO_PKG_VERSION"), "openstack-cloud-controller-manager starts");
    for flag in flags.ignored() {
        info!(flag, "flag without effect");
    }
    let stop = host::signals::stop().context("signals cannot be handled")?;
    let conf = CloudConf::read(flags.cloud_config(), surroundings())?;
    for warning in &conf.warnings {
        warn!(%warning, "cloud.conf");
    }
    let transport = openstack::transport::reqwest(&conf.global.tls.load()?)?;
    let cluster = kubernetes::Cluster::connect(flags.connect_options()).await?;
    let worlds = Worlds {
        authorizer: Arc::new(Reviewed::connect(&flags, &cluster).await?),
        cluster,
        transport,
        connect: Arc::new(openstack::transport::reqwest),
    };
    let options = Options {
        flags,
        conf,
        // Read once; the Go program reads it at every use.
        regional_provider_ids: std::env::var("OS_CCM_REGIONAL").is_ok_and(|value| value == "true"),
        host: hostname(),
    };
    Ok(app::run(options, worlds, stop).await?)
}

/// What the environment says about where `clouds.yaml` is.
fn surroundings() -> Surroundings {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let cloud = std::env::var("OS_CLOUD").ok();
    Surroundings::of(path("OS_CLIENT_CONFIG_FILE"), cloud, path("HOME").as_deref())
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
