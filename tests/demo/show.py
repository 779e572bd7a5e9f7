"""What the demonstration prints: steps, commands, their output. Colour only on a terminal, lines of at most 100 columns."""
import os
import sys
import textwrap

WIDTH = 100
COLOUR = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and "NO_COLOR" not in os.environ
BOLD, DIM, GREEN, RED, CYAN = "1", "2", "32", "31", "36"


def paint(text: str, code: str) -> str:
    """`text` in a colour or weight, if there is a terminal to show it."""
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def line(text: str = "") -> None:
    """One line, at once, also into a pipe."""
    print(text, flush=True)


def title(text: str) -> None:
    """The heading of a step."""
    line()
    line(paint(f"── {text} ".ljust(WIDTH, "─"), BOLD))


def say(text: str) -> None:
    """A paragraph."""
    for part in textwrap.wrap(text, WIDTH):
        line(part)


def command(text: str) -> None:
    """A command, as one would type it."""
    line(paint("$ " + text, CYAN))


def output(text: str, limit: int = 20) -> None:
    """What a command printed."""
    lines = [each.rstrip() for each in text.rstrip().splitlines()]
    for each in lines[:limit]:
        line("  " + (each if len(each) <= WIDTH - 2 else each[:WIDTH - 3] + "…"))
    if len(lines) > limit:
        line(paint(f"  … {len(lines) - limit} more lines", DIM))


def logged(text: str) -> None:
    """What the controller wrote into its log."""
    for index, part in enumerate(textwrap.wrap(text, WIDTH - 6, break_on_hyphens=False) or [""]):
        line(paint("  │ ", DIM) + ("" if index == 0 else "  ") + part)


def result(text: str) -> None:
    """What a step has achieved."""
    for index, part in enumerate(textwrap.wrap(text, WIDTH - 2)):
        line(paint("✔ " if index == 0 else "  ", GREEN) + part)


def failure(text: str) -> None:
    """Why the demonstration ends here."""
    line()
    for index, part in enumerate(text.splitlines()):
        line(paint("✘ " if index == 0 else "  ", RED) + part)


def table(head: list[str], rows: list[list[str]]) -> None:
    """Columns, numbers at the right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    numbers = [all(row[i].replace(".", "", 1).isdigit() for row in cells[1:]) for i in range(len(head))]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for index, row in enumerate(cells):
        padded = [cell.rjust(width) if number else cell.ljust(width)
                  for cell, width, number in zip(row, widths, numbers)]
        text = ("  " + "   ".join(padded)).rstrip()
        line(paint(text, DIM) if index == 0 else text)
