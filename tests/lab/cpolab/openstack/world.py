"""The whole of an instance's OpenStack: start, stop, seed.

A state is either wholly alive or worthless: `up` never repairs half a world, it begins again from the seed (the state as it
was when the first start, with all its database migrations, had ended).
"""
import json
import shutil
import subprocess

from .. import netns, packages, paths
from ..errors import LabError
from ..process import Supervisor
from ..progress import say
from ..stamps import digest
from ..units import Runner, Task
from . import client, configuration, services, settings
from .services import mariadb
from .site import Service, Site

REQUIREMENTS = paths.SOURCE / "requirements.txt"
_HERE = paths.SOURCE / "cpolab" / "openstack"
_SEED_SOURCES = [REQUIREMENTS, _HERE / "settings.py", _HERE / "configuration.py", _HERE / "services", _HERE / "scripts/identity.py",
                 _HERE / "scripts/resources.py"]
"""What the seed is made from: when one of them changes, the next start makes another."""


class World:
    """OpenStack of one instance."""

    def __init__(self, lab: paths.Lab):
        self.lab = lab
        self.site = Site(lab)
        self.supervisor = Supervisor(self.site.run, self.site.log)

    # Questions.

    @property
    def complete(self):
        """The file that says that the last `up` came to its end."""
        return self.site.run / "complete"

    def running(self) -> bool:
        """Whether `up` has ended well and all of its processes are alive."""
        names = self.supervisor.names()
        return self.complete.exists() and bool(names) and all(self.supervisor.alive(name) for name in names)

    def require(self) -> None:
        """LabError unless it runs."""
        if not self.running():
            raise LabError("OpenStack is not running: lab up openstack")

    def identifiers(self) -> dict:
        """Ids of the networks, projects and so on that every test builds on."""
        return json.loads((self.site.data / "resources.json").read_text())

    # Start and stop.

    def up(self) -> None:
        """Start it, unless it runs."""
        if self.running():
            return
        if len(str(self.site.run)) > 85:
            raise LabError(f"{self.site.run} is too long for unix sockets: choose a shorter CPO_LAB_CACHE")
        packages.debian(settings.DEBIAN)
        packages.python(self.lab.venv, REQUIREMENTS, self.lab.cache / "venv.log")
        if self.site.dirs.root.exists():
            self.down()
            shutil.rmtree(self.site.dirs.root)
        self.site.dirs.make()
        seeded = self._unpack_seed()
        self._start()
        if not seeded:
            self._make_seed()
        self.complete.touch()

    def down(self) -> None:
        """Stop it: the services, then what they stand on."""
        self.complete.unlink(missing_ok=True)
        names = self.supervisor.names()
        below = {unit.name for module in services.INFRASTRUCTURE for unit in module.service(self.site).units}
        # Little patience with the services: all that counts is in what they stand on, and that ends properly.
        self.supervisor.stop(*(name for name in names if name not in below), grace=3)
        self.supervisor.stop(*(name for name in names if name in below))
        if netns.exists(self.lab.netns) and not netns.pids(self.lab.netns):
            netns.delete(self.lab.netns)  # and with it the devices that Open vSwitch has left

    def _start(self) -> None:
        every = [module.service(self.site) for module in services.INFRASTRUCTURE + services.OPENSTACK]
        for directory in (self.site.images, self.site.data / "home"):
            directory.mkdir(parents=True, exist_ok=True)
        for service in every:
            configuration.write(self.site.etc, service.files)
        (self.site.etc / "identity.json").write_text(json.dumps(_identity(every), indent=2))
        (self.site.etc / "resources.json").write_text(json.dumps(_resources(), indent=2))
        databases = "".join(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;" for service in every for name in service.databases)
        own = [
            Task("databases", ["mariadb"], argv=mariadb.client(self.site, databases), once=True),
            Task("resources", ["glance-api", "nova-api", "neutron-api"], once=True, env=client.credentials("admin"), argv=self.site.script(
                "resources.py", self.site.etc / "resources.json", self.site.data / "octavia-networks.conf", self.site.data / "resources.json")),
        ]
        netns.make(self.lab.netns)
        runner = Runner(self.supervisor, self.site.data / "done", self.site.env())
        with netns.inside(self.lab.netns):
            runner.run(own + [unit for service in every for unit in service.units])

    # The seed.

    @property
    def _seed(self):
        """Tar file of the data directory."""
        return self.lab.seed / f"openstack-{digest(*_SEED_SOURCES)[:16]}.tar"

    def _unpack_seed(self) -> bool:
        if not self._seed.exists():
            say("no seed: first start, with all database migrations")
            return False
        subprocess.run(["tar", "--extract", "--file", self._seed, "--directory", self.site.dirs.root], check=True)
        say("seed unpacked")
        return True

    def _make_seed(self) -> None:
        """Stop, store the data, start again."""
        say("storing the seed")
        self.down()
        self.lab.seed.mkdir(parents=True, exist_ok=True)
        for old in self.lab.seed.glob("openstack-*.tar"):
            old.unlink()
        partial = self._seed.with_suffix(".partial")
        subprocess.run(["tar", "--create", "--sparse", "--file", partial, "--directory", self.site.dirs.root, "--exclude=data/rabbit", "data"],
                       check=True)
        partial.rename(self._seed)
        say("starting again")
        self._start()


def _identity(every: list[Service]) -> dict:
    """What Keystone is filled with: test users, the services' own users, the catalogue."""
    users = [dict(user) for user in settings.USERS.values()]
    # The administrator may also act in the test projects.
    users += [{"name": "admin", "project": project, "roles": ["admin", "load-balancer_admin"]} for project in settings.NETWORKS]
    users += [{"name": service.name, "project": "service", "roles": ["admin", "service"]} for service in every if service.catalogue]
    roles = {role for user in users for role in user["roles"]} | {"load-balancer_observer", "load-balancer_global_observer"}
    return {"password": settings.PASSWORD, "region": settings.REGION, "roles": sorted(roles), "users": users,
            "catalogue": [entry for service in every for entry in service.catalogue]}


def _resources() -> dict:
    return {"external": settings.EXTERNAL, "networks": settings.NETWORKS, "flavors": settings.FLAVORS}
