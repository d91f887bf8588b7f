"""The parcels that wait: in a line that keeps their order, or aside of it; and which of them is next, and when.

The first of the line holds up the others. What waits aside holds nobody up. Nothing here blocks, locks or sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.parcel import Parcel, Rest

if TYPE_CHECKING:
    from sluiceway.engine import Batch

# A flush that waits cuts our own back-off, but does not turn an outage into a stream of requests.
HURRY_SECONDS = 1.0


class Line:
    """Every parcel that has left the queue and not ended. Changed by the working thread, counted by any."""

    __slots__ = ("_aside", "_last_cut", "_ordered", "inbox")

    def __init__(self) -> None:
        self.inbox: list[Batch | None] = []
        """Batches, and None for none, as the queue hands them out."""
        self._ordered: list[Parcel] = []
        self._aside: list[Parcel] = []
        self._last_cut = float("-inf")

    @property
    def holds(self) -> bool:
        """Whether a parcel stands in the line, so that nothing more may be taken from the queue."""
        return bool(self._ordered)

    @property
    def empty(self) -> bool:
        """Whether nothing waits at all."""
        return not self._ordered and not self._aside

    def unpack(self) -> None:
        """Put what came out of the queue at the end of the line. Interrupted and repeated, it does nothing twice."""
        while self.inbox:
            batch = self.inbox[0]
            if batch is not None and not (self._ordered and self._ordered[-1].batch is batch):
                self._ordered.append(Parcel(batch))
            del self.inbox[0]

    def next(
        self, now: float, *, held_until: float, hurried: bool, closing: bool
    ) -> tuple[Parcel | None, float | None]:
        """Return the parcel to send first and when it may be sent; a moment without a parcel is the end of a hold.

        Before `held_until` the server wants no request. `hurried` and `closing` cut our own back-off short, never a
        wait that the server asked for: a flush once a second at most, closing once for each parcel.
        """
        first: Parcel | None = None
        first_due: float | None = held_until if held_until > now else None
        for parcel in (*self._ordered[:1], *self._aside):
            due = max(self._due(parcel, now, hurried, closing), held_until)
            if first is None or first_due is None or due < first_due:
                first, first_due = parcel, due
        return first, first_due

    def _due(self, parcel: Parcel, now: float, hurried: bool, closing: bool) -> float:
        if parcel.asked or parcel.due <= now:
            return parcel.due
        if closing and not parcel.hurried:
            return now
        if hurried:
            return min(parcel.due, max(now, self._last_cut + HURRY_SECONDS))
        return parcel.due

    def cut(self, parcel: Parcel, now: float, *, closing: bool) -> None:
        """Note that a parcel is sent now, if that is before its time."""
        if parcel.due > now:
            self._last_cut = now
            parcel.hurried = closing

    def replace(self, parcel: Parcel, rest: Rest) -> None:
        """Put what is left of a parcel in its place."""
        self._aside.extend(rest.aside)
        if parcel in self._aside:
            self._aside.remove(parcel)
            self._aside.extend(rest.line)
        elif self._ordered[:1] == [parcel]:
            # One operation: there is no moment at which neither the parcel nor its rest stands in the line.
            self._ordered[:1] = rest.line

    def take_all(self) -> list[Parcel]:
        """Empty the line and return what stood in it and aside."""
        self.unpack()
        parcels = [*self._ordered, *self._aside]
        self._ordered.clear()
        self._aside.clear()
        return parcels

    def unsettled(self, mark: int) -> int:
        """Return how many events before a queue position have left the ring and not ended. Takes no lock."""
        parcels = [parcel.batch for parcel in (*self._ordered, *self._aside) if not parcel.ended]
        batches = [*parcels, *(batch for batch in tuple(self.inbox) if batch is not None)]
        return sum(len(batch) for batch in batches if batch.end_position <= mark)
