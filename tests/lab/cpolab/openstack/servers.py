"""Nova servers for nodes, made and deleted at once, as the project user."""
from dataclasses import dataclass

from ..errors import LabError
from ..paths import Lab


@dataclass(frozen=True)
class Server:
    """A server and its one port on the network of nodes."""

    name: str
    id: str
    address: str
    mac: str
    port_id: str
    gateway: str
    prefix_length: int
    tap: str
    """The device in the instance's network namespace that the hypervisor plugged for the port."""


def create(lab: Lab, names: list[str]) -> list[Server]:
    raise LabError("OpenStack's servers are not there yet")


def delete(lab: Lab, names: list[str]) -> None:
    raise LabError("OpenStack's servers are not there yet")


def running(lab: Lab) -> bool:
    return False
