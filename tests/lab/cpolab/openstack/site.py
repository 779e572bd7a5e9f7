"""What a service's file is given and what it gives back."""
from dataclasses import dataclass, field
from pathlib import Path

from .. import paths
from . import settings

SHIMS = Path(__file__).resolve().parent / "shims"
SCRIPTS = Path(__file__).resolve().parent / "scripts"
"""Programs that run with the Python environment's interpreter, for they import OpenStack."""


@dataclass(frozen=True)
class Site:
    """The places of one instance's OpenStack."""

    lab: paths.Lab

    @property
    def dirs(self) -> paths.Part:
        return self.lab.part("openstack")

    @property
    def etc(self) -> Path:
        return self.dirs.etc

    @property
    def run(self) -> Path:
        return self.dirs.run

    @property
    def log(self) -> Path:
        return self.dirs.log

    @property
    def data(self) -> Path:
        return self.dirs.data

    @property
    def venv(self) -> Path:
        return self.lab.venv

    @property
    def images(self) -> Path:
        """Glance's files: outside the instance's state, for Glance records their absolute paths in the seed's database."""
        return self.lab.cache / "images"

    def env(self) -> dict:
        """Environment of every process of this half."""
        return {
            "PATH": f"{SHIMS}:{self.venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.data / "home"), "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "1",
            "OVS_RUNDIR": str(self.run), "OVN_RUNDIR": str(self.run), "OVS_LOGDIR": str(self.log), "OVN_LOGDIR": str(self.log),
            "OVS_DBDIR": str(self.data / "ovn"), "OVN_DBDIR": str(self.data / "ovn"), "OVS_SYSCONFDIR": str(self.etc),
        }

    def script(self, name: str, *words) -> list[str]:
        """Command line of one of our scripts."""
        return [str(self.venv / "bin/python"), str(SCRIPTS / name), *(str(word) for word in words)]


@dataclass(frozen=True)
class Service:
    """One OpenStack service (or a piece of infrastructure) as its file describes it."""

    name: str
    units: list
    databases: list = field(default_factory=list)
    files: dict = field(default_factory=dict)
    """Configuration files: {name: {section: {option: value}}}."""
    catalogue: list = field(default_factory=list)
    """Entries of the service catalogue: (name, type, URL)."""


def url(service: str, path: str = "") -> str:
    """Address of an API."""
    return f"http://127.0.0.1:{settings.PORTS[service]}{path}"
