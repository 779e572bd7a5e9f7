"""Starting many things that depend on each other, each as early as it can be, two heavy ones at a time.

A unit has a name and the names of those that must be done before it. Kinds: Daemon (done when it answers), Task (a command,
done when it has ended well; with `once` never again for this state), Action (a Python function), Gate (a condition).
"""
import http.client
import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from .errors import LabError
from .process import Supervisor
from .progress import say
from .wait import quoted

TASKS_AT_ONCE = 2


@dataclass
class Unit:
    """What all kinds have."""

    name: str
    after: list = field(default_factory=list)
    limit: float = field(default=180, kw_only=True)  # seconds

    def begin(self, runner: "Runner") -> None:
        """Start it."""

    def done(self, runner: "Runner") -> bool:
        """Whether those that wait for it may begin; raises LabError if it has failed."""
        return True

    def log(self, runner: "Runner") -> Path | None:
        """The log to quote when it fails."""
        return None


@dataclass
class Daemon(Unit):
    """A process that stays; done when `ready()`."""

    argv: list = field(default_factory=list, kw_only=True)
    env: dict = field(default_factory=dict, kw_only=True)
    mounts: dict | None = field(default=None, kw_only=True)
    ready: Callable[[], bool] = field(default=lambda: True, kw_only=True)

    def begin(self, runner):
        runner.supervisor.start(self.name, self.argv, env=runner.env | self.env, mounts=self.mounts)

    def done(self, runner):
        if not runner.supervisor.alive(self.name):
            raise LabError(f"{self.name} has ended{quoted(self.log(runner))}")
        return self.ready()

    def log(self, runner):
        return runner.supervisor.log(self.name)


@dataclass
class Task(Unit):
    """A command that runs to its end."""

    argv: list = field(default_factory=list, kw_only=True)
    env: dict = field(default_factory=dict, kw_only=True)
    once: bool = field(default=False, kw_only=True)
    child: subprocess.Popen | None = field(default=None, init=False)

    def begin(self, runner):
        if not (self.once and runner.marker(self.name).exists()):
            self.child = runner.supervisor.start(self.name, self.argv, env=runner.env | self.env)

    def done(self, runner):
        if self.child is None:
            return True
        code = self.child.poll()
        if code is None:
            return False
        runner.supervisor.stop(self.name)
        if code != 0:
            raise LabError(f"{self.name} failed (code {code}){quoted(self.log(runner))}")
        if self.once:
            runner.marker(self.name).touch()
        return True

    def log(self, runner):
        return runner.supervisor.log(self.name)


@dataclass
class Action(Unit):
    """A short function of our own."""

    call: Callable[[], None] = field(default=lambda: None, kw_only=True)

    def begin(self, runner):
        self.call()


@dataclass
class Gate(Unit):
    """A condition to wait for."""

    ready: Callable[[], bool] = field(default=lambda: True, kw_only=True)

    def done(self, runner):
        return self.ready()


class Runner:
    """Carries out units."""

    def __init__(self, supervisor: Supervisor, markers: Path, env: dict):
        self.supervisor = supervisor
        self.markers = markers
        self.env = dict(os.environ) | env

    def marker(self, name: str) -> Path:
        """The file that says that a once-only task is done."""
        return self.markers / name

    def run(self, units: list[Unit]) -> None:
        """Carry out all of them; raises LabError at the first failure, leaving what runs running."""
        self.markers.mkdir(parents=True, exist_ok=True)
        waiting = {unit.name: unit for unit in units}
        _check(waiting)
        began: dict[str, float] = {}
        running: list[Unit] = []
        done: set[str] = set()
        while waiting or running:
            for unit in list(waiting.values()):
                busy = isinstance(unit, Task) and sum(isinstance(other, Task) for other in running) >= TASKS_AT_ONCE
                if done.issuperset(unit.after) and not busy:
                    del waiting[unit.name]
                    began[unit.name] = time.monotonic()
                    unit.begin(self)
                    running.append(unit)
            for unit in list(running):
                spent = time.monotonic() - began[unit.name]
                if unit.done(self):
                    running.remove(unit)
                    done.add(unit.name)
                    if spent > 1:
                        say(f"{unit.name} ({spent:.1f} s)")
                elif spent > unit.limit:
                    raise LabError(f"{unit.name} is not ready after {unit.limit:g} s{quoted(unit.log(self))}")
            time.sleep(0.1)
        for unit in units:
            if isinstance(unit, Daemon):
                unit.done(self)  # one that answered may have ended since


def _check(units: dict[str, Unit]) -> None:
    """Refuse unknown names and circles, which would wait for ever."""
    done: set[str] = set()
    left = dict(units)
    while left:
        free = [name for name, unit in left.items() if done.issuperset(unit.after)]
        if not free:
            raise ValueError(f"these can never begin: { {name: unit.after for name, unit in left.items()} }")
        for name in free:
            done.add(name)
            del left[name]


def port_open(port: int) -> Callable[[], bool]:
    """Ready when something listens on the loopback port."""
    def ready():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
            return True
        except OSError:
            return False
    return ready


def http_answers(port: int) -> Callable[[], bool]:
    """Ready when HTTP on the loopback port answers, whatever the status: servers open the port before the program is loaded."""
    asked = [0.0]

    def ready():
        if time.monotonic() - asked[0] < 1:
            return False
        asked[0] = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=0.5)
        try:
            connection.request("GET", "/", headers={"User-Agent": "lab-ready"})
            return connection.getresponse().status > 0
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
    return ready


def socket_open(path: Path) -> Callable[[], bool]:
    """Ready when the unix socket accepts connections."""
    def ready():
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(path))
                return True
            except OSError:
                return False
    return ready


def file_made(path: Path) -> Callable[[], bool]:
    """Ready when the file exists: for servers that take a connection without a request amiss."""
    return path.exists
