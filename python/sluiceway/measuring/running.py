"""A whole run: every subject's rounds in turn, the best and the median of them, and what there is when it is cut short.

Best of rounds: whatever else a machine does can only make a round slower.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from sluiceway.measuring import machine
from sluiceway.measuring.children import Failed, Lane
from sluiceway.measuring.event import Call
from sluiceway.measuring.messages import message_bytes
from sluiceway.measuring.subjects import Subject

CALLING, BURSTING = "sluiceway.measuring.calling", "sluiceway.measuring.bursting"
_LEAST_SECONDS = 0.005


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measured number: its best round, the median of all, and how many rounds there were."""

    best: float
    median: float
    rounds: int

    @property
    def spread(self) -> float:
        """How far the median is from the best, as a share of it."""
        return abs(self.median - self.best) / self.best if self.best else 0.0


class Row(msgspec.Struct, kw_only=True):
    """What was measured of one subject; None for what was not."""

    name: str
    version: str
    kind: str
    call_us: Figure | None = None
    """CPU microseconds of the caller for one call."""
    call_ratio: float | None = None
    """How often ours goes into it: best against best, of the same run."""
    events_per_second: Figure | None = None
    events_ratio: float | None = None
    """How often it goes into ours."""
    cpu_us: Figure | None = None
    """CPU microseconds of the whole process for one event delivered."""
    events_per_request: float | None = None
    sink_share: float | None = None
    """Of one core, what the sink took meanwhile."""
    error: str = ""


class Results(msgspec.Struct, kw_only=True):
    """All of it. `interrupted` says that fewer rounds were made than were wanted."""

    sluiceway: str
    vendor: str
    event_bytes: int
    """Of the vendor's message as JSON, on average."""
    events: int
    """How many different events were given."""
    machine: str
    rounds: int
    interrupted: bool
    rows: list[Row]
    not_installed: list[str]
    doubts: list[str]


class Run:
    """The rounds of a run. `take` makes them; `results` is what they came to so far."""

    def __init__(
        self, vendor: str, calls: list[Call], subjects: list[Subject], absent: list[str], *, seconds: float, rounds: int
    ) -> None:
        """`seconds` is about how long all rounds are to take together; starting the processes comes on top."""
        self._vendor = vendor
        self._calls = calls
        self._subjects = subjects
        self._absent = absent
        self._rounds = rounds
        self._made = 0
        self._taken: dict[str, dict[str, list[dict[str, Any]]]] = {CALLING: {}, BURSTING: {}}
        self._errors: dict[str, str] = {}
        self._load = machine.load()
        senders = sum(subject.kind != "encoder" for subject in subjects)
        self.steps = rounds * (len(subjects) + senders)
        """How many rounds of one subject there are in all."""
        self._patience = 60.0 + seconds
        self._slice = max(_LEAST_SECONDS, seconds / max(1, self.steps))

    def take(self, told: Callable[[str], None] = lambda name: None) -> None:
        """Make all rounds, interleaved; `told` hears of each before it begins.

        KeyboardInterrupt passes through, and leaves what was measured so far.
        """
        senders = [subject for subject in self._subjects if subject.kind != "encoder"]
        with self._lanes(CALLING, self._subjects) as calling, self._lanes(BURSTING, senders) as bursting:
            # Nothing is measured while others still load.
            for lanes in (calling, bursting):
                for lane in list(lanes):
                    if lane.subject in self._errors:
                        lanes.remove(lane)
                    else:
                        self._try(lane, lanes, lane.ready)
            for _ in range(self._rounds):
                for module, lanes in ((CALLING, calling), (BURSTING, bursting)):
                    for lane in list(lanes):
                        told(lane.subject)
                        answer = self._try(lane, lanes, partial(lane.ask, {"seconds": self._slice}, self._patience))
                        if answer is not None:
                            self._taken[module].setdefault(lane.subject, []).append(answer)
                self._made += 1

    def results(self, version: str) -> Results:
        """Return what was measured so far. Ratios are taken between rounds of this run only."""
        rows = [self._row(subject) for subject in self._subjects]
        ours = rows[0]
        for row in rows:
            if ours.call_us is not None and row.call_us is not None:
                row.call_ratio = row.call_us.best / ours.call_us.best
            if ours.events_per_second is not None and row.events_per_second is not None:
                row.events_ratio = ours.events_per_second.best / row.events_per_second.best
        spreads = {}
        for row in rows:
            for what, figure in (("call", row.call_us), ("events/s", row.events_per_second)):
                if figure is not None:
                    spreads[f"{row.name} ({what})"] = figure.spread
        doubts = machine.doubts(self._load, spreads)
        busiest = max((row.sink_share or 0.0 for row in rows), default=0.0)
        if busiest > 0.7:
            doubts.append(
                f"the sink was busy for {busiest:.0%} of the time: the fastest row may be faster than it says"
            )
        return Results(
            sluiceway=version,
            vendor=self._vendor,
            event_bytes=message_bytes(self._vendor, self._calls),
            events=len(self._calls),
            machine=machine.line(),
            rounds=self._made,
            interrupted=self._made < self._rounds,
            rows=rows,
            not_installed=self._absent,
            doubts=doubts,
        )

    @contextlib.contextmanager
    def _lanes(self, module: str, subjects: list[Subject]) -> Iterator[list[Lane]]:
        calls = [list(call) for call in self._calls]
        started: list[Lane] = []
        try:
            for subject in subjects:
                started.append(Lane(module, subject.name, {"vendor": self._vendor, "calls": calls}))
            yield list(started)
        finally:
            for lane in started:
                lane.close()

    def _try(self, lane: Lane, lanes: list[Lane], what: Callable[[], Any]) -> Any:
        """Have a lane do something. One that fails is left out from then on; what is installed there is not ours."""
        try:
            return what()
        except Failed as error:
            self._errors[lane.subject] = str(error)
            lanes.remove(lane)
            return None

    def _row(self, subject: Subject) -> Row:
        row = Row(name=subject.shown, version=subject.version, kind=subject.kind)
        row.error = self._errors.get(subject.name, "")
        calls = self._taken[CALLING].get(subject.name)
        if calls:
            row.call_us = Figure(
                best=min(answer["ns"][0] for answer in calls) / 1e3,
                median=statistics.median(answer["ns"][1] for answer in calls) / 1e3,
                rounds=len(calls),
            )
        bursts = self._taken[BURSTING].get(subject.name)
        if bursts:
            rates = [answer["events"] / answer["seconds"] for answer in bursts]
            row.events_per_second = Figure(best=max(rates), median=statistics.median(rates), rounds=len(rates))
            spent = [answer["cpu_ns"] / 1e3 for answer in bursts]
            row.cpu_us = Figure(best=min(spent), median=statistics.median(spent), rounds=len(spent))
            best = max(bursts, key=lambda answer: float(answer["events"] / answer["seconds"]))
            row.events_per_request = best["events"] / max(1, best["requests"])
            row.sink_share = best["sink_share"]
        return row
