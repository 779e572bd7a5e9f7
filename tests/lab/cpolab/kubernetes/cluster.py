"""One Kubernetes cluster of the instance: its name, ports, address ranges, files, and kubectl.

Clusters are named by a letter. They share the instance's network namespace, so every letter has ports and ranges of its own.
"""
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .. import netns
from ..errors import LabError
from ..paths import Lab, Part
from ..process import Supervisor
from .pki import Authority, token_user, write_kubeconfig

NAMES = "abcdefgh"
FIRST_PORT = 16440
PORTS_PER_CLUSTER = 10


@dataclass(frozen=True)
class Cluster:
    """A control plane and the nodes that belong to it."""

    lab: Lab
    name: str = "a"

    def __post_init__(self):
        if len(self.name) != 1 or self.name not in NAMES:
            raise LabError(f"no cluster can be called {self.name!r}: choose a letter of {NAMES}")

    @property
    def index(self) -> int:
        return NAMES.index(self.name)

    # Ports on 127.0.0.1 in the instance's namespace.
    def _port(self, offset: int) -> int:
        return FIRST_PORT + PORTS_PER_CLUSTER * self.index + offset

    @property
    def api_port(self) -> int:
        return self._port(0)

    @property
    def etcd_port(self) -> int:
        return self._port(1)

    @property
    def etcd_peer_port(self) -> int:
        return self._port(2)

    @property
    def controller_manager_port(self) -> int:
        return self._port(3)

    @property
    def scheduler_port(self) -> int:
        return self._port(4)

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    # Address ranges; the kubernetes Service has the first address of the Services' range.
    @property
    def pod_range(self) -> str:
        return f"10.{244 + self.index}.0.0/16"

    @property
    def service_range(self) -> str:
        return f"10.{96 + self.index}.0.0/16"

    @property
    def api_service_address(self) -> str:
        return f"10.{96 + self.index}.0.1"

    # Files.
    @property
    def part(self) -> Part:
        return self.lab.part("kubernetes" if self.name == "a" else f"kubernetes-{self.name}")

    @property
    def pki(self) -> Path:
        return self.part.root / "pki"

    @property
    def authority(self) -> Authority:
        return Authority(self.pki)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.part.etc / "admin.kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.part.log / "audit.log"

    @property
    def nodes(self) -> Path:
        """One directory per real node."""
        return self.part.root / "nodes"

    @property
    def fleets(self) -> Path:
        """One directory per group of nodes that only exist as objects."""
        return self.part.root / "fleets"

    @property
    def supervisor(self) -> Supervisor:
        """The control plane's processes and the fleets' heartbeats."""
        return Supervisor(self.part.run, self.part.log)

    # kubectl.
    def kubectl_argv(self, *arguments) -> list[str]:
        """The command line of kubectl as administrator, in the instance's namespace."""
        command = [self.lab.bin / "kubectl", "--kubeconfig", self.kubeconfig, *arguments]
        return netns.enter(self.lab.netns, [str(word) for word in command])

    def kubectl(self, *arguments, input: str | None = None, timeout: float = 60) -> str:
        """Runs kubectl as administrator and returns what it printed; LabError with its message if it fails."""
        result = subprocess.run(self.kubectl_argv(*arguments), input=input, capture_output=True, text=True, timeout=timeout)
        if result.returncode:
            lines = result.stderr.strip().splitlines() or ["no message"]
            raise LabError(f"kubectl {' '.join(map(str, arguments[:4]))}: {lines[-1]}")
        return result.stdout

    def succeeds(self, *arguments) -> bool:
        """Whether kubectl with these arguments ends with success."""
        return subprocess.run(self.kubectl_argv(*arguments), capture_output=True).returncode == 0

    def get(self, *arguments) -> dict:
        """`kubectl get ARGUMENTS` as an object."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def apply(self, *objects: dict) -> None:
        """Applies objects with server-side apply."""
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", input=document)

    def answers(self) -> bool:
        """Whether the API server is there and ready."""
        return self.kubeconfig.exists() and netns.exists(self.lab.netns) and self.succeeds("get", "--raw", "/readyz")

    def service_account_kubeconfig(self, account: str, namespace: str = "default", hours: int = 24) -> Path:
        """A kubeconfig for a service account, which is made if missing and is given no rights."""
        if not self.succeeds("--namespace", namespace, "get", "serviceaccount", account):
            self.kubectl("--namespace", namespace, "create", "serviceaccount", account)
        token = self.kubectl("--namespace", namespace, "create", "token", account, f"--duration={hours}h").strip()
        path = self.part.etc / f"{namespace}.{account}.kubeconfig"
        return write_kubeconfig(path, self.server, self.authority, token_user(token), namespace)


def ready_nodes(nodes: dict) -> set[str]:
    """Names of those of a list of Nodes that are Ready."""
    return {node["metadata"]["name"] for node in nodes["items"]
            if any(condition["type"] == "Ready" and condition["status"] == "True" for condition in node["status"].get("conditions", []))}


def existing(lab: Lab) -> list[Cluster]:
    """The clusters of this instance that have any state."""
    return [cluster for name in NAMES if (cluster := Cluster(lab, name)).part.root.exists()]
