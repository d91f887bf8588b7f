"""Writes the time and the id of a captured event: by Python's clock, or by what a test has stopped or numbers.

The engine stamps an event where no test reaches: freezegun and its like know nothing of Rust's clock. So a captured
event that brings no id gets one here, and its time is written over once it is encoded. The engine's own stamps have the
same form.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from sluiceway.assembly import Queue
    from sluiceway.testing.stamps import Stamps
    from sluiceway.vendors.base import Call, Prepare, Vendor

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Times:
    """Which id and which time an event gets that brings none, by Python's clock or by the one that stands still."""

    def __init__(self, page: Vendor, stamps: Stamps) -> None:
        self._page = page
        self._stamps = stamps
        self._moments: dict[str, datetime | None] = {}
        self._at_the_end = list(msgspec.json.decode(b"{" + page.event_tail[1:] + b"}"))

    def stamp(self, message_id: str | None, timestamp: datetime | None) -> str:
        """Return the id of an event that is about to be admitted, and remember when that was."""
        moment = self._stamps.now()
        if message_id is None:
            message_id = str(self._stamps.next_id(moment))
        self._moments[message_id] = moment if timestamp is None else None
        return message_id

    def write(self, event: dict[str, Any]) -> None:
        """Put the times into an event in the place of those of the engine's clock, which no test can stop."""
        moment = self._moments.pop(str(event.get(self._page.id_key)), None)
        if moment is not None:
            event[self._page.time_key] = self._printed(moment)
        if self._stamps.clock is not None:
            for key in self._at_the_end:
                event[key] = _iso(self._stamps.clock.now)

    def _printed(self, moment: datetime) -> str | int:
        return _milliseconds(moment) if self._page.time_format == "epoch_ms" else _iso(moment)


class _Around:
    """The native queue, but that it stamps what it admits."""

    def __init__(self, queue: Queue, times: Times) -> None:
        self._queue = queue
        self._admit = queue.admit
        self._times = times

    def admit(
        self, token: int, shape: int, message_id: str | None, timestamp: datetime | None, *values: Any
    ) -> bool | int:
        return self._admit(token, shape, self._times.stamp(message_id, timestamp), timestamp, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


def stamped(queue: Queue, *, times: Times) -> Queue:
    """Wrap the queue of a client."""
    around: Any = _Around(queue, times)
    return around  # type: ignore[no-any-return]


def numbered(call: Call, stamps: Stamps) -> Call:
    """The call, but that ids which it makes up itself are numbered where ids are."""
    prepare = call.prepare
    if prepare is None:
        return call
    return msgspec.structs.replace(call, prepare=_number_made_up(prepare, stamps))


def _number_made_up(prepare: Prepare, stamps: Stamps) -> Prepare:
    def prepared(arguments: dict[str, Any]) -> None:
        absent = [name for name in ("distinct_id", "device_id") if name in arguments and arguments[name] is None]
        prepare(arguments)
        if stamps.ids is None:
            return
        for name in absent:
            made_up = arguments[name]
            if isinstance(made_up, str) and _is_uuid(made_up):
                number = stamps.ids.take()
                arguments[name] = str(number) if "-" in made_up else number.hex

    return prepared


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
