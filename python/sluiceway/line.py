"""The parcels that wait: in a line that keeps their order, or in lanes beside it; and which of them is next, and when.

The first of the line holds up the others. What waits in lanes (``lanes.py``) holds nobody up. Nothing here blocks,
locks or sends.

Who stands where is one immutable value, replaced in one assignment. So an exception that another thread injects finds
either the old line or the new one, and another thread that counts sees each event once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sluiceway.lanes import NO_LANES, Lanes
from sluiceway.parcel import Parcel, Rest

if TYPE_CHECKING:
    from sluiceway.engine import Batch
    from sluiceway.lanes import LaneKeeper

# A flush that waits cuts our own back-off, but does not turn an outage into a stream of requests.
HURRY_SECONDS = 1.0


class _Places(msgspec.Struct, frozen=True):
    """Who stands where."""

    ordered: tuple[Parcel, ...] = ()
    lanes: Lanes = NO_LANES
    surplus: tuple[Parcel, ...] = ()
    """What the lanes have no room for. It has left them, and its end is still to be counted."""
    unpacked: Batch | None = None
    """The batch of the inbox that stands here already."""
    numbered: int = 0
    """How many events have come out of the queue."""


class Line:
    """Every parcel that has left the queue and not ended. Changed by the working thread, counted by any."""

    __slots__ = ("_compacted", "_keeper", "_last_cut", "_places", "inbox")

    def __init__(self, keeper: LaneKeeper | None = None) -> None:
        """Have no lanes without a keeper."""
        self.inbox: list[Batch | None] = []
        """Batches, and None for none, as the queue hands them out."""
        self._keeper = keeper
        self._places = _Places()
        self._compacted = NO_LANES
        self._last_cut = float("-inf")

    @property
    def holds(self) -> bool:
        """Whether a parcel waits that may hold up all others, so that nothing more may be taken from the queue."""
        places = self._places
        return bool(places.ordered or places.lanes.going)

    @property
    def empty(self) -> bool:
        """Whether nothing waits at all."""
        places = self._places
        return not (places.ordered or places.lanes.parcels or places.surplus)

    @property
    def surplus(self) -> tuple[Parcel, ...]:
        """What the lanes had no room for, to be dropped and then to be forgotten by `forget_surplus`."""
        return self._places.surplus

    @property
    def second(self) -> Parcel | None:
        """What stands behind the first of the line and may wait elsewhere: no part of a search for a bad event."""
        for parcel in self._places.ordered[1:2]:
            if parcel.bisection is None and not parcel.ended:
                return parcel
        return None

    def leave(self, parcel: Parcel) -> None:
        """Let go of a parcel that waits elsewhere from now on."""
        self._place(ordered=tuple(other for other in self._places.ordered if other is not parcel))

    def forget_surplus(self) -> None:
        """Note that the surplus has ended."""
        self._place(surplus=())

    def unpack(self, now: float) -> None:
        """Put what came out of the queue in its place, and let go on what waited long enough in a lane.

        Interrupted and repeated, it does nothing twice.
        """
        self._compact()
        keeper = self._keeper
        if keeper is not None and self._places.lanes.stale_at <= now:
            lanes = keeper.prune(self._places.lanes, now)
            self._place(lanes=lanes if lanes.holds else NO_LANES)
        while self.inbox:
            batch = self.inbox[0]
            if batch is not None and batch is not self._places.unpacked:
                self.enter(Parcel(batch), now)
            del self.inbox[0]
        if self._places.unpacked is not None:
            self._place(unpacked=None)
        self._trim()
        # Now, so that what lined up until this moment goes along.
        if keeper is not None and self._places.lanes.ripe_at <= now:
            self._place(lanes=keeper.ripen(self._places.lanes, now))

    def enter(self, whole: Parcel, now: float) -> None:
        """Put a parcel at the end of the line, or where its users have to wait."""
        places, keeper = self._places, self._keeper
        parcel: Parcel | None = whole
        lanes = places.lanes
        numbered = places.numbered + len(whole)
        if keeper is not None:
            whole.numbers = range(places.numbered, numbered)
            if lanes.holds:
                lanes, parcel = keeper.route(lanes, whole, now)
        ordered = places.ordered if parcel is None else (*places.ordered, parcel)
        self._place(ordered=ordered, lanes=lanes, unpacked=whole.batch, numbered=numbered)

    def next(
        self, now: float, *, held_until: float, hurried: bool, closing: bool
    ) -> tuple[Parcel | None, float | None]:
        """Return the parcel to send first and when it may be sent; a moment without a parcel is the end of a hold.

        Before `held_until` the server wants no request. `hurried` and `closing` cut our own back-off short, never a
        wait that the server asked for: a flush once a second at most, closing once for each parcel.
        """
        places = self._places
        first: Parcel | None = None
        first_due: float | None = held_until if held_until > now else None
        for parcel in (*places.ordered[:1], *places.lanes.going[:1]):
            due = max(self._due(parcel, now, hurried, closing), held_until)
            if first is None or first_due is None or due < first_due:
                first, first_due = parcel, due
        if places.lanes.waiting:
            ripe_at = max(places.lanes.ripe_at, held_until)
            if first_due is None or ripe_at < first_due:
                return None, ripe_at
        return first, first_due

    def _due(self, parcel: Parcel, now: float, hurried: bool, closing: bool) -> float:
        earliest = max(now, parcel.asked_until)
        if parcel.due <= earliest:
            return parcel.due
        if closing and not parcel.hurried:
            return earliest
        if hurried:
            return min(parcel.due, max(earliest, self._last_cut + HURRY_SECONDS))
        return parcel.due

    def cut(self, parcel: Parcel, now: float, *, closing: bool) -> None:
        """Note that a parcel is sent now, if that is before its time."""
        if parcel.due > now:
            self._last_cut = now
            parcel.hurried = closing

    def replace(self, parcel: Parcel, rest: Rest, now: float) -> None:
        """Put what is left of a parcel in its place, and make those wait whom the vendor wants later."""
        self._compact()
        places, keeper = self._places, self._keeper
        ordered, lanes = places.ordered, places.lanes
        if ordered[:1] == (parcel,):
            ordered = (*rest.line, *ordered[1:])
        elif lanes.going[:1] == (parcel,):
            lanes = msgspec.structs.replace(lanes, going=(*rest.line, *lanes.going[1:]))
        else:
            return
        if keeper is not None:
            if rest.hold is not None:
                lanes, ordered = keeper.hold(lanes, ordered, rest.hold, now)
            elif lanes is not places.lanes:
                lanes = keeper.prune(lanes, now)
        self._place(ordered=ordered, lanes=lanes)
        self._trim()

    def everything(self, now: float) -> list[Parcel]:
        """Return all that has not ended, the surplus apart, after putting what came out of the queue in its place."""
        self.unpack(now)
        places = self._places
        return [*places.ordered, *places.lanes.parcels]

    def clear(self) -> None:
        """Forget everything."""
        self._places = _Places(numbered=self._places.numbered)

    def unsettled(self, mark: int) -> int:
        """Return how many events before a queue position have left the ring and not ended. Takes no lock."""
        while True:
            places = self._places
            inbox = tuple(self.inbox)
            if places is self._places:
                break
        standing = sum(
            parcel.count_before(mark) for parcel in (*places.ordered, *places.lanes.parcels) if not parcel.ended
        )
        return standing + sum(
            batch.count_before(mark) for batch in inbox if batch is not None and batch is not places.unpacked
        )

    def _place(self, **changes: object) -> None:
        self._places = msgspec.structs.replace(self._places, **changes)
        self._compact()

    def _trim(self) -> None:
        keeper, places = self._keeper, self._places
        if keeper is not None and places.lanes.holds:
            lanes, surplus = keeper.trim(places.lanes)
            if surplus:
                self._place(lanes=lanes, surplus=places.surplus + surplus)

    def _compact(self) -> None:
        """Join what was put together. Only what stands in its place: see `Parcel`."""
        lanes = self._places.lanes
        if lanes is not self._compacted:
            for parcel in lanes.parcels:
                parcel.compact()
            self._compacted = lanes
