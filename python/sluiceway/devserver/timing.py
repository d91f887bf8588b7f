"""Whether a request was sent when its sender says so, and whether its events happened at a time that a vendor believes.

Segment and PostHog move an event by the distance of the time of sending from their own clock, so a time is held against
the one and not the other; RudderStack takes `timestamp` as it stands, Amplitude `time`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

from sluiceway.vendors.fault import is_int, is_time

SKEW_SECONDS = 10.0
"""How far the time of sending may be from the arrival: bodies take a while, and clocks are never the same."""

FUTURE_SECONDS = 300.0
"""How far in the future an event may lie before it is marked."""

LATE_SECONDS = 48 * 3600.0
"""How long ago an event may have happened before it is marked."""


class Clock(msgspec.Struct, frozen=True):
    """What a request says about its own time, and what its events are held against; seconds since 1970."""

    arrived: float
    sent: float | None = None

    @property
    def skew(self) -> float:
        """Seconds by which the sender's clock is ahead; 0 where it says nothing."""
        return 0.0 if self.sent is None else self.sent - self.arrived

    @property
    def is_skewed(self) -> bool:
        """Whether that is more than a slow network explains."""
        return abs(self.skew) > SKEW_SECONDS


def seconds_of(value: Any) -> float | None:
    """Return the moment that a JSON value means, RFC 3339 or milliseconds since 1970; None for anything else."""
    if is_int(value):
        return float(value) / 1000
    if not isinstance(value, str) or not is_time(value):
        return None
    text = value.upper().replace("Z", "+00:00")
    whole, _, rest = text[:19].replace(" ", "T"), None, text[19:]
    fraction, sign = "", max(rest.find("+"), rest.find("-"))
    fraction, offset = rest[:sign], rest[sign:]
    moment = datetime.fromisoformat(whole + offset)
    return moment.timestamp() + (float("0" + fraction) if len(fraction) > 1 else 0.0)


def odd_times(times: Sequence[Any], now: float) -> tuple[list[int], list[int]]:
    """Return the indices of events that lie in the future and of those that come late, seen from `now`.

    For most batches it is one look at the least and the greatest time.
    """
    if not times or _all_fit(times, now):
        return [], []
    future, late = [], []
    for at, value in enumerate(times):
        moment = seconds_of(value)
        if moment is None:
            continue
        if moment > now + FUTURE_SECONDS:
            future.append(at)
        elif moment < now - LATE_SECONDS:
            late.append(at)
    return future, late


def _all_fit(times: Sequence[Any], now: float) -> bool:
    least, most = now - LATE_SECONDS, now + FUTURE_SECONDS
    kinds = set(map(type, times))
    if kinds == {int}:
        return bool(least * 1000 <= min(times) and max(times) <= most * 1000)
    if kinds != {str}:
        return False
    # Texts in UTC sort as their moments do, as far as the seconds.
    if not all(text.endswith(("Z", "+00:00")) and text[10:11] == "T" for text in times):
        return False
    return bool(_utc(least) <= min(times) and max(times) <= _utc(most))


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def now() -> float:
    """Seconds since 1970."""
    return time.time()
