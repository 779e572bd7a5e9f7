"""Nova servers for nodes, made and deleted at once, as the project user."""
import ipaddress
from dataclasses import dataclass

from ..paths import Lab
from . import client, settings
from .world import World

_PROJECT = settings.USERS["user"]["project"]
_NETWORK = settings.NETWORKS[_PROJECT]


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
    """The servers of these names, in this order, ACTIVE; those that exist already are kept."""
    World(lab).require()
    found = client.run_script(lab, "servers.py", "create", _NETWORK["network"], _NETWORK["security_group"], *names)
    subnet = ipaddress.ip_network(_NETWORK["cidr"])
    return [Server(gateway=str(subnet[1]), prefix_length=subnet.prefixlen, tap=f"tap{one['port_id']}"[:14], **one) for one in found]


def delete(lab: Lab, names: list[str]) -> None:
    """Delete the servers of these names and wait until they are gone; those that do not exist do no harm."""
    if names:
        client.run_script(lab, "servers.py", "delete", *names)


def running(lab: Lab) -> bool:
    """Whether OpenStack runs, so that servers can be made."""
    return World(lab).running()
