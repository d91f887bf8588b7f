"""Row 55: the one thread that serves everybody is never held: gevent, eventlet, asyncio, uvloop."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from sluiceway.testing import Answer, Receiver

from .driving import arrived
from .host import APPS
from .needed import NOISE

# Each answer takes so long; whatever waited for one on the hub would hold the ticker as long.
ANSWER_SECONDS = 1.5

# The row says 50 ms, of an idle machine: ten times that here, and a third of an answer.
GAP_SECONDS = 0.5

Run = Callable[[str, str], dict[str, list[str]]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(vendor="segment", default=Answer(delay=ANSWER_SECONDS)) as receiver:
        yield receiver


@pytest.fixture
def run(receiver: Receiver) -> Run:
    """Run the program to its end; returns its words."""

    def run(kind: str, when: str) -> dict[str, list[str]]:
        done = subprocess.run(
            [sys.executable, "ticking.py", kind, when],
            cwd=APPS,
            env={
                "PATH": "",
                "PYTHONFAULTHANDLER": "1",
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
                "RECEIVER": receiver.url,
                "SLUICEWAY_EXIT_TIMEOUT": "30",
            },
            capture_output=True,
            text=True,
            timeout=55,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        # A threading.Thread that lives when the patch comes stumbles over its own number at its end.
        if when != "used":
            assert not NOISE.search(done.stderr), done.stderr
        words: dict[str, list[str]] = {}
        for line in done.stdout.splitlines():
            words.setdefault(line.split()[0], []).extend(line.split()[1:])
        return words

    return run


@pytest.mark.parametrize("when", ["first", "imported", "used", "never"])
@pytest.mark.parametrize("hub", ["gevent", "eventlet"])
def test_row_55_a_ticker_never_slips_while_greenlets_take_and_flush(
    run: Run, receiver: Receiver, hub: str, when: str
) -> None:
    said = run(hub, when)
    assert said["flushed"] == ["0", "0", "0"]
    assert said["balanced"] == ["True"]
    assert float(said["gap"][0]) < GAP_SECONDS
    assert int(said["gap"][2]) > 100  # it did tick meanwhile
    assert arrived(receiver).keys() == {*range(6000), -1, -2}


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_row_55_a_ticker_never_slips_while_a_coroutine_flushes(run: Run, receiver: Receiver, loop: str) -> None:
    said = run(loop, "whole")
    assert said["flushed"] == ["0", "0", "0"]
    assert float(said["gap"][0]) < GAP_SECONDS
    assert int(said["gap"][2]) > 100
    assert arrived(receiver).keys() == set(range(6000))


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_row_55_a_loop_that_ends_in_the_middle_of_a_flush_loses_and_repeats_nothing(
    run: Run, receiver: Receiver, loop: str
) -> None:
    said = run(loop, "aborted")
    assert said["flushed"] == ["0", "0"]
    assert arrived(receiver).keys() == set(range(6000))
