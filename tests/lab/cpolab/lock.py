"""Commands that change the same thing wait for each other."""
import contextlib
import fcntl
from pathlib import Path


@contextlib.contextmanager
def locked(directory: Path, name: str):
    """Hold the lock of that name in the directory; it is released when the process ends, whatever happens."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
