"""Deletes what tests have made in a cluster and keeps the cluster and its nodes."""
import json
import time
from datetime import UTC, datetime

from ..errors import LabError
from ..progress import say
from ..wait import until
from .cluster import Cluster, ready_nodes

KEPT_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
CONTROLLER_LEASE = "cloud-controller-manager"
CONTROLLER_SECONDS = 60
"""How long a running cloud controller is given to clean up after deleted Services."""
WORKLOADS = "deployments,daemonsets,statefulsets,replicasets,replicationcontrollers,jobs,cronjobs,pods"


def reset(cluster: Cluster) -> None:
    """Deletes Services, workloads, namespaces and leader leases of tests."""
    controlled = lease_is_held(_lease(cluster), datetime.now(UTC))
    _delete_services(cluster, controlled)
    for namespace in ("default", "kube-system"):
        # The laboratory itself runs no pods.
        cluster.kubectl("--namespace", namespace, "delete", WORKLOADS, "--all", "--wait=false", "--grace-period=1")
    _delete_lost_pods(cluster)
    namespaces = [name for name in _names(cluster, "namespaces") if name not in KEPT_NAMESPACES]
    if namespaces:
        cluster.kubectl("delete", "namespace", "--ignore-not-found", "--timeout=90s", *namespaces, timeout=120)
    until(60, lambda: not cluster.get("pods", "--all-namespaces")["items"], f"cluster {cluster.name}: pods do not end")
    if not controlled:
        cluster.kubectl("--namespace", "kube-system", "delete", "leases", "--selector", "!apiserver.kubernetes.io/identity")
    say(f"cluster {cluster.name}: reset" + (", a cloud controller is running" if controlled else ""))


def lease_is_held(lease: dict | None, now: datetime) -> bool:
    """Whether somebody has renewed the lease recently enough to be at work still."""
    spec = (lease or {}).get("spec", {})
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return False
    age = now - datetime.fromisoformat(spec["renewTime"])
    return age.total_seconds() < spec.get("leaseDurationSeconds", 15)


def _lease(cluster: Cluster) -> dict | None:
    found = cluster.kubectl("--namespace", "kube-system", "get", "lease", CONTROLLER_LEASE, "--ignore-not-found", "--output", "json")
    return json.loads(found) if found.strip() else None


def _delete_services(cluster: Cluster, controlled: bool) -> None:
    """Deletes all Services but the cluster's own; without a controller their finalizers go too, for nobody else removes them."""
    for namespace, name in _services(cluster):
        cluster.kubectl("--namespace", namespace, "delete", "service", name, "--ignore-not-found", "--wait=false")
    deadline = time.monotonic() + (CONTROLLER_SECONDS if controlled else 0)
    while (left := _services(cluster)) and time.monotonic() < deadline:
        time.sleep(0.5)
    for namespace, name in left:
        try:
            cluster.kubectl("--namespace", namespace, "patch", "service", name, "--type=merge", "--patch", '{"metadata":{"finalizers":null}}')
        except LabError as error:
            if "not found" not in str(error).lower():
                raise


def _delete_lost_pods(cluster: Cluster) -> None:
    """Pods of nodes that are away: no kubelet confirms their end, and the garbage collector takes its time."""
    ready = ready_nodes(cluster.get("nodes"))
    for pod in cluster.get("pods", "--all-namespaces")["items"]:
        name, namespace, where = pod["metadata"]["name"], pod["metadata"]["namespace"], pod["spec"].get("nodeName")
        if where not in ready:
            cluster.kubectl("--namespace", namespace, "delete", "pod", name, "--force", "--grace-period=0", "--ignore-not-found", "--wait=false")


def _services(cluster: Cluster) -> list[tuple[str, str]]:
    items = (item["metadata"] for item in cluster.get("services", "--all-namespaces")["items"])
    return [(meta["namespace"], meta["name"]) for meta in items if (meta["namespace"], meta["name"]) != ("default", "kubernetes")]


def _names(cluster: Cluster, kind: str) -> list[str]:
    return [item["metadata"]["name"] for item in cluster.get(kind)["items"]]
