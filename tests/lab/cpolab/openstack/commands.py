"""The OpenStack half's commands."""
from .world import World


def register(subparsers) -> None:
    """Add the commands."""


def add_up_arguments(parser) -> None:
    """OpenStack needs no options."""


def up(lab, args) -> None:
    World(lab).up()


def down(lab, args) -> None:
    World(lab).down()


def status(lab, args) -> bool:
    """Print the processes; whether all run."""
    world = World(lab)
    print(f"{'NAME':26} {'PID':>8} {'MiB':>6}")
    for name, pid, alive, memory in world.supervisor.status():
        print(f"{name:26} {pid if alive else 'DEAD':>8} {memory:>6}")
    return world.running()


def info(lab) -> dict:
    return {}
