"""Row 41: processes that a program starts itself, by every start method, and the pools of the standard library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from sluiceway.testing import Receiver

from .conftest import WAITING
from .driving import arrived
from .host import APPS
from .needed import NOISE

METHODS = ["fork", "spawn", "forkserver"]


def run(
    receiver: Receiver, way: str, method: str, *, client_at: str = "import", **options: Any
) -> tuple[dict[int, int], str]:
    """Run the program to its end; return the process of each event that was taken, and everything that was printed."""
    program = subprocess.Popen(
        [sys.executable, "processes.py", way, method, "20"],
        cwd=APPS,
        env={
            "PATH": "",
            "PYTHONFAULTHANDLER": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "RECEIVER": receiver.url,
            "CLIENT_AT": client_at,
            "OPTIONS": json.dumps({**WAITING, **options}),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert program.stdout is not None
    with program:
        try:
            said = ""
            while way == "wait" and said.count("taken") < 41:
                line = program.stdout.readline()
                assert line, said
                said += line
            said += program.communicate("\n", timeout=50)[0]
        finally:
            program.kill()
    assert program.returncode == 0, said
    words = [line.split() for line in said.splitlines()]
    return {int(each[1]): int(each[2]) for each in words if each[0] == "taken"}, said


WAYS = {
    "process": (42, 3),
    "nested": (82, 5),
    "late": (46, 3),
    "pool": (42, 2),
    "recycled": (42, 5),
    "executor": (42, 2),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", WAYS)
def test_row_41_a_normal_end_of_a_child_delivers_its_events(receiver: Receiver, way: str, method: str) -> None:
    taken, said = run(receiver, way, method)
    events, processes = WAYS[way]
    assert len(taken) == events
    assert len(set(taken.values())) >= processes
    assert arrived(receiver) == taken
    assert not NOISE.search(said), said


@pytest.mark.parametrize("method", METHODS)
def test_row_41_a_client_made_at_first_use_does_as_well(receiver: Receiver, method: str) -> None:
    taken, said = run(receiver, "process", method, client_at="first")
    assert arrived(receiver) == taken
    assert len(taken) == 42
    assert not NOISE.search(said), said


@pytest.mark.parametrize(("way", "method", "code"), [("exit", "fork", 3), ("raise", "fork", 1), ("raise", "spawn", 1)])
def test_row_41_a_child_that_exits_or_raises_delivers_too_and_keeps_its_code(
    receiver: Receiver, way: str, code: int, method: str
) -> None:
    taken, said = run(receiver, way, method)
    assert f"codes [{code}, {code}]" in said
    assert arrived(receiver) == taken
    assert len(taken) == 42


def test_row_41_threads_of_an_executor_left_to_the_exit_lose_nothing(receiver: Receiver) -> None:
    taken, said = run(receiver, "threads", "spawn")
    assert arrived(receiver) == taken
    assert len(taken) == 42
    assert not NOISE.search(said), said


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("asked_for", [False, True], ids=["default", "install_sigterm"])
def test_row_41_terminate_is_a_kill_unless_install_sigterm_makes_it_an_exit(
    receiver: Receiver, method: str, asked_for: bool
) -> None:
    taken, said = run(receiver, "wait", method, install_sigterm=asked_for)
    assert len(taken) == 42
    there = arrived(receiver)
    if asked_for:
        assert "codes [143, 143]" in said
        assert there == taken
    else:
        assert "codes [-15, -15]" in said
        assert there.keys() == {0, 1}
    assert not NOISE.search(said), said
