"""What arrived: the receiver's own count of requests, events and ids, kept apart from anything the client says."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Literal, TypeAlias
from zlib import adler32

import msgspec

from sluiceway.testing.ids import pack
from sluiceway.testing.strict.reading import Fate, Reading

Keep: TypeAlias = Literal["all", "log", "ids"]

# As many violations are kept as text; beyond that they are only counted.
MAX_VIOLATIONS_KEPT = 1_000

# The value of an id in the ledger: 12 bits of its event's checksum, and two that say "acknowledged" and "refused". The
# bits are from the upper half of Adler-32, which weighs each byte by its place, and costs a third less than CRC-32.
# All values are made once, so that an id costs its 16 bytes and a slot, and no integer of its own. With 16 bits the
# table of values falls out of the processor's cache, which measured +0.4 us an event.
_ACKNOWLEDGED = 1 << 12
_REFUSED = 1 << 13
_CHECKSUM = _ACKNOWLEDGED - 1
_VALUES = list(range(_REFUSED * 2))
_FLAGS: dict[Fate, int] = {"open": 0, "later": 0, "acknowledged": _ACKNOWLEDGED, "refused": _REFUSED}


class Received(msgspec.Struct, kw_only=True, eq=False):
    """One request whose body was read. `status` is what was answered; None while it is delayed or when it was reset."""

    number: int
    connection: int
    method: str
    path: str
    headers: dict[str, str]
    attempt: int
    arrived_seconds: float
    """When its head was there, on the clock of `time.monotonic()`."""
    sent_bytes: int
    """Length of the body as sent, compressed if it was."""
    body: bytes
    document: Any
    batch: list[dict[str, Any]]
    status: int | None = None
    fates: list[Fate] = []
    """What the answer said of each event, once it was given; all "open" after a reset."""

    def __repr__(self) -> str:
        """Tell which request it is, without its key and its payload."""
        return (
            f"Received(number={self.number}, {self.method} {self.path}, {self.sent_bytes} bytes, "
            f"{len(self.batch)} events, attempt={self.attempt}, status={self.status})"
        )


class Logged(msgspec.Struct, frozen=True, array_like=True):
    """One event of one answered request. `user` and `device` are empty where the event names none."""

    id: str
    user: str
    device: str
    fate: Fate
    request: int
    """The number of the request it came in."""
    arrived_seconds: float
    answered_seconds: float
    """When that request's head was there, and when it was answered, on the clock of `time.monotonic()`."""


class ReceiverStats(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver's counts, a snapshot. A request is acknowledged when it was answered with a whole 2xx."""

    connections: int = 0
    requests: int = 0
    """Requests whose head was read."""
    retries: int = 0
    """Requests that said so in a header (`X-Retry-Count`, `PostHog-Attempt`)."""
    resets: int = 0
    acknowledged: int = 0
    """Requests answered with 2xx."""
    events: int = 0
    """Events that were acknowledged, copies included: those of a request answered with 2xx that the answer does not
    except."""
    ids: int = 0
    """Distinct ids among them."""
    duplicates: int = 0
    """Events that came, in whatever request, after their id had been acknowledged."""
    repeats: int = 0
    """Events that came again because they had not been acknowledged."""
    refused: int = 0
    """Distinct ids that an answer refused for good: by index, by result, or alone in a request answered with 400 or
    413."""
    refused_again: int = 0
    """Events that came again after that."""
    mismatches: int = 0
    """Duplicates and repeats whose bytes differ from those that came first under the same id (by a 12-bit checksum: one
    in 4,096 goes unseen)."""
    violations: int = 0
    sent_bytes: int = 0
    """Bytes of all bodies read, as sent."""
    statuses: dict[str, int] = {}
    cpu_seconds: float = 0.0
    """CPU time of the process the receiver runs in."""


class Ledger:
    """Keeps what arrived, under one lock.

    `keep="ids"` holds 16 bytes and a checksum for each id and nothing else; "log" also what became of each event, in
    order; "all" the requests themselves as well.
    """

    def __init__(self, keep: Keep) -> None:
        if keep not in ("all", "log", "ids"):
            raise ValueError('keep must be "all", "log" or "ids"')
        self.keeps_all = keep == "all"
        self.keeps_log = keep != "ids"
        self._changed = threading.Condition()
        self._reset()

    def _reset(self) -> None:
        self.requests: list[Received] = []
        self.events: list[dict[str, Any]] = []
        self.log: list[Logged] = []
        self.violations: list[str] = []
        self._seen: dict[bytes, int] = {}
        self._count: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()

    def clear(self) -> None:
        """Forget everything, counters included."""
        with self._changed:
            self._reset()

    def count(self, *names: str) -> None:
        """Add one to each of these counters."""
        with self._changed:
            self._count.update(names)
            self._changed.notify_all()

    def object_to(self, *violations: str) -> None:
        """Note what was wrong with a request."""
        with self._changed:
            self._count["violations"] += len(violations)
            self.violations.extend(violations[: MAX_VIOLATIONS_KEPT - len(self.violations)])

    def arrive(self, received: Received) -> None:
        """Keep a request that has been read, before it is answered."""
        with self._changed:
            self.requests.append(received)
            self._changed.notify_all()

    def settle(
        self,
        reading: Reading,
        fates: Fate | Sequence[Fate],
        *,
        status: int | None,
        nbytes: int,
        received: Received | None = None,
        log: Sequence[Logged] = (),
    ) -> None:
        """Count a request that has been read, at the moment it is answered (or reset: `status` None)."""
        checksums = list(map(adler32, reading.lasting))
        ids = pack(reading.ids)
        with self._changed:
            count = self._count
            count["sent_bytes"] += nbytes
            if status is not None:
                self._statuses[str(status)] += 1
                count["acknowledged"] += status < 300
            if isinstance(fates, str):
                self._note(ids, checksums, _FLAGS[fates])
                taken = len(ids) if fates == "acknowledged" else 0
            else:
                for event_id, checksum, fate in zip(ids, checksums, fates, strict=True):
                    self._note_one(event_id, checksum, _FLAGS[fate])
                taken = sum(fate == "acknowledged" for fate in fates)
            count["events"] += taken
            if received is not None:
                received.status = status
                received.fates = list(repeat(fates, len(ids))) if isinstance(fates, str) else list(fates)
                told = zip(received.batch, received.fates, strict=False)
                self.events.extend(event for event, fate in told if fate == "acknowledged")
            self.log.extend(log)
            self._changed.notify_all()

    def _note(self, ids: Sequence[bytes], checksums: Sequence[int], flag: int) -> None:
        seen, count = self._seen, self._count
        if not seen.keys().isdisjoint(ids):
            for event_id, checksum in zip(ids, checksums, strict=True):
                self._note_one(event_id, checksum, flag)
            return
        values, mask, before = _VALUES, _CHECKSUM, len(seen)
        seen.update(zip(ids, [values[checksum >> 16 & mask | flag] for checksum in checksums], strict=True))
        if len(seen) == before + len(ids):
            count["ids"] += len(ids) if flag & _ACKNOWLEDGED else 0
            count["refused"] += len(ids) if flag & _REFUSED else 0
            return
        for event_id in set(ids):  # one came twice in this very batch: note them one after the other
            del seen[event_id]
        for event_id, checksum in zip(ids, checksums, strict=True):
            self._note_one(event_id, checksum, flag)

    def _note_one(self, event_id: bytes, checksum: int, flag: int) -> None:
        seen, count = self._seen, self._count
        checksum = checksum >> 16 & _CHECKSUM
        value = seen.get(event_id)
        if value is None:
            value = checksum
        else:
            count["duplicates" if value & _ACKNOWLEDGED else "refused_again" if value & _REFUSED else "repeats"] += 1
            count["mismatches"] += (value ^ checksum) & _CHECKSUM != 0
        count["ids"] += bool(flag & ~value & _ACKNOWLEDGED)
        count["refused"] += bool(flag & ~value & _REFUSED)
        seen[event_id] = _VALUES[value | flag]

    def acknowledged(self, event_id: str) -> bool:
        """Whether an event of this id was in an acknowledged request."""
        with self._changed:
            return bool(self._seen.get(pack([event_id])[0], 0) & _ACKNOWLEDGED)

    def acknowledged_ids(self) -> bytearray:
        """Return all acknowledged ids, 16 bytes each, in no order that means anything."""
        return self._ids_with(_ACKNOWLEDGED)

    def refused_ids(self) -> bytearray:
        """Return all ids that were refused for good, 16 bytes each, in no order that means anything."""
        return self._ids_with(_REFUSED)

    def _ids_with(self, flag: int) -> bytearray:
        with self._changed:
            ids = bytearray()  # join would first make a list of them all
            for event_id, value in self._seen.items():
                if value & flag:
                    ids += event_id
            return ids

    def stats(self) -> ReceiverStats:
        """Return a snapshot of the counters."""
        with self._changed:
            return ReceiverStats(
                **self._count,
                statuses=dict(sorted(self._statuses.items())),
                cpu_seconds=time.process_time(),
            )

    def wait_for(self, done: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait until `done()` holds, looking again at each arrival; False when the time is up."""
        with self._changed:
            return self._changed.wait_for(done, timeout_seconds)
