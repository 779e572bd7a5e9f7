"""What clients asked the API server, counted from its audit log."""
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "omitManagedFields": True}],
}
"""Every request, without bodies. A watch is recorded twice, at its start and at its end."""


class Call(NamedTuple):
    """What is counted together."""

    agent: str
    verb: str
    resource: str
    status: int


def calls(log: Path, agent: str = "", since: float = 0.0) -> Counter:
    """Requests per Call, of clients whose user agent contains `agent`, that arrived at or after the time `since` (seconds)."""
    return count(_lines(log), agent, since)


def count(lines: Iterable[str], agent: str = "", since: float = 0.0) -> Counter:
    """The same for lines of a log. Each request counts once, however many stages were recorded."""
    seen, counted = set(), Counter()
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the last line may be half written
        client = event.get("userAgent", "")
        if agent not in client or event["auditID"] in seen or _seconds(event["requestReceivedTimestamp"]) < since:
            continue
        seen.add(event["auditID"])
        counted[Call(client, event["verb"], _resource(event), event.get("responseStatus", {}).get("code", 0))] += 1
    return counted


def _lines(log: Path) -> Iterator[str]:
    rotated = sorted(log.parent.glob(f"{log.stem}-*{log.suffix}"))
    for file in [*rotated, log]:
        if file.exists():
            with file.open(errors="replace") as lines:
                yield from lines


def _resource(event: dict) -> str:
    """`group/resource/subresource`, or the path of a request that is not about a resource."""
    reference = event.get("objectRef")
    if not reference or not reference.get("resource"):
        return event.get("requestURI", "").partition("?")[0]
    parts = (reference.get("apiGroup"), reference["resource"], reference.get("subresource"))
    return "/".join(part for part in parts if part)


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
