"""Waiting for something to become true, with an error that says what never did and shows the end of the log."""
import time
from pathlib import Path

from .errors import LabError


def until(seconds: float, predicate, what: str, *, log: Path | None = None, every: float = 0.2, alive=None):
    """Call `predicate` until it returns something true, and return that.

    seconds  limit; LabError afterwards
    what     completes "gave up after N s: ..."
    log      file whose last lines the error quotes
    every    seconds between two calls
    alive    another predicate: when false, waiting is pointless and the error comes at once
    """
    began = time.monotonic()
    while True:
        result = predicate()
        if result:
            return result
        if alive is not None and not alive():
            raise LabError(f"{what}: the process has ended{quoted(log)}")
        if time.monotonic() - began > seconds:
            raise LabError(f"{what}: not so after {seconds:g} s{quoted(log)}")
        time.sleep(every)


def tail(log: Path, lines: int = 25) -> str:
    """The last lines of a log file, or a remark that there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 400 * lines))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return f"(no {log})"
    return "\n".join(text.splitlines()[-lines:])


def quoted(log: Path | None) -> str:
    """The tail of a log as an appendix to an error message."""
    return "" if log is None else f"\n--- end of {log}\n{tail(log)}"
