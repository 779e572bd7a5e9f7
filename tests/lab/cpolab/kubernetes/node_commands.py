"""Commands about nodes: `lab node` for real ones, `lab nodes` for those that only exist as objects."""
import argparse
import os
import re
import sys

from ..errors import LabError
from ..paths import Lab
from . import control_plane, fleet, node_lifecycle
from .cluster import Cluster
from .fleet import Fleet
from .node import Node
from .node_lifecycle import Options


def _prefix(text: str) -> str:
    """The name of a fleet: begins the names of servers and Nodes, and is the value of a label."""
    if not re.fullmatch("[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", text):
        raise argparse.ArgumentTypeError(f"{text!r}: lower-case letters, digits and dashes, with a letter or digit at both ends")
    return text


def register(subparsers, add_cluster) -> None:
    """Adds both; `add_cluster` adds the option that chooses the cluster."""
    _register_node(_actions(subparsers, "node", "real nodes: kubelet, containerd and kube-proxy in the guest of a Nova server"), add_cluster)
    _register_nodes(_actions(subparsers, "nodes", "nodes at count: servers, Node objects and leases, but no pods"), add_cluster)


def _actions(subparsers, name: str, text: str):
    return subparsers.add_parser(name, help=text, description=text).add_subparsers(required=True, metavar="ACTION")


def _register_node(actions, add_cluster) -> None:
    up = actions.add_parser("up", help="make nodes, all at once; they wait for the cloud controller to initialise them")
    up.add_argument("names", nargs="+", metavar="NAME")
    up.add_argument("--provider-id", action="store_true", help="kubelet sets the provider ID openstack:///<server id>")
    up.add_argument("--node-ip", action="store_true", help="kubelet is told the server's address")
    up.add_argument("--initialise", action="store_true", help="do the cloud controller's part: provider ID, addresses, remove the taint")
    up.add_argument("--no-pod-routes", action="store_true", help="leave routes between the nodes' pods to a route controller")
    add_cluster(up)
    up.set_defaults(run=_node_up)

    down = actions.add_parser("down", help="stop nodes, delete their Node objects and servers")
    down.add_argument("names", nargs="+", metavar="NAME")
    down.add_argument("--keep-server", action="store_true", help="the server stays in Nova")
    down.add_argument("--keep-node", action="store_true", help="the Node object stays in Kubernetes and becomes NotReady")
    add_cluster(down)
    down.set_defaults(run=_node_down)

    execute = actions.add_parser("exec", help="run a command in a node: exec NAME COMMAND...")
    execute.add_argument("name", metavar="NAME")
    execute.add_argument("words", nargs="...", metavar="COMMAND")
    add_cluster(execute)
    execute.set_defaults(run=_node_exec)


def _register_nodes(actions, add_cluster) -> None:
    for name, run, text in (("servers", _servers, "first step of `up`: the servers"),
                            ("register", _register, "second step of `up`: the Node objects and leases"),
                            ("up", _up, "servers, then Node objects and leases")):
        command = actions.add_parser(name, help=text, description=text)
        command.add_argument("prefix", metavar="PREFIX", type=_prefix)
        command.add_argument("count", metavar="N", type=int)
        if run is not _servers:
            command.add_argument("--provided-ip", action="store_true", help="as with kubelet's --node-ip: InternalIP and the annotation about it")
        add_cluster(command)
        command.set_defaults(run=run)

    silence = actions.add_parser("silence", help="stop the heartbeats of these nodes only (none named: all beat again)")
    silence.add_argument("prefix", metavar="PREFIX", type=_prefix)
    silence.add_argument("names", nargs="*", metavar="NAME")
    add_cluster(silence)
    silence.set_defaults(run=_silence)

    down = actions.add_parser("down", help="delete the Node objects and the servers")
    down.add_argument("prefix", metavar="PREFIX", type=_prefix)
    down.add_argument("--keep-servers", action="store_true", help="the servers stay in Nova")
    add_cluster(down)
    down.set_defaults(run=_down)


def _cluster(lab: Lab, args) -> Cluster:
    cluster = Cluster(lab, args.cluster)
    if not control_plane.healthy(cluster):
        raise LabError(f"cluster {cluster.name} is not up: `lab up kubernetes --cluster {cluster.name}`")
    return cluster


def _node_up(lab: Lab, args) -> None:
    cluster = _cluster(lab, args)
    options = Options(args.provider_id, args.node_ip, args.initialise, not args.no_pod_routes)
    node_lifecycle.up([Node(cluster, name) for name in args.names], options)


def _node_down(lab: Lab, args) -> None:
    cluster = Cluster(lab, args.cluster)
    node_lifecycle.down([Node(cluster, name) for name in args.names], args.keep_server, args.keep_node)


def _node_exec(lab: Lab, args) -> None:
    if not args.words:
        raise LabError("no command given")
    command = node_lifecycle.execute(Node(Cluster(lab, args.cluster), args.name), args.words)
    sys.stdout.flush()
    os.execvp(command[0], command)


def _servers(lab: Lab, args) -> None:
    fleet.create_servers(Fleet(_cluster(lab, args), args.prefix), args.count)


def _register(lab: Lab, args) -> None:
    fleet.register(Fleet(_cluster(lab, args), args.prefix), args.count, args.provided_ip)


def _up(lab: Lab, args) -> None:
    _servers(lab, args)
    _register(lab, args)


def _silence(lab: Lab, args) -> None:
    fleet.silence(Fleet(_cluster(lab, args), args.prefix), args.names)


def _down(lab: Lab, args) -> None:
    fleet.down(Fleet(Cluster(lab, args.cluster), args.prefix), args.keep_servers)
