"""No event is lost between a call and its end, whatever the network does: the small run of `make conserve`."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from sluiceway.stats import Stats
from sluiceway.testing import ReceiverStats

SCRIPT = Path(__file__).parents[1] / "conserve.py"


@pytest.fixture(scope="module")
def conserve() -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("conserve", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["conserve"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(180)
def test_no_event_is_lost_when_a_third_of_the_answers_are_faults() -> None:
    seed = random.SystemRandom().randrange(2**32)
    command = [sys.executable, str(SCRIPT), "--events", "200000", "--threads", "8", "--seed", str(seed)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert (run.returncode, run.stderr) == (0, ""), f"{run.stdout}\n{run.stderr}"
    assert run.stdout.endswith("every law holds\n")


def good(conserve: ModuleType) -> Any:
    """Return figures that break no law."""
    return conserve.Figures(
        offered=10,
        accepted=10,
        stats=Stats(offered=10, accepted=10, delivered=9, failed=1),
        receiver=ReceiverStats(ids=9, retries=100, repeats=5),
        ours_accepted=5,
        ours_ended=5,
        failed_told=1,
        callbacks_asked=1,
        callbacks_told=1,
    )


def test_good_figures_break_no_law(conserve: ModuleType) -> None:
    assert conserve.broken(good(conserve)) == []


@pytest.mark.parametrize(
    "tampered",
    [
        {"offered": 11},
        {"accepted": 9},
        {"ours_ended": 4},
        {"strangers": 1},
        {"failed_told": 0},
        {"failed_yet_acknowledged": 1},
        {"callbacks_told": 2},
        {"stats": {"accepted": 9}},
        {"stats": {"refused": {"closed": 1}}},
        {"stats": {"delivered": 8}},
        {"stats": {"delivered": 8, "pending": 1}},
        {"stats": {"delivered": 8, "dropped": 1}},
        {"stats": {"reserved_events": 1}},
        {"stats": {"reserved_bytes": 1}},
        {"receiver": {"ids": 8}},
        {"receiver": {"mismatches": 1}},
        {"receiver": {"duplicates": 1}},
        {"receiver": {"violations": 1}},
        {"receiver": {"retries": 99}},
        {"receiver": {"repeats": 0}},
    ],
)
def test_each_wrong_figure_is_noticed(conserve: ModuleType, tampered: dict[str, Any]) -> None:
    figures = good(conserve)
    for name, change in tampered.items():
        value = msgspec.structs.replace(getattr(figures, name), **change) if isinstance(change, dict) else change
        setattr(figures, name, value)
    assert conserve.broken(figures)
