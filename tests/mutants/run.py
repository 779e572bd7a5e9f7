#!/usr/bin/env python3
"""Takes out one protection after the other and demands that a test notices: mutation tests of the safety rules.

    tests/mutants/run.py              all of them
    tests/mutants/run.py NAME...      some
    tests/mutants/run.py --check      only that each can still be applied; needs no compiler

It works on a copy below target/mutants, which stays so that the next run is quicker. A mutant that survives, that does
not compile, or whose text is no longer there is a failure. Tests that hang count as having noticed.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRATCH = ROOT / "target" / "mutants"
TREE = SCRATCH / "tree"
# Seconds that the tests of one mutant may take.
LIMIT = 120


def mutants():
    return tomllib.loads((HERE / "mutants.toml").read_text())["mutant"]


def faults(mutant, root=ROOT):
    """Why a mutant cannot be applied: nothing if it can."""
    path = root / mutant["file"]
    if not path.exists():
        return [f"{mutant['name']}: {mutant['file']} is not there"]
    found = path.read_text().count(mutant["text"])
    wrong = [] if found == 1 else [f"{mutant['name']}: its text stands in {mutant['file']} {found} times"]
    if mutant["text"] == mutant["replacement"]:
        wrong.append(f"{mutant['name']}: it changes nothing")
    return wrong


def check():
    """All faults of the list, for a test."""
    known = mutants()
    names = [mutant["name"] for mutant in known]
    doubles = [f"{name} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    return doubles + [fault for mutant in known for fault in faults(mutant)]


def copy():
    """The sources as they are now, with their times, so that nothing is built again without need."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()
    known = {pathlib.Path(name) for name in listed if (ROOT / name).is_file()}
    for name in known:
        source, target = ROOT / name, TREE / name
        if not target.exists() or source.read_bytes() != target.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for old in [path for path in TREE.rglob("*") if path.is_file() and path.relative_to(TREE) not in known]:
        old.unlink()


def cargo(tests, *more):
    package, pattern = tests
    environment = dict(os.environ, CARGO_TARGET_DIR=str(SCRATCH / "target"), RUST_BACKTRACE="0")
    command = ["cargo", "test", "--quiet", "--package", package, "--lib", *more]
    if pattern and "--no-run" not in more:
        command.append(pattern.strip())
    return subprocess.Popen(
        command, cwd=TREE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )


def finished(process, limit=None):
    """Whether it succeeded, and what it said; None in place of the first if time was up."""
    try:
        output, _ = process.communicate(timeout=limit)
        return process.returncode == 0, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return None, ""


def built(tests):
    good, output = finished(cargo(tests, "--no-run"))
    return None if good else "\n".join(output.splitlines()[-15:])


def tried(mutant):
    """What becomes of a mutant: how it died, and whether that is as it should be."""
    path = TREE / mutant["file"]
    original = path.read_text()
    path.write_text(original.replace(mutant["text"], mutant["replacement"]))
    try:
        trouble = built(mutant["tests"])
        if trouble:
            return f"does not compile\n{trouble}", False
        good, output = finished(cargo(mutant["tests"]), LIMIT)
        if good is None:
            return "hung", True
        if good:
            return "SURVIVED", False
        dead = [line for line in output.splitlines() if line.endswith("FAILED") or line.endswith("--- FAILED")]
        return f"noticed by {max(len(dead), 1)}", True
    finally:
        path.write_text(original)


def main(words):
    wrong = check()
    if wrong or "--check" in words:
        print("\n".join(wrong) or f"{len(mutants())} mutants can be applied")
        return bool(wrong)
    chosen = [mutant for mutant in mutants() if not words or mutant["name"] in words]
    copy()
    start, failures = time.monotonic(), 0
    for tests in sorted({tuple(mutant["tests"]) for mutant in chosen}):
        trouble = built(tests)
        good, output = (False, trouble) if trouble else finished(cargo(tests), LIMIT)
        if not good:
            print(f"{' '.join(tests)}: fails without any mutant\n{output}")
            return True
    for mutant in chosen:
        begun = time.monotonic()
        fate, good = tried(mutant)
        failures += not good
        print(f"{time.monotonic() - begun:6.1f} s  {mutant['rule']:8} {mutant['name']}: {fate}", flush=True)
    print(f"{len(chosen)} mutants, {failures} not noticed, {time.monotonic() - start:.0f} s")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
