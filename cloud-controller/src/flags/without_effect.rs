//! Flags that are accepted because manifests have them, and change nothing.
//!
//! Some change nothing in the Go program either; others tune machinery that this program does not have.

use clap::Args;

macro_rules! flags {
    (values { $($value:ident = $value_why:literal,)* } switches { $($switch:ident = $switch_why:literal,)* }) => {
        /// See the module.
        #[derive(Args, Clone, Debug)]
        #[command(next_help_heading = "Accepted without effect")]
        pub(super) struct WithoutEffect {
            $(
                #[doc = $value_why]
                #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
                $value: Option<String>,
            )*
            $(
                #[doc = $switch_why]
                #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true,
                      default_missing_value = "true", value_parser = host::flags::boolean)]
                $switch: Option<bool>,
            )*
        }

        impl WithoutEffect {
            /// Those that were given.
            pub(super) fn given(&self) -> Vec<String> {
                let mut given = Vec::new();
                $(if self.$value.is_some() { given.push(stringify!($value)); })*
                $(if self.$switch.is_some() { given.push(stringify!($switch)); })*
                given.into_iter().map(|name| format!("--{}", name.replace('_', "-"))).collect()
            }
        }
    };
}

flags! {
    values {
    kube_api_content_type = "The API is spoken in JSON",
    min_resync_period = "Watches are not repeated without need",
    controller_start_interval = "Controllers start at once",
    concurrent_service_syncs = "As many Services are worked on as there is something to do for",
    concurrent_node_status_updates = "Addresses are written as fast as the client-side limit allows",
    node_monitor_period = "Not in this version: Nodes are not deleted",
    node_sync_period = "Deprecated",
    route_reconciliation_period = "Not in this version: routes are not managed",
    cluster_cidr = "Not in this version: routes are not managed",
    cidr_allocator_type = "This program allocates no addresses for pods",
    external_cloud_volume_plugin = "For volumes in the tree of Kubernetes, which are gone",
    leader_migration_config = "Goes with --enable-leader-migration",
    http2_max_streams_per_connection = "HTTP/1.1 is spoken",
    webhooks = "There are none",
    webhook_bind_address = "There are no webhooks",
    webhook_secure_port = "There are no webhooks",
    webhook_cert_dir = "There are no webhooks",
    webhook_tls_cert_file = "There are no webhooks",
    webhook_tls_private_key_file = "There are no webhooks",
    webhook_tls_sni_cert_key = "There are no webhooks",
    webhook_tls_cipher_suites = "There are no webhooks",
    webhook_tls_curve_preferences = "There are no webhooks",
    webhook_tls_min_version = "There are no webhooks",
    webhook_http2_max_streams_per_connection = "There are no webhooks",
    }
    switches {
    use_service_account_credentials = "All controllers use the program's own account",
    configure_cloud_routes = "Not in this version: routes are not managed",
    allocate_node_cidrs = "This program allocates no addresses for pods",
    allow_untagged_cloud = "Deprecated",
    disable_http2_serving = "HTTP/1.1 is spoken",
    permit_address_sharing = "An address that was left a moment ago is taken in any case",
    authentication_skip_lookup = "Nothing is looked up for authentication",
    authentication_tolerate_lookup_failure = "Nothing is looked up for authentication",
    contention_profiling = "There are no profiles of Go to show",
    webhook_disable_http2_serving = "There are no webhooks",
    webhook_permit_port_sharing = "There are no webhooks",
    webhook_permit_address_sharing = "There are no webhooks",
    }
}

impl WithoutEffect {
    /// What the Go program refuses as well.
    pub(super) fn faults(&self) -> Vec<String> {
        let webhooks = self.webhooks.as_deref().unwrap_or_default();
        webhooks
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && *name != "*")
            .map(|name| format!("--webhooks: {name:?} is not in the list of known webhooks"))
            .collect()
    }
}
