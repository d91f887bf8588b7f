"""The native engine: the ring, its budget, the JSON encoding. Only `client.py` imports it.

Nothing here raises about load or network: `push` and `admit` answer with an outcome. Waits release the GIL, end with
Ctrl-C, `interrupt` or `close`, and never run Python code. No thread is ever started here.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from types import FunctionType
from typing import Any, Final, Literal, final

from typing_extensions import Self, disjoint_base

__all__ = [
    "CLOSED",
    "EVENT_TOO_LARGE",
    "HARD",
    "INTERNAL",
    "MESSAGE_ID",
    "NO_MEMORY",
    "QUEUE_FULL",
    "READS_DICTS",
    "REENTRANT",
    "SCOPE",
    "STALE",
    "TIMESTAMP",
    "UNATTENDED",
    "Batch",
    "Fault",
    "Field",
    "Inlet",
    "Queue",
    "Scoped",
    "Shape",
    "__version__",
    "faults",
    "hot",
]

__version__: Final[str]
"""The version of the package, from the one place that knows it."""

READS_DICTS: Final[bool]
"""Whether a dict's entries are read where they lie (CPython 3.11 to 3.13, with a GIL), not asked for one by one."""

UNATTENDED: Final[int]
"""Accepted, but no worker has announced itself yet."""
HARD: Final[int]
"""An argument or a value needs a closer look in Python (its kind, a rule, its depth); nothing was reserved."""
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
REENTRANT: Final[int]
"""The calling thread is sending just now."""
NO_MEMORY: Final[int]
"""The system has no memory for the event; nothing was reserved."""

MESSAGE_ID: Final[int]
"""The slot of a parameter that is the message id."""
TIMESTAMP: Final[int]
"""The slot of a parameter that is the timestamp."""

SCOPE: Final[ContextVar[Scoped | None]]
"""The innermost open scope; None and unset are none."""

class Fault(RuntimeError):
    """The engine met an error of its own. What it quotes is nothing of anybody's."""

def faults() -> tuple[int, str]:
    """Return how often the engine met an error of its own in this process, and where last (file and line)."""

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
    mapping: bool = False,
) -> Callable[..., Any]:
    """Put a short cut in front of a method of an `Inlet`: plain calls whose event is accepted never enter Python.

    `names` are parameters behind self, `slots` say where each one's value goes (a field's index, MESSAGE_ID or
    TIMESTAMP), the first `positional` of them may be given by position. `fields` is how many the method fills, 64 at
    most; the shape may have more, which are absent then. With `mapping` the method takes one exact dict, by position
    and alone, whose entries are taken as if they were keyword arguments of these names. Any other call goes to
    `function` as it came, and so does one with a name that is not known. Raises ValueError for slots that do not fit.
    """

@final
class Field:
    """One field of an event: how its value is checked and what is written when it is absent (None)."""

    def __new__(
        cls,
        key: str,
        kind: Literal["text", "id", "map", "any", "spread", "number", "int", "guarded"],
        *,
        required: bool = False,
        prefix: bytes = ...,
        default: bytes = ...,
        before: bytes = ...,
        merge_key: str = "",
        merge_json: bytes = ...,
        watched: Sequence[str] = ...,
        refused: Sequence[str] = ...,
        min_chars: int = 0,
        max_chars: int = 0,
        max_bytes: int = 0,
        scope: str = "",
    ) -> Field:
        """Describe a field. What its kind and its rules do not take is HARD.

        `text` takes an exact non-empty str; `id` that, an exact int or an exact UUID, and is always written as a
        string; `map` an exact dict, `any` any value; `spread` an exact dict whose entries are written in the place of
        the field; `number` an exact int of at most 308 digits or a finite float, `int` an exact int of 64 bits, signed
        or unsigned. `guarded` takes nothing from `push`, and from `admit` any value.

        `before` is written whether the field is given or not, then `prefix` and the value; of an absent field `prefix`
        and `default`, or neither if that is empty. All three are raw JSON; the prefix is `,"key":` unless said
        otherwise, and nothing for a spread. A map with a `merge_key` always holds that key: the caller's value for it,
        or else `merge_json`.

        For `push` alone: a map or spread with a key of `watched` is HARD, as is a text or id that is one of `refused`
        but for ASCII case, has fewer than `min_chars` or more than `max_chars` characters or more than `max_bytes` of
        UTF-8 (0: no limit), and an id without any visible character of ASCII.

        `scope` says what the field takes of the innermost scope, for `push` alone, where the call does not give it:
        `user`, `anonymous`, `who` an id, if no field of the call gives one; `context`, `grouped`, `groups` a dict, or
        what the call's own dict has not; `entry` the context's entry of the field's key, which no field that takes
        `context` has then. A text that begins with `$`, in a field of `kind`, is HARD.

        Raises ValueError for an unknown kind or scope and for rules that the kind has no use for.
        """

@disjoint_base
class Scoped:
    """A scope that is open: a tuple of what it says, which `push` finds by `SCOPE`.

    The items are the user's id, the anonymous one, the first of these, context, context with the group, groups: each
    None, or text or dict of exact plain values that nobody changes. Further items are the caller's own.
    """

    def __new__(cls, outer: Scoped | None, parts: tuple[Any, ...], inherited: tuple[Any, ...] | None, /) -> Self:
        """`inherited` is what `outer` said when `parts` were made. Raises ValueError for fewer than six items."""

    @property
    def outer(self) -> Scoped | None:
        """From which it inherits."""

    @property
    def parts(self) -> tuple[Any, ...]:
        """What it says."""

    @property
    def inherited(self) -> tuple[Any, ...] | None:
        """What `outer` said when `parts` were made."""

    @property
    def is_settled(self) -> bool:
        """Whether no outer scope was told anything since `parts` were made. If not, a push in it is HARD."""

    def replace(self, was: tuple[Any, ...], parts: tuple[Any, ...], inherited: tuple[Any, ...] | None, /) -> bool:
        """Put `parts` in the place of `was`; False if that is no longer there."""

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
        id_format: Literal["text", "uuid"] = "text",
        given_time_key: str = "",
        max_text_chars: int = 0,
        max_depth: int = 64,
    ) -> Shape:
        """Describe a call: head, id, time, the present fields in order, tail. Of `one_of`, one must be there.

        A caller's own id is a str of 1 to `id_max_chars` characters, which with the `uuid` format must be a UUID in its
        hyphenated form, or an exact UUID. A caller's own time is a plain datetime in UTC or an exact int: seconds below
        an amount of 1e11, else milliseconds; it is written again under `given_time_key`, right after the time. Texts of
        more than `max_text_chars` characters (0: no limit) are cut to as many and counted, wherever they are values;
        keys and the event's own id are not. Maps and lists nested deeper than `max_depth`, a field's own being the
        first, are HARD.

        Raises ValueError for an unknown format or key, for more than 64 fields, and for a depth beyond 1 to 64.
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
    def layout(self) -> bytes:
        """Where each event and its id lie in the joined bytes: per event three 32-bit little-endian numbers.

        Its length, and where the text of its id starts and ends in it. `Queue.restore` wants it back.
        """
    @property
    def end_position(self) -> int:
        """The queue position behind the last event; a flush mark at or behind it covers the batch.

        Of joined batches, the largest among the events shown.
        """
    @property
    def block_bytes(self) -> int:
        """Bytes of memory that the view keeps alive: all of its block, and the room behind. `join` lets go of it."""
    def __len__(self) -> int:
        """Return the number of events, at least one."""
    def body(self, head: bytes, tail: bytes, event_tail: bytes = ..., /) -> bytes:
        """Return head, the events joined by commas, and tail: one request body.

        In this copy the last bytes of each event are those of `event_tail`. Raises ValueError if an event is shorter.
        """
    def event(self, index: int, /) -> bytes:
        """Return the JSON of one event. Raises IndexError."""
    def count_before(self, mark: int, /) -> int:
        """Return how many of its events come from a batch that ended at or before `mark`."""
    @staticmethod
    def join(batches: Sequence[Batch], /) -> Batch:
        """Copy the events of several views, in order, into a block of their own. Nothing is encoded.

        The events move, with their ids, tokens, budget and end positions: they end in the new batch, and to settle or
        release the old views does nothing from now on. Raises ValueError without any event, and beyond 4 GiB.
        """
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
        """Make an empty queue. Raises ValueError for limits that no event could meet.

        With a `flush_interval` of 0 whatever waits is due whenever it is looked at.
        """

    @property
    def push(self) -> Callable[..., bool | int]:
        """`push(shape, callback, message_id, timestamp, *values)`: take one event as the caller gave it.

        True, or an outcome. Counts the event as offered. Holds the GIL, runs no Python code and never waits. A
        callback, or anything that the walk does not take as it is, answers HARD. Fields behind the last value are
        absent; more values than fields raise TypeError. A bound function, to be kept.
        """
    @property
    def admit(self) -> Callable[..., bool | int]:
        """`admit(token, shape, message_id, timestamp, *values)`: take an event whose arguments Python has checked.

        Like `push`, but not counted as offered again, and the rules of fields for texts and keys are not looked at.
        `token` names a callback, 0 is none. HARD: a value is still not plain.
        """
    @property
    def offer(self) -> Callable[..., int]:
        """`offer(*anything)`: count one call as offered and answer HARD, in the place of `push`."""
    def refuse(self, reason: str, /) -> None:
        """Count one offered event as refused. Raises ValueError for a reason that is no word of the accounting."""
    def count_replaced(self, what: Literal["id"], /) -> None:
        """Count something that Python replaced in an event: an id that the vendor would not take."""
    def refused_bytes(self) -> int:
        """Return the size, as far as measured, of the event that this thread last saw refused as too large."""
    def mark_sending(self, is_sending: bool, /) -> bool:
        """Say whether this thread sends from now on; return whether it did. What a sender offers is answered REENTRANT.

        To any client: a log line about a request of the one must not become a request of the other.
        """
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
    def shelve(self, batch: Batch, /) -> int:
        """Have the events that have not ended wait on disk from now on, and give their budget back; return how many.

        To this batch they have ended: nothing that is done to it reaches them any more.
        """
    def restore(self, events: bytes, layout: bytes, tokens: Sequence[tuple[int, int]], end_position: int, /) -> Batch:
        """Return spooled events, read from disk, as a batch again; it charges nothing to the budget.

        `tokens` are those of the batch that was shelved. Raises ValueError for a layout that does not fit the events.
        """
    def adopt(self, events: int, /) -> None:
        """Count events that an earlier process left on disk as ours, and as spooled."""
    def settle_spooled(
        self, events: int, end: Literal["delivered", "failed", "dropped", "handed_over"], reason: str = "", /
    ) -> None:
        """Count the end of spooled events that are not read again."""
    def counters(self) -> dict[str, int]:
        """Return every counter and gauge by name; a reason follows after a dot."""
    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
    @property
    def stale(self) -> bool:
        """Whether the queue belongs to the parent of this process."""
