"""The laws that hold after every fault, whatever it was: the server's record against what the client said.

C  conservation   both lines of the accounting, and every counter equal to what was told of each event
I  identity       every id is one that was offered, and every payload the one that was generated for it
L  delivered      what the client calls delivered is what the server told it that it had taken
D  duplicates     an id comes again only when no verdict was read, or one that asked for it
S  sent           what failed as surely not sent is not with the server under an unread verdict
V  liveness       an event that is offered after the fault is delivered
R  resources      threads, descriptors and reserved bytes are what they were
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from sluiceway import Stats

from .book import Book
from .record import Record
from .server import FaultServer

# The machine may be busy with something else entirely.
PATIENCE_SECONDS = 20.0


def broken(book: Book, stats: Stats, *records: Record, closed: bool = True) -> list[str]:
    """Return the laws C, I, L, D and S that these figures break; none is what a test wants.

    `records` are those of all servers that the client could reach. Not `closed`: events may be pending.
    """
    wrong = _conservation(book, stats, closed=closed)
    wrong += _identity(book, records)
    wrong += _delivered(book, records)
    wrong += _duplicates(records)
    wrong += _sent(book, records)
    return wrong


def check(client: Any, book: Book, *servers: FaultServer, requests: int = 1, retries: int = 0) -> Stats:
    """Close the client and assert C, I, L, D, S and the traffic's floor: so many requests read, so many ids again."""
    client.close(timeout=PATIENCE_SECONDS)
    stats: Stats = client.stats()
    records = [server.record for server in servers]
    wrong = broken(book, stats, *records)
    assert not wrong, f"{len(wrong)} laws broken, such as {wrong[:3]}"
    assert sum(len(record.requests) + record.fragments for record in records) >= requests, "too little traffic"
    again = sum(entry.attempt > 1 for record in records for entry in record.entries)
    fragments = sum(record.fragments for record in records)
    assert again + fragments >= retries, f"too few retries seen: {again} and {fragments} broken off"
    return stats


def alive(client: Any, book: Book, server: FaultServer, *, timeout: float = PATIENCE_SECONDS) -> None:
    """V: end the fault and assert that a fresh event is delivered."""
    server.heal()
    (fresh,) = book.push(client)
    assert fresh in book.accepted, "V: a fresh event is refused"
    client.flush(timeout=timeout)
    assert fresh in book.delivered, f"V: a fresh event is not delivered: {client.stats()}"
    assert fresh in server.record.taken, "V: a fresh event is called delivered and never arrived"


class Resources:
    """R: counts threads and descriptors when made; `check` asserts that there are no more."""

    def __init__(self) -> None:
        self.threads = threading.active_count()
        self.descriptors = descriptors()

    def check(self, stats: Stats | None = None) -> None:
        """Wait for the counts to come back. `stats` are those of a closed client."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while threading.active_count() > self.threads or descriptors() > self.descriptors:
            assert time.monotonic() < deadline, (
                f"R: {threading.active_count()} threads were {self.threads}, "
                f"{descriptors()} descriptors were {self.descriptors}"
            )
            time.sleep(0.01)
        if stats is not None:
            assert (stats.reserved_events, stats.reserved_bytes) == (0, 0), "R: something is still reserved"


def descriptors() -> int:
    """How many descriptors this process has open."""
    if sys.platform != "linux":
        return 0
    return len(os.listdir("/proc/self/fd"))


def _conservation(book: Book, stats: Stats, *, closed: bool) -> list[str]:
    ended = len(book.delivered) + len(book.failed) + len(book.dropped) + len(book.handed_over)
    laws = [
        ("C: offered, as called", stats.offered, len(book.offered)),
        ("C: accepted, as answered", stats.accepted, len(book.accepted)),
        ("C: delivered, as told", stats.delivered, len(book.delivered)),
        ("C: failed, as told", stats.failed, len(book.failed)),
        ("C: handed over, as told", stats.handed_over, len(book.handed_over)),
        ("C: nothing told twice", len(book.told_twice), 0),
    ]
    if closed:
        laws += [
            ("C: nothing pending", stats.pending, 0),
            ("C: no slot reserved", stats.reserved_events, 0),
            ("C: no byte reserved", stats.reserved_bytes, 0),
            # Events that a policy removed from the ring are counted and have no report.
            ("C: all that was accepted has ended", len(book.accepted), ended + stats.dropped - len(book.dropped)),
        ]
    wrong = [f"{law}: {left} is not {right}" for law, left, right in laws if left != right]
    if not stats.balanced:
        wrong.append(f"C: the two lines do not hold: {stats}")
    return wrong


def _identity(book: Book, records: tuple[Record, ...]) -> list[str]:
    wrong = []
    digests: dict[str, str] = {}
    for record in records:
        for entry in record.entries:
            if entry.id not in book.offered:
                wrong.append(f"I: {entry.id} was never offered")
            elif not _holds(entry.payload, book.offered[entry.id]):
                wrong.append(f"I: {entry.id} has another payload")
            if digests.setdefault(entry.id, entry.digest) != entry.digest:
                wrong.append(f"I: copies of {entry.id} differ")
    return wrong


def _holds(payload: Any, generated: dict[str, Any]) -> bool:
    """Whether a payload is the generated one; a vendor's page may have added entries of its own."""
    return isinstance(payload, dict) and all(
        key in payload and payload[key] == value for key, value in generated.items()
    )


def _delivered(book: Book, records: tuple[Record, ...]) -> list[str]:
    taken = set().union(*(record.taken for record in records))
    return [f"L: {id_} is called delivered and was not taken" for id_ in book.delivered if id_ not in taken]


def _duplicates(records: tuple[Record, ...]) -> list[str]:
    wrong = []
    for record in records:
        taken: set[str] = set()
        for seen in record.requests:
            wrong += [f"D: {id_} came again though it had been taken" for id_ in seen.ids if id_ in taken]
            wrong += [f"D: {id_} twice in one request" for id_ in set(seen.ids) if seen.ids.count(id_) > 1]
            if seen.is_taken:
                taken.update(seen.ids)
    return wrong


def _sent(book: Book, records: tuple[Record, ...]) -> list[str]:
    unread = {id_ for record in records for seen in record.requests if seen.told is None for id_ in seen.ids}
    return [
        f"S: {id_} failed as surely not sent, and the server has it"
        for id_, error in book.failed.items()
        if error.sent == "no" and id_ in unread
    ]
