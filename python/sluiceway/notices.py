"""Log lines that cannot flood: the first at once, then one in ten seconds with what was held back.

Templates are constant and carry numbers, kinds and type names only: never an event, a header, a key, or the text of
somebody else's exception, which may quote one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluiceway.engine import Clock

log = logging.getLogger("sluiceway")

INTERVAL_SECONDS = 10.0


class Voice:
    """How loud one client is: lines below its level are not written. The program's own loggers are left as they are."""

    __slots__ = ("_least_level",)

    def __init__(self, least_level: int = logging.NOTSET) -> None:
        self._least_level = least_level

    def speaks(self, level: int) -> bool:
        """Whether lines of that level are written."""
        return level >= self._least_level

    def log(self, level: int, template: str, *args: object) -> None:
        """Write a line, unless it is below the client's level."""
        if self.speaks(level):
            log.log(level, template, *args)


LOUD = Voice()


class Notice:
    """One kind of log line, rate-limited. The template's last placeholder is the number of events."""

    __slots__ = ("_clock", "_events", "_level", "_next_at", "_template", "_voice")

    def __init__(self, clock: Clock, level: int, template: str, voice: Voice = LOUD) -> None:
        """Log `template` at `level`; the clock decides when it may be repeated, the voice whether it is heard."""
        self._clock = clock
        self._voice = voice
        self._level = level
        self._template = template
        self._next_at: float | None = None
        self._events = 0

    def give(self, *args: object, events: int = 1) -> None:
        """Log now, with all events held back so far, or add to what is held back."""
        self._events += events
        now = self._clock.monotonic()
        if self._next_at is not None and now < self._next_at:
            return
        self._next_at = now + INTERVAL_SECONDS
        events, self._events = self._events, 0
        self._voice.log(self._level, self._template, *args, events)
