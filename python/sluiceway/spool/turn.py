"""Who may use the spool's descriptors now: one thread at a time, and none once they are closed."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType

from sluiceway.threads import allocate_rlock


class Turn:
    """A lock for one file's operations, and a count of what is under way over several.

    Closing waits for neither for long: the last one to leave closes. A signal handler or a collected object may come in
    on the thread that has the lock, so the lock lets it, and it cannot close what is in use below it.
    """

    __slots__ = ("_closing", "_depth", "_lock", "_pid", "_shut", "_users")

    def __init__(self, shut: Callable[[], None]) -> None:
        """Call `shut`, once and with the lock held, when closed and not in use any more."""
        self._lock = allocate_rlock()
        self._shut: Callable[[], None] | None = shut
        self._closing = False
        self._depth = 0
        self._users = 0
        self._pid = os.getpid()

    @property
    def is_over(self) -> bool:
        """Whether nothing may be begun any more: closed, or this is a forked child's copy."""
        return self._closing or os.getpid() != self._pid

    def __enter__(self) -> Turn:
        """Wait for the turn. Whoever has it still has to look whether it is over."""
        # A forked child's copy of the lock may be held for ever, by a thread that is not there.
        if os.getpid() == self._pid:
            self._lock.acquire()
            self._depth += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Pass the turn on."""
        if os.getpid() != self._pid:
            return
        self._depth -= 1
        try:
            self._end()
        finally:
            self._lock.release()

    def begin(self) -> bool:
        """Enter something that takes several turns; False when it is over. `end` is to follow."""
        with self:
            if self.is_over:
                return False
            self._users += 1
            return True

    def end(self) -> None:
        """Leave what was begun."""
        with self:
            self._users -= 1

    def close(self, timeout: float) -> None:
        """Begin nothing more, and shut down when everything has left; waits for a turn up to `timeout` seconds."""
        if os.getpid() != self._pid:
            return
        self._closing = True
        if self._lock.acquire(timeout=timeout):
            try:
                self._end()
            finally:
                self._lock.release()

    def abandon(self) -> None:
        """In a forked child: never again."""
        self._pid = -1
        self._closing = True
        self._shut = None

    def _end(self) -> None:
        if self._closing and self._depth == 0 and self._users == 0 and self._shut is not None:
            shut, self._shut = self._shut, None
            shut()
