"""Is a built thing up to date? The digest of what it was made from lies beside it.

    stamp = Stamp(venv / ".stamp", requirements_file, "python3.11")
    if not stamp.fresh():
        build()
        stamp.write()
"""
import hashlib
from pathlib import Path


def digest(*inputs) -> str:
    """sha256 over the inputs: a Path stands for the content of that file or, if a directory, of all files below it; anything
    else for its text. Raises FileNotFoundError for a Path that does not exist."""
    total = hashlib.sha256()
    for given in inputs:
        for label, content in _contents(given):
            for piece in (label, content):
                total.update(len(piece).to_bytes(8, "big"))
                total.update(piece)
    return total.hexdigest()


def _contents(given):
    if not isinstance(given, Path):
        yield b"text", str(given).encode()
    elif given.is_dir():
        for file in sorted(given.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(given)).encode(), file.read_bytes()
    else:
        yield given.name.encode(), given.read_bytes()


class Stamp:
    """The record, in a file, of what a thing was made from."""

    def __init__(self, file: Path, *inputs):
        self.file = file
        self.wanted = digest(*inputs)

    def fresh(self) -> bool:
        """Whether the thing was made from exactly these inputs."""
        try:
            return self.file.read_text().strip() == self.wanted
        except FileNotFoundError:
            return False

    def write(self) -> None:
        """Record that the thing is now made."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self.wanted + "\n")

    def clear(self) -> None:
        """Forget it: to be called before a rebuild, so that an interrupted one does not count as done."""
        self.file.unlink(missing_ok=True)
