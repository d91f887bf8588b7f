"""What stops an import before its end: a key that is refused, an outage that lasts, a server that takes nothing.

Looks at the clients' statistics and at what their callbacks are told; also knows how the import stands for those who
show it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from sluiceway.importing.flight import Flight
from sluiceway.importing.rejects import Reject, Rejects

Stop: TypeAlias = Literal["", "signal", "unauthorized", "outage", "useless", "rejects", "disk", "internal"]

# So many rows without a single one that could be sent, or events without one that was taken, are no bad luck.
_USELESS_ROWS = 1_000
_USELESS_EVENTS = 5_000
# Ends of events that say nothing about them: they go again with the next run.
_TO_GO_AGAIN = frozenset({"shutdown", "unauthorized"})


class Standing(NamedTuple):
    """How the clients stand, all of them together."""

    accepted: int
    delivered: int
    failed: int
    left: int
    """Ended or pending in a way that the next run makes good."""
    pending: int
    nbytes: int
    back_off_until: float | None
    last_error: str | None
    attempts: int


class Watch:
    """Keeps the reason to stop, and tells every part of it. Safe to use from any thread."""

    def __init__(self, *, flight: Flight, rejects: Rejects, max_outage_seconds: float, max_rejects: int | None) -> None:
        self.clients: Sequence[Any] = ()
        self.stopping = threading.Event()
        self.reason: Stop = ""
        self.detail = ""
        self.signal = 0
        self.has_unsent = False
        """Whether an event ended in a way that only a further run makes good: no later position may be written."""
        self.rows = 0
        self._flight = flight
        self._rejects = rejects
        self._max_outage_seconds = max_outage_seconds
        self._max_rejects = max_rejects
        self._lock = threading.Lock()
        self._moved_at = time.monotonic()
        self._delivered = 0
        self._was_out = False

    def stop(self, reason: Stop, detail: str = "") -> None:
        """Have everything stop. The first reason is the one that is told."""
        with self._lock:
            if not self.reason:
                self.reason, self.detail = reason, detail
        self.stopping.set()

    def on_error(self, error: Any, batch: Any) -> None:
        """Be told by a client that a batch did not get through. Runs on the client's callback thread."""
        if error.reason in _TO_GO_AGAIN:
            self.has_unsent = True
            if error.reason == "unauthorized":
                self.stop("unauthorized", f"status {error.status}: {error.message}")
            return
        for found in self._flight.find(batch.ids):
            status = "" if error.status is None else f"status {error.status}"
            said = error.message if error.message != status else ""
            message = ", ".join(part for part in (status, said) if part) or "no answer"
            self._rejects.add(
                Reject(found.entry, found.file, found.line, error.reason, message, found.raw, was_sent=True)
            )

    def standing(self) -> Standing:
        """Ask every client how it stands. Never blocks."""
        accepted = delivered = failed = left = pending = nbytes = attempts = 0
        until: float | None = None
        last_error = None
        for client in self.clients:
            stats = client.stats()
            again = sum(stats.failed_by_reason.get(reason, 0) for reason in _TO_GO_AGAIN)
            accepted += stats.accepted
            delivered += stats.delivered
            failed += stats.failed + stats.dropped + stats.handed_over - again
            left += again + stats.pending
            pending += stats.pending
            nbytes += stats.reserved_bytes
            attempts += stats.attempts
            if stats.back_off_until is not None:
                until = max(until or 0.0, stats.back_off_until)
                last_error = stats.last_error
        return Standing(accepted, delivered, failed, left, pending, nbytes, until, last_error, attempts)

    def look(self) -> Standing:
        """Look at how everything stands, and stop what has no hope. To be called every now and then."""
        standing = self.standing()
        now = time.monotonic()
        is_out = standing.back_off_until is not None
        if standing.delivered != self._delivered or not is_out or not self._was_out:
            self._delivered, self._moved_at = standing.delivered, now
        self._was_out = is_out
        if is_out and now - self._moved_at >= self._max_outage_seconds:
            self.stop("outage", standing.last_error or "no answer")
        rejected = self._rejects.refused
        if rejected >= _USELESS_ROWS and rejected == self.rows:
            self.stop("useless", f"none of the first {rejected:,} rows could be sent")
        if self._rejects.failed >= _USELESS_EVENTS and not standing.delivered:
            self.stop("useless", f"the server refused each of the first {self._rejects.failed:,} events")
        if self._max_rejects is not None and rejected + self._rejects.failed > self._max_rejects:
            self.stop("rejects", f"more than {self._max_rejects:,} rejects")
        return standing

    def wait(self, seconds: float) -> bool:
        """Sleep; True as soon as everything is to stop."""
        return self.stopping.wait(seconds)
