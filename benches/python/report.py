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
    """Return the results written last, or none; a run of one measure replaces that measure only."""
    path = folder / "results.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"measures": {}}
    return found


def keep_comparable(results: dict[str, Any]) -> None:
    """Note what the figures are taken on; drop those of another machine or of other versions."""
    found = machine()
    if results.get("machine") != found:
        results |= {"machine": found, "measures": {}}


def save(results: dict[str, Any], folder: Path) -> None:
    """Judge and write both files."""
    taken = {name: entry["result"] for name, entry in results["measures"].items()}
    results["budget"] = budget.judge(taken)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "results.md").write_text(markdown(results))


def markdown(results: dict[str, Any]) -> str:
    """Return the whole report."""
    parts = ["# Benchmark results", "", _origin(results), "", "## The budget", ""]
    parts += _markdown_table(
        ["measure", "must", "aim", "figure", "verdict"],
        [[row[key] for key in ("measure", "must", "aim", "figure", "verdict")] for row in results["budget"]],
    )
    for name in MEASURES:
        entry = results["measures"].get(name)
        if entry is None:
            continue
        module = importlib.import_module(name)
        head, rows = module.table(entry["result"])
        parts += ["", f"## {module.TITLE}", "", *_summary(module.__doc__ or ""), "", *_markdown_table(head, rows)]
    return "\n".join(parts) + "\n"


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
