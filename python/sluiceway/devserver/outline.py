"""What is asked of every request and of every event in it, stored or not: when, by which key, what, and of whom.

One pass of the decoder over the body, which skips what is not asked for, is cheaper than a dict for each event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from sluiceway.devserver.timing import seconds_of
from sluiceway.testing.arriving import Arriving
from sluiceway.testing.strict.reading import Reading, as_dict


class Outline(msgspec.Struct, gc=False):
    """One event in outline; whatever JSON value stood there, None for none. `sent` is RudderStack's alone."""

    time: Any = None
    name: Any = None
    who: Any = None
    other: Any = None
    sent: Any = None


class Whole(msgspec.Struct):
    """A request in outline: its events, when it says that it was sent (in seconds), and the keys of its body."""

    events: Sequence[Any]
    sent_at: float | None
    keys: list[str]
    is_historical: bool = False
    """Whether it says that its events are old on purpose (PostHog's `historical_migration`)."""


# The keys of time and name, of who did it, and of what else a rule asks for.
_EVENT_KEYS: Mapping[str, tuple[str, str, str, str, str]] = {
    "segment": ("timestamp", "event", "userId", "anonymousId", ""),
    "rudderstack": ("timestamp", "originalTimestamp", "userId", "anonymousId", "sentAt"),
    "posthog": ("timestamp", "event", "distinct_id", "$distinct_id", ""),
    "amplitude": ("time", "event_type", "user_id", "device_id", ""),
}
_SENT_KEYS = {"segment": "sentAt", "rudderstack": "sentAt", "posthog": "sent_at", "amplitude": "client_upload_time"}

# Where an envelope may have its key, whoever it is meant for.
_KEYS = {"write_key": "writeKey", "api_key": "api_key", "token": "token"}


def _decoder(vendor: str) -> Callable[[bytes], Any]:
    keys = dict(zip(Outline.__struct_fields__, _EVENT_KEYS[vendor], strict=True))
    asked = {name: key for name, key in keys.items() if key}
    event = msgspec.defstruct("Event", [(name, Any, None) for name in asked], rename=asked, gc=False)
    names = {"events": "events" if vendor == "amplitude" else "batch", "sent": _SENT_KEYS[vendor], **_KEYS}
    fields: list[Any] = [
        ("events", list[event], []),  # type: ignore[valid-type]
        *((name, Any, None) for name in ("sent", "historical_migration", *_KEYS)),
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Batch", fields, rename=names, gc=False)).decode


_DECODERS = {vendor: _decoder(vendor) for vendor in _EVENT_KEYS}


def outline(vendor: str, batch: Arriving, body: bytes, reading: Reading) -> Whole:
    """Read a request in outline; a body that nobody can read has none."""
    try:
        found = _DECODERS[vendor](body)
    except (msgspec.MsgspecError, RecursionError):
        return Whole(_closely(vendor, reading), _in_header(batch), _keys_by_sight(body))
    events: Sequence[Any] = found.events
    if len(events) != len(reading.events):
        events = _closely(vendor, reading)
    # RudderStack goes by each event; those of one request are sent together.
    sent = getattr(events[0], "sent", None) if vendor == "rudderstack" and events else None
    sent_at = _in_header(batch) if vendor == "posthog" else None
    sent_at = seconds_of(found.sent if sent is None else sent) if sent_at is None else sent_at
    keys = [key for key in (found.write_key, found.api_key, found.token) if isinstance(key, str) and key]
    return Whole(events, sent_at, keys, found.historical_migration is True)


_KEY = re.compile(rb'"(?:writeKey|api_key|token)"\s*:\s*"([^"\\]{1,200})"')


def _keys_by_sight(body: bytes) -> list[str]:
    """The keys of a body that is no JSON, or not quite."""
    return [key.decode("latin-1") for key in set(_KEY.findall(body))]


def _closely(vendor: str, reading: Reading) -> Sequence[Outline]:
    """An event that is no object, or a number beyond 64 bits: each by itself."""
    keys = _EVENT_KEYS[vendor]
    return [Outline(*map((as_dict(raw) or {}).get, keys)) for raw in reading.events]


def _in_header(batch: Arriving) -> float | None:
    """PostHog's capture V1 says it there."""
    return seconds_of(batch.headers.get("posthog-request-timestamp"))
