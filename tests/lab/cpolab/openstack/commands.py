"""The OpenStack half's commands."""


def register(subparsers) -> None:
    """Add the commands."""


def add_up_arguments(parser) -> None:
    """OpenStack needs no options."""
