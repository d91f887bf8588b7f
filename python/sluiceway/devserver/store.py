"""Where events are kept: SQLite, in memory or in a file, with one thread that alone touches it.

One connection on one thread needs no lock and no journal that several readers could share, and a search releases the
GIL while it runs. What is to be kept comes by a queue that is bounded: beyond it, events are counted and not kept.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from sluiceway.devserver.shapes import Attempt, Event, Request, Row
from sluiceway.devserver.tables import (
    FOLD,
    INSERT_EVENT,
    INSERT_REQUEST,
    ROW_COLUMNS,
    SCHEMA,
    UNREADABLE,
    VERSION,
    Filter,
    attempts_of,
    event_of,
    event_values,
    request_of,
    request_values,
    row_of,
)

MAX_WAITING_EVENTS = 10_000
MEMORY_MAX_BYTES = 96 * 1024 * 1024
FILE_MAX_BYTES = 1024 * 1024 * 1024

Said = TypeVar("Said")


class StoreError(Exception):
    """The file of `--db` cannot be used; the text says why and what to do."""


class Store:
    """Keeps the last `max_events` events, and no more bytes of JSON than fit.

    `stored` is called on the store's own thread with events that can be found from now on. Raises `StoreError` when the
    file cannot be used. Everything else is asked by `ask`.
    """

    def __init__(
        self, db: str | None, max_events: int, stored: Callable[[list[Event]], None], *, max_bytes: int | None = None
    ) -> None:
        self.name = db or ":memory:"
        self.max_events = max_events
        self._max_bytes = max_bytes or (FILE_MAX_BYTES if db else MEMORY_MAX_BYTES)
        self._stored = stored
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._requests: list[Request] = []
        self._asked: deque[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = deque()
        self._closing = False
        self._last_number = self.last_seq = self.count = self._nbytes = 0
        self.failed = 0
        """Events that were handed over and could not be written."""
        self.trouble = ""
        """Why nothing is written at the moment; empty when all is well."""
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(db, started), name="sluiceway-dev-store", daemon=True)
        self._thread.start()
        started.result()

    @property
    def last_number(self) -> int:
        """The number of the newest request that was there at the start."""
        return self._last_number

    def keep(self, request: Request | None, events: Sequence[Event]) -> bool:
        """Hand over a request and its events. Does not block; False when too many are waiting, and none is taken."""
        with self._changed:
            if len(self._events) + len(events) > MAX_WAITING_EVENTS or len(self._requests) > MAX_WAITING_EVENTS:
                return False
            self._events.extend(events)
            if request is not None:
                self._requests.append(request)
            self._changed.notify()
            return True

    def ask(self, question: Callable[[sqlite3.Connection], Said]) -> Future[Said]:
        """Have a question answered behind all that was handed over before."""
        answer: Future[Said] = Future()
        with self._changed:
            if self._closing:
                answer.cancel()
                return answer
            self._asked.append((question, answer))
            self._changed.notify()
        return answer

    def close(self) -> None:
        """Write what waits, end the thread. Blocks for that; may be called twice."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(10)

    # -- questions, each run on the store's thread

    def clear(self) -> Future[None]:
        """Forget all events and requests."""

        def forget(connection: sqlite3.Connection) -> None:
            connection.executescript("DELETE FROM events; DELETE FROM requests;")
            if self.name != ":memory:":
                connection.execute("VACUUM")  # what was deleted must not stay in the file
            self.count = self._nbytes = self.failed = 0

        return self.ask(forget)

    def rows(self, wanted: Filter, *, before: int, after: int, limit: int) -> Future[tuple[list[Row], bool]]:
        """Ask for the newest rows between two numbers, and whether there are more."""

        def look(connection: sqlite3.Connection) -> tuple[list[Row], bool]:
            condition, values = wanted.sql()
            sql = (
                f"SELECT {ROW_COLUMNS} FROM events WHERE seq < ? AND seq > ? AND {condition} ORDER BY seq DESC LIMIT ?"
            )
            found = connection.execute(sql, [before, after, *values, limit + 1]).fetchall()
            return list(map(row_of, found[:limit])), len(found) > limit

        return self.ask(look)

    def texts(self, wanted: Filter, *, before: int, limit: int) -> Future[list[tuple[int, str]]]:
        """Ask for the numbers and the JSON of the newest events below a number."""

        def look(connection: sqlite3.Connection) -> list[tuple[int, str]]:
            condition, values = wanted.sql()
            sql = f"SELECT seq, json FROM events WHERE seq < ? AND type != ? AND {condition} ORDER BY seq DESC LIMIT ?"
            return connection.execute(sql, [before, UNREADABLE, *values, limit]).fetchall()

        return self.ask(look)

    def event(self, seq: int) -> Future[tuple[Event, Request | None, list[Attempt]] | None]:
        """Ask for one event, its request and all its attempts."""

        def look(connection: sqlite3.Connection) -> tuple[Event, Request | None, list[Attempt]] | None:
            sql = f"SELECT {ROW_COLUMNS}, reasons, json FROM events WHERE seq = ?"
            values = connection.execute(sql, [seq]).fetchone()
            if values is None:
                return None
            event = event_of(values)
            sql = (
                "SELECT e.request, e.seq, e.received, r.status, e.verdict, e.attempt FROM events e "
                "LEFT JOIN requests r ON r.number = e.request "
                "WHERE e.id = ? AND e.vendor = ? AND (e.id != '' OR e.seq = ?) ORDER BY e.seq LIMIT 1000"
            )
            attempts = connection.execute(sql, [event.row.id, event.row.vendor, seq]).fetchall()
            return event, _request(connection, event.row.request), attempts_of(attempts)

        return self.ask(look)

    def request(self, number: int) -> Future[tuple[Request, list[Row]] | None]:
        """Ask for one request and the events of it that were kept."""

        def look(connection: sqlite3.Connection) -> tuple[Request, list[Row]] | None:
            request = _request(connection, number)
            sql = f"SELECT {ROW_COLUMNS} FROM events WHERE request = ? ORDER BY seq LIMIT 5000"
            rows = connection.execute(sql, [number]).fetchall()
            return None if request is None else (request, list(map(row_of, rows)))

        return self.ask(look)

    # -- the thread

    def _run(self, db: str | None, started: Future[None]) -> None:
        try:
            connection = self._open(db)
        except (sqlite3.Error, OSError, StoreError) as error:
            started.set_exception(error if isinstance(error, StoreError) else _unusable(db, error))
            return
        started.set_result(None)
        try:
            while self._step(connection):
                pass
        finally:
            connection.close()

    def _open(self, db: str | None) -> sqlite3.Connection:
        if db is None:
            connection = sqlite3.connect(":memory:", isolation_level=None)
        else:
            # Payloads are in it: nobody else's business, whatever the umask says.
            os.close(os.open(db, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
            connection = sqlite3.connect(Path(db), isolation_level=None, timeout=0.5)
            # One owner; a file that outlives a crash of this process, if not of the machine.
            connection.executescript(
                "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=OFF;"
            )
        connection.create_function(FOLD, 1, str.lower, deterministic=True)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables_there = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version != VERSION and (version or tables_there):
            connection.close()
            raise StoreError(f"{db} is a database of something else: name another file, or delete it")
        connection.executescript(f"BEGIN EXCLUSIVE; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
        seq, count, nbytes = connection.execute("SELECT max(seq), count(*), total(nbytes) FROM events").fetchone()
        [number] = connection.execute("SELECT max(number) FROM requests").fetchone()
        self.last_seq, self.count, self._nbytes, self._last_number = seq or 0, count, int(nbytes), number or 0
        self._evict(connection)
        return connection

    def _step(self, connection: sqlite3.Connection) -> bool:
        with self._changed:
            while not (self._events or self._requests or self._asked or self._closing):
                self._changed.wait()
            events, self._events = self._events, []
            requests, self._requests = self._requests, []
            asked = list(self._asked)
            self._asked.clear()
            ends = self._closing
        if (events or requests) and self._has_written(connection, requests, events):
            self._stored(events)
        for question, answer in asked:
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(question(connection))
            except Exception as error:  # the one who asked is told; the thread goes on
                answer.set_exception(error)
        return not ends

    def _has_written(self, connection: sqlite3.Connection, requests: list[Request], events: list[Event]) -> bool:
        """Write; whatever is wrong with the disk or with a value costs these events, and not the thread."""
        count, nbytes = self.count, self._nbytes
        try:
            self._write(connection, requests, events)
        except Exception as error:
            if connection.in_transaction:
                connection.rollback()
            self.count, self._nbytes = count, nbytes
            self.failed += len(events)
            self.trouble = f"{type(error).__name__}: the last events could not be written to {self.name}"
            return False
        self.trouble = ""
        return True

    def _write(self, connection: sqlite3.Connection, requests: list[Request], events: list[Event]) -> None:
        connection.execute("BEGIN")
        connection.executemany(INSERT_REQUEST, map(request_values, requests))
        connection.executemany(INSERT_EVENT, map(event_values, events))
        self.count += len(events)
        self._nbytes += sum(event.row.nbytes for event in events)
        if events:
            self.last_seq = max(self.last_seq, events[-1].row.seq)
        self._evict(connection)
        connection.execute("COMMIT")

    def _evict(self, connection: sqlite3.Connection) -> None:
        """Let the oldest go until the rest fits."""
        while self.count > self.max_events or (self._nbytes > self._max_bytes and self.count > 1):
            excess = max(self.count - self.max_events, 0)
            if self._nbytes > self._max_bytes:
                excess = max(excess, self.count // 16, 1)
            [last] = connection.execute("SELECT seq FROM events ORDER BY seq LIMIT 1 OFFSET ?", [excess - 1]).fetchone()
            [nbytes] = connection.execute("SELECT total(nbytes) FROM events WHERE seq <= ?", [last]).fetchone()
            connection.execute("DELETE FROM events WHERE seq <= ?", [last])
            self.count -= excess
            self._nbytes -= int(nbytes)
        [number] = connection.execute("SELECT max(number) FROM requests").fetchone()
        connection.execute("DELETE FROM requests WHERE number <= ?", [(number or 0) - self.max_events])
        connection.execute(
            "DELETE FROM requests WHERE number < (SELECT request FROM events ORDER BY seq LIMIT 1) AND ?",
            [self.count >= self.max_events // 2],
        )


def _request(connection: sqlite3.Connection, number: int) -> Request | None:
    values = connection.execute("SELECT * FROM requests WHERE number = ?", [number]).fetchone()
    return None if values is None else request_of(values)


def _unusable(db: str | None, error: Exception) -> StoreError:
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return StoreError(f"{db} is in use, by another `sluiceway dev` perhaps: end that one, or name another file")
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return StoreError(f"{db} is no database: name another file, or delete it")
    why = error.strerror if isinstance(error, OSError) else str(error)
    return StoreError(f"{db} cannot be used ({why}): name a file in a directory that you may write to")
