"""A node's container runtime: containerd with runc, the standard images, and the bridge of its pods."""
import json
import os
import platform
import subprocess

from ..errors import LabError
from ..wait import until
from . import image
from .node import Node
from .node_guest import enter
from .node_network import MTU

UNUSED_PLUGINS = ["io.containerd.nri.v1.nri", *(f"io.containerd.snapshotter.v1.{name}" for name in ("btrfs", "zfs", "devmapper", "erofs", "blockfile"))]

CONFIGURATION = """\
version = 3
oom_score = 0
disabled_plugins = {unused}
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "lab.local/pause:1"
[plugins.'io.containerd.cri.v1.runtime']
  # Lowering a score needs CAP_SYS_RESOURCE, which the machine may not give.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{bin}"]
    conf_dir = "{cni}"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = "{bin}/runc"
      SystemdCgroup = false
"""


def up(node: Node) -> None:
    """Starts containerd and gives it the standard images."""
    cni = node.directory / "cni"
    cni.mkdir(exist_ok=True)
    configuration = node.directory / "containerd.toml"
    configuration.write_text(CONFIGURATION.format(unused=json.dumps(UNUSED_PLUGINS), bin=node.lab.bin, cni=cni))
    node.supervisor.start("containerd", enter(node, [node.lab.bin / "containerd", "--config", configuration]), env=environment(node))
    until(30, lambda: _ctr(node, "version").returncode == 0, f"containerd of node {node.name} does not answer",
          log=node.supervisor.log("containerd"), alive=lambda: node.supervisor.alive("containerd"))
    architecture = image.ARCHITECTURES[platform.machine()]
    load(node, image.archive(node.lab, image.standard(node.lab), architecture))


def load(node: Node, archive) -> None:
    """Imports an image archive."""
    result = _ctr(node, "--namespace", "k8s.io", "images", "import", archive)
    if result.returncode:
        raise LabError(f"node {node.name}: import of {archive.name}: {result.stderr.strip()}")


def configure_pod_network(node: Node, pod_range: str) -> None:
    """A bridge with an address range of this node; kubelet is not Ready before it has one."""
    bridge = {
        "type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True, "mtu": MTU,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": pod_range}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    content = {"cniVersion": "1.0.0", "name": "lab", "plugins": [bridge]}
    (node.directory / "cni" / "10-lab.conflist").write_text(json.dumps(content))


def environment(node: Node) -> dict[str, str]:
    """The environment of a node's programs: their own first in the path."""
    return os.environ | {"PATH": f"{node.lab.bin}:{os.environ['PATH']}"}


def _ctr(node: Node, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(enter(node, [node.lab.bin / "ctr", *arguments]), capture_output=True, text=True)
