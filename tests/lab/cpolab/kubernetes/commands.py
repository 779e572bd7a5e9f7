"""The Kubernetes part's commands."""
import json
import os
import sys

from .. import netns, packages
from ..errors import LabError
from ..lock import locked
from ..openstack import servers
from ..paths import Lab
from ..progress import say
from . import audit, control_plane, fleet, node, node_commands, node_lifecycle, programs
from .cluster import NAMES, Cluster, existing
from .reset import reset as reset_cluster


def add_up_arguments(parser) -> None:
    """Options of `up`, `down`, `reset` and `status`."""
    _add_cluster(parser, default=None, text=f"only this Kubernetes cluster ({NAMES[0]} to {NAMES[-1]}; `up` without it: a)")


def _add_cluster(parser, default="a", text="the Kubernetes cluster (default a)") -> None:
    parser.add_argument("--cluster", default=default, metavar="NAME", help=text)


def register(subparsers) -> None:
    """The commands that belong to this part alone."""
    # Everything after `kubectl` is kubectl's, so no prefix character introduces an option of ours.
    kubectl = subparsers.add_parser("kubectl", help="kubectl as administrator: kubectl [--cluster NAME] ARGUMENTS", prefix_chars="\0", add_help=False)
    kubectl.add_argument("words", nargs="...")
    kubectl.set_defaults(run=_kubectl)

    kubeconfig = subparsers.add_parser("kubeconfig", help="print the path of a kubeconfig for a service account, made if missing")
    kubeconfig.add_argument("account", metavar="SERVICEACCOUNT")
    kubeconfig.add_argument("namespace", metavar="NAMESPACE", nargs="?", default="default")
    _add_cluster(kubeconfig)
    kubeconfig.set_defaults(run=_kubeconfig)

    calls = subparsers.add_parser("kube-calls", help="requests that the API server has answered, counted")
    calls.add_argument("--agent", default="", metavar="TEXT", help="only clients whose user agent contains this")
    calls.add_argument("--since", type=float, default=0.0, metavar="EPOCH", help="only requests from this time on (seconds since 1970)")
    calls.add_argument("--json", action="store_true", help="as JSON")
    _add_cluster(calls)
    calls.set_defaults(run=_kube_calls)

    node_commands.register(subparsers, _add_cluster)


def up(lab: Lab, args) -> None:
    """Starts a control plane, from nothing unless all of it runs."""
    cluster = Cluster(lab, args.cluster or "a")
    packages.debian([*control_plane.PACKAGES, *programs.BUILD_PACKAGES])
    with locked(lab.state, "kubernetes"):
        programs.ensure(lab)
        if control_plane.healthy(cluster):
            say(f"cluster {cluster.name}: runs")
            return
        _remove(cluster, keep_servers=not servers.running(lab))
        control_plane.up(cluster)


def down(lab: Lab, args) -> None:
    """Stops the chosen cluster, or all, with all nodes."""
    with locked(lab.state, "kubernetes"):
        for cluster in _chosen(lab, args):
            # Servers end with OpenStack if that is stopped too.
            _remove(cluster, keep_servers=args.part == "all" or not servers.running(lab))
            say(f"cluster {cluster.name}: down")
        if not netns.pids(lab.netns):
            netns.delete(lab.netns)


def _remove(cluster: Cluster, keep_servers: bool) -> None:
    """Removes everything of the cluster that is on this machine, whatever state it is in."""
    node_lifecycle.down(node.existing(cluster), keep_server=keep_servers, keep_node=True)
    for group in fleet.existing(cluster):
        fleet.down(group, keep_servers)
    control_plane.down(cluster)


def status(lab: Lab, args) -> bool:
    """Prints the processes; true if every cluster that exists is complete."""
    complete = True
    for cluster in _chosen(lab, args):
        groups = {"": cluster.supervisor} | {f"{worker.name}/": worker.supervisor for worker in node.existing(cluster)}
        for group, supervisor in groups.items():
            for name, pid, alive, memory in supervisor.status():
                print(f"kubernetes {cluster.name}  {group + name:28} {'up' if alive else 'DEAD':5} pid {pid:<8} {memory:5} MiB")
        complete = complete and control_plane.healthy(cluster) and all(worker.alive() for worker in node.existing(cluster))
    return complete


def reset(lab: Lab, args) -> None:
    """Deletes what tests have made in the clusters; the nodes stay."""
    for cluster in _chosen(lab, args):
        reset_cluster(cluster)


def info(lab: Lab) -> dict:
    """What a test needs to know of every cluster that runs."""
    clusters = {cluster.name: {
        "apiserver": cluster.server,
        "kubeconfig": str(cluster.kubeconfig),
        "ca": str(cluster.authority.certificate),
        "pod_range": cluster.pod_range,
        "service_range": cluster.service_range,
        "logs": str(cluster.part.log),
        "audit_log": str(cluster.audit_log),
        "nodes": {worker.name: {"server": server.id, "address": server.address}
                  for worker in node.existing(cluster) if (server := worker.server)},
        "fleets": {group.prefix: group.names() for group in fleet.existing(cluster)},
    } for cluster in existing(lab) if control_plane.healthy(cluster)}
    return {"bin": str(lab.bin), "clusters": clusters} if clusters else {}


def _chosen(lab: Lab, args) -> list[Cluster]:
    return [Cluster(lab, args.cluster)] if args.cluster else existing(lab)


def _kubectl(lab: Lab, args) -> None:
    name, words = _leading_cluster(args.words)
    cluster = Cluster(lab, name)
    if not cluster.kubeconfig.exists():
        raise LabError(f"cluster {name} is not up")
    sys.stdout.flush()
    command = cluster.kubectl_argv(*words)
    os.execvp(command[0], command)


def _leading_cluster(words: list[str]) -> tuple[str, list[str]]:
    """Takes our own option off the front of kubectl's arguments."""
    if words and words[0].startswith("--cluster="):
        return words[0].partition("=")[2], words[1:]
    if len(words) > 1 and words[0] == "--cluster":
        return words[1], words[2:]
    return "a", words


def _kubeconfig(lab: Lab, args) -> None:
    print(Cluster(lab, args.cluster).service_account_kubeconfig(args.account, args.namespace))


def _kube_calls(lab: Lab, args) -> None:
    counted = audit.calls(Cluster(lab, args.cluster).audit_log, args.agent, args.since)
    if args.json:
        print(json.dumps([call._asdict() | {"count": count} for call, count in counted.most_common()]))
        return
    for call, count in counted.most_common():
        print(f"{count:7}  {call.status:3}  {call.verb:16} {call.resource:48} {call.agent}")
    print(f"{sum(counted.values()):7}  in total")
