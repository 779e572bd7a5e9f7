//! Which server a Node runs on, and whether to believe it. Pure.
//!
//! The provider ID and the system UUID are written by the kubelet. A kubelet in wrong hands could name another server
//! there and take over its identity, so what it names must also agree with something: the Node's name, which the API
//! server lets it not choose, or an address that it reports. And a server has one Node only.

use std::net::IpAddr;
use std::sync::Arc;

use kubernetes::{AddressKind, Node};
use openstack::network::Port;
use openstack::{Server, ServerId};

use super::metadata::{NotOurs, ProviderId};

/// How to look for the server of a Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The provider ID names it.
    Named(ServerId),
    /// Nothing names it: try the system UUID, which is the server's id where the hypervisor passes it on, then the name.
    Search {
        /// The system UUID, if it has that form.
        uuid: Option<ServerId>,
        /// The Node's name.
        name: String,
    },
}

impl Lookup {
    /// The id and the name to look for, as far as each may be used.
    pub fn parts(&self) -> (Option<&ServerId>, Option<&str>) {
        match self {
            Self::Named(id) => (Some(id), None),
            Self::Search { uuid, name } => (uuid.as_ref(), Some(name)),
        }
    }
}

/// Why a Node cannot have a server of this cloud; does not go away by waiting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// The provider ID belongs to another provider, or is malformed.
    #[error(transparent)]
    Provider(#[from] NotOurs),
    /// The provider ID names another region.
    #[error("the Node's server is in region {theirs:?}, this program works in region {ours:?}")]
    Region {
        /// The region in the provider ID.
        theirs: String,
        /// The region in the configuration.
        ours: String,
    },
}

/// How to look for the server of `node`, in the region that the configuration names (empty if it names none).
///
/// # Errors
/// See [`Foreign`].
pub fn lookup(node: &Node, region: &str) -> Result<Lookup, Foreign> {
    let Some(text) = &node.provider_id else {
        return Ok(Lookup::Search { uuid: server_id(&node.system_uuid), name: node.name.clone() });
    };
    let id = ProviderId::parse(text)?;
    if !id.region.is_empty() && id.region != region {
        return Err(Foreign::Region { theirs: id.region, ours: region.to_owned() });
    }
    Ok(Lookup::Named(id.server))
}

/// A UUID as Nova writes it. Firmware may report it in capitals.
fn server_id(system_uuid: &str) -> Option<ServerId> {
    let uuid = system_uuid.trim().to_ascii_lowercase();
    let dashes = [8, 13, 18, 23];
    let is_uuid = uuid.len() == 36
        && uuid
            .char_indices()
            .all(|(i, c)| if dashes.contains(&i) { c == '-' } else { c.is_ascii_hexdigit() });
    is_uuid.then(|| uuid.into())
}

/// Whether a server that the kubelet named may be this Node's: the names agree, or an internal address that the Node
/// reports is one of the server's.
pub fn agrees(node: &Node, server: &Server, ports: &[Port]) -> bool {
    names_agree(&node.name, &server.name) || reports_an_address_of(node, ports)
}

/// Equal, letters' case aside, or the same with and without a domain: kubelets take the short or the full name.
fn names_agree(node: &str, server: &str) -> bool {
    let (node, server) = (node.to_ascii_lowercase(), server.to_ascii_lowercase());
    let with_domain = |long: &str, short: &str| {
        !short.contains('.') && long.strip_prefix(short).is_some_and(|rest| rest.starts_with('.'))
    };
    !server.is_empty() && (node == server || with_domain(&node, &server) || with_domain(&server, &node))
}

fn reports_an_address_of(node: &Node, ports: &[Port]) -> bool {
    node.addresses
        .iter()
        .filter(|address| address.kind == AddressKind::InternalIp)
        .filter_map(|address| address.address.parse::<IpAddr>().ok())
        .any(|ip| ports.iter().flat_map(|port| &port.fixed_ips).any(|fixed_ip| fixed_ip.ip_address == ip))
}

/// Another Node that has this server already.
pub fn other_claim<'a>(node: &Node, server: &ServerId, nodes: &'a [Arc<Node>]) -> Option<&'a Arc<Node>> {
    nodes.iter().find(|other| {
        other.name != node.name
            && other
                .provider_id
                .as_deref()
                .and_then(|id| ProviderId::parse(id).ok())
                .is_some_and(|id| id.server == *server)
    })
}

#[cfg(test)]
mod tests {
    use kubernetes::NodeAddress;
    use serde_json::json;

    use super::*;

    const UUID: &str = "6f1d8a55-9d6e-4b0a-a3f4-0f6f2a0c1d2e";

    fn node(name: &str) -> Node {
        Node { name: name.to_owned(), ..Node::default() }
    }

    fn server(name: &str) -> Server {
        serde_json::from_value(json!({"id": UUID, "name": name})).unwrap()
    }

    fn port(ip: &str) -> Port {
        serde_json::from_value(json!({
            "id": "p", "network_id": "n", "fixed_ips": [{"subnet_id": "s", "ip_address": ip}]
        }))
        .unwrap()
    }

    fn with_id(name: &str, id: &str) -> Node {
        Node { provider_id: Some(id.to_owned()), ..node(name) }
    }

    #[test]
    fn a_provider_id_decides_alone() {
        assert_eq!(lookup(&with_id("n1", "openstack:///x"), "north"), Ok(Lookup::Named("x".into())));
        assert_eq!(lookup(&with_id("n1", "openstack://north/x"), "north"), Ok(Lookup::Named("x".into())));
        assert_eq!(
            lookup(&with_id("n1", "openstack://south/x"), "north"),
            Err(Foreign::Region { theirs: "south".to_owned(), ours: "north".to_owned() })
        );
        assert!(matches!(lookup(&with_id("n1", "kind://docker/x"), ""), Err(Foreign::Provider(_))));
    }

    #[test]
    fn without_one_the_system_uuid_and_the_name_are_tried() {
        let mut new = node("n1");
        new.system_uuid = UUID.to_uppercase();
        assert_eq!(lookup(&new, ""), Ok(Lookup::Search { uuid: Some(UUID.into()), name: "n1".to_owned() }));
        for odd in
            ["", "Not Settable", "00000000000000000000000000000000", "../6f1d8a55-9d6e-4b0a-a3f4-0f6f2a0c"]
        {
            new.system_uuid = odd.to_owned();
            assert_eq!(lookup(&new, ""), Ok(Lookup::Search { uuid: None, name: "n1".to_owned() }), "{odd}");
        }
    }

    #[test]
    fn a_server_is_believed_by_name() {
        for (node_name, server_name, believed) in [
            ("n1", "n1", true),
            ("n1", "N1", true),
            ("n1.example.org", "n1", true),
            ("n1", "n1.example.org", true),
            ("n1", "n10", false),
            ("n1.example.org", "n1.example.com", false),
            ("n1", "", false),
            ("n1", "victim", false),
        ] {
            assert_eq!(
                agrees(&node(node_name), &server(server_name), &[]),
                believed,
                "{node_name} {server_name}"
            );
        }
    }

    #[test]
    fn a_server_is_believed_by_a_reported_internal_address() {
        let mut reporting = node("n1");
        reporting.addresses =
            vec![NodeAddress { kind: AddressKind::InternalIp, address: "10.0.0.5".to_owned() }];
        assert!(agrees(&reporting, &server("other"), &[port("10.0.0.5")]));
        assert!(!agrees(&reporting, &server("other"), &[port("10.0.0.6")]));
        reporting.addresses[0].kind = AddressKind::ExternalIp;
        assert!(!agrees(&reporting, &server("other"), &[port("10.0.0.5")]));
    }

    #[test]
    fn one_server_has_one_node() {
        let nodes = [Arc::new(with_id("first", &format!("openstack:///{UUID}"))), Arc::new(node("third"))];
        let claim =
            |name: &str| other_claim(&node(name), &UUID.into(), &nodes).map(|other| other.name.as_str());
        assert_eq!(claim("second"), Some("first"));
        assert_eq!(claim("first"), None, "its own claim");
        assert_eq!(other_claim(&node("second"), &"another".into(), &nodes), None);
    }
}
