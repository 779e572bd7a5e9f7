"""A node's network namespace: the server's own port, and a link to the instance's namespace.

The port is the device that the hypervisor plugged for the server; moved into the node it carries all of the node's OpenStack traffic.
The link is for what a server of a real cloud would reach through its networks but here listens on the instance's loopback:
the API server and the cloud's APIs. Both ends translate, so that 127.0.0.1:PORT works in the node too.
"""
import subprocess

from .. import netns
from ..errors import LabError
from ..openstack import settings
from .node import Node

LINKS = "100.64.0.0/16"
METADATA_ADDRESS = "169.254.169.254"
CLOUD_PORTS = tuple(settings.PORTS[name] for name in ("keystone", "placement", "glance", "nova", "neutron", "octavia"))
MTU = 1442
"""What Geneve leaves of 1500: the networks' MTU."""


def link(node: Node) -> tuple[str, str, str]:
    """Name of the link's device in the instance's namespace, its address there, and the address in the node."""
    return f"node{node.index}", f"100.64.{node.index}.1", f"100.64.{node.index}.2"


def up(node: Node) -> None:
    """Makes the namespace and its links."""
    lab, server = node.lab.netns, node.server
    device, outside, inside = link(node)
    netns.make(node.namespace)
    _ip(node.namespace, f"addr add {METADATA_ADDRESS}/32 dev lo")
    _ip(lab, f"link add {device} type veth peer name lab0 netns {node.namespace}")
    _ip(lab, f"addr add {outside}/30 dev {device}", f"link set {device} up", f"route replace {server.address}/32 via {inside} dev {device}")
    _ip(node.namespace, f"addr add {inside}/30 dev lab0", "link set lab0 up", f"route add {LINKS} via {outside} dev lab0")
    _ip(lab, f"link set {server.tap} netns {node.namespace}")
    _ip(node.namespace, f"link set {server.tap} address {server.mac} mtu {MTU} up",
        f"addr add {server.address}/{server.prefix_length} dev {server.tap}", f"route add default via {server.gateway} dev {server.tap}")
    _sysctl(lab, f"net.ipv4.conf.{device}.route_localnet=1", f"net.ipv4.conf.{device}.forwarding=1")
    _sysctl(node.namespace, "net.ipv4.conf.all.route_localnet=1", "net.ipv4.ip_forward=1")
    _iptables(lab, _rules_outside(node))
    _iptables(node.namespace, _rules_inside(node))


def route_pods(node: Node, pod_range: str) -> None:
    """Routes to the pods of this node, and from it to the pods of all others."""
    device, outside, inside = link(node)
    _ip(node.lab.netns, f"route replace {pod_range} via {inside} dev {device}")
    _ip(node.namespace, f"route replace {node.cluster.pod_range} via {outside} dev lab0")


def down(node: Node) -> None:
    """Gives the port back to the hypervisor and removes the rest; nothing need be there."""
    lab = node.lab.netns
    if not netns.exists(lab):
        return
    if node.server and netns.exists(node.namespace):
        _ip(node.namespace, f"link set {node.server.tap} netns {lab}", check=False)
    for rule in _rules_outside(node):
        _iptables(lab, [rule.replace("--append", "--delete", 1)], check=False)
    # Routes through the link and the peer vanish with it.
    _ip(lab, f"link delete {link(node)[0]}", check=False)
    netns.delete(node.namespace)


def _rules_outside(node: Node) -> list[str]:
    device, outside, _ = link(node)
    return [f"--append PREROUTING --in-interface {device} --destination {outside} --protocol tcp"
            f" --match multiport --destination-ports {_ports(node)} --jump DNAT --to-destination 127.0.0.1"]


def _rules_inside(node: Node) -> list[str]:
    _, outside, _ = link(node)
    cluster, rules = node.cluster, []
    for chain in ("OUTPUT", "PREROUTING"):
        rules += [
            f"--append {chain} --destination {cluster.api_service_address} --protocol tcp --destination-port 443"
            f" --jump DNAT --to-destination {outside}:{cluster.api_port}",
            f"--append {chain} --destination 127.0.0.1 --protocol tcp --match multiport --destination-ports {_ports(node)}"
            f" --jump DNAT --to-destination {outside}",
        ]
    # Pods keep their addresses among themselves; nobody else knows a pod's address, or loopback's on the link.
    pods = cluster.pod_range
    return [*rules, f"--append POSTROUTING --source {pods} ! --destination {pods} --jump MASQUERADE",
            f"--append POSTROUTING --out-interface lab0 ! --destination {pods} --jump MASQUERADE"]


def _ports(node: Node) -> str:
    return ",".join(map(str, (node.cluster.api_port, *CLOUD_PORTS)))


def _ip(namespace: str, *commands: str, check: bool = True) -> None:
    for command in commands:
        _run(["ip", "-n", namespace, *command.split()], check)


def _iptables(namespace: str, rules: list[str], check: bool = True) -> None:
    for rule in rules:
        _run(netns.enter(namespace, ["iptables", "--wait", "--table", "nat", *rule.split()]), check)


def _sysctl(namespace: str, *settings_: str) -> None:
    _run(netns.enter(namespace, ["sysctl", "--quiet", "--write", *settings_]), True)


def _run(command: list[str], check: bool) -> None:
    result = subprocess.run(command, capture_output=True, text=True)
    if check and result.returncode:
        raise LabError(f"{' '.join(command)}: {result.stderr.strip()}")
