"""Decide how long to wait before the next attempt, and when to give up. Pure: no clock, no socket, no log."""

from __future__ import annotations

import math
import re
from datetime import timezone

import msgspec

from sluiceway.errors import ConfigError

# A server may ask for any wait; more than five minutes is more likely a mistake than a plan (Segment clamps to 300 s).
RETRY_AFTER_CAP_SECONDS = 300.0

# Added to a Retry-After so that many processes told the same number do not come back in the same instant.
_RETRY_AFTER_SPREAD = 0.1
_RETRY_AFTER_SPREAD_CAP_SECONDS = 5.0

_SECONDS = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
# An HTTP-date has 29 characters; a longer text is not worth a parser's time.
_RETRY_AFTER_MAX_CHARS = 64


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often, and how patiently, to try again. All times are seconds.

    `max_retries` bounds the retries that are the batch's own affair (408, 410, 460, redirects). Failures of the
    endpoint (no connection, 5xx, 429) are retried until `max_elapsed_seconds`, unless `retry_count` is given: then that
    number bounds every kind. A wait that the server asked for spends no retry and is bounded by
    `max_rate_limited_seconds`.

    `delays` replaces number and back-off for every kind of failure: retry n waits `delays[n]`, exactly, and behind the
    last of them nothing follows. None of them is no retry at all: then nothing is ever sent again, for whatever reason.

    The numbers are those of Segment's clients of 2026 (segmentio/analytics-next, packages/node).
    """

    max_retries: int = 10
    retry_count: int | None = None
    base_seconds: float = 0.5
    cap_seconds: float = 60.0
    max_elapsed_seconds: float = 43_200.0
    max_rate_limited_seconds: float = 43_200.0
    retry_after_cap_seconds: float = RETRY_AFTER_CAP_SECONDS
    delays: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for what is not a number in range, naming the field and the type of what was given."""
        for name in ("max_retries", "retry_count"):
            value = getattr(self, name)
            if value is None and name == "retry_count":
                continue
            if type(value) is not int:
                raise ConfigError(name, f"must be an int, not {type(value).__name__}")
            if not 0 <= value <= _MOST_RETRIES:
                raise ConfigError(name, f"must be from 0 to {_MOST_RETRIES:_}, not {value}")
        for name, largest in _LARGEST_SECONDS.items():
            value = getattr(self, name)
            if type(value) not in (int, float):
                raise ConfigError(name, f"must be a number of seconds, not {type(value).__name__}")
            if not 0 <= value <= largest:
                raise ConfigError(name, f"must be from 0 to {largest:_} seconds, not {value}")
        if self.delays is not None:
            _check_delays(self.delays)

    @property
    def resends(self) -> bool:
        """Whether anything is ever sent a second time."""
        return self.delays != ()

    def backoff(self, retry: int, jitter: float) -> float:
        """Return the seconds to wait before the given retry (0 is the first): full jitter under a doubling ceiling.

        `jitter` is a draw from [0, 1). Full jitter, because an outage ends for every client at once
        (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). `delays` are taken as they are.
        """
        if self.delays:
            return float(self.delays[min(retry, len(self.delays) - 1)])
        # 2**60 s is past any cap; the bound keeps a twelve-hour outage from computing 2**5000.
        return jitter * min(self.cap_seconds, self.base_seconds * 2.0 ** min(retry, 60))

    def max_counted(self, endpoint: bool) -> int | None:
        """Return how many counted retries there are, or None when only the elapsed time bounds them."""
        if self.delays is not None:
            return len(self.delays)
        if self.retry_count is not None:
            return self.retry_count
        return None if endpoint else self.max_retries


_MOST_RETRIES = 1_000_000
_MOST_DELAYS = 1_000
_LARGEST_SECONDS = {
    "base_seconds": 3_600,
    "cap_seconds": 86_400,
    "max_elapsed_seconds": 31_536_000,
    "max_rate_limited_seconds": 31_536_000,
    "retry_after_cap_seconds": int(RETRY_AFTER_CAP_SECONDS),
}


def _check_delays(delays: object) -> None:
    if type(delays) is not tuple:
        raise ConfigError("delays", f"must be a tuple of seconds, not {type(delays).__name__}")
    if len(delays) > _MOST_DELAYS:
        raise ConfigError("delays", f"must have at most {_MOST_DELAYS:_} entries, not {len(delays):_}")
    largest = _LARGEST_SECONDS["cap_seconds"]
    for delay in delays:
        if type(delay) not in (int, float):
            raise ConfigError("delays", f"must hold numbers of seconds, not {type(delay).__name__}")
        if not 0 <= delay <= largest:
            raise ConfigError("delays", f"must be from 0 to {largest:_} seconds each, not {delay}")


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What has been tried so far for the events of one request."""

    retries: int = 0
    """Counted retries spent."""
    rate_limited: int = 0
    """Waits in a row that the server asked for."""
    elapsed_seconds: float = 0.0
    """Since the first attempt, waits that the server asked for not included."""
    rate_limited_seconds: float = 0.0
    """Spent in waits that the server asked for."""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Wait so many seconds, then try again."""

    seconds: float
    asked_seconds: float = 0.0
    """How many of them the server asked for: neither flush nor close cuts into these."""


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """No further attempt; the events fail under `reason`: "retries_exhausted" or "expired"."""

    reason: str


def plan(
    policy: RetryPolicy, history: History, *, after: float | None, counted: bool, endpoint: bool, jitter: float
) -> Wait | GiveUp:
    """Decide what follows a retryable failure.

    `after` is the server's Retry-After, in seconds, or None: a minimum. `counted` says whether this retry spends one,
    and so waits for our own back-off as well. `jitter` is a draw from [0, 1).
    """
    if not policy.resends:
        return GiveUp(reason="retries_exhausted")
    asked = 0.0
    if after is not None:
        if history.rate_limited_seconds >= policy.max_rate_limited_seconds:
            return GiveUp(reason="expired")
        after = min(max(after, 0.0), policy.retry_after_cap_seconds)
        asked = after + jitter * min(after * _RETRY_AFTER_SPREAD, _RETRY_AFTER_SPREAD_CAP_SECONDS)
        if history.rate_limited:
            # A Retry-After is a minimum. A server that says 0 again and again would otherwise be asked without a pause.
            asked = max(asked, min(policy.backoff(history.rate_limited - 1, jitter), policy.retry_after_cap_seconds))
    if counted:
        most = policy.max_counted(endpoint)
        if most is not None and history.retries >= most:
            return GiveUp(reason="retries_exhausted")
        if history.elapsed_seconds >= policy.max_elapsed_seconds:
            return GiveUp(reason="expired")
    own = policy.backoff(history.retries, jitter) if counted or after is None else 0.0
    return Wait(seconds=max(asked, own), asked_seconds=asked)


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds a Retry-After header asks for, between 0 and 300, or None when it says nothing readable.

    Takes seconds, seconds with a fraction, and an HTTP-date in any of its forms (RFC 9110, 10.2.3), which is measured
    against `now`, Unix time in seconds. Negative numbers and dates gone by mean 0. Never raises.
    """
    if value is None:
        return None
    value = value.strip()
    if not value or len(value) > _RETRY_AFTER_MAX_CHARS:
        return None
    if _SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        from email.utils import parsedate_to_datetime

        try:
            date = parsedate_to_datetime(value)
            # An HTTP-date is UTC; the parser leaves it naive where the text says "-0000" or nothing.
            seconds = (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp() - now
        except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
            return None
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_CAP_SECONDS)
