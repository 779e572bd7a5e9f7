"""Making and removing real nodes.

    network    node_network   the server's own port, and a link to the control plane
    guest      node_guest     mount, pid and uts namespaces; everything in them ends with their first process
    runtime    node_runtime   containerd, images, pod network
    kubelet    node_kubelet   kubelet and kube-proxy
"""
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from ..errors import LabError
from ..openstack import servers
from ..progress import say
from ..wait import until
from . import node_guest, node_kubelet, node_network, node_runtime, preflight
from .cluster import ready_nodes
from .node import Node, reserve


@dataclass(frozen=True)
class Options:
    """How a node is made."""

    provider_id: bool = False
    """kubelet sets spec.providerID itself instead of leaving it to the cloud controller."""
    node_ip: bool = False
    """kubelet is told the server's address (`--node-ip`)."""
    initialise: bool = False
    """The laboratory does the cloud controller's part: provider ID, addresses, no taint. For tests without one."""
    pod_routes: bool = True
    """The laboratory routes between the pods of different nodes; otherwise that is left to a route controller."""


def up(nodes: list[Node], options: Options) -> None:
    """Makes the nodes, all at once, until each has registered and is Ready."""
    preflight.check()
    for node in nodes:
        if node.alive():
            raise LabError(f"node {node.name} is up")
        if node.exists():
            _remove(node)
        reserve(node)
    found = servers.create(nodes[0].lab, [node.name for node in nodes])
    for node, server in zip(nodes, found):
        node.record(server=asdict(server))
    say(f"servers: {', '.join(f'{server.name} {server.address}' for server in found)}")
    _each(lambda node: _start(node, options), nodes)


def down(nodes: list[Node], keep_server: bool = False, keep_node: bool = False) -> None:
    """Stops the nodes, and removes their Node objects and servers unless told to keep them. What is gone already does no harm."""
    if not nodes:
        return
    _each(_remove, [node for node in nodes if node.exists()])
    if not keep_node and nodes[0].cluster.answers():
        nodes[0].cluster.kubectl("delete", "node", "--ignore-not-found", "--wait=false", *(node.name for node in nodes))
    if not keep_server:
        servers.delete(nodes[0].lab, [node.name for node in nodes])
    for node in nodes:
        shutil.rmtree(node.directory, ignore_errors=True)


def _start(node: Node, options: Options) -> None:
    node_network.up(node)
    node_guest.up(node)
    node_runtime.up(node)
    node_kubelet.start_kubelet(node, set_provider_id=options.provider_id, node_ip=options.node_ip)
    until(60, lambda: node.cluster.succeeds("get", "node", node.name), f"node {node.name} has not registered",
          log=node.supervisor.log("kubelet"), alive=lambda: node.supervisor.alive("kubelet"))
    node_kubelet.start_proxy(node)
    pod_range = until(30, lambda: node.cluster.get("node", node.name)["spec"].get("podCIDR"), f"node {node.name} has no pod range")
    node_runtime.configure_pod_network(node, pod_range)
    if options.pod_routes:
        node_network.route_pods(node, pod_range)
    if options.initialise:
        _initialise(node)
    until(60, lambda: node.name in ready_nodes(node.cluster.get("nodes")), f"node {node.name} is not Ready", log=node.supervisor.log("kubelet"))
    say(f"node {node.name}: Ready, pods {pod_range}")


def _initialise(node: Node) -> None:
    """What a cloud controller does for a new node."""
    addresses = [{"type": "InternalIP", "address": node.server.address}, {"type": "Hostname", "address": node.name}]
    node.cluster.kubectl("patch", "node", node.name, "--subresource=status", "--patch", json.dumps({"status": {"addresses": addresses}}))
    node.cluster.kubectl("patch", "node", node.name, "--patch", json.dumps({"spec": {"providerID": node_kubelet.provider_id(node)}}))
    node.cluster.kubectl("taint", "node", node.name, "node.cloudprovider.kubernetes.io/uninitialized-")


def _remove(node: Node) -> None:
    """Removes everything of the node from this machine but its record."""
    node.supervisor.stop(*reversed(node.supervisor.names()), grace=3)
    node_network.down(node)
    node_kubelet.remove_cgroups(node)


def _each(action, nodes: list[Node]) -> None:
    """Does it for all nodes at once; the first failure is raised when all have ended."""
    with ThreadPoolExecutor(max_workers=len(nodes) or 1) as pool:
        for result in [pool.submit(action, node) for node in nodes]:
            result.result()


def execute(node: Node, command: list[str]) -> list[str]:
    """The command line that runs a command in the node."""
    if not node.supervisor.alive("anchor"):
        raise LabError(f"node {node.name} is not up")
    return node_guest.enter(node, command)
