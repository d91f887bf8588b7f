"""A batch on its way: the events, and what has been tried for them so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sluiceway.retry import History

if TYPE_CHECKING:
    from sluiceway.engine import Batch
    from sluiceway.errors import Sent

# Finding one poisoned event among 2,500 takes 24 requests. Beyond 64 it is not one event but the whole batch, and a
# search to the end would cost a request for each event.
MAX_BISECT_REQUESTS = 64


class Bisection:
    """A search for poisoned events, shared by all parts of the batch that was refused."""

    __slots__ = ("requests_left",)

    def __init__(self) -> None:
        self.requests_left = MAX_BISECT_REQUESTS


class Parcel:
    """One request's worth of events. Belongs to the thread that sends."""

    __slots__ = (
        "asked",
        "asked_seconds",
        "attempts",
        "batch",
        "bisection",
        "due",
        "ended",
        "first_at",
        "hurried",
        "rate_limited",
        "retries",
        "sent",
    )

    def __init__(self, batch: Batch, *, bisection: Bisection | None = None) -> None:
        self.batch = batch
        self.bisection = bisection
        self.due = 0.0
        """When the next attempt may be made, monotonic seconds."""
        self.asked = False
        """Whether the server asked for the wait: then neither flush nor close cuts it short."""
        self.hurried = False
        """Whether close has cut its back-off already."""
        self.attempts = 0
        self.retries = 0
        self.rate_limited = 0
        self.asked_seconds = 0.0
        self.first_at: float | None = None
        self.sent: Sent = "no"
        """"maybe" once any attempt sent bytes and got no verdict: a later refusal does not take that back."""
        self.ended = False

    def part(self, batch: Batch, *, bisection: Bisection | None = None) -> Parcel:
        """Return some of its events as a parcel of their own, due at once, with the same history."""
        part = Parcel(batch, bisection=bisection or self.bisection)
        part.attempts = self.attempts
        part.retries = self.retries
        part.asked_seconds = self.asked_seconds
        part.first_at = self.first_at
        part.sent = self.sent
        return part

    def history(self, now: float) -> History:
        """Return what the retry policy wants to know."""
        since = 0.0 if self.first_at is None else now - self.first_at
        return History(
            retries=self.retries,
            rate_limited=self.rate_limited,
            elapsed_seconds=max(0.0, since - self.asked_seconds),
            rate_limited_seconds=self.asked_seconds,
        )


class Rest(msgspec.Struct, frozen=True):
    """What is left of a parcel: what takes its place in the line, in order, and what waits aside of it."""

    line: list[Parcel] = []
    aside: list[Parcel] = []
