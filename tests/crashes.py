"""Prove what a kill costs with a spool: hundreds of processes killed at random, and one that sends what they left.

What counts as the truth is what the receiver counted. Three laws: every event before a durable flush that returned has
arrived; what is missing of a process are its newest events and no others; nothing arrives that was not accepted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from crashing.campaign import campaign


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=20131231)
    options.add_argument("--fsync", choices=["batch", "interval", "off"], default="batch")
    options.add_argument("--plant", action="store_true", help="plant a bug, which must be found")
    given = options.parse_args()
    since = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        figures = campaign(
            Path(place), kills=given.kills, seed=given.seed, fsync=given.fsync, plant=given.plant,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
    for name, value in vars(figures).items():
        if name != "broken":
            print(f"{name:24} {value}")
    print(f"{'seed':24} {given.seed}\n{'fsync':24} {given.fsync}\n{'seconds':24} {time.monotonic() - since:.0f}")
    for line in figures.broken:
        print(f"BROKEN: {line}")
    print(f"{'broken laws':24} {len(figures.broken)}")
    return 1 if figures.broken else 0


if __name__ == "__main__":
    sys.exit(main())
