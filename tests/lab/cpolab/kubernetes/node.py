"""A real worker node: the guest of one OpenStack server. Its name, record and places; `node_lifecycle` makes and removes it.

A node leaves a record before anything of it is made, so that what a killed command left behind can be removed later.
"""
import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import LabError
from ..lock import locked
from ..openstack.servers import Server
from ..paths import Lab
from ..process import Supervisor
from .cluster import Cluster

PROCESSES = ("anchor", "metadata", "containerd", "kubelet", "kube-proxy")
"""All processes of a complete node; `anchor` holds the namespaces of the others."""


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
    def server(self) -> Server | None:
        """The server whose guest it is, once there is one."""
        stored = self._record().get("server")
        return Server(**stored) if stored else None

    def exists(self) -> bool:
        """Whether anything of it may be there."""
        return self._file.exists()

    def alive(self) -> bool:
        """Whether all its processes run."""
        return all(map(self.supervisor.alive, PROCESSES))

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


def reserve(node: Node) -> None:
    """Gives the node the lowest free index of the instance."""
    with locked(node.lab.state, "nodes"):
        others = list(node.lab.state.glob("kubernetes*/nodes/*/node.json"))
        if any(file.parent.name == node.name and file.parent != node.directory for file in others):
            raise LabError(f"another cluster has a node {node.name}: the names of nodes are unique in the instance")
        taken = {json.loads(file.read_text())["index"] for file in others}
        node.record(index=next(index for index in range(1, 250) if index not in taken))
