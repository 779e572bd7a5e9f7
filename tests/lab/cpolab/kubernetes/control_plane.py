"""A control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler on loopback ports of the instance's namespace."""
import json
import shutil
import subprocess
import time

from .. import netns
from ..errors import LabError
from ..progress import say
from ..wait import until
from . import audit
from .cluster import Cluster
from .pki import Authority, certificate_user, service_account_keys, write_kubeconfig

PROCESSES = ("etcd", "apiserver", "controller-manager", "scheduler")
PACKAGES = ("etcd-server", "openssl", "curl")

LEASE_GRACE_SECONDS = 30
"""How long a node may be silent before it is NotReady (upstream 50 s); the laboratory's nodes renew every 5 s."""


def healthy(cluster: Cluster) -> bool:
    """Whether all processes are alive and the API server answers."""
    return all(map(cluster.supervisor.alive, PROCESSES)) and cluster.answers()


def up(cluster: Cluster) -> None:
    """Starts a control plane without any state. The former one must be down."""
    began = time.monotonic()
    netns.make(cluster.lab.netns)
    cluster.part.make()
    _certificates(cluster)
    _start_etcd(cluster)
    _start_apiserver(cluster)
    _start_controller_manager(cluster)
    _start_scheduler(cluster)
    _await(cluster, "controller-manager", _answers(cluster, f"https://127.0.0.1:{cluster.controller_manager_port}/healthz"))
    _await(cluster, "scheduler", _answers(cluster, f"https://127.0.0.1:{cluster.scheduler_port}/healthz"))
    # No pod can be made in a namespace before its default service account exists.
    _await(cluster, "controller-manager", lambda: cluster.succeeds("get", "serviceaccount", "default"))
    say(f"cluster {cluster.name}: control plane ready in {time.monotonic() - began:.1f} s, kubeconfig {cluster.kubeconfig}")


def down(cluster: Cluster) -> None:
    """Stops the processes, clients first, and removes the state."""
    cluster.supervisor.stop("scheduler", "controller-manager", grace=10)
    cluster.supervisor.stop("apiserver", grace=10)
    cluster.supervisor.stop("etcd", grace=10)
    shutil.rmtree(cluster.part.root, ignore_errors=True)


def _certificates(cluster: Cluster) -> None:
    authority = cluster.authority
    authority.create()
    front_proxy = Authority(cluster.pki, "front-proxy-ca")
    front_proxy.create()
    service = "kubernetes.default.svc"
    names = ["localhost", "kubernetes", "kubernetes.default", service, f"{service}.cluster.local"]
    authority.issue("apiserver", "/CN=kube-apiserver",
                    ["IP:127.0.0.1", f"IP:{cluster.api_service_address}", *(f"DNS:{name}" for name in names)])
    authority.issue("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client")
    front_proxy.issue("front-proxy", "/CN=front-proxy-client")
    service_account_keys(cluster.pki)
    for name, subject in (("admin", "/O=system:masters/CN=admin"), ("controller-manager", "/CN=system:kube-controller-manager"),
                          ("scheduler", "/CN=system:kube-scheduler")):
        user = certificate_user(*authority.issue(name, subject))
        write_kubeconfig(cluster.part.etc / f"{name}.kubeconfig", cluster.server, authority, user)


def _start_etcd(cluster: Cluster) -> None:
    program = shutil.which("etcd")
    if program is None:
        raise LabError("there is no etcd in PATH: install the package etcd-server")
    client, peer = f"http://127.0.0.1:{cluster.etcd_port}", f"http://127.0.0.1:{cluster.etcd_peer_port}"
    cluster.supervisor.start("etcd", [
        program, "--name=lab", f"--data-dir={cluster.part.data / 'etcd'}", "--log-level=warn",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=lab={peer}",
    ], netns=cluster.lab.netns)
    _await(cluster, "etcd", _answers(cluster, f"{client}/health"))


def _start_apiserver(cluster: Cluster) -> None:
    policy = cluster.part.etc / "audit-policy.json"
    policy.write_text(json.dumps(audit.POLICY))
    pki = cluster.pki
    cluster.supervisor.start("apiserver", [
        cluster.lab.bin / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{cluster.etcd_port}",
        "--bind-address=127.0.0.1", f"--secure-port={cluster.api_port}", "--advertise-address=127.0.0.1",
        # Loopback is refused as an endpoint of the kubernetes Service; nodes translate the Service's address themselves.
        "--endpoint-reconciler-type=none", f"--service-cluster-ip-range={cluster.service_range}",
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
        f"--client-ca-file={pki / 'ca.crt'}", f"--tls-cert-file={pki / 'apiserver.crt'}", f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}", f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}", "--kubelet-preferred-address-types=InternalIP,Hostname",
        "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={pki / 'service-account.pub'}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}", "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-", "--enable-aggregator-routing=true",
        f"--proxy-client-cert-file={pki / 'front-proxy.crt'}", f"--proxy-client-key-file={pki / 'front-proxy.key'}",
        f"--audit-policy-file={policy}", f"--audit-log-path={cluster.audit_log}", "--audit-log-maxsize=200", "--audit-log-maxbackup=2",
    ], netns=cluster.lab.netns)
    _await(cluster, "apiserver", cluster.answers, seconds=120)


def _start_controller_manager(cluster: Cluster) -> None:
    pki, kubeconfig = cluster.pki, cluster.part.etc / "controller-manager.kubeconfig"
    cluster.supervisor.start("controller-manager", [
        cluster.lab.bin / "kube-controller-manager", f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1", f"--secure-port={cluster.controller_manager_port}", "--cloud-provider=external",
        "--use-service-account-credentials=true", f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--root-ca-file={pki / 'ca.crt'}", f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}", f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--cluster-cidr={cluster.pod_range}", "--allocate-node-cidrs=true", f"--service-cluster-ip-range={cluster.service_range}",
        "--configure-cloud-routes=false", "--leader-elect=false",
        f"--node-monitor-grace-period={LEASE_GRACE_SECONDS}s", "--terminated-pod-gc-threshold=50",
    ], netns=cluster.lab.netns)


def _start_scheduler(cluster: Cluster) -> None:
    kubeconfig = cluster.part.etc / "scheduler.kubeconfig"
    cluster.supervisor.start("scheduler", [
        cluster.lab.bin / "kube-scheduler", f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1", f"--secure-port={cluster.scheduler_port}", "--leader-elect=false",
    ], netns=cluster.lab.netns)


def _answers(cluster: Cluster, url: str):
    """A predicate: the URL answers with success."""
    command = netns.enter(cluster.lab.netns, ["curl", "--fail", "--silent", "--insecure", "--max-time", "2", url])
    return lambda: subprocess.run(command, capture_output=True).returncode == 0


def _await(cluster: Cluster, process: str, predicate, seconds: float = 60) -> None:
    supervisor = cluster.supervisor
    until(seconds, predicate, f"cluster {cluster.name}: {process} is not ready", log=supervisor.log(process), alive=lambda: supervisor.alive(process))
