"""Where things are: the cache, the instance's state, its network namespace. Every place is derived from two variables.

CPO_LAB        name of the instance (default `cpo`): its network namespace and its state directory bear this name,
               so that instances with different names run side by side.
CPO_LAB_CACHE  directory of everything the laboratory writes (default ~/.cache/cloud-provider-openstack-lab).
"""
import os
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

SOURCE = Path(__file__).resolve().parent.parent
"""The directory of the laboratory's own files (tests/lab)."""

RESERVED = {"venv", "bin", "build", "seed", "images", "downloads"}
"""Names of shared directories of the cache: no instance may bear one."""


@dataclass(frozen=True)
class Lab:
    """One instance of the laboratory and the places that belong to it."""

    name: str
    cache: Path

    # Shared by all instances.
    @property
    def venv(self) -> Path:
        return self.cache / "venv"

    @property
    def bin(self) -> Path:
        """Programs built or unpacked for the laboratory."""
        return self.cache / "bin"

    @property
    def build(self) -> Path:
        """Working trees of builds."""
        return self.cache / "build"

    @property
    def seed(self) -> Path:
        """Prepared states that a clean start unpacks instead of making them again."""
        return self.cache / "seed"

    # The instance's own.
    @property
    def netns(self) -> str:
        return self.name

    @property
    def state(self) -> Path:
        return self.cache / self.name

    def part(self, part: str) -> "Part":
        """The directories of one part (`openstack`, `kubernetes`, `kubernetes-b`)."""
        return Part(self.state / part)


@dataclass(frozen=True)
class Part:
    """Directories of one part of an instance."""

    root: Path

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def run(self) -> Path:
        """Process records and sockets."""
        return self.root / "run"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def data(self) -> Path:
        return self.root / "data"

    def make(self) -> None:
        """Make the directories that do not exist."""
        for directory in (self.etc, self.run, self.log, self.data):
            directory.mkdir(parents=True, exist_ok=True)


def lab(environ=os.environ) -> Lab:
    """The instance that the environment names."""
    name = environ.get("CPO_LAB") or "cpo"
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name) or name in RESERVED:
        raise LabError(f"CPO_LAB={name!r} is no name for an instance: use lower-case letters, digits and '-', none of {sorted(RESERVED)}")
    cache = environ.get("CPO_LAB_CACHE")
    if cache:
        return Lab(name, Path(cache).absolute())
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or "/root") / ".cache")
    return Lab(name, Path(base) / "cloud-provider-openstack-lab")
