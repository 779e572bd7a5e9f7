//! Arguments as the manifests and charts of the volume drivers have them, and as their documentation shows them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::ffi::OsString;
use std::time::Duration;

use clap::{ArgAction, Parser};
use host::flags::{LogFlags, StringSlice, StringToString, boolean, duration, joined};

/// The flags of the two drivers, one of each kind and those in use.
#[derive(Debug, Parser)]
#[command(name = "driver", disable_version_flag = true)]
struct Flags {
    #[arg(long)]
    endpoint: String,
    #[arg(long, action = ArgAction::Append)]
    cloud_config: Vec<StringSlice>,
    #[arg(long, action = ArgAction::Append)]
    cloud_name: Vec<StringSlice>,
    #[arg(long, action = ArgAction::Append)]
    additional_topology: Vec<StringToString>,
    #[arg(long, default_value = "")]
    cluster: String,
    #[arg(long, default_value = "")]
    cluster_id: String,
    #[arg(long, default_value = "")]
    http_endpoint: String,
    #[arg(long, default_value = "")]
    drivername: String,
    #[arg(long, default_value = "")]
    share_protocol_selector: String,
    #[arg(long, default_value = "")]
    fwdendpoint: String,
    #[arg(long, default_value = "")]
    runtime_config_file: String,
    #[arg(long, default_value = "")]
    compatibility_settings: String,
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true",
          value_parser = boolean, action = ArgAction::Set)]
    with_topology: bool,
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true",
          value_parser = boolean, action = ArgAction::Set)]
    provide_controller_service: bool,
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true",
          value_parser = boolean, action = ArgAction::Set)]
    provide_node_service: bool,
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
          value_parser = boolean, action = ArgAction::Set)]
    pvc_annotations: bool,
    #[arg(long, value_parser = duration, default_value = "12h")]
    min_resync_period: Duration,
    #[arg(long, default_value = "")]
    nodeid: String,
    #[command(flatten)]
    logs: LogFlags,
}

fn flags(args: &[&str]) -> Flags {
    let parsed = host::flags::parse(["driver"].iter().chain(args).map(OsString::from));
    parsed.unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

#[test]
fn arguments_of_the_volume_driver() {
    let controller = flags(&[
        "--endpoint=unix://csi/csi.sock",
        "--cloud-config=/etc/config/cloud.conf",
        "--cluster=kubernetes",
        "--v=1",
        "--pvc-annotations",
        "--provide-node-service=false",
        "--http-endpoint=:8080",
    ]);
    assert_eq!(joined(&controller.cloud_config), ["/etc/config/cloud.conf"]);
    assert!(
        controller.pvc_annotations
            && controller.provide_controller_service
            && !controller.provide_node_service
    );
    assert_eq!((controller.http_endpoint.as_str(), controller.logs.verbosity()), (":8080", 1));

    let several = flags(&[
        "--endpoint=unix://csi/csi.sock",
        "--provide-controller-service=false",
        "--cloud-config=/a.conf,/b.conf",
        "--cloud_config=/c.conf",
        "--cloud-name=\"region-one\"",
        "--cloud-name=\"region-two\"",
        "--additional-topology=topology.kubernetes.io/region=R1",
        "--additional-topology=\"a=1\",\"b=2,3\"",
        "--with-topology=true",
        "-v=4",
        "--nodeid=ignored",
    ]);
    assert_eq!(joined(&several.cloud_config), ["/a.conf", "/b.conf", "/c.conf"]);
    assert_eq!(
        joined(&several.cloud_name),
        ["region-one", "region-two"],
        "the quotes of YAML are those of CSV"
    );
    let pairs: Vec<(&str, &str)> = several
        .additional_topology
        .iter()
        .flat_map(|map| &map.0)
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(pairs, [("topology.kubernetes.io/region", "R1"), ("a", "1"), ("b", "2,3")]);
    assert!(several.with_topology && several.min_resync_period == Duration::from_secs(43_200));
}

#[test]
fn arguments_of_the_share_driver() {
    let share = flags(&[
        "-v=2",
        "--drivername=nfs.manila.csi.openstack.org",
        "--share-protocol-selector=NFS",
        "--fwdendpoint=unix:///var/lib/kubelet/plugins/csi-nfsplugin/csi.sock",
        "--endpoint=unix:///var/lib/kubelet/plugins/nfs.manila.csi.openstack.org/csi.sock",
        "--with-topology",
        "--runtime-config-file=/runtimeconfig/runtimeconfig.json",
        "--cluster-id=",
        "--compatibility-settings=",
        "--nodeid=node",
    ]);
    assert_eq!(share.share_protocol_selector, "NFS");
    assert!(share.with_topology && share.cluster_id.is_empty() && share.cluster.is_empty());
    assert!(share.fwdendpoint.ends_with("csi.sock") && share.compatibility_settings.is_empty());
    assert_eq!((share.drivername.as_str(), share.nodeid.as_str()), ("nfs.manila.csi.openstack.org", "node"));
    assert!(
        share.endpoint.starts_with("unix:///") && share.runtime_config_file.starts_with("/runtimeconfig/")
    );
}
