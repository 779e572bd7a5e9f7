"""Long-running processes that outlive the command that started them.

A process is known by its pid AND its start time (and the boot), recorded in `<run_dir>/<name>.json`: a pid alone may by now
belong to somebody else. Each process leads its own session and process group; stopping sends TERM to that group, then KILL.
"""
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from . import netns as namespaces
from .errors import LabError


@dataclass(frozen=True)
class Record:
    """What identifies a process that was started."""

    pid: int
    started: int  # clock ticks since boot, field 22 of /proc/PID/stat
    boot: str
    argv: list

    def alive(self) -> bool:
        """Whether that very process still runs (a zombie does not)."""
        return self.boot == boot_id() and _stat(self.pid) == (self.started, self.pid)

    def group(self) -> list[int]:
        """Living processes of the session it leads, itself included; also those that have outlived it."""
        if self.boot != boot_id():
            return []
        leader = _stat(self.pid)
        if leader is not None and leader[0] != self.started:
            return []  # the pid is somebody else's now, so nothing of the old session can be left
        members = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                found = _stat(int(entry.name))
                if found and found[1] == self.pid and found[0] >= self.started:
                    members.append(int(entry.name))
        return members


def boot_id() -> str:
    """Identity of this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> tuple[int, int] | None:
    """Start time in ticks and session id of a living process; None if there is none or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in "ZX":
        return None
    return int(fields[19]), int(fields[3])


class Supervisor:
    """Starts, finds and stops processes by name."""

    def __init__(self, run_dir: Path, log_dir: Path):
        self.run_dir = run_dir
        self.log_dir = log_dir
        self._children: dict[str, subprocess.Popen] = {}  # those that this very command has started

    def log(self, name: str) -> Path:
        """The file that collects the output of the process."""
        return self.log_dir / f"{name}.log"

    def record(self, name: str) -> Record | None:
        """What is recorded under the name, whether alive or not."""
        try:
            return Record(**json.loads((self.run_dir / f"{name}.json").read_text()))
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """Names of all processes started and not stopped, alive or not."""
        return sorted(file.stem for file in self.run_dir.glob("*.json"))

    def alive(self, name: str) -> bool:
        """Whether the process of that name runs."""
        record = self.record(name)
        return record is not None and record.alive()

    def start(self, name: str, argv: list, *, env: dict | None = None, netns: str | None = None, cwd: Path | None = None,
              mounts: dict | None = None) -> subprocess.Popen | None:
        """Start a process unless one of that name is alive (then None).

        env     complete environment (default: ours)
        netns   network namespace
        mounts  {path: directory shown there instead}, in a mount namespace of this process's own
        """
        if self.alive(name):
            return None
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.log_dir.mkdir(parents=True, exist_ok=True)
        command = [str(word) for word in argv]
        if mounts:
            command = _with_mounts(mounts, command)
        command = namespaces.enter(netns, command)
        with self.log(name).open("ab") as log:
            try:
                child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=cwd,
                                         start_new_session=True)
            except FileNotFoundError as error:
                raise LabError(f"{name}: there is no program {error.filename}") from error
        self._children[name] = child
        found = _stat(child.pid)
        if found is None:
            return child  # over already: its exit code is for the caller to judge
        record = Record(child.pid, found[0], boot_id(), command)
        temporary = self.run_dir / f".{name}.new"
        temporary.write_text(json.dumps(asdict(record)) + "\n")
        temporary.rename(self.run_dir / f"{name}.json")
        return child

    def stop(self, *names: str, grace: float = 15) -> None:
        """Stop the processes of these names together: TERM to each group, KILL to what is left after `grace` seconds."""
        records = {name: record for name in names if (record := self.record(name))}
        for record in records.values():
            _signal(record, signal.SIGTERM)
        deadline = time.monotonic() + grace
        left = list(records.values())
        while left and time.monotonic() < deadline:
            left = [record for record in left if record.group()]
            if left:
                time.sleep(0.05)
        for record in left:
            _signal(record, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while any(record.group() for record in left) and time.monotonic() < deadline:
            time.sleep(0.02)
        for name in records:
            if name in self._children:
                self._children.pop(name).wait(timeout=1)
            (self.run_dir / f"{name}.json").unlink(missing_ok=True)

    def status(self) -> list[tuple[str, int, bool, int]]:
        """(name, pid, alive, resident memory of the group in MiB) of every recorded process."""
        rows = []
        for name in self.names():
            record = self.record(name)
            memory = sum(_resident(pid) for pid in record.group()) // 1024
            rows.append((name, record.pid, record.alive(), memory))
        return rows


def _signal(record: Record, number: signal.Signals) -> None:
    for pid in record.group():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def _resident(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def _with_mounts(mounts: dict, command: list[str]) -> list[str]:
    script = "".join(f'mount --bind "${2 * i + 1}" "${2 * i + 2}" && ' for i in range(len(mounts)))
    pairs = [str(word) for target, source in mounts.items() for word in (source, target)]
    script += f'shift {2 * len(mounts)} && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *pairs, *command]
