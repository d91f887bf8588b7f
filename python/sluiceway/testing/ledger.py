"""What arrived: the receiver's own count of requests, events and ids, kept apart from anything the client says."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias
from zlib import crc32

import msgspec

from sluiceway.testing.strictness import Reading

Keep: TypeAlias = Literal["all", "ids"]

# As many violations are kept as text; beyond that they are only counted.
MAX_VIOLATIONS_KEPT = 1_000

# The value of an id in the ledger: 12 bits of its event's checksum, and one that says "acknowledged".
# All values are made once, so that an id costs its 16 bytes and a slot, and no integer of its own. With 16 bits the
# table of values falls out of the processor's cache, which measured +0.4 us an event.
_ACKNOWLEDGED = 1 << 12
_CHECKSUM = _ACKNOWLEDGED - 1
_VALUES = list(range(_ACKNOWLEDGED * 2))


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

    def __repr__(self) -> str:
        """Tell which request it is, without its key and its payload."""
        return (
            f"Received(number={self.number}, {self.method} {self.path}, {self.sent_bytes} bytes, "
            f"{len(self.batch)} events, attempt={self.attempt}, status={self.status})"
        )


class ReceiverStats(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver's counts, a snapshot. A request is acknowledged when it was answered with a whole 2xx."""

    connections: int = 0
    requests: int = 0
    """Requests whose head was read."""
    retries: int = 0
    """Requests that carried an `X-Retry-Count` above 0."""
    resets: int = 0
    acknowledged: int = 0
    """Requests answered with 2xx."""
    events: int = 0
    """Events of acknowledged requests, copies included."""
    ids: int = 0
    """Distinct ids among them."""
    duplicates: int = 0
    """Events that came, in whatever request, after their id had been acknowledged."""
    repeats: int = 0
    """Events that came again because they had not been acknowledged."""
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
    """Keeps what arrived, under one lock. `keep="ids"` holds 16 bytes and a checksum for each id and nothing else."""

    def __init__(self, keep: Keep) -> None:
        if keep not in ("all", "ids"):
            raise ValueError('keep must be "all" or "ids"')
        self.keeps_all = keep == "all"
        self._changed = threading.Condition()
        self._reset()

    def _reset(self) -> None:
        self.requests: list[Received] = []
        self.events: list[dict[str, Any]] = []
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

    def settle(self, reading: Reading | None, *, status: int | None, nbytes: int, received: Received | None) -> None:
        """Count a request that has been read, at the moment it is answered (or reset: `status` None)."""
        acknowledged = status is not None and status < 300
        checksums = [] if reading is None else list(map(crc32, reading.events))
        ids = [] if reading is None else pack(reading.ids)
        with self._changed:
            count = self._count
            count["sent_bytes"] += nbytes
            if status is not None:
                self._statuses[str(status)] += 1
            if received is not None:
                received.status = status
            if acknowledged:
                count["acknowledged"] += 1
                count["events"] += len(ids)
                if received is not None:
                    self.events.extend(received.batch)
            self._note(ids, checksums, _ACKNOWLEDGED if acknowledged else 0)
            self._changed.notify_all()

    def _note(self, ids: Sequence[bytes], checksums: Sequence[int], flag: int) -> None:
        seen, count = self._seen, self._count
        if seen.keys().isdisjoint(ids) and len(set(ids)) == len(ids):
            values, mask = _VALUES, _CHECKSUM
            seen.update(zip(ids, [values[checksum & mask | flag] for checksum in checksums], strict=True))
            count["ids"] += len(ids) if flag else 0
            return
        for event_id, checksum in zip(ids, checksums, strict=True):
            value = seen.get(event_id)
            if value is None:
                seen[event_id] = _VALUES[checksum & _CHECKSUM | flag]
                count["ids"] += bool(flag)
                continue
            count["duplicates" if value & _ACKNOWLEDGED else "repeats"] += 1
            if (value ^ checksum) & _CHECKSUM:
                count["mismatches"] += 1
            if flag and not value & _ACKNOWLEDGED:
                seen[event_id] = _VALUES[value | flag]
                count["ids"] += 1

    def acknowledged(self, event_id: str) -> bool:
        """Whether an event of this id was in an acknowledged request."""
        with self._changed:
            return bool(self._seen.get(pack([event_id])[0], 0) & _ACKNOWLEDGED)

    def acknowledged_ids(self) -> bytearray:
        """Return all acknowledged ids, 16 bytes each, in no order that means anything."""
        with self._changed:
            ids = bytearray()  # join would first make a list of them all
            for event_id, value in self._seen.items():
                if value & _ACKNOWLEDGED:
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


def pack(ids: Sequence[str]) -> list[bytes]:
    """Return 16 bytes for each id: the UUID's own where it is one in lower case, else a digest of the text.

    One conversion for the whole batch: a UUID object each would cost more than decoding the event.
    """
    packed = _pack_uuids(ids)
    return [_pack_one(event_id) for event_id in ids] if packed is None else packed


def _pack_uuids(ids: Sequence[str]) -> list[bytes] | None:
    dashes = "-" * len(ids)
    joined = "".join(ids)
    digits = joined.replace("-", "")
    if len(digits) != 32 * len(ids) or any(length != 36 for length in set(map(len, ids))):
        return None
    if any(joined[at::36] != dashes for at in (8, 13, 18, 23)):
        return None
    try:
        packed = bytes.fromhex(digits)
    except ValueError:
        return None
    if packed.hex() != digits:
        return None  # capitals: another text, another id
    return [packed[at : at + 16] for at in range(0, len(packed), 16)]


def _pack_one(event_id: str) -> bytes:
    packed = _pack_uuids([event_id])
    if packed is not None:
        return packed[0]
    return hashlib.blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
