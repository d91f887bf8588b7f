"""What the delivery side needs of the native queue and its batches, and of a clock: shapes only, no code.

`client.py` hands the native objects in; the tests hand in small ones written in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence


End: TypeAlias = Literal["delivered", "failed", "dropped", "handed_over"]
"""How an accepted event ends."""


class Clock(Protocol):
    """Where time comes from. The `time` module is one; tests hand in their own."""

    def monotonic(self) -> float:
        """Return seconds that never go back: every wait and deadline."""
        ...

    def time(self) -> float:
        """Return Unix time in seconds: only for what is printed on the wire or read from it."""
        ...


class Spooled(Protocol):
    """Events of which only a file in the spool is left."""

    @property
    def tokens(self) -> list[tuple[int, int]]:
        """`(index, token)` of the events that were accepted with a callback."""
        ...

    def __len__(self) -> int:
        """Return the number of events, at least one."""
        ...

    def count_before(self, mark: int, /) -> int:
        """Return how many of its events come from before a queue position."""
        ...


class Batch(Protocol):
    """A sealed batch: encoded events that share one piece of memory. Every part of it is a view, nothing re-encodes."""

    @property
    def ids(self) -> list[str]:
        """The events' ids, in order."""
        ...

    @property
    def tokens(self) -> list[tuple[int, int]]:
        """`(index, token)` of the events that were accepted with a callback."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of the events joined by commas, without the envelope."""
        ...

    @property
    def layout(self) -> bytes:
        """Where each event and its id lie in the joined bytes, for `Queue.restore`."""
        ...

    @property
    def end_position(self) -> int:
        """The queue position behind the last event."""
        ...

    @property
    def block_bytes(self) -> int:
        """Bytes of the memory that the view keeps, whatever it shows of it."""
        ...

    def __len__(self) -> int:
        """Return the number of events, at least one."""
        ...

    def body(self, head: bytes, tail: bytes, event_tail: bytes = b"", /) -> bytes:
        """Return head + events + tail: one request body. `event_tail` stands in the place of each event's end."""
        ...

    def count_before(self, mark: int, /) -> int:
        """Return how many of its events come from before a queue position."""
        ...

    @staticmethod
    def join(batches: Sequence[Any], /) -> Batch:
        """Return the events of several views, in order, in memory of their own.

        They move: ending or releasing the views does nothing from then on.
        """
        ...

    def event(self, index: int, /) -> bytes:
        """Return one event as JSON."""
        ...

    def slice(self, start: int, stop: int, /) -> Batch:
        """Return the events from `start` up to `stop`; there is at least one."""
        ...

    def without(self, indices: Sequence[int], /) -> Batch | None:
        """Return the batch without some events, or None when none is left."""
        ...


class Queue(Protocol):
    """The consumer's face of the native queue."""

    def next_batch(self, timeout: float | None, /) -> Batch | None:
        """Wait for a batch; None on timeout, interrupt, or when closed and empty."""
        ...

    def mark_sending(self, is_sending: bool, /) -> bool:
        """Say whether this thread sends from now on; return whether it did. What it offers meanwhile is refused.

        To whichever client: no log line about a request, nor anything else that sending runs, can become the next one.
        """
        ...

    def pause(self, timeout: float | None, /) -> bool:
        """Wait without taking anything; True when interrupted."""
        ...

    def interrupt(self) -> None:
        """End the current or the next wait of the consumer."""
        ...

    def flush_mark(self) -> int:
        """Make everything accepted so far due; return the position behind it."""
        ...

    def count_before(self, mark: int, /) -> int:
        """Return how many events before `mark` are still in the ring."""
        ...

    def has_passed(self, mark: int, /) -> bool:
        """Return whether every event before `mark` has left the ring; cheap, unlike counting them."""
        ...

    def attend(self, attended: bool, /) -> None:
        """Announce that a worker has come or gone."""
        ...

    def close(self) -> None:
        """Refuse new events and wake everybody."""
        ...

    def take_overflow(self) -> list[tuple[int, str]]:
        """Return token and reason of each event with a callback that left the ring unsent since last asked."""
        ...

    def settle(self, batch: Any, end: End, reason: str = "", /) -> int:
        """Count the end of each event of the batch that has not ended yet; return how many."""
        ...

    def release(self, batch: Any, /) -> None:
        """Give the events' budget back."""
        ...

    def shelve(self, batch: Any, /) -> int:
        """Have the events that have not ended wait on disk, and give their budget back; return how many."""
        ...

    def restore(self, events: bytes, layout: bytes, tokens: Any, end_position: int, /) -> Batch:
        """Return spooled events as a batch again. Raises ValueError for a layout that does not fit."""
        ...

    def adopt(self, events: int, /) -> None:
        """Count events of an earlier process as ours and as spooled."""
        ...

    def settle_spooled(self, events: int, end: End, reason: str = "", /) -> None:
        """Count the end of spooled events that are not read again."""
        ...

    def counters(self) -> dict[str, int]:
        """Return every counter and gauge by name."""
        ...

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        ...
