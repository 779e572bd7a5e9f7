//! Takes the sections of a parsed file apart.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use host::gcfg::{File, Section, Warning};
use ipnet::IpNet;
use login::{Login, Surroundings};

use super::{CloudConf, Config, Error, LoadBalancerClass, LoadBalancerConfig, Networking, Profile};

/// Octavia providers that need no remark.
const PROVIDERS: [&str; 5] = ["amphora", "octavia", "ovn", "f5", "amphorav2"];

impl CloudConf {
    /// Reads the file at `path`, and `clouds.yaml` where it asks for that.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn read(path: &Path, surroundings: Surroundings) -> Result<Self, Error> {
        let name = path.display().to_string();
        Reader { name, warnings: Vec::new(), surroundings }.read(File::read(path)?)
    }

    /// Reads `text`; `name` is used in messages.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let surroundings = Surroundings::default();
        Reader { name: name.to_owned(), warnings: Vec::new(), surroundings }.read(File::parse(name, text)?)
    }
}

/// Reads one file and collects warnings on the way.
pub(super) struct Reader {
    name: String,
    warnings: Vec<Warning>,
    surroundings: Surroundings,
}

impl Reader {
    fn read(mut self, mut file: File) -> Result<CloudConf, Error> {
        let global = file.take_section("Global");
        let global = self.section(global, |reader, section| {
            Ok(Login::read(&reader.name, section, &reader.surroundings, &mut reader.warnings)?)
        })?;
        let networking = file.take_section("Networking");
        let load_balancer = file.take_section("LoadBalancer");
        let classes = file.take_subsections("LoadBalancerClass");
        let mut route = file.take_section("Route");
        let metadata = file.take_section("Metadata");
        let compatibility = file.take_section("Compatibility");
        let config = Config {
            networking: self.section(networking, networking_of)?,
            load_balancer: self.section(load_balancer, load_balancer_of)?,
            classes: self.classes(classes)?,
            router_id: text(&mut route, "router-id")?.map(Into::into),
            request_timeout: self.section(metadata, request_timeout_of)?,
            profile: self.section(compatibility, profile_of)?,
        };
        self.warnings.extend(route.finish());
        // Meant for the volume driver, with which this file is often shared.
        drop(file.take_section("BlockStorage"));
        self.warnings.extend(file.finish());
        Ok(CloudConf { global, surroundings: self.surroundings, config, warnings: self.warnings })
    }

    fn section<T>(
        &mut self,
        mut section: Section,
        read: impl FnOnce(&mut Self, &mut Section) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let value = read(self, &mut section)?;
        self.warnings.extend(section.finish());
        Ok(value)
    }

    fn classes(
        &mut self,
        sections: BTreeMap<String, Section>,
    ) -> Result<BTreeMap<String, LoadBalancerClass>, Error> {
        let mut classes = BTreeMap::new();
        for (name, section) in sections {
            classes.insert(name, self.section(section, |_, section| class_of(section))?);
        }
        Ok(classes)
    }

    /// An error about the meaning of `key`; to be made before the key is taken, while its place is known.
    fn error(&self, section: &Section, key: &str, message: impl Into<String>) -> Error {
        let place = match section.position(key) {
            Some((line, _)) => format!("{}:{line}", self.name),
            None => self.name.clone(),
        };
        Error::Setting { place, message: message.into() }
    }

    /// Notes that a key is not heeded as it is written.
    pub(super) fn warn(&mut self, line: u32, message: impl Into<String>) {
        self.warnings.push(Warning { file: self.name.as_str().into(), line, message: message.into() });
    }

    /// Takes a text that must pass a check; the message of a failed one gets the place.
    fn checked<T>(
        &self,
        section: &mut Section,
        key: &str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let unplaced = self.error(section, key, "");
        let Some(value) = section.take::<String>(key)? else { return Ok(None) };
        check(&value).map(Some).map_err(|message| match unplaced {
            Error::Setting { place, .. } => Error::Setting { place, message: format!("{key}: {message}") },
            other => other,
        })
    }
}

/// The line of a key that has not been taken yet; 0 if it is not there.
pub(super) fn line_of(section: &Section, key: &str) -> u32 {
    section.position(key).map_or(0, |(line, _)| line)
}

/// Takes a text; an empty one is none.
fn text(section: &mut Section, key: &str) -> Result<Option<String>, Error> {
    Ok(section.take::<String>(key)?.filter(|value| !value.is_empty()))
}

fn networking_of(reader: &mut Reader, section: &mut Section) -> Result<Networking, Error> {
    Ok(Networking {
        ipv6_support_disabled: section.take("ipv6-support-disabled")?.unwrap_or(false),
        public_network_names: section.take_list("public-network-name")?,
        internal_network_names: section.take_list("internal-network-name")?,
        address_sort_order: sort_order(reader, section)?,
    })
}

fn sort_order(reader: &mut Reader, section: &mut Section) -> Result<Vec<IpNet>, Error> {
    const KEY: &str = "address-sort-order";
    let line = line_of(section, KEY);
    let order = section.take::<String>(KEY)?.unwrap_or_default();
    let mut ranges = Vec::new();
    for item in order.split([',', ' ', '\t']).filter(|item| !item.is_empty()) {
        match item.parse() {
            Ok(range) => ranges.push(range),
            Err(_) => reader.warn(line, format!("{KEY}: {item:?} is not a CIDR and is left out")),
        }
    }
    Ok(ranges)
}

fn load_balancer_of(reader: &mut Reader, section: &mut Section) -> Result<LoadBalancerConfig, Error> {
    let defaults = LoadBalancerConfig::default();
    let enabled = section.take("enabled")?.unwrap_or(defaults.enabled);
    reader.checked(section, "lb-version", |version| match version {
        _ if !enabled => Ok(()),
        "" | "v2" => Ok(()),
        _ => Err("only v2 is supported".to_owned()),
    })?;
    let line = line_of(section, "lb-provider");
    let provider = text(section, "lb-provider")?.unwrap_or(defaults.provider);
    if !PROVIDERS.contains(&provider.as_str()) {
        reader.warn(line, format!("lb-provider {provider:?} is none of those that are known to work"));
    }
    section.take::<String>("container-store")?;
    Ok(LoadBalancerConfig {
        enabled,
        provider,
        method: text(section, "lb-method")?,
        subnet_id: text(section, "subnet-id")?.map(Into::into),
        member_subnet_id: text(section, "member-subnet-id")?.map(Into::into),
        network_id: text(section, "network-id")?.map(Into::into),
        floating_network_id: text(section, "floating-network-id")?.map(Into::into),
        floating_subnet_id: text(section, "floating-subnet-id")?.map(Into::into),
        floating_subnet: text(section, "floating-subnet")?,
        floating_subnet_tags: text(section, "floating-subnet-tags")?,
        create_monitor: section.take("create-monitor")?.unwrap_or(defaults.create_monitor),
        monitor_delay: section.take("monitor-delay")?.unwrap_or(defaults.monitor_delay),
        monitor_timeout: section.take("monitor-timeout")?.unwrap_or(defaults.monitor_timeout),
        monitor_max_retries: retries(reader, section, "monitor-max-retries", defaults.monitor_max_retries)?,
        monitor_max_retries_down: retries(
            reader,
            section,
            "monitor-max-retries-down",
            defaults.monitor_max_retries_down,
        )?,
        manage_security_groups: section
            .take("manage-security-groups")?
            .unwrap_or(defaults.manage_security_groups),
        internal: section.take("internal-lb")?.unwrap_or(defaults.internal),
        node_selector: section.take("node-selector")?.unwrap_or(defaults.node_selector),
        cascade_delete: section.take("cascade-delete")?.unwrap_or(defaults.cascade_delete),
        flavor_id: text(section, "flavor-id")?,
        availability_zone: text(section, "availability-zone")?,
        enable_ingress_hostname: section
            .take("enable-ingress-hostname")?
            .unwrap_or(defaults.enable_ingress_hostname),
        ingress_hostname_suffix: section
            .take("ingress-hostname-suffix")?
            .unwrap_or(defaults.ingress_hostname_suffix),
        default_tls_container_ref: text(section, "default-tls-container-ref")?,
        max_shared_lb: section.take("max-shared-lb")?.unwrap_or(defaults.max_shared_lb),
        serial_api_calls: section
            .take("provider-requires-serial-api-calls")?
            .unwrap_or(defaults.serial_api_calls),
    })
}

/// Octavia takes 1 to 10; other numbers are sent all the same, and Octavia says no.
fn retries(reader: &mut Reader, section: &mut Section, key: &str, default: u8) -> Result<u8, Error> {
    let line = line_of(section, key);
    let number = section.take::<u32>(key)?.unwrap_or(default.into());
    if !(1..=10).contains(&number) {
        reader.warn(line, format!("{key} is {number}, but Octavia takes 1 to 10"));
    }
    Ok(u8::try_from(number).unwrap_or(u8::MAX))
}

fn class_of(section: &mut Section) -> Result<LoadBalancerClass, Error> {
    Ok(LoadBalancerClass {
        floating_network_id: text(section, "floating-network-id")?.map(Into::into),
        floating_subnet_id: text(section, "floating-subnet-id")?.map(Into::into),
        floating_subnet: text(section, "floating-subnet")?,
        floating_subnet_tags: text(section, "floating-subnet-tags")?,
        network_id: text(section, "network-id")?.map(Into::into),
        subnet_id: text(section, "subnet-id")?.map(Into::into),
        member_subnet_id: text(section, "member-subnet-id")?.map(Into::into),
    })
}

fn request_timeout_of(reader: &mut Reader, section: &mut Section) -> Result<Duration, Error> {
    // Programs that run on nodes read metadata in this order; a wrong one has always been fatal here as well.
    reader.checked(section, "search-order", |order| {
        let places: Vec<&str> = order.split(',').map(str::trim).collect();
        if places.len() <= 2 && places.iter().all(|place| ["configDrive", "metadataService"].contains(place))
        {
            Ok(())
        } else {
            Err("expected configDrive, metadataService or both, separated by a comma".to_owned())
        }
    })?;
    Ok(section.take("request-timeout")?.unwrap_or(Config::default().request_timeout))
}

fn profile_of(reader: &mut Reader, section: &mut Section) -> Result<Profile, Error> {
    let profile = reader.checked(section, "profile", |profile| match profile {
        "upstream" => Ok(Profile::Upstream),
        "recommended" => Ok(Profile::Recommended),
        _ => Err("expected upstream or recommended".to_owned()),
    })?;
    Ok(profile.unwrap_or_default())
}
