"""Prove that an import which is killed arrives complete: 336,776 flights to each vendor, three SIGKILLs on the way."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import msgspec
from importing.campaign import campaign

VENDORS = ("segment", "rudderstack", "posthog", "amplitude")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--vendor", choices=VENDORS, help="only this one")
    options.add_argument("--kills", type=int, default=3)
    options.add_argument("--rows", type=int, help="only the first so many flights")
    options.add_argument("--seed", type=int, default=20131231)
    given = options.parse_args()
    is_broken = False
    for vendor in [given.vendor] if given.vendor else VENDORS:
        with tempfile.TemporaryDirectory() as place:
            figures = campaign(Path(place), vendor, kills=given.kills, rows=given.rows, seed=given.seed)
        for name, value in msgspec.to_builtins(figures).items():
            if name != "broken":
                print(f"{name:12} {value:,}" if isinstance(value, int) else f"{name:12} {value}")
        for line in figures.broken:
            print(f"BROKEN: {line}")
        print(f"{'broken laws':12} {len(figures.broken)}\n", flush=True)
        is_broken = is_broken or bool(figures.broken)
    return 1 if is_broken else 0


if __name__ == "__main__":
    sys.exit(main())
