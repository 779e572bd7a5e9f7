"""Programs of the Kubernetes part, built from the pinned Go modules in `tests/lab/go`.

Each directory there is one module. Its `tool` lines name the packages to build; a module without such lines (`guest`)
holds programs of our own, one per directory. A set is built again only when its module, the Go version or its options change.
"""
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import LabError
from ..lock import locked
from ..paths import SOURCE, Lab
from ..progress import say
from ..stamps import Stamp

MODULES = SOURCE / "go"


@dataclass(frozen=True)
class ProgramSet:
    """One Go module and how its programs are built."""

    name: str
    programs: tuple[str, ...]
    tags: str = ""
    cgo: bool = False
    part: str = field(default="", repr=False)
    """If it is not all that the module has: what this part is called."""

    @property
    def module(self) -> Path:
        return MODULES / self.name


KUBERNETES = ProgramSet("kubernetes", ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet", "kube-proxy"))
API_SERVER = ProgramSet("kubernetes", ("kube-apiserver", "kubectl"), part="api-server")
"""What is enough for a cluster without pods; building it takes less than half as long."""
CONTAINERD = ProgramSet("containerd", ("containerd", "containerd-shim-runc-v2", "ctr"))
# Entering namespaces is C code; containerd asks for a seccomp profile for every sandbox.
RUNC = ProgramSet("runc", ("runc",), tags="seccomp", cgo=True)
CNI = ProgramSet("cni", ("bridge", "loopback", "host-local"))
GUEST = ProgramSet("guest", ("pause", "echo"))
ALL = (KUBERNETES, CONTAINERD, RUNC, CNI, GUEST)

BUILD_PACKAGES = ("gcc", "libc6-dev", "pkg-config", "libseccomp-dev")
"""Debian packages that the builds need besides Go."""


def ensure(lab: Lab, sets: tuple[ProgramSet, ...] = ALL) -> None:
    """Builds what is missing or out of date into the cache's `bin`."""
    if shutil.which("go") is None:
        raise LabError("there is no `go` in PATH: the Kubernetes programs are built from source with Go 1.26 or later")
    compiler = _output(["go", "version"], MODULES)
    with locked(lab.cache, "programs"):
        for program_set in sets:
            _ensure(lab, program_set, compiler)


def _ensure(lab: Lab, program_set: ProgramSet, compiler: str) -> None:
    stamp = _stamp(lab, program_set, compiler)
    whole = [one for one in ALL if one.name == program_set.name]
    if any(_stamp(lab, one, compiler).fresh() for one in [program_set, *whole]) and all(
            (lab.bin / program).exists() for program in program_set.programs):
        return
    stamp.clear()
    _build(lab, program_set)
    stamp.write()


def _stamp(lab: Lab, program_set: ProgramSet, compiler: str) -> Stamp:
    name = "-".join(filter(None, (".stamp", program_set.name, program_set.part)))
    return Stamp(lab.bin / name, program_set.module, compiler, link_flags(program_set), program_set)


def packages(program_set: ProgramSet) -> list[str]:
    """What `go build` is to build."""
    if program_set is GUEST:
        return ["./..."]
    if not program_set.part:
        return ["tool"]
    tools = re.findall(r"^\s*(?:tool )?(\S+/cmd/\S+)$", (program_set.module / "go.mod").read_text(), re.MULTILINE)
    return [tool for tool in tools if tool.rsplit("/", 1)[1] in program_set.programs]


def link_flags(program_set: ProgramSet) -> str:
    """Linker flags: no symbol tables and, for Kubernetes, its version, without which kubelet and the clients refuse to run."""
    flags = "-s -w"
    if program_set.name == KUBERNETES.name:
        version = kubernetes_version()
        package = "k8s.io/component-base/version"
        major, minor, _ = version.removeprefix("v").split(".", 2)
        flags += f" -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
    return flags


def kubernetes_version() -> str:
    """The version of Kubernetes that is built, such as v1.36.3."""
    return pinned_version(KUBERNETES.module / "go.mod", "k8s.io/kubernetes")


def pinned_version(go_mod: Path, module: str) -> str:
    """The version of `module` that a go.mod requires."""
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", go_mod.read_text(), re.MULTILINE)
    if not found:
        raise LabError(f"{go_mod} does not require {module}")
    return found[1]


def _build(lab: Lab, program_set: ProgramSet) -> None:
    began = time.monotonic()
    lab.bin.mkdir(parents=True, exist_ok=True)
    say(f"building {program_set.name}: {', '.join(program_set.programs)}")
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-tags", program_set.tags, "-ldflags", link_flags(program_set), "-o", f"{lab.bin}/", *packages(program_set)]
    environment = os.environ | {"CGO_ENABLED": "1" if program_set.cgo else "0"}
    result = subprocess.run(command, cwd=program_set.module, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        raise LabError(f"go build of {program_set.name} failed:\n" + "\n".join(result.stderr.splitlines()[-25:]))
    say(f"built {program_set.name} in {time.monotonic() - began:.0f} s")


def _output(command: list[str], directory: Path) -> str:
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout.strip()
