"""The commands: `sluiceway dev`, `send`, `doctor`, `bench`. This is the door; each command has a room of its own."""

from __future__ import annotations

import sys

_PARTS = ("click", "rich")


def main() -> int:
    """Run the command line; returns the exit code. What the commands stand on comes with an extra."""
    try:
        from sluiceway.cli.commands import sluiceway
    except ModuleNotFoundError as error:
        if error.name not in _PARTS:
            raise
        sys.stderr.write(
            f"the commands need {error.name}: pip install 'sluiceway[dev]'\n"
        )
        return 2
    code = sluiceway(prog_name="sluiceway", standalone_mode=True)
    return code if isinstance(code, int) else 0
