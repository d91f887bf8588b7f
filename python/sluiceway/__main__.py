"""The commands without the script on the PATH: `python -m sluiceway dev`."""

from __future__ import annotations

import sys

from sluiceway.cli import main

if __name__ == "__main__":
    sys.exit(main())
