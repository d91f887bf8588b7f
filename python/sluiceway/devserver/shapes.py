"""What the server tells of events, requests and attempts: rows as they are stored and sent as JSON."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Verdict: TypeAlias = Literal["delivered", "lost", "refused", "retry", "duplicate"]
"""What becomes of an event at its vendor: taken; answered with 2xx, yet nothing is made of it; refused for good; not
taken now and to be sent again; taken and folded into one that came before."""

Mark: TypeAlias = Literal["duplicate", "skew", "future", "late", "retried", "sampled"]

VERDICTS: tuple[Verdict, ...] = ("delivered", "lost", "refused", "retry", "duplicate")
MARKS: tuple[Mark, ...] = ("duplicate", "skew", "future", "late", "retried", "sampled")


class Reason(msgspec.Struct, frozen=True):
    """Why an event has its verdict or a mark, in words that say what to do; never a value of the event."""

    kind: str
    key: str
    text: str


class Row(msgspec.Struct):
    """One event as the list shows it. `received` is in seconds since 1970, `attempt` counts from 1."""

    seq: int
    received: float
    vendor: str
    type: str
    event: str
    user: str
    anonymous: str
    id: str
    verdict: Verdict
    reason: str
    marks: list[Mark]
    attempt: int
    request: int
    nbytes: int
    library: str


class Event(msgspec.Struct):
    """One event as it is kept: its row, its JSON as it came, and the reasons."""

    row: Row
    json: str
    reasons: list[Reason]


class Request(msgspec.Struct):
    """One request as it is kept, keys masked. `status` is None when the connection was reset or never answered."""

    number: int
    received: float
    vendor: str
    method: str
    path: str
    status: int | None
    answer: str
    fault: str
    headers: dict[str, str]
    nbytes_sent: int
    nbytes: int
    events: int
    attempt: int
    client: str
    connection: str
    duration_ms: float


class Attempt(msgspec.Struct):
    """One time that an event arrived. `delay_seconds` is since the attempt before, None for the first."""

    request: int
    seq: int
    received: float
    status: int | None
    verdict: Verdict
    attempt: int
    delay_seconds: float | None
