"""What `import` of a client costs, a bare interpreter subtracted.

Each import runs in an interpreter of its own, turn by turn with one that imports nothing. What it leaves behind is
looked at too: threads started, sockets opened, and whether the HTTP library came along before anything is sent. What
counts for sluiceway is the import of a client, `from sluiceway import Segment`; `import sluiceway` alone loads less.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import harness
from vendors import CLIENTS, senders

TITLE = "Import"
ONCE = True
BARE, PACKAGE_ALONE = "a bare interpreter", "sluiceway alone"
_LOOK = """
import sys
before = len(sys.modules)
{statement}
after = len(sys.modules)
import json, os, threading
links = [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry.path)]
print(json.dumps({{
    "modules": after - before,
    "threads": len(os.listdir("/proc/self/task")) - 1,
    "sockets": sum(link.startswith("socket:") for link in links),
    "urllib3": "urllib3" in sys.modules,
}}))
"""


def _run(statement: str) -> dict[str, float]:
    statement += "\nimport os; os._exit(0)"  # taking the modules down again is not importing them
    began = time.perf_counter_ns()
    process = subprocess.Popen([sys.executable, "-c", statement])
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter_ns() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise harness.PeerFailedError(statement)
    return {"wall_ms": took / 1e6, "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1e3}


def measure(plan: harness.Plan) -> harness.Answer:
    """Return milliseconds per import, bare interpreter subtracted, and what the import left behind."""
    statements = {BARE: "pass"} | {name: CLIENTS[name].imported for name in senders(plan.vendors)}
    statements[PACKAGE_ALONE] = "import sluiceway"
    left = {}
    for name, statement in statements.items():  # also writes the compiled files, so that no timed run does
        output = subprocess.run(
            [sys.executable, "-c", _LOOK.format(statement=statement)], check=True, capture_output=True, text=True
        ).stdout
        left[name] = json.loads(output.splitlines()[-1])
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in statements}
    for _ in range(plan.pick(15, 5)):
        for name, statement in statements.items():
            taken[name].append(_run(statement))
    result: harness.Answer = {}
    for clock in ("wall_ms", "cpu_ms"):
        bare = harness.figures(run[clock] for run in taken[BARE])
        for name, runs in taken.items():
            found = harness.figures(run[clock] for run in runs)
            result.setdefault(name, {})[clock] = {
                statistic: found[statistic] - (bare[statistic] if name != BARE else 0)
                for statistic in ("best", "median")
            }
    return {"unit": "ms", "clients": {name: times | left[name] for name, times in result.items()}}


def table(result: harness.Answer) -> tuple[list[str], list[list[str]]]:
    """Return the Markdown table's head and rows."""
    head = ["import", "wall, ms", "CPU, ms", "modules", "threads", "sockets", "urllib3"]
    rows = [
        [
            name,
            f"{found['wall_ms']['median']:.1f}",
            f"{found['cpu_ms']['median']:.1f}",
            str(found["modules"]),
            str(found["threads"]),
            str(found["sockets"]),
            "yes" if found["urllib3"] else "no",
        ]
        for name, found in result["clients"].items()
    ]
    return head, rows
