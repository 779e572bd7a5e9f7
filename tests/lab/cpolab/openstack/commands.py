"""The OpenStack half's commands."""
import json
import os
from concurrent.futures import ThreadPoolExecutor

from .. import calls as access
from .. import netns
from ..errors import LabError
from ..lock import locked
from . import check, client, settings
from .site import Site, url
from .world import World


def register(subparsers) -> None:
    """Add the commands."""
    inside = subparsers.add_parser("inside", help="run a command in the namespace, with credentials in OS_* variables")
    inside.add_argument("--as", dest="who", choices=list(settings.USERS), default="user")
    inside.add_argument("words", nargs="...", metavar="COMMAND")
    inside.set_defaults(run=_inside)

    calls = subparsers.add_parser("calls", help="requests that OpenStack's APIs have answered, counted")
    calls.add_argument("--agent", default="", metavar="TEXT", help="only clients whose user agent contains this")
    calls.add_argument("--since", type=float, default=0, metavar="EPOCH", help="only requests from this time on (seconds since 1970)")
    calls.add_argument("--json", action="store_true", help="as JSON")
    calls.set_defaults(run=_calls)

    proof = subparsers.add_parser("check", help="prove that servers, load balancers and floating IPs carry traffic")
    proof.set_defaults(run=_check)


def add_up_arguments(parser) -> None:
    """OpenStack needs no options."""


def up(lab, args) -> None:
    """Start it."""
    with locked(lab.state, "openstack"):
        World(lab).up()


def down(lab, args) -> None:
    """Stop it."""
    with locked(lab.state, "openstack"):
        World(lab).down()


def reset(lab, args) -> None:
    """Empty the test projects."""
    world = World(lab)
    world.require()
    projects = world.identifiers()["projects"]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda who: client.run_script(
            lab, "reset.py", json.dumps(projects[settings.USERS[who]["project"]]), who=who), ("user", "other")))


def status(lab, args) -> bool:
    """Print the processes; whether all run."""
    world = World(lab)
    print(f"{'NAME':26} {'PID':>8} {'MiB':>6}")
    for name, pid, alive, memory in world.supervisor.status():
        print(f"{name:26} {pid if alive else 'DEAD':>8} {memory:>6}")
    return world.running()


def info(lab) -> dict:
    """Addresses, users, ids."""
    world = World(lab)
    if not world.running():
        return {}
    ids = world.identifiers()
    users = {who: {"name": user["name"], "password": settings.PASSWORD, "domain_id": "default", "project": user["project"],
                   "project_id": ids["projects"].get(user["project"], {}).get("id")} for who, user in settings.USERS.items()}
    projects = {name: ids["projects"][name] | {"cidr": network["cidr"], "network_name": network["network"]}
                for name, network in settings.NETWORKS.items()}
    return {
        "auth_url": settings.AUTH_URL, "region": settings.REGION, "users": users, "projects": projects,
        "external": ids["external"] | {"network_name": settings.EXTERNAL["network"], "cidr": settings.EXTERNAL["cidr"]},
        "endpoints": {service: url(service) for service in ("keystone", "placement", "glance", "nova", "neutron", "octavia")},
        "logs": str(world.site.log), "python": str(world.site.venv / "bin/python"),
    }


def _inside(lab, args):
    if not args.words:
        raise LabError("inside: which command?")
    World(lab).require()
    # Our Python environment last: its `openstack` is there, but `python3` stays the caller's.
    path = f"{os.environ.get('PATH', '/usr/bin:/bin')}:{Site(lab).venv / 'bin'}"
    command = netns.enter(lab.netns, args.words)
    os.execvpe(command[0], command, dict(os.environ) | client.credentials(args.who) | {"PATH": path})


def _calls(lab, args) -> None:
    counts = access.count(access.read(Site(lab).log), args.agent, args.since)
    if args.json:
        print(json.dumps(access.as_json(counts), indent=2))
    else:
        print("\n".join(access.as_lines(counts)))


def _check(lab, args) -> None:
    World(lab).require()
    check.check(lab)
