"""Rows 47, 70 and 77 with a client: killed at random while it tracks with a spool; `make crashes` kills 200."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def rooms() -> Iterator[None]:
    """The rooms of `tests/crashing`, found as the verb finds them."""
    tests = str(Path(__file__).parents[1])
    sys.path.insert(0, tests)
    yield
    sys.path.remove(tests)


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("rooms")
@pytest.mark.parametrize("fsync", ["batch", "off"])
def test_row_47_of_a_killed_process_only_the_newest_unsealed_events_are_missing(tmp_path: Path, fsync: str) -> None:
    from crashing.campaign import campaign

    # When a process is killed is chance, and so is whether there was anything to lose: kill on until there was.
    for seed in range(47, 57):
        figures = campaign(tmp_path / str(seed), kills=5, seed=seed, fsync=fsync)
        assert figures.broken == []
        assert figures.kills >= 5
        had_something_to_lose = figures.arrived > 200 and figures.durable > 50 and figures.requests > 10
        if had_something_to_lose and figures.files_left > 0:
            return
    pytest.fail("in fifty kills nothing was ever left to a later process")


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("rooms")
def test_a_file_that_is_removed_before_its_answer_is_found_out(tmp_path: Path) -> None:
    """The positive control."""
    from crashing.campaign import campaign

    for seed in range(20):
        figures = campaign(tmp_path / str(seed), kills=5, seed=seed, plant=True)
        if figures.broken:
            break
    assert any("is lost" in line for line in figures.broken)
