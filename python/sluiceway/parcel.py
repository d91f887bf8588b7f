"""A batch on its way: the events, and what has been tried for them so far."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from sluiceway.retry import History
from sluiceway.vendors.base import Owner, Sending

if TYPE_CHECKING:
    from sluiceway.engine import Batch
    from sluiceway.errors import Sent
    from sluiceway.filed import Filed
    from sluiceway.hold import Hold

# Finding one poisoned event among 2,500 takes 24 requests. Beyond 64 it is not one event but the whole batch, and a
# search to the end would cost a request for each event.
MAX_BISECT_REQUESTS = 64

# A view keeps the whole block that it was cut from. Copying costs as much as the view is long, so below this share of
# the block it costs less than what it sets free.
_ALIVE_SHARE = 0.5


class Bisection:
    """A search for poisoned events, shared by all parts of the batch that was refused."""

    __slots__ = ("has_delivered", "requests_left")

    def __init__(self) -> None:
        self.requests_left = MAX_BISECT_REQUESTS
        self.has_delivered = False
        """Whether any part of the batch was taken: then it is not everything that the vendor refuses."""


class Stay(NamedTuple):
    """One event in the lanes."""

    number: int
    """Its place among all events that have left the queue: the order in which they are to arrive."""
    owner: Owner
    since: float
    """When it came into the lanes, monotonic seconds."""
    nbytes: int
    filed: Filed | None = None
    """The file in the spool that holds it, with others."""


class Parcel:
    """One request's worth of events. Belongs to the thread that sends; any thread may count its events.

    The events may lie in several views, until `compact` joins them. Joining moves events out of the views that they
    were in, so that nothing else can end them any more: it is for a parcel that has its place in the line, and never
    for one that is only being thought about.
    """

    __slots__ = (
        "_joined",
        "_views",
        "asked_seconds",
        "asked_until",
        "attempts",
        "backed_off",
        "bisection",
        "created_at",
        "due",
        "end",
        "event_tail",
        "filed",
        "first_at",
        "hurried",
        "numbers",
        "rate_limited",
        "request_id",
        "retries",
        "sendings",
        "sent",
        "stays",
    )

    def __init__(self, *views: Batch, bisection: Bisection | None = None) -> None:
        """Take the events of one view or more, in their order."""
        self._views = views
        self._joined: list[Batch] = []
        self.bisection = bisection
        self.numbers: Sequence[int] = ()
        """The events' places among all that have left the queue. Empty where no lanes are."""
        self.stays: tuple[Stay, ...] = ()
        """What the lanes know of each event. Empty in the line."""
        self.filed: Filed | None = None
        """The file in the spool that holds its events, perhaps with others. In the lanes each event has its own."""
        self.due = 0.0
        """When the next attempt may be made, monotonic seconds."""
        self.asked_until = 0.0
        """Until when the server asked to wait: neither flush nor close cuts into this."""
        self.backed_off = False
        """Whether the attempt to come is a counted retry."""
        self.hurried = False
        """Whether close has cut its back-off already."""
        self.attempts = 0
        self.retries = 0
        self.rate_limited = 0
        self.asked_seconds = 0.0
        self.first_at: float | None = None
        self.created_at: float | None = None
        """Unix seconds of the first attempt with exactly these events."""
        self.request_id = ""
        self.sendings = 0
        """How many attempts had exactly these events."""
        self.event_tail = b""
        """What the last attempt wrote over the end of each event."""
        self.sent: Sent = "no"
        """"maybe" once any attempt sent bytes and got no verdict: a later refusal does not take that back."""
        self.end: Callable[[], Any] | None = None
        """Ends the events. Set before it is called; calling it again ends nothing twice."""

    def __len__(self) -> int:
        """Return the number of events."""
        return sum(map(len, self._views))

    @property
    def batch(self) -> Batch:
        """The events as one batch, which they are unless the parcel was just gathered."""
        (batch,) = self._views
        return batch

    @property
    def nbytes(self) -> int:
        """Bytes of the events joined by commas."""
        return sum(view.nbytes for view in self._views) + len(self._views) - 1

    @property
    def ended(self) -> bool:
        """Whether all that is left to do is to leave the line."""
        return self.end is not None

    @property
    def is_filed(self) -> bool:
        """Whether its events are in the spool, and in the line in a file with no others."""
        if self.stays:
            return all(stay.filed is not None for stay in self.stays)
        return self.filed is not None and self.filed.count == len(self)

    def refile(self, filed: Filed | None) -> None:
        """Have its events in another file, or in none because they have ended. Repeated, it does nothing twice."""
        before = [self.filed, *(stay.filed for stay in self.stays)]
        if self.stays:
            self.stays = tuple(stay._replace(filed=filed) for stay in self.stays)
        else:
            self.filed = filed
        if before[0] is not None:
            before[0].release(len(self))
        for each in before[1:]:
            if each is not None:
                each.release(1)

    def count_before(self, mark: int) -> int:
        """Return how many of its events come from before a queue position. For any thread."""
        return sum(view.count_before(mark) for view in self._views)

    def compact(self) -> None:
        """Join its views, and let go of a block of which it holds a small part only."""
        if len(self._views) == 1 and self.batch.nbytes >= _ALIVE_SHARE * self.batch.block_bytes:
            return
        # An exception injected by another thread strikes between two instructions of Python. Inside `extend` there are
        # none: the joined events, which are nowhere else then, are in the list before one can.
        if not self._joined:
            self._joined.extend(map(self._views[0].join, (self._views,)))
        self._views = tuple(self._joined)
        self._joined = []

    def only(self, indices: Sequence[int], *, bisection: Bisection | None = None) -> Parcel:
        """Return some of its events, in ascending order of index, as a parcel of their own.

        It is due at once, and has the same history.
        """
        part = Parcel(self._view(indices), bisection=bisection or self.bisection)
        part.numbers = [self.numbers[index] for index in indices] if self.numbers else ()
        part.stays = tuple(self.stays[index] for index in indices) if self.stays else ()
        part.filed = self.filed
        part.attempts = self.attempts
        part.retries = self.retries
        part.asked_seconds = self.asked_seconds
        part.first_at = self.first_at
        part.event_tail = self.event_tail
        part.sent = self.sent
        return part

    def without(self, indices: Sequence[int]) -> Parcel | None:
        """Return the parcel without some events, with its due time, or None when none is left."""
        gone = set(indices)
        kept = [index for index in range(len(self)) if index not in gone]
        if not kept:
            return None
        rest = self.only(kept)
        rest.due, rest.asked_until, rest.hurried = self.due, self.asked_until, self.hurried
        rest.rate_limited, rest.backed_off = self.rate_limited, self.backed_off
        return rest

    def parked(self, indices: Sequence[int], stays: Sequence[Stay]) -> Parcel:
        """Return some of its events as they wait in a lane: what was tried is forgotten, but not that it was.

        The vendor answered and had a reason of another kind to refuse them; how long they may wait, the lanes say.
        """
        part = Parcel(self._view(indices))
        part.stays = tuple(stays)
        if self.filed is not None:
            part.stays = tuple(stay._replace(filed=self.filed) for stay in stays)
        part.attempts = self.attempts
        part.event_tail = self.event_tail
        part.sent = self.sent
        return part

    def halves(self, bisection: Bisection | None) -> list[Parcel]:
        """Return its events as two parcels."""
        middle, count = len(self) // 2, len(self)
        return [self.only(indices, bisection=bisection) for indices in (range(middle), range(middle, count))]

    def _view(self, indices: Sequence[int]) -> Batch:
        batch = self.batch
        if len(indices) == len(batch):
            return batch
        if indices[-1] - indices[0] + 1 == len(indices):
            return batch.slice(indices[0], indices[-1] + 1)
        kept = set(indices)
        view = batch.without([index for index in range(len(batch)) if index not in kept])
        assert view is not None
        return view

    def views_of(self, indices: Sequence[int]) -> list[Batch]:
        """Return views of some of its events in the given order, as few as that takes."""
        views: list[Batch] = []
        start = 0
        for place in range(1, len(indices) + 1):
            if place == len(indices) or indices[place] != indices[place - 1] + 1:
                views.append(self._view(range(indices[start], indices[place - 1] + 1)))
                start = place
        return views

    def sending(self, now: float) -> Sending:
        """Return what the attempt that is made now, in Unix seconds, is to the vendor's page."""
        if self.created_at is None:
            self.created_at = now
            self.request_id = str(uuid.uuid4())
        self.sendings += 1
        return Sending(sent_at=now, created_at=self.created_at, attempt=self.sendings, request_id=self.request_id)

    def history(self, now: float) -> History:
        """Return what the retry policy wants to know."""
        since = 0.0 if self.first_at is None else now - self.first_at
        return History(
            retries=self.retries,
            rate_limited=self.rate_limited,
            elapsed_seconds=max(0.0, since - self.asked_seconds),
            rate_limited_seconds=self.asked_seconds,
        )


def gathered(parts: Sequence[Parcel]) -> Parcel:
    """Return the events of several parked parcels as one, not joined yet."""
    if len(parts) == 1:
        return parts[0]
    whole = Parcel(*(view for part in parts for view in part._views))
    whole.stays = tuple(stay for part in parts for stay in part.stays)
    whole.attempts = max(part.attempts for part in parts)
    whole.event_tail = parts[0].event_tail
    if any(part.sent == "maybe" for part in parts):
        whole.sent = "maybe"
    return whole


class Rest(msgspec.Struct, frozen=True):
    """What is left of a parcel: what takes its place in the line, in order, and who has to wait from now on."""

    line: list[Parcel] = []
    hold: Hold | None = None
