"""A node's kubelet and kube-proxy, their certificates and cgroups."""
import errno
import json
import os
from pathlib import Path

from ..wait import until
from .node import Node
from .node_guest import enter
from .node_runtime import environment
from .pki import certificate_user, write_kubeconfig

CGROUPS = Path("/sys/fs/cgroup")
LEASE_SECONDS = 20
"""kubelet renews its lease four times in this time."""


def provider_id(node: Node) -> str:
    """The provider ID of the node's server."""
    return f"openstack:///{node.server.id}"


def start_kubelet(node: Node, set_provider_id: bool, node_ip: bool) -> None:
    """Starts kubelet with `--cloud-provider=external`."""
    cluster, server = node.cluster, node.server
    _make_cgroups(node)
    names = [f"DNS:{node.name}", f"IP:{server.address}", "IP:127.0.0.1"]
    certificate, key = cluster.authority.issue(f"node-{node.name}", f"/O=system:nodes/CN=system:node:{node.name}", names)
    kubeconfig = write_kubeconfig(node.directory / "kubelet.kubeconfig", cluster.server, cluster.authority, certificate_user(certificate, key))
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": str(cluster.authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificate),
        "tlsPrivateKeyFile": str(key),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.namespace}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "maxOpenFiles": 65536,
        "resolvConf": "",
        "clusterDomain": "cluster.local",
        "volumePluginDir": str(node.directory / "volume-plugins"),
        # The machine's disk is everybody's: how full it is must not evict pods.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 99,
        "imageGCLowThresholdPercent": 98,
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "5s",
        "nodeLeaseDurationSeconds": LEASE_SECONDS,
    }
    if set_provider_id:
        configuration["providerID"] = provider_id(node)
    path = node.directory / "kubelet.json"
    path.write_text(json.dumps(configuration, indent=1))
    command = [node.lab.bin / "kubelet", f"--config={path}", f"--kubeconfig={kubeconfig}", f"--hostname-override={node.name}",
               "--cloud-provider=external", "--root-dir=/var/lib/kubelet", "--v=2"]
    if node_ip:
        command.append(f"--node-ip={server.address}")
    node.supervisor.start("kubelet", enter(node, command), env=environment(node))


def start_proxy(node: Node) -> None:
    """Starts kube-proxy, which makes Services and node ports work in the node."""
    cluster = node.cluster
    user = certificate_user(*cluster.authority.issue(f"proxy-{node.name}", "/CN=system:kube-proxy"))
    kubeconfig = write_kubeconfig(node.directory / "kube-proxy.kubeconfig", cluster.server, cluster.authority, user)
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": cluster.pod_range,
        "hostnameOverride": node.name,
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "oomScoreAdj": 0,
    }
    path = node.directory / "kube-proxy.json"
    path.write_text(json.dumps(configuration, indent=1))
    # kube-proxy ends when the node's addresses change, as they do when the cloud controller sets them: something must start it again.
    again = ["sh", "-c", 'while :; do "$@"; sleep 0.5; done', "sh", node.lab.bin / "kube-proxy", f"--config={path}", "--v=2"]
    node.supervisor.start("kube-proxy", enter(node, again), env=environment(node))


def _make_cgroups(node: Node) -> None:
    for root in _hierarchies():
        group = root / node.namespace
        group.mkdir(exist_ok=True)
        # In cgroup v1 a new cpuset is empty and takes no process.
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (root / "cgroup.procs").exists() and (root / name).exists() and not (group / name).read_text().strip():
                (group / name).write_text((root / name).read_text())


def remove_cgroups(node: Node) -> None:
    """Removes the node's groups; its processes must have ended."""
    for root in _hierarchies():
        # The kernel may still be busy with processes that have just ended.
        until(5, lambda: _removed(root / node.namespace), f"cgroup {root / node.namespace} is still in use")


def _removed(group: Path) -> bool:
    try:
        for directory, _, _ in os.walk(group, topdown=False):
            os.rmdir(directory)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _hierarchies() -> list[Path]:
    """Where the roots of the cgroup hierarchies are mounted: one in version 2, one per controller in version 1."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return sorted(directory for directory in CGROUPS.iterdir() if (directory / "cgroup.procs").exists() and not directory.is_symlink())
