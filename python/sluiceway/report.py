"""What a callback is told about a batch that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from sluiceway.engine import Batch


class BatchReport:
    """A batch that was delivered, or given up. Immutable; holds the batch's bytes for as long as you keep it.

    `attempts` is the number of requests that carried its events, `status` the HTTP status of the last answer (None when
    there was none). Events whose bytes are gone, because a policy removed them before they were sent, leave `ids` and
    `events` empty.
    """

    __slots__ = ("_attempts", "_batch", "_event_tail", "_status")

    def __init__(self, batch: Batch | None, *, status: int | None, attempts: int, event_tail: bytes = b"") -> None:
        """`event_tail` is what the last attempt wrote over the end of each event."""
        self._batch = batch
        self._event_tail = event_tail
        self._status = status
        self._attempts = attempts

    @property
    def ids(self) -> list[str]:
        """The events' ids, in the order of the batch; a new list."""
        return [] if self._batch is None else list(self._batch.ids)

    @property
    def events(self) -> list[Any]:
        """The events as they were sent, decoded now: costs time for each look, so keep the list."""
        return [] if self._batch is None else decoded(self._batch, self._event_tail)

    @property
    def status(self) -> int | None:
        """HTTP status of the last answer, or None when there was none."""
        return self._status

    @property
    def attempts(self) -> int:
        """How many requests carried these events."""
        return self._attempts

    def __len__(self) -> int:
        """Return the number of events."""
        return 0 if self._batch is None else len(self._batch)

    def __bool__(self) -> bool:
        """Return True: an empty report is still a report."""
        return True

    def __repr__(self) -> str:
        """Tell the size and the outcome, never an event."""
        return f"BatchReport({len(self)} events, status={self._status}, attempts={self._attempts})"


def decoded(batch: Batch, event_tail: bytes) -> list[Any]:
    """Return the events of a batch as a request shows them that writes `event_tail` over the end of each."""
    events = (batch.event(index) for index in range(len(batch)))
    return [msgspec.json.decode(event[: len(event) - len(event_tail)] + event_tail) for event in events]
