"""Network namespaces: make, enter, delete.

Entered with `nsenter --net`, not with `ip netns exec`: the latter also makes a mount namespace with another /sys,
and what is mounted there afterwards (images, volumes) would be invisible outside.
"""
import contextlib
import ctypes
import os
import subprocess
from pathlib import Path

DIRECTORY = Path("/run/netns")


def exists(name: str) -> bool:
    """Whether the namespace exists. A plain file left by a crash in the middle of `ip netns add` does not count."""
    path = DIRECTORY / name
    return path.exists() and path.stat().st_dev != DIRECTORY.stat().st_dev


def make(name: str) -> None:
    """Make the namespace, with loopback up, unless it exists."""
    if not exists(name):
        (DIRECTORY / name).unlink(missing_ok=True)
        subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)


def delete(name: str) -> None:
    """Delete the namespace's name; the kernel removes it when the last process in it is gone."""
    if exists(name):
        subprocess.run(["ip", "netns", "delete", name], check=True)


def enter(name: str | None, argv: list[str]) -> list[str]:
    """The command line that runs `argv` in the namespace (None: where we are)."""
    if name is None:
        return list(argv)
    return ["nsenter", f"--net={DIRECTORY / name}", "--", *argv]


def run(name: str | None, argv: list[str], **options) -> subprocess.CompletedProcess:
    """`subprocess.run` in the namespace; raises on failure unless told `check=False`."""
    options.setdefault("check", True)
    return subprocess.run(enter(name, argv), **options)


def pids(name: str) -> list[int]:
    """Processes whose network namespace this is."""
    if not exists(name):
        return []
    listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=True)
    return [int(word) for word in listed.stdout.split()]


@contextlib.contextmanager
def inside(name: str):
    """Be in the namespace for the length of a `with` block: this thread's sockets and the processes it starts."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(DIRECTORY / name, os.O_RDONLY)
    try:
        _setns(there)
        try:
            yield
        finally:
            _setns(before)
    finally:
        os.close(there)
        os.close(before)


def _setns(descriptor: int) -> None:
    # os.setns came with Python 3.12; Debian 12 has 3.11.
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) != 0:  # CLONE_NEWNET
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "setns")
