"""Counts of what arrived, exact whatever is stored, and the rate of the last seconds. One thread only."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from sluiceway.devserver.shapes import MARKS, VERDICTS, Mark, Verdict
from sluiceway.testing.strict.detect import VENDORS

RATES_KEPT = 120


class Counters:
    """What the page shows as figures."""

    def __init__(self, now: float) -> None:
        self.connections = 0
        self.clear(now)

    def clear(self, now: float) -> None:
        """Begin anew; open connections stay open."""
        self.since = now
        self.requests = 0
        self.events = 0
        self.nbytes = 0
        self.not_stored = 0
        self.by_vendor: dict[str, Counter[str]] = {vendor: Counter() for vendor in VENDORS}
        self.marks: Counter[str] = Counter()
        self._rates: deque[tuple[int, int]] = deque(maxlen=RATES_KEPT)

    def request(self, nbytes: int) -> None:
        """Count one request and the bytes of its body as sent."""
        self.requests += 1
        self.nbytes += nbytes

    def count(self, vendor: str, verdicts: Mapping[Verdict, int], marks: Mapping[Mark, int], now: float) -> None:
        """Count the events of one request."""
        nevents = sum(verdicts.values())
        self.events += nevents
        counter = self.by_vendor[vendor]
        counter.update(verdicts)
        counter["events"] += nevents
        self.marks.update(marks)
        second = int(now)
        if self._rates and self._rates[-1][0] == second:
            nevents += self._rates.pop()[1]
        self._rates.append((second, nevents))

    def rate(self, now: float) -> int:
        """Events of the last whole second."""
        second = int(now) - 1
        return next((nevents for at, nevents in reversed(self._rates) if at == second), 0)

    def rates(self, now: float) -> list[list[int]]:
        """Return each of the last seconds with its events, the silent ones too, up to the last whole one."""
        if not self._rates:
            return []
        told = dict(self._rates)
        last = int(now) - 1
        first = max(min(told), last - RATES_KEPT + 1)
        return [[second, told.get(second, 0)] for second in range(first, last + 1)]

    def told(self, now: float, *, stored: int, sampling: bool) -> dict[str, Any]:
        """Return all of it, as JSON has it."""
        return {
            "since": self.since,
            "requests": self.requests,
            "events": self.events,
            "rate": self.rate(now),
            "bytes": self.nbytes,
            "stored": stored,
            "not_stored": self.not_stored,
            "sampling": sampling,
            "connections": self.connections,
            "by_vendor": {
                vendor: {name: counter[name] for name in ("events", *VERDICTS)}
                for vendor, counter in self.by_vendor.items()
            },
            "marks": {mark: self.marks[mark] for mark in MARKS},
            "rates": self.rates(now),
        }
