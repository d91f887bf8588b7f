"""How a measure is taken: one process per peer, rounds interleaved, the best and the median of them.

Each measure is a module with a class `Session`, which lives in a peer's process and does one round at a time when it
is told to, and a function `measure`, which runs in the parent, tells the peers to do their rounds in turn and makes
figures of the answers. So no peer's threads, garbage or imports reach another, a noisy moment of the machine falls on
all of them alike, and each ratio is taken within one run.

CPU time is the thread's own (`time.thread_time_ns`) where a call is measured, so that a neighbour on the machine costs
nothing but patience. The garbage collector is off while calls are timed in isolation, which spares the peers the cost
of the containers that they allocate; it is on wherever delivery, latency or memory is measured.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Answer = dict[str, Any]
Thoroughness = Literal["full", "quick", "smoke"]


class Plan(NamedTuple):
    """How thorough a run is, and which vendors it compares (keys of `vendors.VENDORS`)."""

    thoroughness: Thoroughness
    vendors: tuple[str, ...]

    def pick(self, full: int, quick: int, smoke: int = 1) -> int:
        """Return the number of rounds, events or seconds that fits."""
        return {"full": full, "quick": quick, "smoke": smoke}[self.thoroughness]


class Session(Protocol):
    """One peer under one measure, in the peer's own process."""

    def __init__(self, peer: str, **settings: Any) -> None: ...

    def round(self, **request: Any) -> Answer:
        """Do one round and say what was measured."""


class PeerFailedError(Exception):
    """A peer's process ended, or its round raised; carries what it wrote."""


on_round: list[Callable[[str], None]] = []
"""Told the peer's name before each of its rounds, in the parent: how a run shows that it is alive."""


class Lane:
    """A peer's process, seen from the parent."""

    def __init__(self, measure: str, peer: str, settings: dict[str, Any]) -> None:
        self.peer = peer
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the lane
        arguments = [sys.executable, str(Path(__file__)), measure, peer, json.dumps(settings)]
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._requests, self._answers = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)

    def ask(self, **request: Any) -> Answer:
        """Have the peer do one round; raises `PeerFailedError` if it could not."""
        for told in on_round:
            told(self.peer)
        with contextlib.suppress(BrokenPipeError):
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
        line = self._answers.readline()
        if not line:
            self._log.seek(0)
            raise PeerFailedError(f"{self.peer}: {self._log.read()[-2000:]}")
        answer: Answer = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process, whatever its threads are doing."""
        self._process.kill()
        self._process.wait()
        self._log.close()


@contextlib.contextmanager
def lanes(measure: str, peers: Iterable[str], **settings: Any) -> Iterator[list[Lane]]:
    """Start one process per peer and end them all."""
    running = [Lane(measure, peer, settings) for peer in peers]
    try:
        yield running
    finally:
        for lane in running:
            lane.close()


def interleave(running: list[Lane], rounds: int, **request: Any) -> dict[str, list[Answer]]:
    """Have every peer do the round, `rounds` times over; returns each peer's answers."""
    answers: dict[str, list[Answer]] = {lane.peer: [] for lane in running}
    for _ in range(rounds):
        for lane in running:
            answers[lane.peer].append(lane.ask(**request))
    return answers


def figures(values: Iterable[float]) -> dict[str, float]:
    """Return the best (lowest) and the median of a peer's rounds, their spread, and how many there were."""
    ordered = sorted(values)
    median = statistics.median(ordered)
    lower, upper = ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4 - (len(ordered) > 1)]
    return {
        "best": ordered[0],
        "median": median,
        "worst": ordered[-1],
        "quartile_spread": (upper - lower) / median if median else 0.0,
        "rounds": len(ordered),
    }


def _serve(measure: str, peer: str, settings: str) -> None:
    """Be a peer's process: a line of JSON in, a round, a line of JSON out."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a peer prints goes to the log, never between the answers
    session: Session = importlib.import_module(measure).Session(peer, **json.loads(settings))
    for line in sys.stdin:
        answers.write(json.dumps(session.round(**json.loads(line))) + "\n")
        answers.flush()
    os._exit(0)  # not through the exit hooks: several peers would wait there for queues that nobody empties


if __name__ == "__main__":
    _serve(*sys.argv[1:])
