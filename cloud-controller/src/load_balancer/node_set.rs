//! Which nodes are members of load balancers, and at which address. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use kubernetes::{AddressKind, IpFamily, Node};

use super::spec::NodeSelector;

/// Label that keeps a node out of all load balancers.
const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// Taint that the cluster autoscaler puts on a node it is about to remove.
const LEAVING: &str = "ToBeDeletedByClusterAutoscaler";

/// The nodes of the cluster as load balancers see them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet {
    nodes: Vec<MemberNode>,
    /// How many nodes the cluster has, members or not.
    known: usize,
}

/// A node that may be a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberNode {
    /// Name of the node, which is the name of the member.
    pub name: String,
    /// Id of its server, the last part of the provider ID.
    pub server: String,
    /// Addresses that traffic can be sent to, best first.
    addresses: Vec<IpAddr>,
    labels: BTreeMap<String, String>,
}

impl MemberNode {
    /// The address for members of `family`: the first internal one, else the first external one.
    pub fn address(&self, family: Option<IpFamily>) -> Option<IpAddr> {
        self.addresses
            .iter()
            .copied()
            .find(|address| family.is_none_or(|family| (family == IpFamily::V4) == address.is_ipv4()))
    }
}

impl NodeSet {
    /// Keeps the nodes that may be members, ordered by name.
    ///
    /// A node without provider ID or address is left out until it has them: it harms nobody by waiting.
    /// Readiness does not matter, health monitors and kube-proxy see to that.
    pub fn of(nodes: &[Arc<Node>]) -> Self {
        let mut members: Vec<MemberNode> = nodes
            .iter()
            .filter(|node| may_be_member(node))
            .map(|node| MemberNode {
                name: node.name.clone(),
                server: server_id(node).to_owned(),
                addresses: reachable_addresses(node),
                labels: node.labels.clone(),
            })
            .filter(|node| !node.addresses.is_empty())
            .collect();
        members.sort_by(|one, other| one.name.cmp(&other.name));
        Self { nodes: members, known: nodes.len() }
    }

    /// The members for a Service with this selector, ordered by name.
    pub fn selected(&self, selector: &NodeSelector) -> impl Iterator<Item = &MemberNode> {
        self.nodes.iter().filter(move |node| selector.matches(&node.labels))
    }

    /// How many nodes may be members.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no node may be a member.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether the cluster has nodes at all. An empty list is an observation not to be trusted: members are not
    /// removed on its word.
    pub fn is_plausible(&self) -> bool {
        self.known > 0
    }

    /// Whether one of the nodes has this address.
    pub fn has_address(&self, address: &str) -> bool {
        address
            .parse()
            .is_ok_and(|address: IpAddr| self.nodes.iter().any(|node| node.addresses.contains(&address)))
    }
}

fn may_be_member(node: &Node) -> bool {
    let excluded = node.labels.get(EXCLUDE).is_some_and(|value| !is_false(value));
    let leaving = node.taints.iter().any(|taint| taint.key == LEAVING);
    let initialised = node.provider_id.as_deref().is_some_and(|id| !id.is_empty());
    initialised && !node.deleting && !excluded && !leaving
}

fn server_id(node: &Node) -> &str {
    node.provider_id.as_deref().and_then(|id| id.rsplit('/').next()).unwrap_or_default()
}

/// The spellings of "false" that Kubernetes accepts; anything else that is present excludes the node.
fn is_false(value: &str) -> bool {
    matches!(value, "0" | "f" | "F" | "false" | "FALSE" | "False")
}

fn reachable_addresses(node: &Node) -> Vec<IpAddr> {
    let of_kind = |kind: AddressKind| {
        node.addresses
            .iter()
            .filter(move |address| address.kind == kind)
            .filter_map(|address| address.address.parse().ok())
    };
    of_kind(AddressKind::InternalIp).chain(of_kind(AddressKind::ExternalIp)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use kubernetes::{NodeAddress, Taint};

    use super::*;

    /// A node that is initialised and has one internal address.
    pub(crate) fn node(name: &str, address: &str) -> Node {
        Node {
            name: name.to_owned(),
            provider_id: Some(format!("openstack:///{name}")),
            addresses: vec![NodeAddress { kind: AddressKind::InternalIp, address: address.to_owned() }],
            ..Node::default()
        }
    }

    fn names(nodes: Vec<Node>) -> Vec<String> {
        let nodes: Vec<_> = nodes.into_iter().map(Arc::new).collect();
        NodeSet::of(&nodes).selected(&NodeSelector::default()).map(|node| node.name.clone()).collect()
    }

    #[test]
    fn members_are_ordered_by_name_whatever_the_list_says() {
        assert_eq!(names(vec![node("b", "10.0.0.2"), node("a", "10.0.0.1")]), ["a", "b"]);
    }

    #[test]
    fn a_node_that_is_leaving_is_not_a_member() {
        let mut leaving = node("a", "10.0.0.1");
        leaving.taints.push(Taint {
            key: LEAVING.to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        });
        let mut deleting = node("b", "10.0.0.2");
        deleting.deleting = true;
        assert_eq!(names(vec![leaving, deleting]), Vec::<String>::new());
    }

    #[test]
    fn the_exclude_label_excludes_unless_it_says_false() {
        for (value, excluded) in [("", true), ("true", true), ("yes", true), ("false", false), ("0", false)] {
            let mut labelled = node("a", "10.0.0.1");
            labelled.labels.insert(EXCLUDE.to_owned(), value.to_owned());
            assert_eq!(names(vec![labelled]).is_empty(), excluded, "value {value:?}");
        }
    }

    #[test]
    fn a_node_without_provider_id_or_address_waits() {
        let mut new = node("a", "10.0.0.1");
        new.provider_id = None;
        let mut homeless = node("b", "10.0.0.2");
        homeless.addresses.clear();
        assert_eq!(names(vec![new, homeless, node("c", "10.0.0.3")]), ["c"]);
    }

    #[test]
    fn the_internal_address_of_the_family_comes_first() {
        let mut dual = node("a", "10.0.0.1");
        dual.addresses
            .insert(0, NodeAddress { kind: AddressKind::ExternalIp, address: "198.51.100.7".to_owned() });
        dual.addresses.push(NodeAddress { kind: AddressKind::InternalIp, address: "fd00::1".to_owned() });
        let set = NodeSet::of(&[Arc::new(dual)]);
        let member = set.selected(&NodeSelector::default()).next().unwrap();
        assert_eq!(member.address(None), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(member.address(Some(IpFamily::V6)), Some("fd00::1".parse().unwrap()));
    }

    #[test]
    fn no_nodes_at_all_is_not_plausible() {
        assert!(!NodeSet::of(&[]).is_plausible());
        let mut excluded = node("a", "10.0.0.1");
        excluded.labels.insert(EXCLUDE.to_owned(), String::new());
        assert!(NodeSet::of(&[Arc::new(excluded)]).is_plausible());
    }
}
