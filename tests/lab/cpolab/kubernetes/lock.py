"""Commands that change the same thing wait for each other."""
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(directory: Path, name: str) -> Iterator[None]:
    """Holds the lock of that name in the directory; released when the process ends, whatever happens."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
