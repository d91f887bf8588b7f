"""A second thread, for clients with a spool: moves what waits in memory to disk while the worker is held up.

The worker sends one request at a time, and a server that hangs holds it for as long as the timeout allows; while the
endpoint fails it waits. Meanwhile events go on coming. What the memory has no room for, and what has waited for as long
as any event may, goes to disk then. While the worker gets on, the thread only looks; while it is idle, it sleeps.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sluiceway.notices import LOUD, Notice, Voice
from sluiceway.threads import Signal, start_thread

if TYPE_CHECKING:
    from sluiceway.desk import Desk
    from sluiceway.engine import Clock, Queue

_LOOK_SECONDS = 0.25
# Shorter delays of a server are everyday life, and no reason to write anything.
_HELD_UP_SECONDS = 1.0
# Of the budget: more than this, and what is held up goes to disk although it has not waited long.
_PRESSURE = 0.25


class Spooler:
    """Looks after the memory of one client. `watch` is the worker's, the rest happens on a thread of its own."""

    def __init__(
        self,
        *,
        desk: Desk,
        queue: Queue,
        clock: Clock,
        max_queue_events: int,
        max_queue_bytes: int,
        max_wait_seconds: float,
        name: str = "sluiceway-spooler",
        voice: Voice = LOUD,
    ) -> None:
        """Start nothing yet. `max_wait_seconds` is how long an event may wait in memory while nothing gets on."""
        self._desk = desk
        self._queue = queue
        self._clock = clock
        self._most_events = int(max_queue_events * _PRESSURE)
        self._most_bytes = int(max_queue_bytes * _PRESSURE)
        self._max_wait_seconds = max(_HELD_UP_SECONDS, max_wait_seconds)
        self._name = name
        self._stumbled = Notice(clock, logging.ERROR, "the spooler met %s and goes on; %d times", voice)
        self._wake = Signal()
        self._alive = False
        self._seen = -1
        self._since = 0.0
        """When the worker was first seen to be held up by what holds it up now, monotonic."""
        self._moved_at = 0.0

    def watch(self) -> None:
        """Look after the memory from now on, for as long as the worker is held up. Does not wait."""
        if not self._alive:
            self._alive = start_thread(self._name, self._main)
        self._wake.set()

    def stop(self) -> None:
        """Let the thread end. Does not wait for it."""
        self._wake.set()

    def look(self) -> bool:
        """Look once, and move what has to be moved; returns whether the worker is held up."""
        desk, now = self._desk, self._clock.monotonic()
        desk.sync_if_due()
        if not desk.is_held_up:
            self._seen = -1
            return False
        if desk.progress != self._seen:
            self._seen, self._since, self._moved_at = desk.progress, now, now
        # An endpoint that has just failed will not have room soon; one that has not answered yet may.
        if (desk.is_waiting or now - self._since >= _HELD_UP_SECONDS) and (
            now - self._moved_at >= self._max_wait_seconds or self._is_under_pressure()
        ):
            self._moved_at = now
            desk.put_by(self._queue.flush_mark())
        return True

    def _is_under_pressure(self) -> bool:
        counters = self._queue.counters()
        return counters["reserved_events"] >= self._most_events or counters["reserved_bytes"] >= self._most_bytes

    def _main(self) -> None:
        try:
            while not self._desk.is_over:
                self._wake.clear()
                while self._looks() and not self._desk.is_over:
                    self._desk.ended.wait(_LOOK_SECONDS, ours=True)
                if not self._desk.is_over:
                    self._wake.wait(ours=True)
        finally:
            self._alive = False

    def _looks(self) -> bool:
        try:
            return self.look()
        except Exception as error:
            self._stumbled.give(type(error).__name__)
            return True
