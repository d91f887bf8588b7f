"""For scale: the vendor's message built as a dict at each call and made JSON, and nothing else.

No queue, no id, no clock, no validation, and the text is thrown away: the least that a program of one's own could do
with the words of a call. What the caller does not say are constants. Each loop writes its dict in place, so that no
encoder pays for a function around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sluiceway.measuring.event import Call

# Constants, so that a loop pays neither for an identifier nor for a clock: the comparison is strict against us.
MESSAGE_ID = "0190163d-8694-739b-aea5-966c26f8ad91"
TIMESTAMP = "2013-01-01T05:00:00.000Z"
MILLISECONDS = 1_357_016_400_000
LIBRARY = "sluiceway/0.1.0"
CONTEXT = {"library": {"name": "sluiceway", "version": "0.1.0"}}
INTEGRATIONS: dict[str, Any] = {}
ALL_INTEGRATIONS = {"All": True}
POSTHOG_LIBRARY = {"$lib": "sluiceway", "$lib_version": "0.1.0", "$geoip_disable": True}

Dumps = Callable[[Any], Any]


def _segment(dumps: Dumps, calls: list[Call]) -> None:
    for user, event, properties in calls:
        dumps(
            {
                "type": "track",
                "messageId": MESSAGE_ID,
                "timestamp": TIMESTAMP,
                "userId": user,
                "event": event,
                "properties": properties,
                "context": CONTEXT,
                "integrations": INTEGRATIONS,
            }
        )


def _rudderstack(dumps: Dumps, calls: list[Call]) -> None:
    for user, event, properties in calls:
        dumps(
            {
                "type": "track",
                "channel": "server",
                "messageId": MESSAGE_ID,
                "originalTimestamp": TIMESTAMP,
                "userId": user,
                "event": event,
                "properties": properties,
                "context": CONTEXT,
                "integrations": ALL_INTEGRATIONS,
                "sentAt": TIMESTAMP,
            }
        )


def _posthog(dumps: Dumps, calls: list[Call]) -> None:
    for user, event, properties in calls:
        dumps(
            {
                "uuid": MESSAGE_ID,
                "timestamp": TIMESTAMP,
                "event": event,
                "distinct_id": user,
                "properties": {**properties, **POSTHOG_LIBRARY},
            }
        )


def _amplitude(dumps: Dumps, calls: list[Call]) -> None:
    for user, event, properties in calls:
        dumps(
            {
                "insert_id": MESSAGE_ID,
                "time": MILLISECONDS,
                "event_type": event,
                "user_id": user,
                "event_properties": properties,
                "library": LIBRARY,
            }
        )


LOOPS: Mapping[str, Callable[[Dumps, list[Call]], None]] = {
    "segment": _segment,
    "rudderstack": _rudderstack,
    "posthog": _posthog,
    "amplitude": _amplitude,
}


def message_bytes(vendor: str, calls: list[Call]) -> int:
    """How many bytes the message of a call has as JSON, on average."""
    import msgspec

    sizes: list[int] = []
    LOOPS[vendor](lambda document: sizes.append(len(msgspec.json.encode(document))), calls)
    return sum(sizes) // len(sizes)


def encoders() -> dict[str, tuple[str, Dumps]]:
    """Each encoder that is installed: name -> (version, what makes JSON of a dict)."""
    import json
    import platform

    import msgspec

    made: dict[str, tuple[str, Dumps]] = {
        # Without blanks, as the others write it.
        "json.dumps": (f"Python {platform.python_version()}", json.JSONEncoder(separators=(",", ":")).encode),
        "msgspec.json.encode": (msgspec.__version__, msgspec.json.Encoder().encode),
    }
    try:
        import orjson  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return made
    return made | {"orjson.dumps": (orjson.__version__, orjson.dumps)}
