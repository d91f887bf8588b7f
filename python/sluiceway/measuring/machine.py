"""The machine and the Python that figures were taken on, and what makes them less than certain."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path


def line() -> str:
    """Describe machine and Python in one line. No host name, no path."""
    cores = os.cpu_count() or 1
    gil = "" if getattr(sys, "_is_gil_enabled", lambda: True)() else " without GIL"
    return (
        f"{_processor()}, {cores} {'core' if cores == 1 else 'cores'}, {platform.system()} {platform.machine()}, "
        f"{platform.python_implementation()} {platform.python_version()}{gil}"
    )


def load() -> float | None:
    """Return how many processes wanted a core in the last minute, on average; None where nobody counts them."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None


def doubts(load_before: float | None, spreads: dict[str, float]) -> list[str]:
    """Say what is noisy: a machine with other work, too few cores, and rows whose rounds differ. Spreads are shares."""
    said = []
    cores = os.cpu_count() or 1
    if load_before is not None and load_before > cores / 4:
        said.append(f"other work was going on: a load of {load_before:.1f} on {cores} cores before the first round")
    if cores < 2:
        said.append(
            "there is one core: client and sink take turns on it, and the events a second are less than could be"
        )
    if (governor := _governor()) not in ("", "performance"):
        said.append(f"the processor's speed follows its load (governor {governor})")
    noisy = [name for name, spread in spreads.items() if spread > 0.15]
    if noisy:
        said.append(f"more than 15 % between best and median round: {', '.join(noisy)}")
    return said


def _processor() -> str:
    try:
        for entry in Path("/proc/cpuinfo").read_text().splitlines():
            if entry.startswith(("model name", "Model")):
                return " ".join(entry.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _governor() -> str:
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return ""
