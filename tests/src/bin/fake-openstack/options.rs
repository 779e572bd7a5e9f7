//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use simulator::openstack::{Build, Latency, Release};

/// A strict OpenStack (Keystone, Nova, Neutron, Octavia) for tests and demonstrations, with nothing behind it: no virtual
/// machines, no network but loopback. Load balancers' addresses really forward, where they are within 127.0.0.0/8.
///
/// When it is ready it writes one line of JSON to standard error: URLs, user, project and the ids of its networks.
#[derive(Debug, Parser)]
#[command(name = "fake-openstack", max_term_width = 120)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) listen: IpAddr,
    /// Keystone's port; Nova, Neutron, Octavia and the control endpoint have the next four. 0 takes any free ones.
    #[arg(long, value_name = "PORT", default_value_t = 15_000)]
    pub(crate) port: u16,
    /// What all randomness comes from; another one each time if missing.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Which OpenStack it is.
    #[arg(long, value_name = "RELEASE", default_value = "newest")]
    pub(crate) release: Version,
    /// How long requests take, besides what the provider needs.
    #[arg(long, value_name = "PROFILE", default_value = "lan")]
    pub(crate) latency: Profile,
    /// The provider of load balancers that ask for none: amphora or ovn.
    #[arg(long, value_name = "NAME", default_value = "amphora", value_parser = ["amphora", "ovn"])]
    pub(crate) provider: String,
    /// Every change of a load balancer takes so many milliseconds; if missing, as long as it usually takes the provider.
    #[arg(long, value_name = "MS")]
    pub(crate) write_ms: Option<u64>,
    /// Range of the network `nodes`, which servers and load balancers are on.
    #[arg(long, value_name = "CIDR", default_value = "127.20.0.0/16")]
    pub(crate) nodes: String,
    /// Range of the external network `public`, which floating IPs come from.
    #[arg(long, value_name = "CIDR", default_value = "127.30.0.0/16")]
    pub(crate) public: String,
    /// How long a token lives, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) token_life: u64,
    /// Write a cloud.conf for the cloud controller there.
    #[arg(long, value_name = "FILE")]
    pub(crate) cloud_conf: Option<PathBuf>,
    /// Do not forward what comes to the addresses of load balancers.
    #[arg(long)]
    pub(crate) no_forward: bool,
}

/// A release of OpenStack.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Version {
    Train,
    Yoga,
    Caracal,
    Newest,
}

impl From<Version> for Release {
    fn from(version: Version) -> Self {
        match version {
            Version::Train => Self::Train,
            Version::Yoga => Self::Yoga,
            Version::Caracal => Self::Caracal,
            Version::Newest => Self::Newest,
        }
    }
}

/// How far away the services are.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Profile {
    /// No time at all.
    None,
    /// 5 to 30 ms each way.
    Lan,
    /// 50 to 250 ms each way.
    Wan,
    /// 0.5 to 3 s each way, as a cloud under load.
    Busy,
}

impl From<Profile> for Latency {
    fn from(profile: Profile) -> Self {
        let between =
            |least, most| Self { least: Duration::from_millis(least), most: Duration::from_millis(most) };
        match profile {
            Profile::None => Self::NONE,
            Profile::Lan => between(5, 30),
            Profile::Wan => between(50, 250),
            Profile::Busy => between(500, 3_000),
        }
    }
}

impl Options {
    /// How long the providers take, if that was said.
    pub(crate) fn build(&self) -> Option<Build> {
        self.write_ms.map(|millis| Build::fixed(Duration::from_millis(millis)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Options::command().debug_assert();
        let options =
            Options::parse_from(["fake-openstack", "--write-ms=6000", "--provider=ovn", "--latency=wan"]);
        assert_eq!(options.build(), Some(Build::fixed(Duration::from_secs(6))));
        assert_eq!(Latency::from(options.latency).most, Duration::from_millis(250));
        assert!(Options::try_parse_from(["fake-openstack", "--provider=f5"]).is_err());
    }
}
