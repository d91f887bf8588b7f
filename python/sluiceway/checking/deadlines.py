"""How long the checks may take: one deadline for all of them, and of what is left a share for each."""

from __future__ import annotations

import time
from collections.abc import Callable

# A check that hangs leaves two thirds of what is left to those behind it.
_SHARE = 3


class Deadline:
    """When everything must be over, in the seconds of `time.monotonic()`."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self._began = monotonic()
        self._ends = self._began + seconds

    @property
    def has_passed(self) -> bool:
        """Whether there is no time left for another check."""
        return self.monotonic() >= self._ends

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return self.monotonic() - self._began

    def share(self) -> float:
        """Return when the check that begins now must be over."""
        now = self.monotonic()
        return now + max(0.0, self._ends - now) / _SHARE
