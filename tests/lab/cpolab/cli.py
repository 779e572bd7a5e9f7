"""The command line: arguments only. Each part (openstack, kubernetes) brings its own commands.

A part is a package with a module `commands` that has
    register(subparsers)             its own commands; each sets `run=function(lab, args) -> exit code or None`
    add_up_arguments(parser)         its options of `up`, `down`, `reset`, `status`
    up(lab, args), down(lab, args), reset(lab, args)
    status(lab, args) -> bool        prints lines; true if all of it runs
    info(lab) -> dict                what a test needs to know of it; empty if it is not up
"""
import argparse
import importlib
import json
import os
import sys

from . import paths
from .errors import LabError
from .progress import say

PARTS = ["openstack", "kubernetes"]
"""In the order in which they are started."""


def parts() -> dict:
    """The parts' modules by name."""
    return {name: importlib.import_module(f"cpolab.{name}.commands") for name in PARTS
            if (paths.SOURCE / "cpolab" / name / "commands.py").exists()}


def main(argv: list[str]) -> int:
    """Run one command; returns the exit code."""
    present = parts()
    args = parser(present).parse_args(argv)
    try:
        if os.geteuid() != 0:
            raise LabError("run as root: the laboratory makes network namespaces and devices")
        return args.run(paths.lab(), args) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser(present: dict) -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(prog="lab", description="a real OpenStack and a real Kubernetes on one machine",
                                  epilog="CPO_LAB names the instance (default cpo), CPO_LAB_CACHE the directory for everything written")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (("up", "start; does nothing if all of it runs"), ("down", "stop"),
                       ("reset", "delete what tests have made, keep the services running"), ("status", "show the processes")):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("part", nargs="?", choices=[*present, "all"], default="all")
        for module in present.values():
            module.add_up_arguments(command)
        command.set_defaults(run=_each(name, present))
    info = commands.add_parser("info", help="what a test needs to know: addresses, users, ids, files")
    info.add_argument("--json", action="store_true", help="as JSON")
    info.set_defaults(run=lambda lab, args: _info(present, lab, args))
    for module in present.values():
        module.register(commands)
    return top


def _each(name: str, present: dict):
    def run(lab, args):
        chosen = [part for part in present if args.part in (part, "all")]
        if name in ("down", "reset"):
            chosen.reverse()  # Kubernetes first, so that its controllers can still tidy up
        results = [getattr(present[part], name)(lab, args) for part in chosen]
        if name == "status":
            return 0 if all(results) else 1
        say(f"{name} {args.part}: done")
        return 0
    return run


def _info(present: dict, lab: paths.Lab, args) -> int:
    known = {"instance": lab.name, "netns": lab.netns, "cache": str(lab.cache), "state": str(lab.state)}
    for name, module in present.items():
        known[name] = module.info(lab)
    if args.json:
        print(json.dumps(known, indent=2))
    else:
        for line in _lines(known):
            print(line)
    return 0


def _lines(value, name: str = ""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, f"{name}.{key}" if name else key)
    else:
        yield f"{name} = {value}"
