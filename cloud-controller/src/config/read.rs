//! The sections of the file, as the controllers want them.

use std::path::Path;

use host::cloud_conf::{self, Program, Sections};
use host::gcfg::{File, Report};
use ipnet::IpNet;
use login::{Login, Surroundings};

use super::{CloudConf, Config, Error, LoadBalancerClass, LoadBalancerConfig, Networking};

impl CloudConf {
    /// Reads the file at `path`, and `clouds.yaml` where it asks for that.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn read(path: &Path, surroundings: Surroundings) -> Result<Self, Error> {
        let mut report = Report::default();
        let file = File::read(path, &mut report)?;
        Self::take(file, surroundings, report)
    }

    /// Reads `text`; `name` is used in messages.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let mut report = Report::default();
        let file = File::parse(name, text, &mut report);
        Self::take(file, Surroundings::default(), report)
    }

    fn take(file: File, surroundings: Surroundings, mut report: Report) -> Result<Self, Error> {
        let (login, config) = take(file, &surroundings, &mut report);
        let warnings = report.into_result()?;
        // Where the login is missing there was a fault.
        Ok(Self { global: login.ok_or(Error::Incomplete)?, surroundings, config, warnings })
    }
}

pub(super) fn take(file: File, surroundings: &Surroundings, report: &mut Report) -> (Option<Login>, Config) {
    let mut sections = Sections::read(file, Program::CloudController, report);
    // A login that lacks something is not worth a word where the line with it could not be read.
    let global = sections.take_global();
    let login = report.errors.is_empty().then(|| Login::read(global, surroundings, report)).flatten();
    version(&sections.load_balancer, report);
    (login, config_of(sections))
}

/// Go does not start with another version while load balancers are on.
fn version(said: &cloud_conf::LoadBalancer, report: &mut Report) {
    if said.enabled && !["", "v2"].contains(&said.lb_version.as_str()) {
        report.error(said.places.of("lb-version"), "lb-version: only v2 is supported: take the line out");
    }
}

pub(super) fn config_of(said: Sections) -> Config {
    let classes = said.classes.into_iter().map(|(name, class)| (name, class.into()));
    Config {
        networking: said.networking.into(),
        load_balancer: said.load_balancer.into(),
        classes: classes.collect(),
        router_id: said.route.router_id.map(Into::into),
        request_timeout: said.metadata.request_timeout,
        profile: said.compatibility.profile,
    }
}

impl From<cloud_conf::Networking> for Networking {
    fn from(said: cloud_conf::Networking) -> Self {
        let range = |(address, length)| IpNet::new(address, length).ok();
        Self {
            ipv6_support_disabled: said.ipv6_support_disabled,
            public_network_names: said.public_network_name,
            internal_network_names: said.internal_network_name,
            address_sort_order: said.address_sort_order.ranges.into_iter().filter_map(range).collect(),
        }
    }
}

impl From<cloud_conf::LoadBalancer> for LoadBalancerConfig {
    fn from(said: cloud_conf::LoadBalancer) -> Self {
        let small = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
        Self {
            enabled: said.enabled,
            // An empty name is none: Octavia refuses it.
            provider: Some(said.lb_provider)
                .filter(|provider| !provider.is_empty())
                .unwrap_or_else(|| cloud_conf::LoadBalancer::default().lb_provider),
            method: said.lb_method,
            subnet_id: said.subnet_id.map(Into::into),
            member_subnet_id: said.member_subnet_id.map(Into::into),
            network_id: said.network_id.map(Into::into),
            floating_network_id: said.floating_network_id.map(Into::into),
            floating_subnet_id: said.floating_subnet_id.map(Into::into),
            floating_subnet: said.floating_subnet,
            floating_subnet_tags: said.floating_subnet_tags,
            create_monitor: said.create_monitor,
            monitor_delay: said.monitor_delay,
            monitor_timeout: said.monitor_timeout,
            monitor_max_retries: small(said.monitor_max_retries),
            monitor_max_retries_down: small(said.monitor_max_retries_down),
            manage_security_groups: said.manage_security_groups,
            internal: said.internal_lb,
            node_selector: said.node_selector,
            cascade_delete: said.cascade_delete,
            flavor_id: said.flavor_id,
            availability_zone: said.availability_zone,
            enable_ingress_hostname: said.enable_ingress_hostname,
            ingress_hostname_suffix: said.ingress_hostname_suffix,
            default_tls_container_ref: said.default_tls_container_ref,
            max_shared_lb: u32::try_from(said.max_shared_lb.max(0)).unwrap_or(u32::MAX),
            serial_api_calls: said.serial_api_calls,
        }
    }
}

impl From<cloud_conf::LoadBalancerClass> for LoadBalancerClass {
    fn from(said: cloud_conf::LoadBalancerClass) -> Self {
        Self {
            floating_network_id: said.floating_network_id.map(Into::into),
            floating_subnet_id: said.floating_subnet_id.map(Into::into),
            floating_subnet: said.floating_subnet,
            floating_subnet_tags: said.floating_subnet_tags,
            network_id: said.network_id.map(Into::into),
            subnet_id: said.subnet_id.map(Into::into),
            member_subnet_id: said.member_subnet_id.map(Into::into),
        }
    }
}
