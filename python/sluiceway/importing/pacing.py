"""So many events a second, by a clock that nobody sets: the n-th event never goes before its time."""

from __future__ import annotations

from collections.abc import Callable

# Events go in groups that are due together, twenty times a second: one by one would be a wake-up for each.
_GROUPS_A_SECOND = 20


class Pacer:
    """Says when the next events may go. What was not used, in an outage for instance, is not made up for later."""

    def __init__(self, rate: float, monotonic: Callable[[], float], wait: Callable[[float], bool]) -> None:
        """``wait(seconds)`` sleeps, and returns True when there is no more reason to."""
        self._rate = rate
        self._monotonic = monotonic
        self._wait = wait
        self._next: float | None = None

    @property
    def group(self) -> int:
        """How many events to let go together; at least one."""
        return max(1, int(self._rate / _GROUPS_A_SECOND))

    def wait_for(self, count: int) -> bool:
        """Wait until so many events are due, and count them; False when the waiting was cut short.

        The first of them all goes at once; each takes ``1/rate`` seconds of the time before the next.
        """
        now = self._monotonic()
        if self._next is None:
            self._next = now
        while now < self._next:
            if self._wait(self._next - now):
                return False
            now = self._monotonic()
        # A group's time begins when it was due, so that late wake-ups do not add up; but only just now, because an
        # hour of standing still is not to be followed by an hour's events at once.
        due = max(self._next, now - 1.0 / _GROUPS_A_SECOND)
        self._next = due + count / self._rate
        return True
