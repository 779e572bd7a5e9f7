//! What to write to a Node, given its server. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use kubernetes::{Node, NodeAddress};
use openstack::Server;
use openstack::network::Port;

use super::addresses::{self, NotOfServer};
use super::metadata::{self, ProviderId};
use crate::config::Networking;

/// Taint of a Node that waits for its cloud provider. Do not change: kubelets set it.
pub const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";

/// Annotation with the addresses that a kubelet was started with. Do not change: kubelets set it.
pub const PROVIDED_NODE_IP: &str = "alpha.kubernetes.io/provided-node-ip";

/// What all Nodes have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Which addresses, and in what order.
    pub networking: Networking,
    /// The configured region, for the labels.
    pub region: Option<String>,
    /// Whether new provider IDs contain the region.
    pub regional: bool,
}

/// The changes that initialise a Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initialisation {
    /// The provider ID, for a Node without one.
    pub provider_id: String,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// The addresses, if they differ from what is there.
    pub addresses: Option<Vec<NodeAddress>>,
}

impl fmt::Display for Initialisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "provider ID {}", self.provider_id)?;
        for (name, value) in &self.labels {
            write!(f, ", label {name}={value}")?;
        }
        for address in self.addresses.iter().flatten() {
            write!(f, ", {} {}", address.kind, address.address)?;
        }
        write!(f, ", no taint {UNINITIALIZED}")
    }
}

/// Why a Node cannot get addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddresses {
    /// The kubelet names an address that the server does not have.
    #[error(transparent)]
    NotOfServer(#[from] NotOfServer),
    /// The annotation with the kubelet's addresses is malformed.
    #[error("annotation {PROVIDED_NODE_IP} is {0:?} instead of one or two IP addresses")]
    Annotation(String),
}

/// Whether the Node waits for its cloud provider.
pub fn is_uninitialised(node: &Node) -> bool {
    node.taints.iter().any(|taint| taint.key == UNINITIALIZED)
}

/// Whether anything has changed that decides how a Node is initialised.
pub fn is_news(old: &Node, new: &Node) -> bool {
    let deciding = |node: &Node| {
        (
            node.uid.clone(),
            node.provider_id.clone(),
            node.system_uuid.clone(),
            node.addresses.clone(),
            node.annotations.get(PROVIDED_NODE_IP).cloned(),
            node.labels.clone(),
            is_uninitialised(node),
        )
    };
    deciding(old) != deciding(new)
}

/// Plans the initialisation of `node`.
///
/// # Errors
/// See [`NoAddresses`].
pub fn initialise(
    node: &Node,
    server: &Server,
    ports: &[Port],
    instance_type: Option<&str>,
    settings: &Settings,
) -> Result<Initialisation, NoAddresses> {
    let region = settings.region.as_deref();
    let id = ProviderId {
        region: region.filter(|_| settings.regional).unwrap_or_default().to_owned(),
        server: server.id.clone(),
    };
    let from_cloud = addresses::of_server(server, ports, &settings.networking);
    let addresses =
        addresses::for_new_node(&from_cloud, &node.addresses, &provided(node)?, &settings.networking)?;
    Ok(Initialisation {
        provider_id: id.to_string(),
        labels: metadata::labels(instance_type, &server.availability_zone, region),
        addresses: changed(addresses, &from_cloud, node),
    })
}

/// The addresses for a Node that was initialised before, if they differ from what is there.
///
/// # Errors
/// See [`NoAddresses`].
pub fn refresh(
    node: &Node,
    server: &Server,
    ports: &[Port],
    settings: &Settings,
) -> Result<Option<Vec<NodeAddress>>, NoAddresses> {
    let from_cloud = addresses::of_server(server, ports, &settings.networking);
    let addresses =
        addresses::for_known_node(&from_cloud, &node.addresses, &provided(node)?, &settings.networking)?;
    Ok(changed(addresses, &from_cloud, node))
}

/// An answer without any address is no reason to take those away that are there.
fn changed(addresses: Vec<NodeAddress>, from_cloud: &[NodeAddress], node: &Node) -> Option<Vec<NodeAddress>> {
    (!from_cloud.is_empty() && addresses != node.addresses).then_some(addresses)
}

fn provided(node: &Node) -> Result<Vec<IpAddr>, NoAddresses> {
    let Some(text) = node.annotations.get(PROVIDED_NODE_IP) else { return Ok(Vec::new()) };
    let malformed = || NoAddresses::Annotation(text.clone());
    let parse = |part: &str| part.trim().parse().map_err(|_| malformed());
    let addresses: Vec<IpAddr> = text.split(',').map(parse).collect::<Result<_, _>>()?;
    if addresses.len() > 2 { Err(malformed()) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use kubernetes::{AddressKind, Taint};
    use serde_json::json;

    use super::*;

    fn server() -> Server {
        serde_json::from_value(json!({
            "id": "s1", "name": "n1", "OS-EXT-AZ:availability_zone": "nova", "flavor": {"original_name": "m1.small"}
        }))
        .unwrap()
    }

    fn port(ip: &str) -> Port {
        serde_json::from_value(json!({
            "id": "p", "network_id": "n", "status": "ACTIVE", "fixed_ips": [{"subnet_id": "s", "ip_address": ip}]
        }))
        .unwrap()
    }

    fn node() -> Node {
        Node {
            name: "n1".to_owned(),
            taints: vec![Taint { key: UNINITIALIZED.to_owned(), ..Taint::default() }],
            addresses: vec![NodeAddress { kind: AddressKind::Hostname, address: "n1".to_owned() }],
            ..Node::default()
        }
    }

    fn annotated(value: &str) -> Node {
        let mut node = node();
        node.annotations.insert(PROVIDED_NODE_IP.to_owned(), value.to_owned());
        node
    }

    #[test]
    fn a_new_node_gets_everything_at_once() {
        let plan =
            initialise(&node(), &server(), &[port("10.0.0.5")], Some("m1.small"), &Settings::default())
                .unwrap();
        assert_eq!(plan.provider_id, "openstack:///s1");
        assert_eq!(
            plan.to_string(),
            "provider ID openstack:///s1, label beta.kubernetes.io/instance-type=m1.small, \
             label failure-domain.beta.kubernetes.io/zone=nova, label node.kubernetes.io/instance-type=m1.small, \
             label topology.kubernetes.io/zone=nova, InternalIP 10.0.0.5, Hostname n1, \
             no taint node.cloudprovider.kubernetes.io/uninitialized"
        );
        let addresses: Vec<String> =
            plan.addresses.unwrap().into_iter().map(|address| address.address).collect();
        assert_eq!(addresses, ["10.0.0.5", "n1"]);
    }

    #[test]
    fn the_region_is_in_the_labels_and_in_the_provider_id_when_asked_for() {
        let mut settings = Settings { region: Some("north".to_owned()), ..Settings::default() };
        let plan = |settings: &Settings| initialise(&node(), &server(), &[], None, settings).unwrap();
        assert_eq!(plan(&settings).provider_id, "openstack:///s1");
        assert_eq!(plan(&settings).labels["topology.kubernetes.io/region"], "north");
        settings.regional = true;
        assert_eq!(plan(&settings).provider_id, "openstack://north/s1");
    }

    #[test]
    fn addresses_that_are_right_already_are_not_written() {
        let mut right = node();
        right
            .addresses
            .insert(0, NodeAddress { kind: AddressKind::InternalIp, address: "10.0.0.5".to_owned() });
        let ports = [port("10.0.0.5")];
        assert_eq!(
            initialise(&right, &server(), &ports, None, &Settings::default()).unwrap().addresses,
            None
        );
        assert_eq!(refresh(&right, &server(), &ports, &Settings::default()), Ok(None));
    }

    #[test]
    fn an_answer_without_addresses_takes_none_away() {
        let mut known = node();
        known.addresses.push(NodeAddress { kind: AddressKind::InternalIp, address: "10.0.0.5".to_owned() });
        assert_eq!(refresh(&known, &server(), &[], &Settings::default()), Ok(None));
    }

    #[test]
    fn provided_addresses_are_checked_against_the_server() {
        let ports = [port("10.0.0.5"), port("fd00::5")];
        let plan = |node: &Node| initialise(node, &server(), &ports, None, &Settings::default());
        assert!(plan(&annotated("10.0.0.5, fd00::5")).is_ok());
        assert_eq!(
            plan(&annotated("10.0.0.6")),
            Err(NoAddresses::NotOfServer(NotOfServer("10.0.0.6".parse().unwrap())))
        );
        for malformed in ["", "eth0", "10.0.0.5,fd00::5,10.0.0.7"] {
            assert_eq!(plan(&annotated(malformed)), Err(NoAddresses::Annotation(malformed.to_owned())));
        }
    }

    #[test]
    fn heartbeats_are_no_news() {
        let mut beat = node();
        beat.resource_version = "2".to_owned();
        beat.ready = kubernetes::Ready::True;
        assert!(!is_news(&node(), &beat));
        beat.system_uuid = "u".to_owned();
        assert!(is_news(&node(), &beat));
    }
}
