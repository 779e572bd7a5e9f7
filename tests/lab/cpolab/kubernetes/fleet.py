"""Nodes that only exist as objects: real servers, Node objects and leases, but no kubelet. For a cloud controller at count.

A fleet is known by its prefix; its nodes are PREFIX-1 to PREFIX-N.
"""
import json
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from ..errors import LabError
from ..openstack import servers
from ..progress import say
from ..wait import until
from . import heartbeat, programs
from .cluster import Cluster, ready_nodes


@dataclass(frozen=True)
class Fleet:
    """A group of such nodes of one cluster."""

    cluster: Cluster
    prefix: str

    @property
    def directory(self) -> Path:
        return self.cluster.fleets / self.prefix

    @property
    def process(self) -> str:
        """Name of the process that keeps its leases fresh."""
        return f"heartbeat-{self.prefix}"

    @property
    def plan(self) -> Path:
        """The heartbeat's input; beside it the list of those that are silent."""
        return self.directory / "plan.json"

    def names(self) -> list[str]:
        """The names for which servers were asked, whether they were made or not."""
        file = self.directory / "names.json"
        return json.loads(file.read_text()) if file.exists() else []

    def servers(self) -> list[servers.Server]:
        """Its servers, as far as they were made."""
        file = self.directory / "servers.json"
        return [servers.Server(**stored) for stored in json.loads(file.read_text())] if file.exists() else []


def existing(cluster: Cluster) -> list[Fleet]:
    """The cluster's fleets."""
    return [Fleet(cluster, directory.name) for directory in sorted(cluster.fleets.glob("*")) if directory.is_dir()]


def create_servers(fleet: Fleet, count: int) -> None:
    """The first step: the servers, all at once."""
    began = time.monotonic()
    fleet.directory.mkdir(parents=True, exist_ok=True)
    names = [f"{fleet.prefix}-{number}" for number in range(1, count + 1)]
    (fleet.directory / "names.json").write_text(json.dumps(names))
    found = servers.create(fleet.cluster.lab, names)
    (fleet.directory / "servers.json").write_text(json.dumps([asdict(server) for server in found]))
    say(f"{count} servers in {time.monotonic() - began:.1f} s")


def register(fleet: Fleet, count: int, provided_ip: bool = False) -> None:
    """The second step: the Node objects, all at once, kept alive from then on."""
    began = time.monotonic()
    cluster, chosen = fleet.cluster, fleet.servers()[:count]
    if len(chosen) < count:
        raise LabError(f"fleet {fleet.prefix} has {len(chosen)} servers: `lab nodes servers {fleet.prefix} {count}` first")
    cluster.supervisor.stop(fleet.process)
    fleet.plan.with_suffix(".silent").unlink(missing_ok=True)
    common = {"fleet": fleet.prefix, "provided": provided_ip, "version": programs.kubernetes_version()}
    nodes = [common | {"name": server.name, "id": server.id, "address": server.address} for server in chosen]
    fleet.plan.write_text(json.dumps({
        "server": cluster.server, "ca": str(cluster.authority.certificate),
        "certificate": str(cluster.pki / "admin.crt"), "key": str(cluster.pki / "admin.key"), "nodes": nodes,
    }))
    program = Path(__file__).with_name("heartbeat.py")
    cluster.supervisor.start(fleet.process, [sys.executable, program, fleet.plan], netns=cluster.lab.netns)
    wanted = {server.name for server in chosen}
    until(60, lambda: wanted <= ready_nodes(cluster.get("nodes")), f"fleet {fleet.prefix} has not registered",
          log=cluster.supervisor.log(fleet.process), alive=lambda: cluster.supervisor.alive(fleet.process))
    say(f"{count} nodes registered in {time.monotonic() - began:.1f} s")


def silence(fleet: Fleet, names: list[str]) -> None:
    """Stops the heartbeats of these nodes: they become NotReady. No names: all beat again."""
    if unknown := set(names) - set(fleet.names()):
        raise LabError(f"fleet {fleet.prefix} has no {', '.join(sorted(unknown))}")
    fleet.plan.with_suffix(".silent").write_text("\n".join(names))


def down(fleet: Fleet, keep_servers: bool = False) -> None:
    """Deletes the Node objects and the servers."""
    cluster, names = fleet.cluster, fleet.names()
    cluster.supervisor.stop(fleet.process)
    if names and cluster.answers():
        for path in ("/api/v1/nodes", heartbeat.LEASES):
            cluster.kubectl("delete", "--raw", f"{path}?labelSelector={quote(f'{heartbeat.FLEET}={fleet.prefix}')}")
    if names and not keep_servers:
        servers.delete(cluster.lab, names)
    shutil.rmtree(fleet.directory, ignore_errors=True)
    say(f"fleet {fleet.prefix}: {len(names)} nodes deleted")
