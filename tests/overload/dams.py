"""A server that holds every answer back until it is told to let go: an outage that ends when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sluiceway import Segment
from sluiceway.testing import Receiver

KEY = "a-write-key-of-tests"
_LONGEST_SECONDS = 60.0


class Dam:
    """The script of a receiver: an answer waits here until `opened` is set."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, _arriving: Any) -> int:
        self.opened.wait(_LONGEST_SECONDS)
        return 200


@contextmanager
def dammed() -> Iterator[tuple[Receiver, Dam]]:
    """A receiver behind a dam, which is opened at the end whatever happens."""
    dam = Dam()
    with Receiver(dam) as receiver:
        try:
            yield receiver, dam
        finally:
            dam.opened.set()


def in_flight(receiver: Receiver, **options: Any) -> Segment:
    """A client of whose events the first is at the server and waits for its answer: what follows stays in the ring."""
    client = Segment(KEY, host=receiver.url, timeout=_LONGEST_SECONDS, flush_interval=0.0, **options)
    assert client.track("first", "E")
    assert receiver.wait_for(requests=1)
    return client


def settles(client: Segment, receiver: Receiver, *, delivered: int) -> None:
    """Assert that the outage is over for good: all accounted for, a fresh event arrives, nothing is held any more."""
    assert client.flush(30)
    stats = client.stats()
    assert stats.balanced
    assert stats.pending == 0
    assert stats.delivered == delivered == receiver.stats().ids
    assert receiver.stats().duplicates == 0
    assert receiver.violations == []
    assert client.track("fresh", "E")
    assert client.flush(30)
    assert receiver.events[-1]["userId"] == "fresh"
    stats = client.stats()
    assert (stats.reserved_events, stats.reserved_bytes) == (0, 0)
    assert stats.balanced
    client.close()
