"""Rows 36 and 37: a hundred forks under load, and the bugs that this run must catch. The full run is `make forks`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "forks.py"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.timeout(120)
def test_rows_36_and_37_forks_at_random_moments_under_load_disturb_nobody() -> None:
    ended = run("--forks", "100")
    assert (ended.returncode, ended.stderr) == (0, ""), f"{ended.stdout}\n{ended.stderr}"
    assert ended.stdout.endswith("every law holds\n")


CAUGHT = {
    "stop_before_the_fork": "parent: nothing refused",
    "wait_in_the_child": "children: hung",
    "keep_the_queue": "no id came twice",
    "keep_the_randomness": "distinct ids that arrived = accepted by all",
    "keep_the_counts": "counts other events than it tracked",
    "say_nothing": "no load: 0 events of the parent's",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("plant", list(CAUGHT))
def test_a_planted_bug_breaks_a_law(plant: str) -> None:
    ended = run("--forks", "8", "--patience", "4", "--plant", plant)
    assert ended.returncode == 1, ended.stdout
    assert CAUGHT[plant] in ended.stdout
