"""The parts of the simulated world: the fake OpenStack, an API server, and nodes that are addresses on loopback."""
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from world import BUILT, PROGRAM, RIGHTS, ROOT, Controller, Failure, execute, until

sys.path.insert(0, str(ROOT / "tests/lab"))
from cpolab import packages, paths  # noqa: E402
from cpolab.errors import LabError  # noqa: E402
from cpolab.kubernetes import programs  # noqa: E402
from cpolab.kubernetes.pki import Authority, certificate_user, service_account_keys, token_user, write_kubeconfig  # noqa: E402

BUILT_FAKE = ROOT / "target/ci/fake-openstack"
FAKE = pathlib.Path(os.environ.get("FAKE") or BUILT_FAKE).resolve()
"""What is run; FAKE in the environment is one that has been built already."""


def build() -> None:
    """Builds the simulator and the controller, unless others are to be run."""
    wanted = [("cloud-tests", "fake-openstack")] if FAKE == BUILT_FAKE else []
    wanted += [("cloud-controller", "openstack-cloud-controller-manager")] if PROGRAM == BUILT else []
    words = [word for package, program in wanted for word in ("--package", package, "--bin", program)]
    if words:
        execute(["cargo", "build", "--locked", "--profile", "ci", *words], "building", within=3600, quiet=False)


def prepare() -> pathlib.Path:
    """The programs of Kubernetes that are needed, built if they are not there; returns where they are."""
    lab = paths.lab()
    try:
        absent = [name for name, program in (("etcd-server", "etcd"), ("openssl", "openssl"), ("curl", "curl")) if not shutil.which(program)]
        if absent:
            packages.debian(absent)
        programs.ensure(lab, (programs.API_SERVER,))
    except LabError as error:
        raise Failure(str(error)) from None
    return lab.bin


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Processes:
    """What was started; all of it ends with the demonstration."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="cloud-demo-"))
        self.started: list[tuple[str, subprocess.Popen]] = []

    def log(self, name: str) -> pathlib.Path:
        """Where a process writes to."""
        return self.directory / f"{name}.log"

    def start(self, name: str, argv: list) -> None:
        """Starts a process in a session of its own."""
        with self.log(name).open("w") as log:
            process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       cwd=self.directory, start_new_session=True)
        self.started.append((name, process))

    def await_(self, seconds: float, name: str, predicate):
        """Waits until a process that was started is of use."""
        process = dict(self.started)[name]

        def ready():
            if process.poll() is not None:
                end = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-8:])
                raise Failure(f"{name} ended with code {process.returncode}\n{end}")
            return predicate()
        return until(seconds, f"{name} to be ready", ready)

    def stop(self) -> None:
        """Ends them, the last one first, and deletes what they wrote."""
        for _, process in reversed(self.started):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.started.clear()
        shutil.rmtree(self.directory, ignore_errors=True)


class Cloud:
    """The fake OpenStack."""

    def __init__(self, processes: Processes):
        self.cloud_conf = processes.directory / "cloud.conf"
        processes.start("fake-openstack", [FAKE, "--port=0", "--provider=ovn", f"--cloud-conf={self.cloud_conf}"])
        log = processes.log("fake-openstack")
        processes.await_(20, "fake-openstack", lambda: log.read_text().endswith("}\n"))
        self.world = json.loads(log.read_text().splitlines()[-1])

    def ask(self, method: str, path: str, body: dict | None = None):
        """A request to the control endpoint."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.world['control']}/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def calls(self, client: str) -> dict[tuple, int]:
        """How often a client has called what so far, logins left out."""
        rows = [row for row in self.ask("GET", "calls") if row["client"] == client]
        return {(row["service"], row["method"], row["path"], row["status"]): row["count"] for row in rows}


class Cluster:
    """etcd and kube-apiserver, with what `Controller` asks of a world."""

    cluster = "demo"

    def __init__(self, processes: Processes, programs_at: pathlib.Path):
        self.processes, self.bin = processes, programs_at
        self.pki = processes.directory / "pki"
        self.authority = Authority(self.pki)
        self.port, self.etcd_port, peer = free_port(), free_port(), free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self.kubeconfig = processes.directory / "admin.kubeconfig"
        self.certificates()
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{peer}"
        processes.start("etcd", [
            "etcd", "--name=demo", f"--data-dir={processes.directory / 'etcd'}", "--log-level=error", "--unsafe-no-fsync",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=demo={peer}"])
        processes.start("kube-apiserver", [
            self.bin / "kube-apiserver", f"--etcd-servers={client}", "--bind-address=127.0.0.1", f"--secure-port={self.port}",
            "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC", "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
            f"--client-ca-file={self.pki / 'ca.crt'}", f"--tls-cert-file={self.pki / 'apiserver.crt'}",
            f"--tls-private-key-file={self.pki / 'apiserver.key'}", "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.pki / 'service-account.pub'}",
            f"--service-account-signing-key-file={self.pki / 'service-account.key'}"])
        processes.await_(90, "kube-apiserver", self.answers)

    def certificates(self) -> None:
        """Those of the server and of an administrator."""
        self.authority.create()
        self.authority.issue("apiserver", "/CN=kube-apiserver", ["IP:127.0.0.1", "DNS:localhost"])
        service_account_keys(self.pki)
        user = certificate_user(*self.authority.issue("admin", "/O=system:masters/CN=admin"))
        write_kubeconfig(self.kubeconfig, self.server, self.authority, user)

    def answers(self) -> bool:
        """Whether the API server is ready, with the namespace that the controller needs."""
        argv = [self.bin / "kubectl", "--kubeconfig", self.kubeconfig, "--request-timeout=2s", "get", "namespace", "kube-system"]
        ready = [*argv[:4], "get", "--raw", "/readyz"]
        return all(subprocess.run(each, capture_output=True).returncode == 0 for each in (ready, argv))

    def kubectl(self, *words, **options) -> str:
        """kubectl as administrator."""
        return execute([self.bin / "kubectl", "--kubeconfig", self.kubeconfig, *words], f"kubectl {words[0]}", **options)

    def get(self, *words) -> dict:
        """One or many Kubernetes objects."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def event_count(self, name: str, reason: str) -> int:
        """How often something was said about a Service."""
        events = self.get("events", "--field-selector", f"involvedObject.name={name},reason={reason}")
        return sum(event.get("count") or 1 for event in events["items"])

    def service_account(self, name: str, namespace: str) -> pathlib.Path:
        """A kubeconfig for a service account."""
        token = self.kubectl("create", "token", name, "-n", namespace, "--duration=24h").strip()
        path = self.processes.directory / f"{name}.kubeconfig"
        return write_kubeconfig(path, self.server, self.authority, token_user(token), namespace)


class SimulatedController(Controller):
    """Our program against the simulated world."""

    def __init__(self, cluster: Cluster, cloud: Cloud, cluster_name: str):
        super().__init__(cluster, cluster_name)
        self.cloud = cloud

    def prepare(self) -> list[str]:
        """Grant its rights; returns the command line."""
        self.log = self.world.processes.log("controller")
        self.world.kubectl("apply", "-f", RIGHTS)
        kubeconfig = self.world.service_account("cloud-controller-manager", "kube-system")
        return [str(PROGRAM), "--cloud-provider=openstack", f"--cloud-config={self.cloud.cloud_conf}", f"--kubeconfig={kubeconfig}",
                f"--cluster-name={self.cluster_name}", f"--user-agent={self.cluster_name}", "--secure-port=0", "-v=2"]


class Node:
    """A Nova server whose guest is no more than a web server on its address, and its Node, as kubelet would make it."""

    def __init__(self, cluster: Cluster, cloud: Cloud, name: str, port: int):
        self.cluster, self.cloud, self.name = cluster, cloud, name
        server = cloud.ask("POST", "servers", {"name": name})
        self.server = server["id"]
        self.address = server["addresses"]["nodes"][0]["addr"]
        self.web = http.server.ThreadingHTTPServer((self.address, port), _answer_with(name))
        threading.Thread(target=self.web.serve_forever, daemon=True).start()

    def register(self) -> None:
        """What kubelet does with `--cloud-provider=external`: a Node with a taint, then a status without addresses of the cloud."""
        node = {"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": self.name, "labels": {"kubernetes.io/hostname": self.name},
                             "annotations": {"alpha.kubernetes.io/provided-node-ip": self.address}},
                "spec": {"taints": [{"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"}]}}
        self.cluster.kubectl("create", "-f", "-", stdin=json.dumps(node))
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        status = {"addresses": [{"type": "InternalIP", "address": self.address}, {"type": "Hostname", "address": self.name}],
                  "nodeInfo": {"systemUUID": self.server},
                  "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now, "lastTransitionTime": now}]}
        self.cluster.kubectl("patch", "node", self.name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def initialised(self) -> bool:
        """Whether the controller has done its part."""
        node = self.cluster.get("node", self.name)
        return bool(node["spec"].get("providerID")) and not node["spec"].get("taints")

    def leave(self) -> None:
        """The Node goes, then the server and what runs on it."""
        self.cluster.kubectl("delete", "node", self.name)
        self.cloud.ask("DELETE", f"servers/{self.server}")
        self.close()

    def close(self) -> None:
        """The web server ends."""
        self.web.shutdown()
        self.web.server_close()


def _answer_with(name: str):
    """A web server that says which node it is."""
    class Answer(http.server.BaseHTTPRequestHandler):
        """One request."""

        def do_GET(self):
            """The node's name."""
            body = f"{name}\n".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Nothing: the demonstration tells what is of interest."""
    return Answer


def open_port(address: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False
