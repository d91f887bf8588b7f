"""Runs the benchmarks: all, or those named, and writes figures and pictures to `benches/results`.

    python benches/python/run.py [--quick] [--vendor posthog,amplitude] [--only track_idle,latency] [--pictures]

`--vendor` compares these vendors' clients only, and leaves the measures of the engine out unless `--only` names them.
`--quick` is for a glance and says so in the report; `--smoke` only shows that everything runs: it writes nothing.
`--pictures` draws from the figures there are and measures nothing.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from typing import Any

import budget
import pictures
import report
import sink
from harness import PeerFailedError, Plan
from progress import Progress
from vendors import VENDORS


def main() -> int:
    """Return 0 if every measure ran and no "must" was missed."""
    arguments = _parse()
    plan = Plan(arguments.thoroughness, arguments.vendor)
    folder = report.RESULTS if plan.thoroughness == "full" else report.QUICK_RESULTS
    results = report.load(folder)
    if plan.thoroughness == "smoke":
        results["measures"] = {}
    failed = []
    if not arguments.pictures:
        sink.build()
        report.keep_comparable(results)
        names = arguments.only or [name for name in report.MEASURES if _belongs(name, plan)]
        with Progress(names, results["measures"]) as progress:
            for name in names:
                if not _measure(results, name, plan, progress):
                    failed.append(name)
                if plan.thoroughness != "smoke":
                    report.save(results, folder)
    if plan.thoroughness != "smoke":
        pictures.draw(results, folder)
    missed = _print(report.judged(results), plan, whole=plan.vendors == tuple(VENDORS) and not arguments.only)
    for name in failed:
        print(f"{'failed':>13}  {name}", file=sys.stderr)
    return 1 if failed or (missed and plan.thoroughness != "smoke") else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    how = parser.add_mutually_exclusive_group()
    for name, what in (("quick", "fewer rounds: five minutes, coarse figures"), ("smoke", "a round each, not kept")):
        how.add_argument(f"--{name}", action="store_const", const=name, dest="thoroughness", default="full", help=what)
    parser.add_argument(
        "--vendor", type=_several(tuple(VENDORS)), default=tuple(VENDORS), help="vendors, separated by commas"
    )
    parser.add_argument("--only", type=_several(report.MEASURES), help="measures, separated by commas")
    parser.add_argument("--pictures", action="store_true", help="draw only")
    return parser.parse_args()


def _several(known: tuple[str, ...]) -> Any:
    def names(text: str) -> tuple[str, ...]:
        given = text.split(",")
        unknown = [name for name in given if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(known)}")
        return tuple(name for name in known if name in given)

    return names


def _belongs(name: str, plan: Plan) -> bool:
    return plan.vendors == tuple(VENDORS) or not getattr(importlib.import_module(name), "ONCE", False)


def _measure(results: dict[str, Any], name: str, plan: Plan, progress: Progress) -> bool:
    """Take one measure; returns whether it could be taken."""
    module = importlib.import_module(name)
    load, began = os.getloadavg()[0], time.monotonic()
    progress.begin(name, module.TITLE)
    try:
        result = module.measure(plan)
    except PeerFailedError as error:
        progress.end(f"failed:\n{error}")
        return False
    seconds = time.monotonic() - began
    entry = {"quick": plan.thoroughness != "full", "seconds": round(seconds, 1), "load": load, "result": result}
    if plan.vendors == tuple(VENDORS):
        results["measures"][name] = entry
    else:
        report.add(results, name, entry)
    progress.end(f"{seconds:.0f} s")
    return True


def _print(verdicts: list[budget.Verdict], plan: Plan, *, whole: bool) -> bool:
    """Print what was promised and measured, client by client; returns whether anything was missed.

    After a whole run, what was promised and not measured is told, too.
    """
    compared = {name for key in plan.vendors for name in (VENDORS[key].ours, VENDORS[key].second_call)} | {budget.ONCE}
    missed = False
    for subject, rows in report.by_subject(verdicts).items():
        shown = [row for row in rows if row["verdict"] != "not measured" or whole]
        if subject not in compared or not shown:
            continue
        print(f"\n{subject}")
        for row in shown:
            print(f"{row['verdict']:>13}  {row['measure']}: {row['figure']}")
            missed = missed or row["verdict"] == "missed"
    return missed


if __name__ == "__main__":
    sys.exit(main())
