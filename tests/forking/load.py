"""The parent's side: eight producers that never rest, and the account of what was accepted, kept from outside."""

from __future__ import annotations

import threading
import time
from typing import Any

from sluiceway import Segment

PRODUCERS = 8
# Each pushes so many events at a time and rests so long: a fork has to meet pushes, not to wait for the receiver.
BURST = 5
REST_SECONDS = 0.004


def parents_id(producer: int, index: int) -> str:
    """An id of ours for an event of the parent's."""
    return f"c0de{producer:04x}-0000-8000-8000-{index:012x}"


def childs_id(child: int, index: int) -> str:
    """An id of ours for an event of a child or a grandchild."""
    return f"c0deffff-0000-8000-8000-{child:08x}{index:04x}"


class Load:
    """Pushes into one client from many threads. Every second event has an id of ours, the others the client's own."""

    def __init__(self, url: str, *, resting: bool = False) -> None:
        self.client: Segment = Segment("a-write-key-of-tests", host=url, on_full="block", max_batch_events=250)
        # One more than there are producers: the forking threads push, too.
        self.offered = [0] * (PRODUCERS + 2)
        self.accepted = [0] * (PRODUCERS + 2)
        self.raised: list[BaseException] = []
        self._resting = resting
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._go_on, args=(number,)) for number in range(PRODUCERS)]

    def start(self) -> None:
        """Begin, and wait until events are on their way."""
        for thread in self._threads:
            thread.start()
        deadline = time.monotonic() + 30
        while not self._resting and not self.client.stats().delivered and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self) -> None:
        """End the producers and wait for them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def push(self, producer: int, count: int) -> None:
        """Push events in the name of one producer, whose thread calls it."""
        client, first = self.client, self.offered[producer]
        payload: dict[str, Any] = {"text": "x" * 200, "number": first}
        accepted = 0
        for index in range(first, first + count):
            event_id = parents_id(producer, index) if index % 2 else None
            accepted += client.track("parent", "Counted", payload, message_id=event_id) is True
        self.offered[producer] += count
        self.accepted[producer] += accepted

    def ids_of_ours(self) -> set[str]:
        """The ids of ours that were given out: nothing is refused, since a full queue blocks."""
        return {
            parents_id(producer, index)
            for producer, offered in enumerate(self.offered)
            for index in range(1, offered, 2)
        }

    def _go_on(self, producer: int) -> None:
        try:
            while not self._stop.wait(REST_SECONDS):
                if not self._resting:
                    self.push(producer, BURST)
        except BaseException as error:
            self.raised.append(error)
            raise
