//! `[LoadBalancer]` and `[LoadBalancerClass "name"]`.
#![expect(clippy::trivially_copy_pass_by_ref, reason = "the macro hands in every value by reference")]

use std::time::Duration;

use super::table::section;

section! {
    /// Load balancers of Services, where their annotations say nothing else.
    ["LoadBalancer", Plain] read by [CloudController]
    pub struct LoadBalancer {
        /// look at Services at all
        "enabled" enabled: bool = true;
        /// only `v2`
        "lb-version" lb_version: String = String::new();
        /// Octavia provider of new load balancers
        "lb-provider" lb_provider: String = "amphora".to_owned(), odd odd_provider;
        /// algorithm of pools: `ROUND_ROBIN`, with `ovn` `SOURCE_IP_PORT`
        "lb-method" lb_method: Option<String> = None, shown "by provider";
        /// external network of floating IPs
        "floating-network-id" floating_network_id: Option<String> = None, shown "found";
        /// subnet of floating IPs
        "floating-subnet-id" floating_subnet_id: Option<String> = None;
        /// pattern of the names of subnets for floating IPs
        "floating-subnet" floating_subnet: Option<String> = None,
            later "without floating-subnet-id, Services that need a floating IP fail with an event";
        /// tags of subnets for floating IPs
        "floating-subnet-tags" floating_subnet_tags: Option<String> = None,
            later "without floating-subnet-id, Services that need a floating IP fail with an event";
        /// subnet of virtual IPs, and of members where none is given
        "subnet-id" subnet_id: Option<String> = None, shown "the nodes'";
        /// network of virtual IPs
        "network-id" network_id: Option<String> = None;
        /// subnet of members
        "member-subnet-id" member_subnet_id: Option<String> = None;
        /// no Service gets a floating IP, whatever its annotation says
        "internal-lb" internal_lb: bool = false;
        /// labels that a node must carry to be a member: `name=value` or `name`, comma-separated
        "node-selector" node_selector: String = String::new();
        /// health monitors
        "create-monitor" create_monitor: bool = false;
        /// time between two probes
        "monitor-delay" monitor_delay: Duration = Duration::from_secs(5), odd odd_seconds;
        /// time that a probe may take
        "monitor-timeout" monitor_timeout: Duration = Duration::from_secs(3), odd odd_seconds;
        /// good probes until a member is ONLINE: 1 to 10
        "monitor-max-retries" monitor_max_retries: u64 = 1, odd odd_retries;
        /// failed probes until a member is ERROR: 1 to 10
        "monitor-max-retries-down" monitor_max_retries_down: u64 = 3, odd odd_retries;
        /// Octavia flavor of new load balancers
        "flavor-id" flavor_id: Option<String> = None;
        /// Octavia availability zone of new load balancers
        "availability-zone" availability_zone: Option<String> = None;
        /// delete a load balancer with everything in it in one call
        "cascade-delete" cascade_delete: bool = true;
        /// with the PROXY protocol, publish a host name in place of the address
        "enable-ingress-hostname" enable_ingress_hostname: bool = false;
        /// what follows the address in that host name
        "ingress-hostname-suffix" ingress_hostname_suffix: String = "nip.io".to_owned();
        /// open security groups for node ports
        "manage-security-groups" manage_security_groups: bool = false,
            later "Services fail with an event";
        /// one object a call, for providers that take no more
        "provider-requires-serial-api-calls" serial_api_calls: bool = false,
            later "Services fail with an event";
        /// Barbican reference of a certificate; every listener then terminates TLS
        "default-tls-container-ref" default_tls_container_ref: Option<String> = None,
            later "Services fail with an event";
        /// how that reference is checked: `barbican` or `external`
        "container-store" container_store: String = "barbican".to_owned(),
            later "no effect without default-tls-container-ref";
        /// how many Services may share a load balancer
        "max-shared-lb" max_shared_lb: i64 = 2, odd odd_sharers,
            later "load balancers are not shared";
    }
}

section! {
    /// A named choice of networks, which the annotation `loadbalancer.openstack.org/class` of a Service refers to.
    /// The keys mean what they mean in `[LoadBalancer]`.
    ["LoadBalancerClass", Named] read by [CloudController]
    pub struct LoadBalancerClass {
        /// external network of floating IPs
        "floating-network-id" floating_network_id: Option<String> = None;
        /// subnet of floating IPs
        "floating-subnet-id" floating_subnet_id: Option<String> = None;
        /// pattern of the names of subnets for floating IPs
        "floating-subnet" floating_subnet: Option<String> = None,
            later "without floating-subnet-id, Services that need a floating IP fail with an event";
        /// tags of subnets for floating IPs
        "floating-subnet-tags" floating_subnet_tags: Option<String> = None,
            later "without floating-subnet-id, Services that need a floating IP fail with an event";
        /// network of virtual IPs
        "network-id" network_id: Option<String> = None;
        /// subnet of virtual IPs
        "subnet-id" subnet_id: Option<String> = None;
        /// subnet of members
        "member-subnet-id" member_subnet_id: Option<String> = None;
    }
}

/// Octavia providers that need no remark.
const PROVIDERS: [&str; 5] = ["amphora", "octavia", "ovn", "f5", "amphorav2"];

fn odd_provider(provider: &str) -> Vec<String> {
    let known = provider.is_empty() || PROVIDERS.contains(&provider);
    let remark = || format!("none of those that are known to work: {}", PROVIDERS.join(", "));
    (!known).then(remark).into_iter().collect()
}

/// Octavia takes 1 to 10; other numbers are sent all the same, and Octavia says no.
fn odd_retries(number: &u64) -> Vec<String> {
    (!(1..=10).contains(number)).then(|| format!("{number}, but Octavia takes 1 to 10")).into_iter().collect()
}

fn odd_seconds(duration: &Duration) -> Vec<String> {
    (duration.as_secs() == 0)
        .then(|| "Octavia counts in seconds, and takes no less than one".to_owned())
        .into_iter()
        .collect()
}

fn odd_sharers(number: &i64) -> Vec<String> {
    (*number < 1)
        .then(|| "fewer than one Service cannot use a load balancer".to_owned())
        .into_iter()
        .collect()
}
