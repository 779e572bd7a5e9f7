//! The simulated OpenStack over HTTP: one port a service, one to control it, virtual IPs that really forward.
//!
//! Documentation: `tests/simulator/README.md`.

mod control;
mod forward;
mod options;
mod serve;
mod setting;
mod tcp;
mod udp;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser as _;
use options::Options;
use setting::Setting;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            tell(&format!("fake-openstack: {what}"));
            ExitCode::FAILURE
        }
    }
}

/// One line for whoever started it.
#[expect(clippy::print_stderr, reason = "this is its terminal")]
fn tell(line: &str) {
    eprintln!("{line}");
}

async fn run(options: &Options) -> Result<(), String> {
    let mut listeners = Vec::new();
    for service in 0..5 {
        let port = if options.port == 0 { 0 } else { options.port + service };
        let address = SocketAddr::new(options.listen, port);
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        listeners.push(listener);
    }
    let urls: Vec<String> = listeners
        .iter()
        .map(|listener| listener.local_addr().map(|address| format!("http://{address}")))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let setting = Setting::make(options, &urls);
    if let Some(path) = &options.cloud_conf {
        setting
            .write_cloud_conf(path)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    let control = listeners.pop().ok_or("no port for control")?;
    for (listener, url) in listeners.into_iter().zip(urls) {
        tokio::spawn(serve::service(listener, setting.clone(), url));
    }
    tokio::spawn(serve::control(control, setting.clone()));
    if !options.no_forward {
        tokio::spawn(forward::keep_up(setting.cloud.operator()));
    }
    tell(&setting.describe().to_string());
    let failed = |error: std::io::Error| error.to_string();
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        biased;
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    Ok(())
}
