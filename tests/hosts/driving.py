"""Requests to a host, each with a number of its own, and what was said to each, held against the receiver's record."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sluiceway.testing import Receiver

from .host import START_SECONDS, Host

# Long enough a request that the next one finds its worker busy, and goes to another.
PAGE = "/slow?n={n}&seconds=0.01"


class Asked:
    """What became of each request. `pids` has the process that said "accepted"; what is in `unknown` had no answer."""

    def __init__(self) -> None:
        self.pids: dict[int, int] = {}
        self.refused: list[int] = []
        self.unknown: list[int] = []

    @property
    def workers(self) -> set[int]:
        """The processes that accepted anything."""
        return set(self.pids.values())

    def ask(self, host: Host, n: int, path: str) -> None:
        """Make one request and note what was said."""
        try:
            said = host.get(path.format(n=n))
        except (OSError, http.client.HTTPException):
            self.unknown.append(n)
            return
        if said["accepted"]:
            self.pids[n] = said["pid"]
        else:
            self.refused.append(n)


class Driver:
    """Asks a host from several threads. Numbers go on from call to call, so none is ever used twice in one test."""

    def __init__(self, host: Host, threads: int = 4) -> None:
        self._host = host
        self._threads = threads
        self._numbers = itertools.count(1)
        self.asked = Asked()

    def drive(self, count: int, path: str = PAGE, *, workers: int = 1) -> Asked:
        """Make so many requests, and more until so many workers have taken part; returns when the last is answered."""
        deadline = time.monotonic() + START_SECONDS
        with ThreadPoolExecutor(self._threads) as pool:
            while True:
                list(pool.map(lambda n: self.asked.ask(self._host, n, path), itertools.islice(self._numbers, count)))
                if len(self.asked.workers) >= workers or time.monotonic() > deadline:
                    return self.asked
                count = self._threads

    @contextmanager
    def driving(self, path: str = PAGE) -> Iterator[Asked]:
        """Make requests without a pause while the block runs."""
        over = threading.Event()

        def go_on() -> None:
            while not over.is_set():
                self.asked.ask(self._host, next(self._numbers), path)
                over.wait(0.005)

        with ThreadPoolExecutor(self._threads) as pool:
            going = [pool.submit(go_on) for _ in range(self._threads)]
            try:
                yield self.asked
            finally:
                over.set()
        for each in going:
            each.result()


def arrived(receiver: Receiver, event: str = "Request") -> dict[int, int]:
    """By the receiver's record: the number of each request whose event was acknowledged, and the process it came from.

    Raises AssertionError where an event came twice, or anything came that a vendor would object to.
    """
    events = [each["properties"] for each in receiver.events if each["event"] == event]
    times = Counter(each.get("n") for each in events)
    assert [n for n, count in times.items() if count > 1] == [], "events that came twice"
    assert receiver.violations == []
    stats = receiver.stats()
    assert (stats.duplicates, stats.repeats, stats.mismatches, stats.refused) == (0, 0, 0, 0)
    assert stats.ids == stats.events, "two events shared an id"
    return {each["n"]: each["pid"] for each in events}


def assert_nothing_lost(
    receiver: Receiver, asked: Asked, *, at_least: int, workers: int = 1, unanswered: int = 0
) -> None:
    """Every accepted event arrived, once, from the process that took it; and enough of them to mean something."""
    there = arrived(receiver)
    assert len(asked.pids) >= at_least, f"only {len(asked.pids)} events were accepted: too few to prove anything"
    assert len(asked.workers) >= workers, f"only {len(asked.workers)} processes took part"
    assert asked.refused == []
    assert len(asked.unknown) <= unanswered, "requests without an answer"
    lost = Counter(asked.pids[n] for n in asked.pids.keys() - there.keys())
    assert not lost, f"accepted and never delivered, by process: {dict(lost)}, of {dict(Counter(asked.pids.values()))}"
    assert there.keys() - asked.pids.keys() <= set(asked.unknown), "delivered and never asked for"
    assert {n: there[n] for n in asked.pids} == asked.pids, "delivered from another process than the one that took it"
