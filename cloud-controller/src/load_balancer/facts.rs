//! What a spec needs to know of the cloud: API features, subnets, the external network. Cached, since it hardly
//! ever changes; asked again when an answer is missing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use openstack::network::{NetworkFilter, SubnetFilter};
use openstack::{Cloud, Inventory, NetworkId, SubnetId};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::node_set::NodeSet;
use super::spec::{Exposure, Spec, VipSpec};

/// How long the choice of the external network is kept.
const EXTERNAL_NETWORK_AGE: Duration = Duration::from_secs(600);
/// How long the list of API versions is kept; an upgrade of Octavia is noticed after it.
const VERSIONS_AGE: Duration = Duration::from_secs(3600);
/// Age at which the list of ports is still good enough to find a node's subnet.
const PORTS_AGE: Duration = Duration::from_secs(300);

/// What the cloud says about a spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What this Octavia and provider can do.
    pub api: ApiFeatures,
    /// Virtual IP of a new load balancer.
    pub vip: VipSpec,
    /// Subnet of the members.
    pub member_subnet: Option<SubnetId>,
    /// External network for a floating IP, if one is wanted and there is one.
    pub floating_network: Option<NetworkId>,
}

/// What an Octavia of some version with some provider can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiFeatures {
    /// Listener timeouts (2.1).
    pub timeouts: bool,
    /// Tags (2.5).
    pub tags: bool,
    /// Flavors (2.6).
    pub flavors: bool,
    /// Allowed CIDRs of a listener (2.12).
    pub vip_acl: bool,
    /// Availability zones (2.14).
    pub availability_zones: bool,
    /// HTTP monitors.
    pub http_monitors: bool,
    /// HTTP monitors on UDP pools (2.16).
    pub http_monitors_on_udp: bool,
}

impl ApiFeatures {
    /// The features of Octavia 2.`minor` with this provider. The OVN driver refuses what needs a proxy.
    pub fn of(minor: u32, provider: &str) -> Self {
        let proxy = provider != "ovn";
        Self {
            timeouts: proxy && minor >= 1,
            tags: minor >= 5,
            flavors: proxy && minor >= 6,
            vip_acl: proxy && minor >= 12,
            availability_zones: proxy && minor >= 14,
            http_monitors: proxy,
            http_monitors_on_udp: proxy && minor >= 16,
        }
    }
}

/// Why the facts could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// A call failed.
    #[error("the cloud cannot be asked")]
    Cloud(#[from] openstack::Error),
    /// Octavia did not name a version. Nothing is guessed then: "unsupported" would open a load balancer to everybody.
    #[error("Octavia names no API version")]
    NoVersion,
    /// No subnet was configured and none could be found from the nodes.
    #[error("no subnet for the virtual IP: none is configured, and {0}")]
    NoSubnet(String),
}

/// Finds facts and keeps them.
pub struct FactFinder {
    cloud: Cloud,
    inventory: Arc<Inventory>,
    minor: Mutex<Option<(Instant, u32)>>,
    external: Mutex<Option<(Instant, NetworkId)>>,
    subnets: Mutex<BTreeMap<IpAddr, SubnetId>>,
}

impl FactFinder {
    /// A finder that asks `cloud` and shares `inventory` with the node controllers.
    pub fn new(cloud: Cloud, inventory: Arc<Inventory>) -> Self {
        Self {
            cloud,
            inventory,
            minor: Mutex::default(),
            external: Mutex::default(),
            subnets: Mutex::default(),
        }
    }

    /// The facts for `spec`. `existing` is the subnet of the virtual IP of a load balancer that is there already:
    /// then none has to be found for a new one.
    pub async fn find(
        &self,
        spec: &Spec,
        nodes: &NodeSet,
        existing: Option<&SubnetId>,
    ) -> Result<Facts, FactError> {
        let mut vip = spec.vip.clone();
        let located = vip.port.is_some() || vip.subnet.is_some() || vip.network.is_some();
        if !located && existing.is_none() {
            vip.subnet = Some(self.subnet_of_nodes(spec, nodes).await?);
        }
        let member_subnet =
            spec.member_subnet.clone().or_else(|| existing.cloned()).or_else(|| vip.subnet.clone());
        let floating_network = match &spec.exposure {
            Exposure::External { network: Some(network), .. } => Some(network.clone()),
            Exposure::External { network: None, .. } => self.external_network().await?,
            Exposure::Internal => None,
        };
        Ok(Facts {
            api: ApiFeatures::of(self.octavia_minor().await?, &spec.provider),
            vip,
            member_subnet,
            floating_network,
        })
    }

    async fn octavia_minor(&self) -> Result<u32, FactError> {
        let mut known = self.minor.lock().await;
        if let Some((since, minor)) = *known
            && since.elapsed() < VERSIONS_AGE
        {
            return Ok(minor);
        }
        let minor =
            newest_minor(&self.cloud.load_balancer().versions().await?).ok_or(FactError::NoVersion)?;
        *known = Some((Instant::now(), minor));
        Ok(minor)
    }

    /// The subnet in which the first node, by name, has its address.
    async fn subnet_of_nodes(&self, spec: &Spec, nodes: &NodeSet) -> Result<SubnetId, FactError> {
        let Some((node, address)) =
            nodes.selected(&spec.node_selector).find_map(|node| Some((node, node.address(spec.family)?)))
        else {
            return Err(FactError::NoSubnet("no node has an address to find one by".to_owned()));
        };
        let mut known = self.subnets.lock().await;
        if let Some(subnet) = known.get(&address) {
            return Ok(subnet.clone());
        }
        for age in [PORTS_AGE, Duration::ZERO] {
            let ports = self.inventory.ports(age).await?;
            let mut fixed_ips = ports.of_device(&node.server).iter().flat_map(|port| &port.fixed_ips);
            if let Some(fixed_ip) = fixed_ips.find(|fixed_ip| fixed_ip.ip_address == address) {
                known.insert(address, fixed_ip.subnet_id.clone());
                return Ok(fixed_ip.subnet_id.clone());
            }
        }
        Err(FactError::NoSubnet(format!("no port of node {} has its address {address}", node.name)))
    }

    /// The first external network with an IPv4 subnet, or with subnets that we may not see.
    async fn external_network(&self) -> Result<Option<NetworkId>, FactError> {
        let mut known = self.external.lock().await;
        if let Some((since, network)) = &*known
            && since.elapsed() < EXTERNAL_NETWORK_AGE
        {
            return Ok(Some(network.clone()));
        }
        let network = self.cloud.network();
        let external = NetworkFilter { external: Some(true), ..NetworkFilter::default() };
        for candidate in network.networks(&external).await? {
            if candidate.subnets.is_empty() {
                continue;
            }
            let of_network = SubnetFilter { network_id: Some(candidate.id.clone()) };
            let visible = network.subnets(&of_network).await?;
            if visible.is_empty() || visible.iter().any(|subnet| subnet.ip_version == 4) {
                *known = Some((Instant::now(), candidate.id.clone()));
                return Ok(Some(candidate.id));
            }
        }
        Ok(None)
    }
}

/// The highest N of the versions `v2.N`.
fn newest_minor(versions: &[String]) -> Option<u32> {
    versions.iter().filter_map(|version| version.strip_prefix("v2.")?.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_counts_wherever_it_stands() {
        let versions = ["v1", "v2.0", "v2.27", "v2.9"].map(str::to_owned);
        assert_eq!(newest_minor(&versions), Some(27));
        assert_eq!(newest_minor(&["v1".to_owned()]), None);
    }

    #[test]
    fn features_come_with_versions_and_providers() {
        let old = ApiFeatures::of(4, "amphora");
        assert!(old.timeouts && !old.tags && !old.vip_acl);
        let new = ApiFeatures::of(27, "amphora");
        assert!(new.tags && new.vip_acl && new.http_monitors_on_udp);
        let ovn = ApiFeatures::of(27, "ovn");
        assert!(ovn.tags && !ovn.vip_acl && !ovn.timeouts && !ovn.http_monitors);
    }
}
