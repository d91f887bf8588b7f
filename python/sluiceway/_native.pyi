"""The native engine: the ring, its budget, the JSON encoding. Only `client.py` imports it.

Nothing here raises about load or network: `push` and `admit` answer with an outcome. Waits release the GIL, end with
Ctrl-C, `interrupt` or `close`, and never run Python code. No thread is ever started here.
"""

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Final, Literal, final

from typing_extensions import Self, disjoint_base

__all__ = [
    "CLOSED",
    "EVENT_TOO_LARGE",
    "HARD",
    "INTERNAL",
    "MESSAGE_ID",
    "QUEUE_FULL",
    "STALE",
    "TIMESTAMP",
    "UNATTENDED",
    "Batch",
    "Field",
    "Inlet",
    "Queue",
    "Shape",
    "__version__",
    "hot",
]

__version__: Final[str]
"""The version of the package, from the one place that knows it."""

UNATTENDED: Final[int]
"""Accepted, but no worker has announced itself yet."""
HARD: Final[int]
"""An argument or a value needs a closer look in Python (its kind, or more than 64 levels); nothing was reserved."""
QUEUE_FULL: Final[int]
"""No room for the event in slots or bytes; with drop_oldest, none could be made."""
EVENT_TOO_LARGE: Final[int]
"""The event's JSON is over max_event_bytes."""
CLOSED: Final[int]
"""The queue takes no more events."""
STALE: Final[int]
"""The queue belongs to the parent of this process."""
INTERNAL: Final[int]
"""The engine failed in a way it should not; nothing was reserved."""

MESSAGE_ID: Final[int]
"""The slot of a parameter that is the message id."""
TIMESTAMP: Final[int]
"""The slot of a parameter that is the timestamp."""

@disjoint_base
class Inlet:
    """The base of every client: what native methods reach without asking Python."""

    def __new__(cls, *_args: Any, **_options: Any) -> Self: ...
    def _open(self, queue: Queue | None, /) -> None:
        """Send plain calls straight into `queue`; None sends every call through Python."""

def hot(
    function: FunctionType,
    shape: int,
    fields: int,
    names: Sequence[str],
    slots: Sequence[int],
    positional: int,
    /,
) -> Callable[..., Any]:
    """Put a short cut in front of a method of an `Inlet`: plain calls whose event is accepted never enter Python.

    `names` are parameters behind self, `slots` say where each one's value goes (a field's index, MESSAGE_ID or
    TIMESTAMP), the first `positional` of them may be given by position. Any other call goes to `function` as it came.
    Raises ValueError for slots that do not fit.
    """

@final
class Field:
    """One field of an event: how its value is checked and what is written when it is absent (None)."""

    def __new__(
        cls,
        key: str,
        kind: Literal["text", "map", "any", "spread"],
        *,
        required: bool = False,
        default: bytes = ...,
        merge_key: str = "",
        merge_json: bytes = ...,
    ) -> Field:
        """Describe a field.

        `text` takes an exact non-empty str, `map` an exact dict, `any` any value, `spread` a dict whose entries are
        written in the place of the field. `default` is the JSON of an absent field; empty leaves the key out. A map
        with a `merge_key` always holds that key: the caller's value for it, or else `merge_json`.
        """

@final
class Shape:
    """How the events of one call are written."""

    def __new__(
        cls,
        head: bytes,
        fields: Sequence[Field],
        *,
        one_of: Sequence[str] = ...,
        id_key: str = "messageId",
        time_key: str = "timestamp",
        time_format: Literal["iso", "epoch_ms"] = "iso",
        tail: bytes = ...,
        id_max_chars: int = 100,
    ) -> Shape:
        """Describe a call: head, id, time, the present fields in order, tail. Of `one_of`, one must be there.

        Raises ValueError for an unknown kind, time format or key.
        """

@final
class Batch:
    """A sealed batch: encoded events that share one piece of memory. Every part is a view, nothing encodes again."""

    @property
    def ids(self) -> list[str]:
        """The events' ids, in order."""
    @property
    def tokens(self) -> list[tuple[int, int]]:
        """`(index, token)` of the events that were admitted with a token."""
    @property
    def nbytes(self) -> int:
        """Bytes of the events joined by commas, without an envelope."""
    @property
    def end_position(self) -> int:
        """The queue position behind the last event; a flush mark at or behind it covers the batch."""
    def __len__(self) -> int:
        """Return the number of events, at least one."""
    def body(self, head: bytes, tail: bytes, /) -> bytes:
        """Return head, the events joined by commas, and tail: one request body."""
    def event(self, index: int, /) -> bytes:
        """Return the JSON of one event. Raises IndexError."""
    def split_at(self, index: int, /) -> tuple[Batch, Batch]:
        """Return the events before `index` and the rest. Raises ValueError when a part would be empty."""
    def slice(self, start: int, stop: int, /) -> Batch:
        """Return the events from `start` up to `stop`. Raises ValueError when there are none."""
    def without(self, indices: Sequence[int], /) -> Batch | None:
        """Return the batch without some events, or None when none is left."""

@final
class Queue:
    """The ring with its budget, its batches and its counters. Many threads push, one at a time takes batches."""

    def __new__(
        cls,
        shapes: Sequence[Shape],
        *,
        max_queue_events: int,
        max_queue_bytes: int,
        max_event_bytes: int,
        max_batch_bytes: int,
        max_batch_events: int,
        envelope_bytes: int,
        flush_at: int,
        flush_interval: float,
        flush_first: bool,
        drop_oldest: bool,
    ) -> Queue:
        """Make an empty queue. Raises ValueError for limits that no event could meet."""

    @property
    def push(self) -> Callable[..., bool | int]:
        """`push(shape, callback, message_id, timestamp, *values)`: take one event as the caller gave it.

        True, or an outcome. Counts the event as offered. Holds the GIL, runs no Python code and never waits. A
        callback, or anything that the walk does not take as it is, answers HARD. A bound function, to be kept.
        """
    @property
    def admit(self) -> Callable[..., bool | int]:
        """`admit(token, shape, message_id, timestamp, *values)`: take an event whose arguments Python has checked.

        Like `push`, but not counted as offered again, and any str will do for a text. `token` names a callback, 0 is
        none. HARD: a value is still not plain.
        """
    @property
    def offer(self) -> Callable[..., int]:
        """`offer(*anything)`: count one call as offered and answer HARD, in the place of `push`."""
    def refuse(self, reason: str, /) -> None:
        """Count one offered event as refused. Raises ValueError for a reason that is no word of the accounting."""
    def refused_bytes(self) -> int:
        """Return the size, as far as measured, of the event that this thread last saw refused as too large."""
    def next_batch(self, timeout: float | None, /) -> Batch | None:
        """Wait up to `timeout` seconds for a batch that is due; None on timeout, interrupt, or closed and empty."""
    def pause(self, timeout: float | None, /) -> bool:
        """Wait up to `timeout` seconds without taking anything; True when interrupted."""
    def interrupt(self) -> None:
        """End the consumer's current wait, or its next one. Never blocks."""
    def flush_mark(self) -> int:
        """Make everything accepted so far due and return the position behind it; no batch straddles a mark."""
    def count_before(self, mark: int, /) -> int:
        """Return how many events before `mark` are still in the ring. Takes as long as there are events."""
    def has_passed(self, mark: int, /) -> bool:
        """Return whether every event before `mark` has left the ring. Asked by the thread that takes the batches."""
    def wait_for_space(self, timeout: float | None, /) -> bool:
        """Wait up to `timeout` seconds for budget to be given back; True when some was, or when the queue closed."""
    def attend(self, attended: bool, /) -> None:
        """Announce that a worker has come or gone."""
    def close(self) -> None:
        """Refuse new events and wake everybody; what is left is handed out without waiting. Idempotent."""
    def purge(self) -> list[int]:
        """Drop what waits in the ring, counted as purged; return the tokens of its callbacks."""
    def take_overflow(self) -> list[tuple[int, str]]:
        """Return token and reason of each event with a callback that left the ring unsent since this was last asked."""
    def settle(
        self, batch: Batch, end: Literal["delivered", "failed", "dropped", "handed_over"], reason: str = "", /
    ) -> int:
        """Count the end of each event of the batch that has not ended yet; return how many those were."""
    def release(self, batch: Batch, /) -> None:
        """Give the events' budget back, once."""
    def counters(self) -> dict[str, int]:
        """Return every counter and gauge by name; a reason follows after a dot."""
    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
    @property
    def stale(self) -> bool:
        """Whether the queue belongs to the parent of this process."""
