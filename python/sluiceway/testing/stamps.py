"""A clock that stands still and ids that are the same in each run, for tests that compare whole events."""

from __future__ import annotations

import itertools
import os
import time
from datetime import datetime, timedelta, timezone
from uuid import UUID

from sluiceway.testing.captured import moment_of


class Clock:
    """The moment at which every event is captured, until it is moved."""

    def __init__(self, moment: datetime | str | float) -> None:
        self.set(moment)

    def __repr__(self) -> str:
        return f"<Clock at {self._now.isoformat()}>"

    @property
    def now(self) -> datetime:
        """The moment, in UTC."""
        return self._now

    def set(self, moment: datetime | str | float) -> None:
        """Go to a moment: a datetime (a naive one means UTC), ISO 8601 text, or Unix seconds. Raises ValueError."""
        read = moment_of(moment * 1000 if isinstance(moment, (int, float)) else moment)
        if read is None:
            raise ValueError("moment must be a datetime, ISO 8601 text or Unix seconds")
        self._now = read

    def move(self, seconds: float | timedelta) -> datetime:
        """Go on, or back with a negative number; returns the moment that it is then."""
        self._now += seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        return self._now


class Ids:
    """UUIDs by number: ``00000000-0000-4000-8000-000000000001`` is the first. Safe to use from several threads."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        return "<Ids, numbered>"

    def take(self) -> UUID:
        """Return the next one."""
        return id_number(next(self._numbers))

    def restart(self) -> None:
        """Begin at the first one again."""
        self._numbers = itertools.count(1)


def id_number(number: int) -> UUID:
    """Return the UUID of that number, from 1."""
    return UUID(f"00000000-0000-4000-8000-{number:012x}")


class Stamps:
    """What is to be written into events instead of the time and of a random id, if anything."""

    def __init__(self) -> None:
        self.clock: Clock | None = None
        self.ids: Ids | None = None

    def freeze(self, moment: datetime | str | float) -> Clock:
        """Stop the clock, or set the one that stands still already."""
        if self.clock is None:
            self.clock = Clock(moment)
        else:
            self.clock.set(moment)
        return self.clock

    def number(self) -> Ids:
        """Number the ids, going on where they are numbered already."""
        self.ids = self.ids or Ids()
        return self.ids

    def next_id(self, moment: datetime) -> UUID:
        """Return the id of an event that brings none: a number, or else one as the engine makes them, by the time."""
        if self.ids is not None:
            return self.ids.take()
        milliseconds = int(moment.timestamp() * 1000) & (2**48 - 1)
        random = int.from_bytes(os.urandom(10), "big")
        version_7 = milliseconds << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & (2**62 - 1)
        return UUID(int=version_7)

    def now(self) -> datetime:
        """Return the moment: that of the clock, or Python's own, which freezegun and time-machine can stop as well."""
        return datetime.fromtimestamp(time.time(), timezone.utc) if self.clock is None else self.clock.now
