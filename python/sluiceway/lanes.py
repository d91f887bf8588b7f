"""Lanes: where events wait whose user or device the vendor wants later, while those of all others go on.

A lane is a name, of a user, of a device or of a pair of both, and a moment before which nothing of it may be sent. An
event stands in the lanes of all names that are its own. It waits for the latest of their moments and behind every
earlier event of any of them, so two lanes with an event in common move as one, and no event overtakes another of its
user or device. Nobody else waits. Names that one answer threw together are due together, and so go in one request.

Events whose moment has come go on as parcels of their own, in order; their names stay lanes until the last of them has
ended, so that what comes out of the queue meanwhile lines up behind them.

Everything here is a value or a function from one value to the next. Nothing blocks, locks, sends, joins or ends an
event. A function may hand out parcels that are to be compacted before they are given to the next.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from sluiceway.hold import Hold, Name, names_of
from sluiceway.parcel import Parcel, Stay, gathered
from sluiceway.vendors.base import Owner

if TYPE_CHECKING:
    from sluiceway.vendors.base import Lanes as Page

_ROOM_FOR_COMMA = 1


class Lanes(msgspec.Struct, frozen=True):
    """All lanes at one moment, and what stands in them. Immutable, the parcels' events included."""

    holds: Mapping[Name, float] = {}
    """The names, and until when each has to wait. It outlasts that while an event of the name has not ended."""
    going: tuple[Parcel, ...] = ()
    """What may be sent, the first of it first. It waits for its own retries only."""
    waiting: tuple[Parcel, ...] = ()
    """What may not be sent yet, in no order."""
    ripe_at: float = math.inf
    """Before this, nothing of what waits may be sent."""
    stale_at: float = math.inf
    """Before this, every name is to be waited for, or has an event that has not ended."""

    @property
    def parcels(self) -> tuple[Parcel, ...]:
        """Everything in the lanes."""
        return self.going + self.waiting


NO_LANES = Lanes()


class LaneKeeper:
    """Moves events into lanes and out of them again, for one vendor's page and one client's limits."""

    def __init__(self, page: Page, *, max_joined_bytes: int, max_batch_events: int) -> None:
        """`max_joined_bytes` is how long the events of one request may be, joined by commas."""
        self._owner = page.owner
        self._max_events = page.max_events
        self._max_joined_bytes = max_joined_bytes
        self._max_batch_events = max_batch_events

    def owners(self, parcel: Parcel) -> list[Owner]:
        """Return whose each event of a parcel is."""
        if parcel.stays:
            return [stay.owner for stay in parcel.stays]
        batch = parcel.batch
        return [self._owner_of(batch.event(index)) for index in range(len(batch))]

    def route(self, lanes: Lanes, parcel: Parcel, now: float) -> tuple[Lanes, Parcel | None]:
        """Look through a parcel of the line; return the lanes with what belongs there, and the others of it."""
        users, devices, pairs = _by_kind(lanes.holds)
        batch, owner_of = parcel.batch, self._owner_of
        indices: list[int] = []
        stays: list[Stay] = []
        for index in range(len(batch)):
            event = batch.event(index)
            owner = owner_of(event)
            if owner.user in users or owner.device in devices or (pairs and (owner.user, owner.device) in pairs):
                indices.append(index)
                stays.append(Stay(parcel.numbers[index], owner, now, len(event)))
        if not indices:
            return lanes, parcel
        return self._with(lanes, [parcel.parked(indices, stays)]), parcel.without(indices)

    def hold(self, lanes: Lanes, line: Sequence[Parcel], hold: Hold, now: float) -> tuple[Lanes, tuple[Parcel, ...]]:
        """Make lanes of some names; return the lanes, and the line without what has to wait from now on."""
        holds = dict(lanes.holds)
        for name in hold.names:
            holds[name] = max(hold.until, holds.get(name, 0.0))
        going: list[Parcel] = []
        stopped: list[Parcel] = []
        moments = _Moments(holds)
        for parcel in lanes.going:
            indices = [index for index, stay in enumerate(parcel.stays) if moments.of(stay) > now]
            rest: Parcel | None = parcel
            if indices:
                stopped.append(parcel.parked(indices, [parcel.stays[index] for index in indices]))
                rest = parcel.without(indices)
            if rest is not None:
                going.append(rest)
        stale_at = min(lanes.stale_at, hold.until)
        lanes = self._with(Lanes(holds, tuple(going), lanes.waiting, lanes.ripe_at, stale_at), stopped)
        left: list[Parcel] = []
        for parcel in line:
            lanes, rest = self.route(lanes, parcel, now)
            if rest is not None:
                left.append(rest)
        return lanes, tuple(left)

    def ripen(self, lanes: Lanes, now: float) -> Lanes:
        """Let go on what has waited long enough, in as few parcels as the limits allow."""
        moments = _Moments(lanes.holds)
        ripe: list[tuple[Parcel, int]] = []
        unripe: dict[Parcel, list[int]] = {}
        ripe_at = math.inf
        for _, place, index in sorted(_entries(lanes.waiting)):
            parcel = lanes.waiting[place]
            moment = moments.of(parcel.stays[index])
            if moment <= now:
                ripe.append((parcel, index))
            else:
                unripe.setdefault(parcel, []).append(index)
                ripe_at = min(ripe_at, moment)
        waiting = tuple(_kept(parcel, sorted(unripe[parcel])) for parcel in lanes.waiting if parcel in unripe)
        going = lanes.going + tuple(_taken(chunk) for chunk in self._chunks(ripe))
        return Lanes(lanes.holds, going, waiting, ripe_at, lanes.stale_at)

    def prune(self, lanes: Lanes, now: float) -> Lanes:
        """Forget the names whose wait is over and whose last event has ended."""
        late = [until for until in lanes.holds.values() if until > now]
        holds = lanes.holds
        if len(late) < len(holds):
            used = {name for parcel in lanes.parcels for stay in parcel.stays for name in names_of(stay.owner)}
            holds = {name: until for name, until in holds.items() if until > now or name in used}
        return Lanes(holds, lanes.going, lanes.waiting, lanes.ripe_at, min(late, default=math.inf))

    def trim(self, lanes: Lanes) -> tuple[Lanes, tuple[Parcel, ...]]:
        """Take out the oldest events of more than the lanes may hold; return the lanes and what was taken out."""
        parcels = lanes.parcels
        excess = sum(map(len, parcels)) - self._max_events
        if excess <= 0:
            return lanes, ()
        oldest: dict[int, list[int]] = {}
        for _, place, index in heapq.nsmallest(excess, _entries(parcels)):
            oldest.setdefault(place, []).append(index)
        dropped = tuple(parcels[place].only(sorted(indices)) for place, indices in oldest.items())
        rests = [parcel.without(oldest[place]) if place in oldest else parcel for place, parcel in enumerate(parcels)]
        going, waiting = rests[: len(lanes.going)], rests[len(lanes.going) :]
        # A name that lost its last event here is forgotten when the lanes are looked at next.
        return Lanes(lanes.holds, _some(going), _some(waiting), lanes.ripe_at, -math.inf), dropped

    def _with(self, lanes: Lanes, parked: Sequence[Parcel]) -> Lanes:
        """Return the lanes with further events, which are younger than all of their names that wait already."""
        waiting = list(lanes.waiting)
        until, ripe_at = lanes.holds.get, lanes.ripe_at
        for parcel in parked:
            waiting.append(parcel)
            # Too early where an earlier event is in the way; `ripen` finds out then.
            for stay in parcel.stays:
                user, device, pair = names_of(stay.owner)
                ripe_at = min(ripe_at, max(until(user, 0.0), until(device, 0.0), until(pair, 0.0)))
            # As in a binary counter, each event is copied a few times only, and few parcels wait.
            while len(waiting) > 1 and len(waiting[-2]) <= 2 * len(waiting[-1]) and self._fit(*waiting[-2:]):
                waiting[-2:] = [gathered(waiting[-2:])]
        return Lanes(lanes.holds, lanes.going, tuple(waiting), ripe_at, lanes.stale_at)

    def _fit(self, one: Parcel, other: Parcel) -> bool:
        nbytes = one.nbytes + _ROOM_FOR_COMMA + other.nbytes
        return len(one) + len(other) <= self._max_batch_events and nbytes <= self._max_joined_bytes

    def _chunks(self, ripe: Iterable[tuple[Parcel, int]]) -> Iterator[list[tuple[Parcel, int]]]:
        """Cut the events that go on into requests."""
        chunk: list[tuple[Parcel, int]] = []
        nbytes = 0
        for parcel, index in ripe:
            more = parcel.stays[index].nbytes + _ROOM_FOR_COMMA
            # The last event is followed by no comma.
            if chunk and (
                len(chunk) >= self._max_batch_events or nbytes + more - _ROOM_FOR_COMMA > self._max_joined_bytes
            ):
                yield chunk
                chunk, nbytes = [], 0
            chunk.append((parcel, index))
            nbytes += more
        if chunk:
            yield chunk

    def _owner_of(self, event: bytes) -> Owner:
        try:
            return self._owner(event)
        except Exception:
            # A page that cannot read an event must not stop all others: it is nobody's.
            return Owner()


class _Moments:
    """When each event may be sent, asked in their order: after the waits of its names, and of what is before it."""

    def __init__(self, holds: Mapping[Name, float]) -> None:
        self._latest = dict(holds)

    def of(self, stay: Stay) -> float:
        """Return the moment of the next event."""
        latest = self._latest
        names = [name for name in names_of(stay.owner) if name in latest]
        moment = 0.0
        for name in names:
            moment = max(moment, latest[name])
        for name in names:
            latest[name] = moment
        return moment


def _by_kind(holds: Mapping[Name, float]) -> tuple[set[str], set[str], set[Name]]:
    """Return the users, the devices and the pairs: for looking through many events, each apart."""
    users = {name[1] for name in holds if name[0] == "user"}
    devices = {name[1] for name in holds if name[0] == "device"}
    return users, devices, {name[1:] for name in holds if name[0] == "pair"}


def _entries(parcels: Sequence[Parcel]) -> Iterator[tuple[int, int, int]]:
    """Yield number, place of the parcel and index in it, of every event."""
    for place, parcel in enumerate(parcels):
        for index, stay in enumerate(parcel.stays):
            yield stay.number, place, index


def _some(parcels: Iterable[Parcel | None]) -> tuple[Parcel, ...]:
    return tuple(parcel for parcel in parcels if parcel is not None)


def _kept(parcel: Parcel, indices: Sequence[int]) -> Parcel:
    if len(indices) == len(parcel.stays):
        return parcel
    return parcel.parked(indices, [parcel.stays[index] for index in indices])


def _taken(chunk: Sequence[tuple[Parcel, int]]) -> Parcel:
    """Return the events of one request as one parcel: as it is, where they are the whole of one."""
    parts: list[Parcel] = []
    start = 0
    for place in range(1, len(chunk) + 1):
        if place == len(chunk) or chunk[place][0] is not chunk[start][0]:
            parcel, indices = chunk[start][0], [index for _, index in chunk[start:place]]
            parts.append(_in_order(parcel, indices))
            start = place
    return gathered(parts)


def _in_order(parcel: Parcel, indices: Sequence[int]) -> Parcel:
    if indices == list(range(len(parcel.stays))):
        return parcel
    part = Parcel(*parcel.views_of(indices))
    part.stays = tuple(parcel.stays[index] for index in indices)
    part.attempts, part.event_tail, part.sent = parcel.attempts, parcel.event_tail, parcel.sent
    return part
