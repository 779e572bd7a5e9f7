"""What comes from distributions: Debian packages and a Python virtual environment."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .errors import LabError
from .progress import say
from .stamps import Stamp

_GUARD = Path("/usr/sbin/policy-rc.d")


def missing_debian(names: list[str]) -> list[str]:
    """Those of the packages that are not installed."""
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names],
                           capture_output=True, text=True).stdout
    installed = {line.split()[0] for line in asked.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def debian(names: list[str]) -> None:
    """Install the packages that are missing, without letting their services start."""
    if shutil.which("dpkg-query") is None:
        raise LabError("this machine has no dpkg: the laboratory needs Debian 12 or a close relative")
    missing = missing_debian(names)
    if not missing:
        return
    if os.geteuid() != 0:
        raise LabError(f"install these packages (or run as root): apt-get install {' '.join(missing)}")
    say(f"installing Debian packages: {' '.join(missing)}")
    guarded = not _GUARD.exists()
    if guarded:
        _GUARD.write_text("#!/bin/sh\nexit 101\n")
        _GUARD.chmod(0o755)
    try:
        _apt("update")
        _apt("install", "--yes", "--no-install-recommends", *missing)
    finally:
        if guarded:
            _GUARD.unlink(missing_ok=True)


def _apt(*words: str) -> None:
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    done = subprocess.run(["apt-get", "-q", *words], env=environment, capture_output=True, text=True)
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise LabError(f"apt-get {words[0]} failed\n{end}")


def python(venv: Path, requirements: Path, log: Path) -> None:
    """Make the virtual environment from the requirements (exact versions of everything), unless it was made from them."""
    stamp = Stamp(venv / ".stamp", requirements, sys.version)
    if stamp.fresh():
        return
    say(f"making the Python environment {venv} (a few minutes)")
    stamp.clear()
    shutil.rmtree(venv, ignore_errors=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        for command in ([sys.executable, "-m", "venv", str(venv)],
                        [str(venv / "bin/python"), "-m", "pip", "install", "--no-deps", "--requirement", str(requirements)]):
            done = subprocess.run(command, stdout=output, stderr=output)
            if done.returncode:
                raise LabError(f"making the Python environment failed: see {log}")
    stamp.write()
    say("Python environment made")
