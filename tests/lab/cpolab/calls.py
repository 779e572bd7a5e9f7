"""Which requests a client has made: the APIs' access lines, counted by service, method, folded path and status."""
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from .openstack.wsgi import MARK

_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_READINESS = "lab-ready"


@dataclass(frozen=True)
class Call:
    """One request."""

    service: str
    epoch: float  # when it began, seconds since 1970
    milliseconds: int
    status: int
    method: str
    uri: str
    bytes: int  # of the response's body
    agent: str


@dataclass
class Count:
    """Requests alike."""

    service: str
    method: str
    path: str
    status: int
    count: int = 0
    milliseconds: int = 0  # sum
    bytes: int = 0  # sum


def parse(service: str, line: str) -> Call | None:
    """The request an access line tells of; None for other lines. See wsgi.ACCESS for the fields."""
    start = line.find(MARK + "\t")
    fields = line[start:].rstrip("\n").split("\t", 7) if start >= 0 else []
    if len(fields) < 8:
        return None
    try:
        return Call(service, int(fields[1]) / 1000, int(fields[2]), int(fields[3]), fields[4], fields[5], int(fields[6]), fields[7])
    except ValueError:
        return None


def read(log_dir: Path) -> Iterable[Call]:
    """All requests in the logs of the APIs."""
    for file in sorted(log_dir.glob("*-api.log")):
        with file.open(errors="replace") as lines:
            for line in lines:
                call = parse(file.name.removesuffix("-api.log"), line)
                if call:
                    yield call


def fold(uri: str) -> str:
    """The path with identifiers as {id}, and of the query only the sorted names of the parameters."""
    path, _, query = uri.partition("?")
    names = sorted({name for name, _ in parse_qsl(query, keep_blank_values=True)})
    return _IDENTIFIER.sub("{id}", path) + ("?" + "&".join(names) if names else "")


def count(calls: Iterable[Call], agent: str = "", since: float = 0) -> list[Count]:
    """Requests whose user agent contains `agent` (any if empty) and that began at `since` or later, alike ones together."""
    counts: dict[tuple, Count] = {}
    for call in calls:
        if call.epoch < since or agent not in call.agent or call.agent == _READINESS:
            continue
        key = (call.service, call.method, fold(call.uri), call.status)
        found = counts.setdefault(key, Count(*key))
        found.count += 1
        found.milliseconds += call.milliseconds
        found.bytes += call.bytes
    return [counts[key] for key in sorted(counts)]


def as_json(counts: list[Count]) -> dict:
    """For `--json`."""
    return {"total": sum(one.count for one in counts), "calls": [asdict(one) for one in counts]}


def as_lines(counts: list[Count]) -> list[str]:
    """For people."""
    lines = [f"{'count':>6} {'ms each':>8} {'bytes':>9}  request"]
    lines += [f"{one.count:6} {one.milliseconds / one.count:8.0f} {one.bytes:9}  {one.service} {one.method} {one.path} {one.status}"
              for one in counts]
    return [*lines, f"{sum(one.count for one in counts):6} in all"]
