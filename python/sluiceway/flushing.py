"""Waiting for what was accepted before a moment: marks in the queue, and what has become of the events before them.

A flush covers exactly the events accepted before it was called. It waits for a position, not for an empty queue, so it
ends although other threads go on pushing; any number of flushes can wait at once, for the same or different positions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.stats import FlushResult
from sluiceway.threads import Signal, allocate_rlock

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.engine import Batch, End, Queue, Spooled
    from sluiceway.errors import DeliveryError
    from sluiceway.report import BatchReport


class Flush:
    """One flush that waits. `done` is set when every event before `mark` has ended."""

    __slots__ = (
        "delivered",
        "done",
        "dropped",
        "error",
        "expected",
        "failed",
        "handed_over",
        "hurries",
        "mark",
        "report",
        "then",
    )

    def __init__(self, mark: int, expected: int, hurries: bool, then: Callable[[], None] | None) -> None:
        self.mark = mark
        self.expected = expected
        self.hurries = hurries
        self.then = then
        self.done = Signal()
        self.delivered = self.failed = self.dropped = self.handed_over = 0
        self.error: DeliveryError | None = None
        """The first error among the events it covers."""
        self.report: BatchReport | None = None
        """The last batch of the events it covers."""


class Flushing:
    """All flushes that wait.

    `unsettled` is the worker's: it returns how many events of batches up to a position have not ended.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._lock = allocate_rlock()
        self._flushes: list[Flush] = []
        self.unsettled: Callable[[int], int] = lambda _mark: 0

    def open(self, *, hurries: bool = True, then: Callable[[], None] | None = None) -> Flush:
        """Begin a flush of everything accepted so far. Never blocks.

        `hurries` cuts our own back-off short while the flush waits, once a second at most. `then` is called without
        arguments when the flush is done, on the thread that finds out: it must be quick and must not raise
        (`loop.call_soon_threadsafe` is what it is for).
        """
        with self._lock:
            mark = self._queue.flush_mark()
            flush = Flush(mark, self._pending(mark), hurries, then)
            self._flushes.append(flush)
        return flush

    @property
    def hurried(self) -> bool:
        """Whether a flush waits that cuts our own back-off."""
        return any(flush.hurries for flush in tuple(self._flushes))

    def record(
        self, batch: Batch | Spooled, end: End, count: int, error: DeliveryError | None, report: BatchReport | None
    ) -> None:
        """Note the end of `count` events of a batch, which may have been joined from both sides of a mark."""
        with self._lock:
            for flush in self._flushes:
                covered = min(count, batch.count_before(flush.mark))
                if not covered:
                    continue
                if end == "delivered":
                    flush.delivered += covered
                elif end == "failed":
                    flush.failed += covered
                elif end == "handed_over":
                    flush.handed_over += covered
                else:
                    flush.dropped += covered
                flush.error = flush.error or error
                flush.report = report or flush.report

    def check(self) -> None:
        """Find the flushes that are done. Only for the thread that takes batches from the queue, between two of them.

        That thread alone knows that no batch is on its way from the ring to it.
        """
        for flush in tuple(self._flushes):
            # The line first: it is short, and while it holds something the ring need not be asked.
            if self.unsettled(flush.mark) == 0 and self._queue.has_passed(flush.mark):
                self._finish(flush)

    def result(self, flush: Flush) -> FlushResult:
        """End a flush, done or not, and return what became of its events."""
        with self._lock:
            pending = 0 if flush.done.is_set() else self._pending(flush.mark)
            if flush in self._flushes:
                self._flushes.remove(flush)
            ended = flush.delivered + flush.failed + flush.dropped + flush.handed_over
            # What neither ended in a batch nor waits was removed from the ring, by drop_oldest or by purge.
            removed = max(0, flush.expected - ended - pending)
            return FlushResult(
                delivered=flush.delivered,
                failed=flush.failed,
                pending=pending,
                dropped=flush.dropped + removed,
                handed_over=flush.handed_over,
            )

    def _finish(self, flush: Flush) -> None:
        with self._lock:
            if flush not in self._flushes:
                return
            self._flushes.remove(flush)
        flush.done.set()
        if flush.then is not None:
            flush.then()

    def _pending(self, mark: int) -> int:
        return self._queue.count_before(mark) + self.unsettled(mark)
