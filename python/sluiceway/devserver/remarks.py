"""What is said of a mark, and of a request that nobody can read: in words, with what to do."""

from __future__ import annotations

import re

import msgspec

from sluiceway.devserver.shapes import Reason
from sluiceway.devserver.timing import Clock


def unreadable(body: bytes) -> Reason:
    """Return the reason of a request without an event that could be read: how long it was, and where it breaks."""
    where = ""
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = _AT_BYTE.search(str(error))
        where = f" It is no JSON from byte {found[1]} on." if found else " It is no JSON."
    text = f"No event was found in a body of {len(body)} bytes, and all that it held is lost.{where}"
    return Reason("unreadable", "body", text)


# msgspec's messages say where; what else they may say is left out.
_AT_BYTE = re.compile(r"\(byte (\d+)\)")


def skewed(clock: Clock) -> Reason:
    """Return the reason of the mark `skew`."""
    way = "ahead of" if clock.skew > 0 else "behind"
    text = (
        f"The request says that it was sent at a time {abs(clock.skew):.0f} s {way} this machine's. Vendors move the "
        "times of its events by that. Set the sender's clock, and renew the time of sending at each attempt."
    )
    return Reason("skew", "sentAt", text)


DUPLICATE = {
    "segment": Reason("duplicate", "messageId", "This messageId was taken before: Segment keeps the first for a day."),
    "rudderstack": Reason(
        "duplicate",
        "messageId",
        "This messageId was taken before: RudderStack folds it only where deduplication is switched on.",
    ),
    "posthog": Reason("duplicate", "uuid", "This uuid was taken before: PostHog folds it, as well as it can."),
    "amplitude": Reason(
        "duplicate", "insert_id", "This insert_id was taken before from this device: Amplitude keeps the first, 7 days."
    ),
}

FUTURE = {
    "segment": Reason(
        "future", "timestamp", "The event lies in the future. Segment takes it; destinations move or drop such events."
    ),
    "rudderstack": Reason(
        "future", "timestamp", "The event lies in the future. RudderStack takes the time as it stands."
    ),
    "posthog": Reason(
        "future", "timestamp", "The event lies in the future. PostHog takes its own time if it is more than 23 h."
    ),
    "amplitude": Reason("future", "time", "The event lies in the future. `time` is in milliseconds since 1970, UTC."),
}

LATE = {
    "segment": Reason(
        "late", "timestamp", "The event happened more than two days ago. Some destinations drop what is that old."
    ),
    "rudderstack": Reason(
        "late", "timestamp", "The event happened more than two days ago. Some destinations drop what is that old."
    ),
    "posthog": Reason(
        "late", "timestamp", "The event happened more than two days ago. Import it with historical_migration."
    ),
    "amplitude": Reason("late", "time", "The event happened more than two days ago. `time` is in milliseconds."),
}
