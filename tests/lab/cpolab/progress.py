"""Progress lines with the seconds since the command began, on standard error (standard output is for results)."""
import sys
import time

_BEGAN = time.monotonic()


def say(text: str) -> None:
    """Print one progress line."""
    print(f"[{time.monotonic() - _BEGAN:6.1f}] {text}", file=sys.stderr, flush=True)
