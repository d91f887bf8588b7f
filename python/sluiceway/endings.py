"""The one door through which every accepted event ends: counted, then told to the flushes and the callbacks.

The native queue counts an event's end once, however often it is told; whoever was first does the telling.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from sluiceway.errors import DeliveryError, Sent
from sluiceway.notices import LOUD, Notice, Voice
from sluiceway.report import BatchReport
from sluiceway.verdict import Unauthorized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sluiceway.delivery import Delivery
    from sluiceway.engine import Batch, Clock, End, Queue, Spooled
    from sluiceway.flushing import Flushing
    from sluiceway.parcel import Parcel
    from sluiceway.standing import Attempt

# The reasons of the accounting under which an event fails. A vendor's own word for it is told as the message.
_REASONS = frozenset(
    {"rejected", "unauthorized", "retries_exhausted", "expired", "shutdown", "event_too_large", "internal"}
)


class Endings:
    """Ends batches. Never blocks and calls nothing of the user's."""

    def __init__(self, queue: Queue, flushing: Flushing, delivery: Delivery) -> None:
        self._queue = queue
        self._flushing = flushing
        self._delivery = delivery

    def delivered(self, batch: Batch, *, status: int | None, attempts: int, event_tail: bytes = b"") -> int:
        """End a batch that the vendor took; returns how many of its events had not ended before."""
        report = BatchReport(batch, status=status, attempts=attempts, event_tail=event_tail)
        return self._end(batch, "delivered", "", None, report)

    def failed(
        self,
        batch: Batch,
        reason: str,
        *,
        sent: Sent,
        status: int | None,
        attempts: int,
        message: str = "",
        event_tail: bytes = b"",
    ) -> int:
        """End a batch that is given up; returns how many of its events had not ended before."""
        error = DeliveryError(reason, sent, status, message)
        report = BatchReport(batch, status=status, attempts=attempts, event_tail=event_tail)
        return self._end(batch, "failed", reason, error, report)

    def handed_over(
        self,
        batch: Batch,
        *,
        sent: Sent = "maybe",
        status: int | None,
        attempts: int,
        message: str = "",
        event_tail: bytes = b"",
    ) -> int:
        """End a batch that somebody else sees to from now on; returns how many of its events had not ended before."""
        error = DeliveryError("handed_over", sent, status, message)
        report = BatchReport(batch, status=status, attempts=attempts, event_tail=event_tail)
        return self._end(batch, "handed_over", "", error, report)

    def dropped(
        self, batch: Batch, reason: str, *, sent: Sent = "no", attempts: int = 0, event_tail: bytes = b""
    ) -> int:
        """End a batch that a policy removes; returns how many of its events had not ended before.

        Events of a disabled client are told as if they had been delivered: that is what disabling means.
        """
        error = None if reason == "disabled" else DeliveryError(reason, sent)
        report = BatchReport(batch, status=None, attempts=attempts, event_tail=event_tail)
        return self._end(batch, "dropped", reason, error, report)

    def ended_on_disk(
        self, spooled: Spooled, end: End, reason: str, *, sent: Sent, attempts: int, message: str = ""
    ) -> None:
        """End the events of a file in the spool which is not read again."""
        error = DeliveryError(reason or end, sent, None, message)
        report = BatchReport(None, status=None, attempts=attempts)
        self._queue.settle_spooled(len(spooled), end, reason)
        self._flushing.record(spooled, end, len(spooled), error, report)
        self._delivery.tell(spooled, report, error, _nothing)

    def removed(self, tokens: Iterable[int], reason: str) -> None:
        """Tell the callbacks of events that were removed from the ring, where they were counted."""
        self._delivery.tell_removed(tokens, DeliveryError(reason, "no"))

    def _end(self, batch: Batch, end: End, reason: str, error: DeliveryError | None, report: BatchReport) -> int:
        count = self._queue.settle(batch, end, reason)
        if count:
            try:
                self._flushing.record(batch, end, count, error, report)
            finally:
                # Whatever becomes of the count: a budget that is not given back would be gone for good.
                self._delivery.tell(batch, report, error, self._queue.release)
        else:
            # It ended before: perhaps an exception came between the count and the telling.
            self._delivery.tell_again(batch, report, error, self._queue.release)
        return count


def _nothing(_spooled: Spooled) -> None:
    """Release nothing: what waits on disk holds no budget."""


class ParcelEndings:
    """Ends parcels as their last attempt has it, and says so in the log where events are lost.

    How a parcel ends is written down on it first: whoever is interrupted then can do it again.
    """

    def __init__(self, endings: Endings, clock: Clock, voice: Voice = LOUD) -> None:
        self._endings = endings
        self._lost = Notice(clock, logging.ERROR, "gave up events: %s (sent: %s, status %s); %d so far", voice)
        self._unauthorized = Notice(clock, logging.ERROR, "%s with status %s; %d events failed", voice)
        self._throttled = Notice(
            clock, logging.WARNING, "no room for more throttled events; dropped the oldest %d", voice
        )

    def deliver(self, parcel: Parcel, attempt: Attempt) -> None:
        """End a parcel that the vendor took."""
        parcel.end = partial(
            self._endings.delivered,
            parcel.batch,
            status=attempt.status,
            attempts=parcel.attempts,
            event_tail=parcel.event_tail,
        )
        self.finish(parcel)

    def keep(self, parcel: Parcel, attempt: Attempt) -> None:
        """End a parcel that a retry handler keeps."""
        parcel.end = partial(
            self._endings.handed_over,
            parcel.batch,
            status=attempt.status,
            attempts=parcel.attempts,
            message=attempt.message,
            event_tail=parcel.event_tail,
        )
        self.finish(parcel)

    def fail(self, parcel: Parcel, reason: str, attempt: Attempt) -> None:
        """End a parcel that is given up."""
        message = attempt.message
        if isinstance(attempt.verdict, Unauthorized):
            is_ours = attempt.verdict.by == "vendor"
            message = "the write key was refused" if is_ours else "the proxy refused its credentials"
        if reason not in _REASONS:
            reason, message = "rejected", reason
        parcel.end = partial(
            self._endings.failed,
            parcel.batch,
            reason,
            sent=parcel.sent,
            status=attempt.status,
            attempts=parcel.attempts,
            message=message,
            event_tail=parcel.event_tail,
        )
        count = self.finish(parcel)
        if reason == "unauthorized":
            self._unauthorized.give(message, attempt.status, events=count)
        else:
            self._lost.give(reason, parcel.sent, attempt.status, events=count)

    def drop(self, parcel: Parcel) -> None:
        """End a parcel for which the lanes have no room."""
        count = self._endings.dropped(
            parcel.batch, "throttled", sent=parcel.sent, attempts=parcel.attempts, event_tail=parcel.event_tail
        )
        parcel.refile(None)
        self._throttled.give(events=count)

    def leave(self, parcel: Parcel) -> int:
        """End a parcel that stays in the spool for a later process; returns how many had not ended before."""
        return self._endings.handed_over(
            parcel.batch,
            sent=parcel.sent,
            status=None,
            attempts=parcel.attempts,
            message="left in the spool",
            event_tail=parcel.event_tail,
        )

    def finish(self, parcel: Parcel) -> int:
        """End a parcel as it was written down; returns how many of its events had not ended before."""
        assert parcel.end is not None
        count: int = parcel.end()
        # Only now: a file that is found again is sent again, an event that is lost is not.
        parcel.refile(None)
        return count

    def shut_down(self, parcel: Parcel) -> int:
        """End a parcel for which there is no time left; returns how many of its events had not ended before."""
        return self._endings.failed(
            parcel.batch,
            "shutdown",
            sent=parcel.sent,
            status=None,
            attempts=parcel.attempts,
            message="the client was closed",
            event_tail=parcel.event_tail,
        )
