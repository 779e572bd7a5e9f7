"""What this machine must have for real nodes, checked before anything is made."""
import os
import shutil
import subprocess
from pathlib import Path

from ..errors import LabError
from ..packages import debian

PACKAGES = ("busybox-static", "iptables", "iproute2", "procps", "util-linux")
# kubelet, containerd and kube-proxy take about nine a node, a control plane a dozen; some distributions allow 128 in all.
INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 1024
CGROUP_CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "pids")


def check() -> None:
    """LabError with one line that says what is missing."""
    debian(list(PACKAGES))
    if missing := missing_controllers():
        raise LabError(f"nodes need the cgroup controllers {', '.join(missing)}: mount them (v1) or enable them in /sys/fs/cgroup/cgroup.subtree_control (v2)")
    if int(INOTIFY_LIMIT.read_text()) < INOTIFY_INSTANCES:
        try:
            INOTIFY_LIMIT.write_text(str(INOTIFY_INSTANCES))
        except OSError as error:
            raise LabError(f"nodes need {INOTIFY_LIMIT} to be {INOTIFY_INSTANCES} or more, and it cannot be raised here: {error.strerror}") from error
    if not file_system_known("overlay", Path("/proc/filesystems").read_text()):
        raise LabError("nodes need overlayfs for containers: this kernel has none (CONFIG_OVERLAY_FS)")
    for what, script in (
        ("mount, pid, uts and network namespaces", "true"),
        ("veth pairs (CONFIG_VETH)", "ip link add lab0 type veth peer name lab1"),
        ("bridges (CONFIG_BRIDGE)", "ip link add lab0 type bridge"),
        ("iptables NAT with multiport (CONFIG_NF_NAT, CONFIG_NETFILTER_XT_MATCH_MULTIPORT)",
         "iptables -t nat -A OUTPUT -p tcp -m multiport --dports 1,2 -j DNAT --to-destination 127.0.0.1"),
    ):
        command = ["unshare", "--net", "--mount", "--pid", "--uts", "--fork", "sh", "-c", script]
        if subprocess.run(command, capture_output=True).returncode:
            raise LabError(f"nodes need {what}: this kernel or container does not allow it")


def file_system_known(name: str, filesystems: str) -> bool:
    """Whether /proc/filesystems, or a module that could be loaded, has the file system."""
    if any(line.split()[-1] == name for line in filesystems.splitlines() if line.strip()):
        return True
    return shutil.which("modprobe") is not None and subprocess.run(["modprobe", "--quiet", name]).returncode == 0


def missing_controllers() -> list[str]:
    """Those of the cgroup controllers that kubelet needs which are not usable."""
    unified = Path("/sys/fs/cgroup/cgroup.subtree_control")
    if unified.exists():
        enabled = unified.read_text().split()
        return [name for name in CGROUP_CONTROLLERS if name != "cpuacct" and name not in enabled]
    return [name for name in CGROUP_CONTROLLERS if not os.path.ismount(os.path.realpath(f"/sys/fs/cgroup/{name}"))]
