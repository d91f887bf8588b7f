"""How many events of a request are kept: all of them up to 5,000 a second, beyond that a sample."""

from __future__ import annotations

from collections.abc import Iterable

STORED_EVENTS_PER_SECOND = 5_000


class Sampler:
    """A bucket that fills with so many events a second, and holds those of one. `now` is any clock in seconds."""

    def __init__(self, per_second: int = STORED_EVENTS_PER_SECOND) -> None:
        self._per_second = per_second
        self._left = float(per_second)
        self._at: float | None = None
        self._last_sampled: float | None = None

    def take(self, wanted: int, now: float) -> int:
        """Return how many of so many events may be kept now."""
        if self._at is not None:
            self._left = min(self._per_second, self._left + (now - self._at) * self._per_second)
        self._at = now
        taken = min(wanted, int(self._left))
        self._left -= taken
        if taken < wanted:
            self.left_out(now)
        return taken

    def left_out(self, now: float) -> None:
        """Note that something was not kept for another reason: whoever keeps it is behind."""
        self._last_sampled = now

    def is_sampling(self, now: float) -> bool:
        """Whether something was left out in the last two seconds."""
        return self._last_sampled is not None and now - self._last_sampled < 2.0


def spread(nevents: int, wanted: int, first: Iterable[int]) -> list[int]:
    """Return that many indices of a batch in order: those of `first` as far as they go, the others evenly spread."""
    if wanted >= nevents:
        return list(range(nevents))
    chosen: dict[int, None] = {}
    for at in first:
        if len(chosen) >= wanted:
            break
        chosen[at] = None
    left = wanted - len(chosen)
    if left > 0:
        step = nevents / left
        chosen.update(dict.fromkeys(int(place * step) for place in range(left)))
    return sorted(chosen)
