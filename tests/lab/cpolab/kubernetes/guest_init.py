"""First program in a node's new namespaces: guest_init.py DIRECTORY HOSTNAME PROGRAM.

Gives the node its own /run, /var/log, kubelet and containerd directories and identity, then becomes PROGRAM.
"""
import os
import socket
import subprocess
import sys
from pathlib import Path

OWN_DIRECTORIES = ("/var/lib/kubelet", "/var/lib/containerd", "/var/log")
IDENTITIES = ("/etc/machine-id", "/sys/class/dmi/id/product_uuid")
"""Files that kubelet reads the machine's identity from; without DMI it takes the machine id for the system UUID."""


def main(directory: Path, hostname: str, program: str) -> None:
    """Prepares the namespaces; does not return."""
    mount("--make-rprivate", "/")
    socket.sethostname(hostname)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in ("netns", "containerd", "lock"):
        Path("/run", name).mkdir()
    for path in OWN_DIRECTORIES:
        own = directory / "root" / path.lstrip("/")
        own.mkdir(parents=True, exist_ok=True)
        Path(path).mkdir(parents=True, exist_ok=True)
        mount("--bind", own, path)
    Path("/etc/machine-id").touch()  # a place to mount on, where the machine has none
    for path in IDENTITIES:
        if Path(path).exists():
            mount("--bind", directory / "server-id", Path(path).resolve())
    # As on an ordinary host; nothing outside this mount namespace shares with it.
    mount("--make-rshared", "/")
    (directory / "booted").touch()
    os.execv(program, [program])


def mount(*arguments) -> None:
    """mount(8)."""
    subprocess.run(["mount", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
