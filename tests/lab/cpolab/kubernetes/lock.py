"""Commands that change the same thing wait for each other."""
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from ..paths import Lab


@contextmanager
def locked(lab: Lab, name: str) -> Iterator[None]:
    """Holds the instance's lock of that name; released when the process ends, whatever happens."""
    lab.state.mkdir(parents=True, exist_ok=True)
    with (lab.state / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
