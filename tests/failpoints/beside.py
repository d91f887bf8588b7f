"""Lays out a package beside the real one: the same Python files, linked, and an engine that panics where it is told to.

python tests/failpoints/beside.py target/failpoints/debug/lib_native.so target/failpoints/python
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "python" / "sluiceway"


def main(engine: Path, folder: Path) -> None:
    """Make ``folder`` anew, with ``engine`` in the place of the built one."""
    shutil.rmtree(folder, ignore_errors=True)
    package = folder / "sluiceway"
    for source in sorted(SOURCES.rglob("*")):
        if source.is_file() and (source.suffix in (".py", ".pyi") or source.name == "py.typed"):
            place = package / source.relative_to(SOURCES)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(source)
    shutil.copy2(engine, package / "_native.so")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
