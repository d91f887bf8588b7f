"""Planted bugs: each is put into a copy of the sources, and the checker has to find it there before it is believed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from checkers.toolchain import ROOT, TARGET, say

COPIED = ("rust", "benches/rust", "python", "Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md", "LICENSE")
# One for each checker, so that two may run at once.
WORKSPACE = TARGET / "planted" / Path(sys.argv[0]).stem


class Bug(NamedTuple):
    """One bug: what it is, where, and the words by which a checker reports it."""

    name: str
    file: str
    old: str
    new: str
    report: str


class Ran(NamedTuple):
    """A command that has ended; `code` is None if it did not in its time."""

    code: int | None
    output: str
    seconds: float


def run(command: Sequence[str | Path], environment: Mapping[str, str], seconds: float, cwd: Path = ROOT) -> Ran:
    """Run to the end, output and errors together."""
    start = time.monotonic()
    try:
        done = subprocess.run(
            [str(word) for word in command], env=dict(environment), cwd=cwd, timeout=seconds, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as ended:
        return Ran(None, (ended.stdout or b"").decode(errors="replace"), time.monotonic() - start)
    return Ran(done.returncode, done.stdout.decode(errors="replace"), time.monotonic() - start)


def plant(bug: Bug) -> Path:
    """Copy the sources with the bug in them; always to the same place, so that what does not change is built once."""
    WORKSPACE.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source, copy = ROOT / name, WORKSPACE / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.so", "target", "corpus", "artifacts")
            mirror(source, copy, ignored)
        else:
            update(copy, source.read_bytes())
    file = WORKSPACE / bug.file
    text = file.read_text()
    if text.count(bug.old) != 1:
        raise SystemExit(f"the planted bug `{bug.name}` no longer fits {bug.file}: bring it up to the code")
    file.write_text(text.replace(bug.old, bug.new))
    return WORKSPACE


def mirror(source: Path, copy: Path, ignored: object) -> None:
    """Make `copy` what `source` is; a file that is the same already keeps its time."""
    kept = set()
    for path in source.rglob("*"):
        below = path.relative_to(source)
        if path.is_file() and not any(ignored(None, [part]) for part in below.parts):  # type: ignore[operator]
            (copy / below).parent.mkdir(parents=True, exist_ok=True)
            update(copy / below, path.read_bytes())
            kept.add(below)
    for path in list(copy.rglob("*")):
        if path.is_file() and path.relative_to(copy) not in kept:
            path.unlink()


def update(path: Path, content: bytes) -> None:
    """Write what has changed, and only that."""
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def built_in(environment: Mapping[str, str], place: Path, tree: Path) -> dict[str, str]:
    """The environment to build `tree` in: never where the other is built.

    Cargo names what it built by the path within its workspace and looks at nothing but the times of files: in one and
    the same directory it would take the planted build for the real one.
    """
    return dict(environment) | {"CARGO_TARGET_DIR": str(place / ("real" if tree == ROOT else "planted"))}


def caught(bug: Bug, ran: Ran) -> bool:
    """Whether the checker failed, and for the bug's reason; says which."""
    found = re.search(bug.report, ran.output)
    if ran.code not in {0, None} and found:
        line = ran.output[ran.output.rfind("\n", 0, found.start()) + 1 :].split("\n", 1)[0].strip()
        say(f"planted: {bug.name}: caught in {ran.seconds:.0f} s: {line[:150]}")
        return True
    say("\n".join(ran.output.splitlines()[-40:]))
    say(f"planted: {bug.name}: NOT CAUGHT (code {ran.code}): this checker proves nothing here")
    return False
