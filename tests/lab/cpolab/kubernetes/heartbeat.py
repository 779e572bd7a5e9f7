"""Stands in for the kubelets of many nodes: heartbeat.py FILE, a process of its own in the instance's namespace.

Registers the Nodes as a kubelet with `--cloud-provider=external` does (tainted, without provider ID), reports them Ready once,
then renews their leases. A Node that somebody deletes stays deleted, as with a kubelet, which registers only when it starts.
Nodes named in the file `FILE.silent` (one per line) are not renewed: they become NotReady.
"""
import http.client
import json
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

WORKERS = 4
RENEW_SECONDS = 5
LEASE_SECONDS = 20
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
UNINITIALIZED = {"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"}
FLEET = "lab/fleet"
"""Label with the fleet's prefix, by which all of it can be deleted at once."""
PROVIDED_IP = "alpha.kubernetes.io/provided-node-ip"
STRATEGIC_MERGE, MERGE = "application/strategic-merge-patch+json", "application/merge-patch+json"


def node_object(node: dict) -> dict:
    """The Node that registers: `node` has name, id, address, fleet, version and whether the address is `provided` (kubelet's --node-ip)."""
    labels = {"kubernetes.io/hostname": node["name"], "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", FLEET: node["fleet"]}
    metadata = {"name": node["name"], "labels": labels}
    if node["provided"]:
        metadata["annotations"] = {PROVIDED_IP: node["address"]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [UNINITIALIZED]}}


def status_patch(node: dict, now: datetime) -> dict:
    """The status that kubelet reports: Ready, and the server's id as system UUID."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {"type": kind, "status": status, "reason": "Heartbeat", "message": "", "lastHeartbeatTime": stamp, "lastTransitionTime": stamp}
        for kind, status in (("Ready", "True"), ("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False"))
    ]
    room = {"cpu": "2", "memory": "2Gi", "pods": "110"}
    unknown = dict.fromkeys(("bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "osImage"), "none")
    info = unknown | {"kubeletVersion": node["version"], "architecture": "amd64", "operatingSystem": "linux", "machineID": node["id"], "systemUUID": node["id"]}
    addresses = [{"type": "Hostname", "address": node["name"]}]
    if node["provided"]:
        addresses.insert(0, {"type": "InternalIP", "address": node["address"]})
    return {"status": {"conditions": conditions, "capacity": room, "allocatable": room, "nodeInfo": info, "addresses": addresses}}


def lease_object(node: dict, now: datetime) -> dict:
    """The node's lease, renewed at `now`."""
    spec = {"holderIdentity": node["name"], "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    metadata = {"name": node["name"], "namespace": "kube-node-lease", "labels": {FLEET: node["fleet"]}}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


class Client:
    """One connection to the API server, made again when it breaks."""

    def __init__(self, server: str, context: ssl.SSLContext):
        self.address = urlsplit(server)
        self.context = context
        self.connection = None

    def call(self, method: str, path: str, body: dict, kind: str = "application/json") -> int:
        """Sends a request; returns the status, or 0 if there was no answer twice."""
        for _ in range(2):
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(self.address.hostname, self.address.port, context=self.context, timeout=20)
            try:
                self.connection.request(method, path, json.dumps(body), {"Content-Type": kind, "User-Agent": "lab-heartbeat"})
                answer = self.connection.getresponse()
                answer.read()
                return answer.status
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
        return 0

    def register(self, node: dict) -> None:
        """Creates the Node unless it exists, and reports its status."""
        created = self.call("POST", "/api/v1/nodes", node_object(node))
        reported = self.call("PATCH", f"/api/v1/nodes/{node['name']}/status", status_patch(node, datetime.now(UTC)), STRATEGIC_MERGE)
        if created not in (201, 409) or reported != 200:
            print(f"{node['name']}: create {created}, status {reported}", flush=True)

    def renew(self, node: dict) -> None:
        """Renews the lease, or creates it."""
        lease = lease_object(node, datetime.now(UTC))
        status = self.call("PATCH", f"{LEASES}/{node['name']}", {"spec": lease["spec"]}, MERGE)
        if status == 404:
            status = self.call("POST", LEASES, lease)
        if status not in (200, 201):
            print(f"{node['name']}: lease {status}", flush=True)


def main(file: Path) -> None:
    """Registers, then renews for ever."""
    plan = json.loads(file.read_text())
    nodes, silent = plan["nodes"], file.with_suffix(".silent")
    context = ssl.create_default_context(cafile=plan["ca"])
    context.load_cert_chain(plan["certificate"], plan["key"])
    clients = [Client(plan["server"], context) for _ in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as pool:
        def everyone(action: str, chosen: list[dict]) -> None:
            def share(worker: int) -> None:
                for node in chosen[worker::WORKERS]:
                    getattr(clients[worker], action)(node)
            list(pool.map(share, range(WORKERS)))

        everyone("renew", nodes)
        everyone("register", nodes)
        while True:
            time.sleep(RENEW_SECONDS)
            quiet = set(silent.read_text().split()) if silent.exists() else set()
            everyone("renew", [node for node in nodes if node["name"] not in quiet])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
