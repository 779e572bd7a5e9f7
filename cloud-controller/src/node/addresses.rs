//! Which addresses a Node gets from its server, and in what order. Pure.
//!
//! The order matters: whoever wants "the" internal address of a node takes the first one (CNI plugins, etcd,
//! `kubectl logs`, the members of load balancers). So addresses that a Node has already keep their order among
//! themselves, unless the configuration demands another.
//!
//! Not looked at yet: the subports of trunks, whose addresses the Go provider adds under their networks' names.

use std::cmp::Reverse;
use std::net::IpAddr;

use kubernetes::{AddressKind, NodeAddress};
use openstack::Server;
use openstack::network::Port;

use crate::config::Networking;

/// Key of the server's metadata that holds a host name for the Node.
const HOSTNAME_KEY: &str = "hostname";

/// The addresses of a server in the order in which the Go provider finds them.
///
/// 1. Internal: every fixed address of an active port, in the ports' order.
/// 2. External: the server's access addresses, IPv4 first.
/// 3. Host name: from the server's metadata.
/// 4. By network name, as Nova last heard of them: floating addresses are external; so are those of public networks,
///    then no longer internal; those of networks that are not internal vanish.
///
/// Then sorted, where a sort order is configured.
pub fn of_server(server: &Server, ports: &[Port], networking: &Networking) -> Vec<NodeAddress> {
    let wanted = |address: &IpAddr| !(networking.ipv6_support_disabled && address.is_ipv6());
    let mut found = Found::default();
    for port in ports.iter().filter(|port| port.status == "ACTIVE") {
        for fixed_ip in port.fixed_ips.iter().filter(|fixed_ip| wanted(&fixed_ip.ip_address)) {
            found.add(AddressKind::InternalIp, &fixed_ip.ip_address.to_string());
        }
    }
    found.add(AddressKind::ExternalIp, &server.access_ipv4);
    if !networking.ipv6_support_disabled {
        found.add(AddressKind::ExternalIp, &server.access_ipv6);
    }
    if let Some(hostname) = server.metadata.get(HOSTNAME_KEY) {
        found.add(AddressKind::Hostname, hostname);
    }
    for (network, addresses) in &server.addresses {
        for address in addresses.iter().filter(|address| wanted(&address.addr)) {
            let text = address.addr.to_string();
            if address.kind == "floating" {
                found.add(AddressKind::ExternalIp, &text);
            } else if networking.public_network_names.contains(network) {
                found.remove(&text);
                found.add(AddressKind::ExternalIp, &text);
            } else if networking.internal_network_names.is_empty()
                || networking.internal_network_names.contains(network)
            {
                found.add(AddressKind::InternalIp, &text);
            } else {
                found.remove(&text);
            }
        }
    }
    sorted(found.0, networking)
}

#[derive(Default)]
struct Found(Vec<NodeAddress>);

impl Found {
    fn add(&mut self, kind: AddressKind, address: &str) {
        let new = NodeAddress { kind, address: address.to_owned() };
        if !address.is_empty() && !self.0.contains(&new) {
            self.0.push(new);
        }
    }

    fn remove(&mut self, address: &str) {
        self.0.retain(|known| known.address != address);
    }
}

/// Addresses of an earlier range first; within a range ascending; what is in no range stays last, in its order.
fn sorted(mut addresses: Vec<NodeAddress>, networking: &Networking) -> Vec<NodeAddress> {
    let ranges = &networking.address_sort_order;
    let place = |address: &NodeAddress| {
        let ip: IpAddr = address.address.parse().ok()?;
        let range = ranges.iter().position(|range| range.contains(&ip))?;
        Some((Reverse(range), Reverse(sixteen_bytes(ip))))
    };
    // `None`, in no range, is less than any `Some` and shall come last: hence everything is reversed.
    addresses.sort_by_key(|address| Reverse(place(address)));
    addresses
}

fn sixteen_bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// The addresses for the status of a Node that is being initialised, in the cloud's order: what the kubelet has
/// reported so far (`present`) is only a beginning.
///
/// Host names that the kubelet reported stay if the cloud names none. With addresses given to the kubelet
/// (`provided`), those come first and are the only ones of their kinds.
///
/// # Errors
/// A provided address that the server does not have.
pub fn for_new_node(
    from_cloud: &[NodeAddress],
    present: &[NodeAddress],
    provided: &[IpAddr],
    networking: &Networking,
) -> Result<Vec<NodeAddress>, NotOfServer> {
    only_provided(sorted(with_hostnames(from_cloud, present), networking), provided)
}

/// The same for a Node that was initialised before: what it has already keeps its order, new addresses come after.
///
/// # Errors
/// As [`for_new_node`].
pub fn for_known_node(
    from_cloud: &[NodeAddress],
    present: &[NodeAddress],
    provided: &[IpAddr],
    networking: &Networking,
) -> Result<Vec<NodeAddress>, NotOfServer> {
    let mut addresses = with_hostnames(from_cloud, present);
    addresses.sort_by_key(|address| present.iter().position(|known| known == address).unwrap_or(usize::MAX));
    only_provided(sorted(addresses, networking), provided)
}

fn with_hostnames(from_cloud: &[NodeAddress], present: &[NodeAddress]) -> Vec<NodeAddress> {
    let is_hostname = |address: &&NodeAddress| address.kind == AddressKind::Hostname;
    let mut addresses = from_cloud.to_vec();
    if !from_cloud.iter().any(|address| is_hostname(&address)) {
        addresses.extend(present.iter().filter(is_hostname).cloned());
    }
    addresses
}

/// An address was given to the kubelet that the cloud does not know for this server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node's own address {0} is none of its server's addresses")]
pub struct NotOfServer(pub IpAddr);

fn only_provided(addresses: Vec<NodeAddress>, provided: &[IpAddr]) -> Result<Vec<NodeAddress>, NotOfServer> {
    let mut first = Vec::new();
    for ip in provided {
        let before = first.len();
        first.extend(addresses.iter().filter(|address| address.address.parse() == Ok(*ip)).cloned());
        if first.len() == before {
            return Err(NotOfServer(*ip));
        }
    }
    let kinds: Vec<AddressKind> = first.iter().map(|address| address.kind).collect();
    first.extend(addresses.into_iter().filter(|address| !kinds.contains(&address.kind)));
    Ok(first)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn server(mut details: serde_json::Value) -> Server {
        let mut server = json!({"id": "s1", "name": "n1"});
        server.as_object_mut().unwrap().append(details.as_object_mut().unwrap());
        serde_json::from_value(server).unwrap()
    }

    fn port(status: &str, addresses: &[&str]) -> Port {
        let fixed_ips: Vec<_> =
            addresses.iter().map(|ip| json!({"subnet_id": "subnet", "ip_address": ip})).collect();
        serde_json::from_value(json!({
            "id": "p", "network_id": "net", "device_id": "s1", "status": status, "fixed_ips": fixed_ips
        }))
        .unwrap()
    }

    fn fixed(addr: &str) -> serde_json::Value {
        json!({"addr": addr, "version": 4, "OS-EXT-IPS:type": "fixed"})
    }

    fn floating(addr: &str) -> serde_json::Value {
        json!({"addr": addr, "version": 4, "OS-EXT-IPS:type": "floating"})
    }

    fn text(addresses: &[NodeAddress]) -> Vec<String> {
        addresses.iter().map(|address| format!("{} {}", address.kind, address.address)).collect()
    }

    fn list(addresses: &[&str]) -> Vec<NodeAddress> {
        addresses
            .iter()
            .map(|line| {
                let (kind, address) = line.split_once(' ').unwrap();
                let kind = match kind {
                    "InternalIP" => AddressKind::InternalIp,
                    "ExternalIP" => AddressKind::ExternalIp,
                    _ => AddressKind::Hostname,
                };
                NodeAddress { kind, address: address.to_owned() }
            })
            .collect()
    }

    #[test]
    fn ports_come_first_then_access_addresses_host_name_and_floating_ips() {
        let server = server(json!({
            "accessIPv4": "203.0.113.9", "accessIPv6": "2001:db8::9", "metadata": {"hostname": "n1.example.org"},
            "addresses": {"nodes": [fixed("10.0.0.5"), floating("198.51.100.4")]}
        }));
        let ports = [port("DOWN", &["10.9.9.9"]), port("ACTIVE", &["10.0.0.5", "fd00::5"])];
        assert_eq!(
            text(&of_server(&server, &ports, &Networking::default())),
            [
                "InternalIP 10.0.0.5",
                "InternalIP fd00::5",
                "ExternalIP 203.0.113.9",
                "ExternalIP 2001:db8::9",
                "Hostname n1.example.org",
                "ExternalIP 198.51.100.4"
            ]
        );
    }

    #[test]
    fn ipv6_can_be_left_out_everywhere() {
        let server = server(json!({"accessIPv6": "2001:db8::9", "addresses": {"nodes": [fixed("fd00::5")]}}));
        let networking = Networking { ipv6_support_disabled: true, ..Networking::default() };
        let found = of_server(&server, &[port("ACTIVE", &["10.0.0.5", "fd00::5"])], &networking);
        assert_eq!(text(&found), ["InternalIP 10.0.0.5"]);
    }

    #[test]
    fn addresses_of_public_networks_are_external_and_not_internal() {
        let server =
            server(json!({"addresses": {"ext": [fixed("198.51.100.7")], "nodes": [fixed("10.0.0.5")]}}));
        let networking = Networking { public_network_names: vec!["ext".to_owned()], ..Networking::default() };
        let found = of_server(
            &server,
            &[port("ACTIVE", &["198.51.100.7"]), port("ACTIVE", &["10.0.0.5"])],
            &networking,
        );
        assert_eq!(text(&found), ["InternalIP 10.0.0.5", "ExternalIP 198.51.100.7"]);
    }

    #[test]
    fn with_internal_networks_named_others_vanish_except_public_and_floating() {
        let server = server(json!({"addresses": {
            "storage": [fixed("10.5.0.5")], "nodes": [fixed("10.0.0.5"), floating("198.51.100.4")], "ext": [fixed("198.51.100.7")]
        }}));
        let networking = Networking {
            public_network_names: vec!["ext".to_owned()],
            internal_network_names: vec!["nodes".to_owned()],
            ..Networking::default()
        };
        let ports =
            [port("ACTIVE", &["10.5.0.5"]), port("ACTIVE", &["10.0.0.5"]), port("ACTIVE", &["198.51.100.7"])];
        // Networks in order of their names: ext, nodes, storage.
        assert_eq!(
            text(&of_server(&server, &ports, &networking)),
            ["InternalIP 10.0.0.5", "ExternalIP 198.51.100.7", "ExternalIP 198.51.100.4"]
        );
    }

    #[test]
    fn the_same_address_may_be_of_two_kinds_but_never_twice_of_one() {
        let server = server(json!({"accessIPv4": "10.0.0.5", "addresses": {"nodes": [fixed("10.0.0.5")]}}));
        let found = of_server(&server, &[port("ACTIVE", &["10.0.0.5"])], &Networking::default());
        assert_eq!(text(&found), ["InternalIP 10.0.0.5", "ExternalIP 10.0.0.5"]);
    }

    #[test]
    fn a_sort_order_puts_ranges_first_ascending_and_the_rest_last_as_it_was() {
        let networking = Networking {
            address_sort_order: vec!["10.1.0.0/16".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            ..Networking::default()
        };
        let server = server(json!({"metadata": {"hostname": "n1"}, "accessIPv4": "203.0.113.9"}));
        let ports =
            [port("ACTIVE", &["192.168.0.9", "10.9.0.2", "10.1.0.7", "192.168.0.1", "10.1.0.3", "fd00::1"])];
        assert_eq!(
            text(&of_server(&server, &ports, &networking)),
            [
                "InternalIP 10.1.0.3",
                "InternalIP 10.1.0.7",
                "InternalIP 10.9.0.2",
                "InternalIP 192.168.0.9",
                "InternalIP 192.168.0.1",
                "InternalIP fd00::1",
                "ExternalIP 203.0.113.9",
                "Hostname n1"
            ]
        );
    }

    #[test]
    fn what_a_node_has_keeps_its_order_and_new_addresses_come_last() {
        let cloud = list(&[
            "InternalIP 10.0.0.9",
            "InternalIP 10.2.0.5",
            "InternalIP 10.0.0.5",
            "ExternalIP 198.51.100.4",
        ]);
        let present =
            list(&["Hostname n1", "InternalIP 10.0.0.5", "InternalIP 10.2.0.5", "ExternalIP 198.51.100.4"]);
        let status = for_known_node(&cloud, &present, &[], &Networking::default()).unwrap();
        assert_eq!(
            text(&status),
            [
                "Hostname n1",
                "InternalIP 10.0.0.5",
                "InternalIP 10.2.0.5",
                "ExternalIP 198.51.100.4",
                "InternalIP 10.0.0.9"
            ]
        );
    }

    #[test]
    fn an_unchanged_node_gets_exactly_what_it_has_whatever_the_order_of_the_cloud() {
        let present =
            list(&["InternalIP 10.2.0.5", "InternalIP fd00::5", "InternalIP 10.0.0.5", "Hostname n1"]);
        let cloud = list(&["InternalIP 10.0.0.5", "InternalIP 10.2.0.5", "InternalIP fd00::5"]);
        assert_eq!(for_known_node(&cloud, &present, &[], &Networking::default()).unwrap(), present);
    }

    #[test]
    fn a_configured_order_goes_before_the_present_one() {
        let networking =
            Networking { address_sort_order: vec!["10.0.0.0/24".parse().unwrap()], ..Networking::default() };
        let cloud = list(&["InternalIP 10.2.0.5", "InternalIP 10.0.0.5"]);
        let status = for_known_node(&cloud, &cloud, &[], &networking).unwrap();
        assert_eq!(text(&status), ["InternalIP 10.0.0.5", "InternalIP 10.2.0.5"]);
    }

    #[test]
    fn a_new_node_gets_the_order_of_the_cloud_and_keeps_its_host_name() {
        let cloud = list(&["InternalIP 10.0.0.5", "InternalIP 10.2.0.5"]);
        let present = list(&["Hostname n1", "InternalIP 10.2.0.5"]);
        let status = for_new_node(&cloud, &present, &[], &Networking::default()).unwrap();
        assert_eq!(text(&status), ["InternalIP 10.0.0.5", "InternalIP 10.2.0.5", "Hostname n1"]);
    }

    #[test]
    fn a_host_name_of_the_cloud_replaces_the_kubelets() {
        let cloud = list(&["InternalIP 10.0.0.5", "Hostname cloudy"]);
        let status = for_known_node(&cloud, &list(&["Hostname n1"]), &[], &Networking::default()).unwrap();
        assert_eq!(text(&status), ["InternalIP 10.0.0.5", "Hostname cloudy"]);
    }

    #[test]
    fn provided_addresses_come_first_and_alone_of_their_kind() {
        let cloud = list(&[
            "InternalIP 10.0.0.5",
            "InternalIP 10.2.0.5",
            "InternalIP fd00::5",
            "ExternalIP 198.51.100.4",
            "Hostname n1",
        ]);
        let provided = ["fd00::5".parse().unwrap(), "10.2.0.5".parse().unwrap()];
        let status = for_new_node(&cloud, &[], &provided, &Networking::default()).unwrap();
        assert_eq!(
            text(&status),
            ["InternalIP fd00::5", "InternalIP 10.2.0.5", "ExternalIP 198.51.100.4", "Hostname n1"]
        );
        let foreign: IpAddr = "10.7.7.7".parse().unwrap();
        assert_eq!(for_new_node(&cloud, &[], &[foreign], &Networking::default()), Err(NotOfServer(foreign)));
    }
}
