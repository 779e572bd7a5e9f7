//! The command line: the flags of the Go program, with its names, defaults and habits.
//!
//! Flags that only tune the Go program are accepted, so that manifests need no change; the program says once at start
//! which of the given ones have no effect. Only `--check-config` and `--dry-run` are new, for use by hand. Settings that a rollback to the Go program would
//! choke on belong into `cloud.conf`.

mod controllers;
#[cfg(test)]
mod tests;
mod without_effect;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args, Parser};
use host::flags::{
    AuthenticationFlags, AuthorizationFlags, FeatureGates, LogFlags, ServingFlags, StringSlice, boolean,
    duration, joined,
};
use host::tls::ServerOptions;
use kubernetes::ConnectOptions;

pub use controllers::{ControllerName, Controllers};
use without_effect::WithoutEffect;

/// Manages Nodes and load balancers of a Kubernetes cluster that runs on OpenStack.
#[derive(Clone, Debug, Parser)]
#[command(name = "openstack-cloud-controller-manager", disable_version_flag = true, max_term_width = 120)]
pub struct Flags {
    #[command(flatten)]
    pub(crate) provider: Provider,
    #[command(flatten)]
    pub(crate) api: Api,
    #[command(flatten)]
    pub(crate) controllers: ControllerFlags,
    #[command(flatten)]
    pub(crate) election: Election,
    #[command(flatten)]
    pub(crate) serving: ServingFlags,
    #[command(flatten)]
    pub(crate) authentication: AuthenticationFlags,
    #[command(flatten)]
    pub(crate) authorization: AuthorizationFlags,
    #[command(flatten)]
    pub(crate) debugging: Debugging,
    /// About logs.
    #[command(flatten)]
    pub logs: LogFlags,
    #[command(flatten)]
    without_effect: WithoutEffect,

    /// Print the version and exit; `--version=raw` prints the number alone.
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          help_heading = "Global flags")]
    version: Option<String>,
}

/// The cloud.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the names are those of the flags")]
#[command(next_help_heading = "Cloud provider flags")]
pub(crate) struct Provider {
    /// Name of the cloud provider; only openstack.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) cloud_provider: String,
    /// Path of cloud.conf.
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(crate) cloud_config: String,
    /// More words in front of the User-Agent of every OpenStack request; can be repeated.
    #[arg(long, value_name = "WORD", action = ArgAction::Append)]
    pub(crate) user_agent: Vec<String>,
    /// Say everything that is wrong or odd in the file that --cloud-config names, and exit: with 1 if the program would not
    /// start with it. Connects to nothing.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
          value_parser = boolean, action = ArgAction::Set)]
    pub(crate) check_config: bool,
    /// Say what would be written to OpenStack and Kubernetes, and write nothing. Takes no part in the leader election, so
    /// it can run beside the real one.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
          value_parser = boolean, action = ArgAction::Set)]
    pub(crate) dry_run: bool,
}

/// The Kubernetes API.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Generic flags")]
pub(crate) struct Api {
    /// Path of a kubeconfig. With neither this nor --master, the pod's service account is used.
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(crate) kubeconfig: String,
    /// URL of the API server, in place of the kubeconfig's.
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    pub(crate) master: String,
    /// Requests per second to the API server.
    #[arg(long, value_name = "NUMBER", default_value_t = 20.0, allow_negative_numbers = true)]
    pub(crate) kube_api_qps: f64,
    /// Requests at once to the API server.
    #[arg(long, value_name = "NUMBER", default_value_t = 30)]
    pub(crate) kube_api_burst: u32,
}

/// What runs.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Controllers flags")]
pub(crate) struct ControllerFlags {
    /// Controllers to run: `*` for all that are on by default, `name` to switch one on, `-name` to switch it off. Names:
    /// cloud-node-controller, cloud-node-lifecycle-controller, service-lb-controller, node-route-controller.
    #[arg(long, value_name = "NAMES", default_value = "*", allow_hyphen_values = true, action = ArgAction::Append)]
    controllers: Vec<StringSlice>,
    /// Name of the cluster; part of the names of load balancers.
    #[arg(long, value_name = "NAME", default_value = "kubernetes")]
    pub(crate) cluster_name: String,
    /// Nodes that are initialised at once, at least.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) concurrent_node_syncs: u32,
    /// How often the addresses of Nodes are compared with the cloud's.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) node_status_update_frequency: Duration,
}

/// Which of several replicas works.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Leader election flags")]
pub(crate) struct Election {
    /// Work only while holding the lease. Without, there must be one replica only.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true",
          value_parser = boolean, action = ArgAction::Set)]
    pub(crate) leader_elect: bool,
    /// How long others wait before they take a lease that is not renewed.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub(crate) leader_elect_lease_duration: Duration,
    /// How long the leader tries to renew before it gives up.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) leader_elect_renew_deadline: Duration,
    /// Time between tries.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub(crate) leader_elect_retry_period: Duration,
    /// Kind of lock; only leases.
    #[arg(long, value_name = "KIND", default_value = "leases")]
    leader_elect_resource_lock: String,
    /// Name of the lease.
    #[arg(long, value_name = "NAME", default_value = "cloud-controller-manager")]
    pub(crate) leader_elect_resource_name: String,
    /// Namespace of the lease.
    #[arg(long, value_name = "NAMESPACE", default_value = "kube-system")]
    pub(crate) leader_elect_resource_namespace: String,
    /// Move controllers from kube-controller-manager with a second lease; not supported.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
          value_parser = boolean, action = ArgAction::Set)]
    enable_leader_migration: bool,
}

/// What people look at when something is wrong.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Debugging flags")]
pub(crate) struct Debugging {
    /// Let /debug/flags/v change the verbosity of the log. There are no profiles of Go to show.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value = "true", value_parser = boolean, action = ArgAction::Set)]
    pub(crate) profiling: bool,
    /// Gates of Kubernetes, as Gate=true; those that this program has no use for are named in the log.
    #[arg(long, value_name = "GATES", action = ArgAction::Append)]
    feature_gates: Vec<FeatureGates>,
}

impl Flags {
    /// What to print for `--version`, if it was given.
    pub fn version(&self) -> Option<String> {
        let number = concat!("v", env!("CARGO_PKG_VERSION"));
        match self.version.as_deref()? {
            "raw" => Some(number.to_owned()),
            "false" => None,
            _ => Some(format!("openstack-cloud-controller-manager {number}")),
        }
    }

    /// Everything that is wrong with the flags, all at once.
    ///
    /// # Errors
    /// One line for each fault.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut faults = Vec::new();
        match self.provider.cloud_provider.as_str() {
            "openstack" => {}
            "" => faults.push("--cloud-provider is required: openstack".to_owned()),
            other => {
                faults.push(format!("--cloud-provider: {other:?} is not known here, expected openstack"));
            }
        }
        if self.provider.cloud_config.is_empty() {
            faults.push("--cloud-config is required: the path of cloud.conf".to_owned());
        }
        faults.extend(self.controllers().err().into_iter().flatten());
        faults.extend(self.election.faults());
        faults.extend(self.serving.faults());
        faults.extend(self.without_effect.faults());
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The given flags that change nothing, to be told once.
    pub fn ignored(&self) -> Vec<String> {
        let gates = self.debugging.feature_gates.iter().flat_map(|gates| &gates.0);
        let gates = gates.map(|(name, on)| format!("--feature-gates {name}={on}"));
        self.without_effect.given().into_iter().chain(self.logs.ignored()).chain(gates).collect()
    }

    /// What the HTTPS endpoint is served with.
    pub(crate) fn tls(&self) -> ServerOptions {
        // The name of the pair in --cert-dir is the Go program's.
        self.serving.tls("cloud-controller-manager", &self.authentication)
    }

    /// The file to say everything about, if that is all that is asked for.
    ///
    /// # Errors
    /// The file is not named.
    pub fn check_config(&self) -> Option<Result<&Path, String>> {
        let named = !self.provider.cloud_config.is_empty();
        let path = named.then(|| self.cloud_config());
        self.provider
            .check_config
            .then(|| path.ok_or("--check-config needs --cloud-config, the file to check".to_owned()))
    }

    /// The path of cloud.conf.
    pub fn cloud_config(&self) -> &Path {
        Path::new(&self.provider.cloud_config)
    }

    /// How to reach the Kubernetes API.
    pub fn connect_options(&self) -> ConnectOptions {
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        ConnectOptions {
            kubeconfig: given(&self.api.kubeconfig).map(PathBuf::from),
            master: given(&self.api.master),
            qps: self.api.kube_api_qps,
            burst: self.api.kube_api_burst,
            user_agent: concat!("openstack-cloud-controller-manager/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Which controllers run.
    ///
    /// # Errors
    /// Names that are not known.
    pub fn controllers(&self) -> Result<Controllers, Vec<String>> {
        Controllers::parse(&joined(&self.controllers.controllers))
    }

    /// `User-Agent` for OpenStack: of the words given, the last one comes first.
    pub(crate) fn user_agent(&self) -> String {
        let own = concat!("openstack-cloud-controller-manager/", env!("CARGO_PKG_VERSION"));
        let words = self.provider.user_agent.iter().rev().map(String::as_str);
        words.chain([own]).collect::<Vec<_>>().join(" ")
    }
}

impl Election {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.enable_leader_migration {
            faults.push("--enable-leader-migration is not supported by this version".to_owned());
        }
        if !self.leader_elect {
            return faults;
        }
        if self.leader_elect_resource_lock != "leases" {
            faults.push("--leader-elect-resource-lock: only leases is supported".to_owned());
        }
        if self.leader_elect_lease_duration <= self.leader_elect_renew_deadline {
            faults.push(
                "--leader-elect-lease-duration must be longer than --leader-elect-renew-deadline".to_owned(),
            );
        }
        // client-go's candidates wait up to 1.2 times as long, and the leader shall have more than one try.
        if self.leader_elect_renew_deadline.as_secs_f64()
            <= 1.2 * self.leader_elect_retry_period.as_secs_f64()
        {
            faults.push(
                "--leader-elect-renew-deadline must be longer than 1.2 times --leader-elect-retry-period"
                    .to_owned(),
            );
        }
        for (flag, value) in [
            ("lease-duration", self.leader_elect_lease_duration),
            ("renew-deadline", self.leader_elect_renew_deadline),
            ("retry-period", self.leader_elect_retry_period),
        ] {
            if value.is_zero() {
                faults.push(format!("--leader-elect-{flag} must be greater than zero"));
            }
        }
        faults
    }
}

/// The reference page of the flags.
pub fn page() -> String {
    host::flags::page(&<Flags as clap::CommandFactory>::command())
}
