"""Row 52: hundreds of producer threads at a queue that has no room for them all: none starves, nothing is lost."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import Any

import pytest

from sluiceway import QueueFull, Segment
from sluiceway.testing import Answer, Receiver

from .dams import KEY

PRODUCERS = 500
SECONDS = 2.5
# Each offers an event this often: in sum far more than the server takes.
PAUSE_SECONDS = 0.1


class Producers:
    """Threads that offer events, each under its own user, until they are told to stop."""

    def __init__(self, client: Segment) -> None:
        self.client = client
        self.accepted: Counter[int] = Counter()
        self.refused: Counter[int] = Counter()
        self._stop = threading.Event()
        self._go = threading.Event()
        self._threads = [threading.Thread(target=self._produce, args=(number,)) for number in range(PRODUCERS)]
        for thread in self._threads:
            thread.start()

    def run(self, seconds: float) -> None:
        """Let all begin, and stop them after so long; ends when each has returned from its last call."""
        self._go.set()
        time.sleep(seconds)
        self._stop.set()
        for thread in self._threads:
            thread.join(40)
        assert not any(thread.is_alive() for thread in self._threads)

    def _produce(self, number: int) -> None:
        track, user, pause = self.client.track, str(number), random.Random(number)
        accepted = refused = 0
        self._go.wait()
        while not self._stop.wait(pause.uniform(0.5, 1.5) * PAUSE_SECONDS):
            try:
                taken = track(user, "E", {"n": accepted})
            except QueueFull:
                taken = False
            if taken:
                accepted += 1
            else:
                refused += 1
        self.accepted[number], self.refused[number] = accepted, refused


def spread(counts: Counter[int]) -> tuple[int, int, int]:
    """The least, the median and the most."""
    ordered = sorted(counts.values())
    return ordered[0], ordered[len(ordered) // 2], ordered[-1]


def all_arrived(client: Segment, receiver: Receiver, producers: Producers, dropped: int = 0) -> Any:
    """Assert that each producer's events arrived, in its order, but for those that a policy dropped."""
    assert client.flush(40)
    stats = client.stats()
    accepted, refused = sum(producers.accepted.values()), sum(producers.refused.values())
    assert stats.balanced
    assert (stats.accepted, sum(stats.refused.values())) == (accepted, refused)
    assert (stats.delivered, stats.dropped, stats.pending) == (accepted - stats.dropped, stats.dropped, 0)
    assert receiver.stats().ids == stats.delivered
    assert receiver.stats().duplicates == 0
    arrived: dict[str, list[int]] = {}
    for event in receiver.events:
        arrived.setdefault(event["userId"], []).append(event["properties"]["n"])
    assert all(numbers == sorted(numbers) for numbers in arrived.values())
    if not stats.dropped:
        assert all(
            arrived.get(str(number), []) == list(range(producers.accepted[number])) for number in range(PRODUCERS)
        )
    return stats


# The server takes a batch in 20 ms, and 40 events wait at most: 2,000 events a second of 5,000 that are offered.
SERVER = Answer(delay=0.02)
OPTIONS: dict[str, Any] = {"max_queue_events": 40, "flush_interval": 0.05, "timeout": 30.0}


def test_row_52_blocked_producers_are_all_served() -> None:
    with Receiver(default=SERVER) as receiver:
        client = Segment(KEY, host=receiver.url, on_full="block", **OPTIONS)
        producers = Producers(client)
        producers.run(SECONDS)
        stats = all_arrived(client, receiver, producers)
        least, median, most = spread(producers.accepted)
        print(f"block: {stats.accepted} accepted of {PRODUCERS} threads; each {least} to {most}, median {median}")
        assert stats.refused == {}
        assert stats.max_reserved_events == 40, "they did have to wait"
        assert stats.accepted > 2 * PRODUCERS
        assert least >= 1
        assert most <= 5 * median
        client.close()


@pytest.mark.parametrize("on_full", ["drop_new", "raise"])
def test_row_52_refusals_hit_all_producers_alike(on_full: str) -> None:
    with Receiver(default=SERVER) as receiver:
        client = Segment(KEY, host=receiver.url, on_full=on_full, **OPTIONS)  # type: ignore[arg-type]
        producers = Producers(client)
        producers.run(SECONDS)
        stats = all_arrived(client, receiver, producers)
        least, median, most = spread(producers.accepted)
        print(f"{on_full}: {stats.accepted} accepted, {stats.refused} refused; each {least} to {most}, median {median}")
        assert stats.refused["queue_full"] > PRODUCERS
        assert stats.accepted > PRODUCERS
        assert sum(count == 0 for count in producers.accepted.values()) < PRODUCERS // 20
        assert most <= 8 * max(1, median)
        client.close()


def test_row_52_the_oldest_give_way_whoever_they_are_of() -> None:
    with Receiver(default=SERVER) as receiver:
        client = Segment(KEY, host=receiver.url, on_full="drop_oldest", **OPTIONS)
        producers = Producers(client)
        producers.run(SECONDS)
        stats = all_arrived(client, receiver, producers)
        delivered = Counter(dict.fromkeys(range(PRODUCERS), 0))
        delivered.update(int(event["userId"]) for event in receiver.events)
        least, median, most = spread(delivered)
        print(f"drop_oldest: {stats.delivered} delivered, {stats.dropped} not; each {least} to {most}, median {median}")
        assert stats.dropped > PRODUCERS
        assert sum(count == 0 for count in delivered.values()) < PRODUCERS // 20
        assert most <= 8 * max(1, median)
        client.close()
