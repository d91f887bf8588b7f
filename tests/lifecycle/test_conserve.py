"""No event is lost between a call and its end, whatever network and vendor do: the small run of `make conserve`."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from sluiceway.stats import Stats
from sluiceway.testing import Logged, ReceiverStats

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def laws() -> Iterator[ModuleType]:
    """Return the laws, which are a part of a script."""
    sys.path.insert(0, str(TESTS))
    try:
        from conserving import laws

        yield laws
    finally:
        sys.path.remove(str(TESTS))


EVENTS = {"segment": 200_000, "rudderstack": 100_000, "posthog": 100_000, "capture": 100_000, "amplitude": 100_000}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("vendor", list(EVENTS))
def test_no_event_is_lost_when_a_third_of_the_answers_are_faults(vendor: str) -> None:
    seed = random.SystemRandom().randrange(2**32)
    command = [sys.executable, str(TESTS / "conserve.py"), "--vendor", vendor, "--events", str(EVENTS[vendor])]
    run = subprocess.run([*command, "--seed", str(seed)], capture_output=True, text=True, timeout=170, check=False)
    assert (run.returncode, run.stderr) == (0, ""), f"{run.stdout}\n{run.stderr}"
    assert run.stdout.endswith("every law holds\n")


def good(laws: ModuleType) -> Any:
    """Return figures that break no law."""
    return laws.Figures(
        offered=10,
        accepted=10,
        stats=Stats(offered=10, accepted=10, delivered=9, failed=1),
        receiver=ReceiverStats(ids=9, statuses={"200": 1, "503": 90}, resets=10, repeats=5),
        ours_accepted=5,
        ours_ended=5,
        failed_told=1,
        callbacks_asked=1,
        callbacks_told=1,
    )


def test_good_figures_break_no_law(laws: ModuleType) -> None:
    assert laws.broken(good(laws)) == []


@pytest.mark.parametrize(
    "tampered",
    [
        {"offered": 11},
        {"accepted": 9},
        {"ours_ended": 4},
        {"strangers": 1},
        {"failed_told": 0},
        {"failed_twice": 1},
        {"failed_yet_acknowledged": 1},
        {"refused_yet_not_failed": 1},
        {"poisoned_yet_acknowledged": 1},
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
        {"receiver": {"refused_again": 1}},
        {"receiver": {"violations": 1}},
        {"receiver": {"resets": 9}},
        {"receiver": {"statuses": {"200": 90, "503": 1}}},
        {"receiver": {"repeats": 0}},
    ],
)
def test_each_wrong_figure_is_noticed(laws: ModuleType, tampered: dict[str, Any]) -> None:
    figures = good(laws)
    for name, change in tampered.items():
        value = msgspec.structs.replace(getattr(figures, name), **change) if isinstance(change, dict) else change
        setattr(figures, name, value)
    assert laws.broken(figures)


# -- lanes


WAIT = 10.0


def logged(index: int, fate: Any, request: int, arrived: float, *, user: str = "u", device: str = "") -> Logged:
    """Return an event of ours as the receiver has logged it, answered a second after it came."""
    return Logged(f"c0de0000-0000-8000-8000-{index:012x}", user, device, fate, request, arrived, arrived + 1.0)


def test_who_was_told_to_wait_may_come_when_the_wait_is_over(laws: ModuleType) -> None:
    log = [logged(1, "later", 0, 0.0), logged(1, "acknowledged", 1, 11.0)]
    assert laws.lane_figures(log, WAIT) == laws.LaneFigures(throttled=1, early=0, beside=0, late=0, taken=1, swapped=0)


def test_whoever_comes_before_is_early_by_user_and_by_device(laws: ModuleType) -> None:
    told = logged(1, "later", 0, 0.0, device="d")
    assert laws.lane_figures([told, logged(2, "open", 1, 10.9)], WAIT).early == 1
    assert laws.lane_figures([told, logged(2, "open", 1, 10.9, user="v", device="d")], WAIT).early == 1
    assert laws.lane_figures([told, logged(2, "open", 1, 10.9, device="d")], WAIT).early == 2
    assert laws.lane_figures([told, logged(2, "open", 1, 10.9, user="v")], WAIT).early == 0
    assert laws.lane_figures([told, logged(2, "open", 1, 0.5)], WAIT).early == 0, "it came before the answer"
    again = logged(2, "later", 1, 11.0)
    assert laws.lane_figures([told, again, logged(1, "open", 2, 21.0)], WAIT).early == 1, "told once more"


def test_who_stood_beside_must_not_wait(laws: ModuleType) -> None:
    told, other = logged(1, "later", 0, 0.0), logged(2, "open", 0, 0.0, user="v")
    soon = laws.lane_figures([told, other, logged(2, "acknowledged", 1, 1.5, user="v")], WAIT)
    assert (soon.beside, soon.late) == (1, 0)
    late = laws.lane_figures([told, other, logged(2, "acknowledged", 1, 11.5, user="v")], WAIT)
    assert (late.beside, late.late) == (1, 1)


def test_order_is_that_of_the_calls_of_each_user_and_device(laws: ModuleType) -> None:
    log = [logged(3, "acknowledged", 0, 0.0), logged(1, "acknowledged", 0, 0.0), logged(5, "acknowledged", 1, 2.0)]
    assert (laws.lane_figures(log, WAIT).taken, laws.lane_figures(log, WAIT).swapped) == (3, 1)
    others = [logged(3, "acknowledged", 0, 0.0), logged(1, "acknowledged", 0, 0.0, user="v")]
    assert laws.lane_figures(others, WAIT).swapped == 0
    devices = [logged(index, "acknowledged", 0, 0.0, user="", device="d") for index in (3, 1)]
    assert laws.lane_figures(devices, WAIT).swapped == 1
    refused = [logged(3, "refused", 0, 0.0), logged(1, "acknowledged", 0, 0.0)]
    assert laws.lane_figures(refused, WAIT).swapped == 0


@pytest.mark.parametrize(
    ("tampered", "is_broken"),
    [
        ({}, False),
        ({"late": 10}, False),
        ({"late": 11}, True),
        ({"throttled": 19}, True),
        ({"early": 1}, True),
        ({"swapped": 1}, True),
        ({"beside": 0, "late": 0}, True),
        ({"taken": 0}, True),
    ],
)
def test_each_wrong_lane_is_noticed(laws: ModuleType, tampered: dict[str, int], is_broken: bool) -> None:
    figures = {"throttled": 20, "early": 0, "beside": 1_000, "late": 0, "taken": 5_000, "swapped": 0}
    assert bool(laws.broken_lanes(laws.LaneFigures(**(figures | tampered)))) is is_broken
