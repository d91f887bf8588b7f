"""Runs the benchmarks: all, or those named, and writes figures and pictures to `benches/results`.

    python benches/python/run.py [--quick] [--only track_idle,latency] [--pictures]

`--quick` is for a glance and says so in the report; `--pictures` draws from the figures there are and measures nothing.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from typing import Any

import pictures
import report
import sink
from harness import PeerFailedError, Plan


def main() -> int:
    """Return 0 if every measure ran and no "must" was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: three minutes, coarse figures")
    parser.add_argument("--only", default=",".join(report.MEASURES), help="measures, separated by commas")
    parser.add_argument("--pictures", action="store_true", help="draw only")
    arguments = parser.parse_args()
    folder = report.QUICK_RESULTS if arguments.quick else report.RESULTS
    results = report.load(folder)
    failed = []
    if not arguments.pictures:
        sink.build()
        report.keep_comparable(results)
        for name in arguments.only.split(","):
            if not _measure(results["measures"], name, Plan(quick=arguments.quick)):
                failed.append(name)
            report.save(results, folder)
    report.save(results, folder)
    pictures.draw(results, folder)
    for row in results["budget"]:
        print(f"{row['verdict']:>13}  {row['measure']}: {row['figure']}")
    for name in failed:
        print(f"{'failed':>13}  {name}", file=sys.stderr)
    return 1 if failed or any(row["verdict"] == "missed" for row in results["budget"]) else 0


def _measure(measures: dict[str, Any], name: str, plan: Plan) -> bool:
    """Take one measure; returns whether it could be taken."""
    module = importlib.import_module(name)
    print(f"{module.TITLE} ...", end=" ", flush=True)
    load, began = os.getloadavg()[0], time.monotonic()
    try:
        result = module.measure(plan)
    except PeerFailedError as error:
        print(f"failed:\n{error}")
        return False
    seconds = time.monotonic() - began
    measures[name] = {"quick": plan.quick, "seconds": round(seconds, 1), "load": load, "result": result}
    print(f"{seconds:.0f} s")
    return True


if __name__ == "__main__":
    sys.exit(main())
