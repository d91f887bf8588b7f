"""Log lines that cannot flood: the first at once, then one in ten seconds with what was held back.

Templates are constant and carry numbers, kinds and type names only: never an event, a header, a key, or the text of
somebody else's exception, which may quote one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

from sluiceway.threads import thread_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sluiceway.engine import Clock

log = logging.getLogger("sluiceway")

INTERVAL_SECONDS = 10.0

_Line: TypeAlias = "tuple[int, str, tuple[object, ...]]"


class Voice:
    """How loud one client is: lines below its level are not written. The program's own loggers are left as they are."""

    __slots__ = ("_held_back", "_least_level")

    def __init__(self, least_level: int = logging.NOTSET) -> None:
        self._least_level = least_level
        # By thread. Only single operations, which need no lock.
        self._held_back: dict[int, list[_Line]] = {}

    def speaks(self, level: int) -> bool:
        """Whether lines of that level are written."""
        return level >= self._least_level

    def log(self, level: int, template: str, *args: object) -> None:
        """Write a line, unless it is below the client's level."""
        if not self.speaks(level):
            return
        held_back = self._held_back.get(thread_id()) if self._held_back else None
        if held_back is None:
            log.log(level, template, *args)
        else:
            held_back.append((level, template, args))

    def later(self) -> _Later:
        """Keep what this thread has to say inside a `with` block until the block is left.

        To be entered before a lock and left behind it. A handler of log lines is the program's code: it may block, want
        a lock that another thread holds while that closes the client, or flush the client itself.
        """
        return _Later(self._held_back)

    def let_go(self) -> None:
        """Say what this thread has kept, if a block was left without doing so."""
        _say(self._held_back.pop(thread_id(), ()))


class _Later:
    """A block of `Voice.later`; inside another of the same thread it leaves everything to that."""

    __slots__ = ("_held_back", "_lines")

    def __init__(self, held_back: dict[int, list[_Line]]) -> None:
        self._held_back = held_back
        self._lines: list[_Line] = []

    def __enter__(self) -> None:
        self._held_back.setdefault(thread_id(), self._lines)

    def __exit__(self, *_: object) -> None:
        if self._held_back.get(thread_id()) is self._lines:
            del self._held_back[thread_id()]
            _say(self._lines)


def _say(lines: Iterable[_Line]) -> None:
    for level, template, args in lines:
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
