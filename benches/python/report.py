"""Writes the results down: `results.json` for machines, `results.md` for people."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import budget
from encoders import ENCODERS
from vendors import VENDORS, callers

FORM = 2
"""Of `results.json`; figures written in another form are not read."""
RESULTS = Path(__file__).resolve().parents[1] / "results"
QUICK_RESULTS = RESULTS / "quick"  # coarse figures never replace full ones; nor are they committed
MEASURES = (
    "track_idle", "track_sending", "end_to_end", "cpu", "encode", "latency", "convoy", "memory", "imports",
)  # fmt: skip
PACKAGES = (
    "sluiceway", "segment-analytics-python", "rudder-sdk-python", "posthog", "amplitude-analytics", "mixpanel",
    "orjson", "msgspec", "urllib3", "requests",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Return what the figures were taken on."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "rustc": subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False)
        .stdout.split("(")[0]
        .strip(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        module = sys.modules.get(name) or (importlib.import_module(name) if importlib.util.find_spec(name) else None)
        return str(getattr(module, "__version__", "not installed"))


def load(folder: Path) -> dict[str, Any]:
    """Return the results written last, or none if there are none of this form."""
    path = folder / "results.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found if found.get("form") == FORM else {"form": FORM, "measures": {}}


def keep_comparable(results: dict[str, Any]) -> None:
    """Note what the figures are taken on; drop those of another machine or of other versions."""
    found = machine()
    if results.get("machine") != found:
        results |= {"machine": found, "measures": {}}


def add(results: dict[str, Any], name: str, entry: dict[str, Any]) -> None:
    """Put the new figures of some vendors' clients in the place of their old ones; the other clients keep theirs.

    A run measures a vendor's clients together or not at all, so every ratio stays one of a single run.
    """
    old = results["measures"].get(name)
    if old is not None:
        clients = old["result"].get("clients", {}) | entry["result"].get("clients", {})
        places = {client: place for place, client in enumerate((*callers(tuple(VENDORS)), *ENCODERS))}
        if clients:
            ordered = sorted(clients, key=lambda client: places.get(client, len(places)))
            entry["result"]["clients"] = {client: clients[client] for client in ordered}
            entry["load"] = max(entry["load"], old["load"])
    results["measures"][name] = entry


def save(results: dict[str, Any], folder: Path) -> None:
    """Judge and write both files."""
    results["budget"] = judged(results)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "results.md").write_text(markdown(results))


def judged(results: dict[str, Any]) -> list[budget.Verdict]:
    """Return the budget's verdicts on what there is."""
    return budget.judge({name: entry["result"] for name, entry in results["measures"].items()})


def markdown(results: dict[str, Any]) -> str:
    """Return the whole report."""
    parts = ["# Benchmark results", "", _origin(results), "", "## The budget", "", *_overview(results["budget"])]
    for subject, verdicts in by_subject(results["budget"]).items():
        title = subject if subject == budget.ONCE else f"{subject} against {verdicts[0]['peer']}"
        columns = ("measure", "must", "aim", "figure", "verdict")
        parts += ["", f"### {title[0].upper() + title[1:] if subject == budget.ONCE else title}", ""]
        parts += _markdown_table(list(columns), [[row[key] for key in columns] for row in verdicts])
    for name in MEASURES:
        entry = results["measures"].get(name)
        if entry is None:
            continue
        module = importlib.import_module(name)
        head, rows = module.table(entry["result"])
        parts += ["", f"## {module.TITLE}", "", *_summary(module.__doc__ or ""), "", *_markdown_table(head, rows)]
    return "\n".join(parts) + "\n"


def by_subject(verdicts: list[budget.Verdict]) -> dict[str, list[budget.Verdict]]:
    """Return the verdicts of each client, and those of the engine."""
    found: dict[str, list[budget.Verdict]] = {}
    for row in verdicts:
        found.setdefault(row["subject"], []).append(row)
    return found


def _overview(verdicts: list[budget.Verdict]) -> list[str]:
    """Return one table of all clients: a promise a row, a client a column."""
    subjects = {subject: rows for subject, rows in by_subject(verdicts).items() if subject != budget.ONCE}
    promises = {row["general"]: row["must"] for rows in subjects.values() for row in rows}
    cells = {(row["general"], row["subject"]): _cell(row) for row in verdicts}
    head = ["measure", "must", *subjects]
    return _markdown_table(
        head,
        [[name, must, *(cells.get((name, subject), "") for subject in subjects)] for name, must in promises.items()],
    )


def _cell(row: budget.Verdict) -> str:
    if row["verdict"] == "missed":
        return f"**{row['short']} missed**"
    return f"{row['short']} (aim)" if row["verdict"] == "aim" else row["short"]


def _origin(results: dict[str, Any]) -> str:
    found = results["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    quick = sorted(name for name, entry in results["measures"].items() if entry["quick"])
    load = max((entry["load"] for entry in results["measures"].values()), default=0.0)
    text = (
        f"{found['cpu']}, {found['cores']} cores, {found['system']}, {found['python']}, {found['rustc']}. {packages}.\n"
        f"The machine's load average before a measure was at most {load:.1f}."
    )
    return text + (f" Quick, hence coarse: {', '.join(quick)}." if quick else "")


def _summary(docstring: str) -> list[str]:
    return [line.strip() for line in docstring.strip().splitlines()]


def _markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [_line(head), _line(["---"] + ["---:"] * (len(head) - 1)), *(_line(row) for row in rows)]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
