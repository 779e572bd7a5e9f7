"""The inside of a node: mount, pid and uts namespaces of its own, and its metadata service.

The first process (`pause`) holds them. When it ends, the kernel ends every process in the node and drops every mount.
"""
import json
import shutil
import sys

from .. import netns
from ..paths import SOURCE
from ..wait import until
from . import node_network
from .node import Node

METADATA_VERSIONS = ("latest", "2018-08-27", "2017-02-22", "2016-06-30", "2012-08-10")


def up(node: Node) -> None:
    """Makes the namespaces and starts the metadata service."""
    booted = node.directory / "booted"
    booted.unlink(missing_ok=True)
    (node.directory / "server-id").write_text(f"{node.server.id}\n")
    node.supervisor.start("anchor", [
        "unshare", "--mount", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child", "--propagation", "private",
        sys.executable, SOURCE / "cpolab" / "kubernetes" / "guest_init.py", node.directory, node.name, node.lab.bin / "pause",
    ], netns=node.namespace)
    until(20, booted.exists, f"the namespaces of node {node.name} are not made", log=node.supervisor.log("anchor"),
          alive=lambda: node.supervisor.alive("anchor"), every=0.05)
    _serve_metadata(node)


def enter(node: Node, command: list) -> list[str]:
    """The command line that runs a command in all namespaces of the node."""
    # The anchor's pid is that of `unshare`, which has entered all of them except the pid namespace: that is its children's.
    anchor = node.supervisor.record("anchor").pid
    namespaces = f"/proc/{anchor}/ns"
    return ["nsenter", f"--net={netns.DIRECTORY / node.namespace}", f"--mount={namespaces}/mnt", f"--uts={namespaces}/uts",
            f"--pid={namespaces}/pid_for_children", "--", *(str(word) for word in command)]


def _serve_metadata(node: Node) -> None:
    """http://169.254.169.254 with what programs on a node read: the server's id and name."""
    root = node.directory / "metadata"
    shutil.rmtree(root, ignore_errors=True)
    server = {"uuid": node.server.id, "name": node.name, "hostname": node.name, "availability_zone": "nova", "devices": []}
    ec2 = {"instance-id": node.server.id, "hostname": node.name, "local-ipv4": node.server.address}
    for version in METADATA_VERSIONS:
        directory = root / "openstack" / version
        directory.mkdir(parents=True)
        (directory / "meta_data.json").write_text(json.dumps(server))
    directory = root / "latest" / "meta-data"
    directory.mkdir(parents=True)
    for name, value in ec2.items():
        (directory / name).write_text(value)
    address = f"{node_network.METADATA_ADDRESS}:80"
    node.supervisor.start("metadata", enter(node, ["busybox", "httpd", "-f", "-vv", "-p", address, "-h", root]))
