//! `/configz`: the settings in effect. Nothing of `cloud.conf` is shown, since it holds secrets.

use serde_json::{Value, json};

use crate::flags::{ControllerName, Flags};

/// The page, with the names that Kubernetes' component configuration gives.
pub(super) fn page(flags: &Flags) -> Value {
    let seconds = |duration: std::time::Duration| format!("{}s", duration.as_secs_f64());
    let (election, api, controllers) = (&flags.election, &flags.api, &flags.controllers);
    let running: Vec<&str> = match flags.controllers() {
        Ok(named) => ControllerName::ALL
            .into_iter()
            .filter(|name| named.is_on(*name))
            .map(ControllerName::canonical)
            .collect(),
        Err(_) => Vec::new(),
    };
    json!({"cloudcontrollermanager.config.k8s.io": {
        "Generic": {
            "Port": flags.serving.secure_port,
            "ClientConnection": {"QPS": api.kube_api_qps, "Burst": api.kube_api_burst},
            "LeaderElection": {
                "LeaderElect": election.leader_elect,
                "LeaseDuration": seconds(election.leader_elect_lease_duration),
                "RenewDeadline": seconds(election.leader_elect_renew_deadline),
                "RetryPeriod": seconds(election.leader_elect_retry_period),
                "ResourceName": election.leader_elect_resource_name,
                "ResourceNamespace": election.leader_elect_resource_namespace,
            },
            "Controllers": running,
        },
        "KubeCloudShared": {
            "CloudProvider": {"Name": flags.provider.cloud_provider, "CloudConfigFile": flags.provider.cloud_config},
            "ClusterName": controllers.cluster_name,
        },
        "NodeStatusUpdateFrequency": seconds(controllers.node_status_update_frequency),
        "DryRun": flags.provider.dry_run,
    }})
}
