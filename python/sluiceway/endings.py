"""The one door through which every accepted event ends: counted, then told to the flushes and the callbacks.

The native queue counts an event's end once, however often it is told; whoever was first does the telling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.errors import DeliveryError, Sent
from sluiceway.report import BatchReport

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sluiceway.delivery import Delivery
    from sluiceway.engine import Batch, End, Queue
    from sluiceway.flushing import Flushing


class Endings:
    """Ends batches. Never blocks and calls nothing of the user's."""

    def __init__(self, queue: Queue, flushing: Flushing, delivery: Delivery) -> None:
        self._queue = queue
        self._flushing = flushing
        self._delivery = delivery

    def delivered(self, batch: Batch, *, status: int | None, attempts: int) -> int:
        """End a batch that the vendor took; returns how many of its events had not ended before."""
        return self._end(batch, "delivered", "", None, BatchReport(batch, status=status, attempts=attempts))

    def failed(
        self, batch: Batch, reason: str, *, sent: Sent, status: int | None, attempts: int, message: str = ""
    ) -> int:
        """End a batch that is given up; returns how many of its events had not ended before."""
        error = DeliveryError(reason, sent, status, message)
        return self._end(batch, "failed", reason, error, BatchReport(batch, status=status, attempts=attempts))

    def dropped(self, batch: Batch, reason: str) -> int:
        """End a batch that a policy removes; returns how many of its events had not ended before.

        Events of a disabled client are told as if they had been delivered: that is what disabling means.
        """
        error = None if reason == "disabled" else DeliveryError(reason, "no")
        return self._end(batch, "dropped", reason, error, BatchReport(batch, status=None, attempts=0))

    def removed(self, tokens: Iterable[int], reason: str) -> None:
        """Tell the callbacks of events that were removed from the ring, where they were counted."""
        self._delivery.tell_removed(tokens, DeliveryError(reason, "no"))

    def _end(self, batch: Batch, end: End, reason: str, error: DeliveryError | None, report: BatchReport) -> int:
        count = self._queue.settle(batch, end, reason)
        if count:
            self._flushing.record(batch.end_position, end, count, error, report)
            self._delivery.tell(batch, report, error, self._queue.release)
        return count
