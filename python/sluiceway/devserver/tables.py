"""The tables of the store, and the SQL that filters them."""

from __future__ import annotations

from typing import Any

import msgspec

from sluiceway.devserver.shapes import Attempt, Event, Mark, Reason, Request, Row

VERSION = 1
"""In `user_version`: a file of another version is not touched."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, received REAL NOT NULL, vendor TEXT NOT NULL, type TEXT NOT NULL, event TEXT NOT NULL,
    user TEXT NOT NULL, anonymous TEXT NOT NULL, id TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
    marks TEXT NOT NULL, attempt INTEGER NOT NULL, request INTEGER NOT NULL, nbytes INTEGER NOT NULL,
    library TEXT NOT NULL, reasons TEXT NOT NULL, json TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_id ON events (id);
CREATE INDEX IF NOT EXISTS events_by_request ON events (request);
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY, received REAL NOT NULL, vendor TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    status INTEGER, answer TEXT NOT NULL, fault TEXT NOT NULL, headers TEXT NOT NULL, nbytes_sent INTEGER NOT NULL,
    nbytes INTEGER NOT NULL, events INTEGER NOT NULL, attempt INTEGER NOT NULL, client TEXT NOT NULL,
    connection TEXT NOT NULL, duration_ms REAL NOT NULL
);
"""

ROW_COLUMNS = (
    "seq, received, vendor, type, event, user, anonymous, id, verdict, reason, marks, attempt, request, nbytes, library"
)
INSERT_EVENT = f"INSERT OR REPLACE INTO events ({ROW_COLUMNS}, reasons, json) VALUES ({', '.join('?' * 17)})"
UNREADABLE = "request"
"""The type of a row that stands for a request without an event that could be read."""

FOLD = "fold"
"""The name of the function that the store lends to SQLite: `str.lower`."""
INSERT_REQUEST = f"INSERT OR REPLACE INTO requests VALUES ({', '.join('?' * 16)})"


class Filter(msgspec.Struct, frozen=True):
    """Which events are wanted; an empty text asks for nothing. `text` is searched for in the raw JSON."""

    vendor: str = ""
    type: str = ""
    event: str = ""
    user: str = ""
    text: str = ""
    verdict: str = ""
    mark: str = ""

    def sql(self) -> tuple[str, list[Any]]:
        """Return the condition and its values."""
        conditions, values = ["1"], []
        for column in ("vendor", "type", "verdict"):
            if wanted := getattr(self, column):
                conditions.append(f"{column} = ?")
                values.append(wanted)
        if self.event:
            conditions.append(_holds("event", self.event))
            values.append(self.event.lower())
        if self.user:
            conditions.append(f"({_holds('user', self.user)} OR {_holds('anonymous', self.user)})")
            values += [self.user.lower()] * 2
        if self.mark:
            conditions.append("instr(marks, ?)")
            values.append(f" {self.mark} ")
        if self.text:
            conditions.append(_holds("json", self.text))
            values.append(self.text.lower())
        return " AND ".join(conditions), values

    def fits(self, event: Event) -> bool:
        """Whether an event is wanted: the same, asked of one that has just arrived."""
        row = event.row
        return (
            self.vendor in ("", row.vendor)
            and self.type in ("", row.type)
            and self.verdict in ("", row.verdict)
            and (not self.mark or self.mark in row.marks)
            and (not self.event or self.event.lower() in row.event.lower())
            and (not self.user or self.user.lower() in row.user.lower() or self.user.lower() in row.anonymous.lower())
            and (not self.text or self.text.lower() in event.json.lower())
        )


def _holds(column: str, wanted: str) -> str:
    """SQLite's own `lower` knows ASCII only; `FOLD` is Python's, and slower."""
    return f"instr({'lower' if wanted.isascii() else FOLD}({column}), ?)"


def event_values(event: Event) -> tuple[Any, ...]:
    """Return an event as a row of the table."""
    row = event.row
    return (
        *(row.seq, row.received, row.vendor, row.type, row.event, row.user, row.anonymous, row.id, row.verdict),
        *(row.reason, f" {' '.join(row.marks)} ", row.attempt, row.request, row.nbytes, row.library),
        *(msgspec.json.encode(event.reasons).decode(), event.json),
    )


def request_values(request: Request) -> tuple[Any, ...]:
    """Return a request as a row of the table."""
    values = msgspec.structs.asdict(request)
    return tuple({**values, "headers": msgspec.json.encode(request.headers).decode()}.values())


def row_of(values: tuple[Any, ...]) -> Row:
    """Read the columns of `ROW_COLUMNS`."""
    row = Row(*values[:15])
    marks: list[Mark] = values[10].split()
    row.marks = marks
    return row


def event_of(values: tuple[Any, ...]) -> Event:
    """Read the columns of `ROW_COLUMNS`, reasons and JSON."""
    return Event(row_of(values), values[16], msgspec.json.decode(values[15], type=list[Reason]))


def request_of(values: tuple[Any, ...]) -> Request:
    """Read all columns of a request."""
    request = Request(*values)
    request.headers = msgspec.json.decode(values[8])
    return request


def attempts_of(rows: list[tuple[Any, ...]]) -> list[Attempt]:
    """Read request, seq, received, status, verdict and attempt of each, in order of arrival."""
    found: list[Attempt] = []
    for values in rows:
        delay = round(values[2] - found[-1].received, 3) if found else None
        request, seq, received, status, verdict, attempt = values
        found.append(Attempt(request, seq, received, status, verdict, attempt, delay))
    return found
