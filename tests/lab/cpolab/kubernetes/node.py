"""A real worker node: the guest of one OpenStack server, played by namespaces of this machine.

    network    node_network.py   the server's own port, and a link to the control plane
    guest      node_guest.py     mount, pid and uts namespaces; everything in them ends with their first process
    runtime    node_runtime.py   containerd, images, pod network
    kubelet    node_kubelet.py   kubelet and kube-proxy

A node leaves a record before it makes anything, so that what a killed command left behind can be removed later.
"""
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import LabError
from ..lock import locked
from ..openstack import servers
from ..paths import Lab
from ..process import Supervisor
from ..progress import say
from ..wait import until
from . import node_guest, node_kubelet, node_network, node_runtime, preflight
from .cluster import Cluster, ready_nodes


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


@dataclass(frozen=True)
class Node:
    """A node, known by its name; names are unique in the instance."""

    cluster: Cluster
    name: str

    @property
    def lab(self) -> Lab:
        return self.cluster.lab

    @property
    def directory(self) -> Path:
        return self.cluster.nodes / self.name

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.directory / "run", self.directory / "log")

    @property
    def namespace(self) -> str:
        """Name of its network namespace, and of its cgroups."""
        return f"{self.lab.netns}-{self.name}"

    @property
    def index(self) -> int:
        """A small number, unique in the instance: for link addresses and device names."""
        return self._record()["index"]

    @property
    def server(self) -> servers.Server | None:
        """The server whose guest it is, once there is one."""
        stored = self._record().get("server")
        return servers.Server(**stored) if stored else None

    def exists(self) -> bool:
        """Whether anything of it may be there."""
        return self._file.exists()

    def alive(self) -> bool:
        """Whether all its processes run."""
        return all(map(self.supervisor.alive, node_guest.PROCESSES + node_runtime.PROCESSES + node_kubelet.PROCESSES))

    def record(self, **values) -> None:
        """Stores facts about it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._record() | values))
        new.replace(self._file)

    @property
    def _file(self) -> Path:
        return self.directory / "node.json"

    def _record(self) -> dict:
        return json.loads(self._file.read_text()) if self._file.exists() else {}


def existing(cluster: Cluster) -> list[Node]:
    """The cluster's nodes that have a record."""
    return [Node(cluster, file.parent.name) for file in sorted(cluster.nodes.glob("*/node.json"))]


def up(nodes: list[Node], options: Options) -> None:
    """Makes the nodes, all at once, until each has registered and is Ready."""
    preflight.check()
    for node in nodes:
        if node.alive():
            raise LabError(f"node {node.name} is up")
        if node.exists():
            _remove(node)
        _reserve(node)
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


def _reserve(node: Node) -> None:
    """Gives the node the lowest free index of the instance."""
    with locked(node.lab.state, "nodes"):
        others = list(node.lab.state.glob("kubernetes*/nodes/*/node.json"))
        if any(file.parent.name == node.name and file.parent != node.directory for file in others):
            raise LabError(f"another cluster has a node {node.name}: the names of nodes are unique in the instance")
        taken = {json.loads(file.read_text())["index"] for file in others}
        node.record(index=next(index for index in range(1, 250) if index not in taken))


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
    if not node.supervisor.alive(node_guest.ANCHOR):
        raise LabError(f"node {node.name} is not up")
    return node_guest.enter(node, command)


