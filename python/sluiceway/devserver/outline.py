"""What is asked of every event of a batch, stored or not: its time, its name, and whom it speaks of.

One more pass of the decoder over the body, which skips all that is not asked for, is cheaper than a dict for each event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from sluiceway.testing.strict.reading import as_dict


class Outline(msgspec.Struct, gc=False):
    """One event in outline; whatever JSON value stood there, None for none."""

    time: Any = None
    name: Any = None
    who: Any = None
    other: Any = None


# The keys of time and name, of who did it, and of what else a rule asks for.
_KEYS: Mapping[str, tuple[str, str, str, str]] = {
    "segment": ("timestamp", "event", "userId", "anonymousId"),
    "rudderstack": ("timestamp", "originalTimestamp", "userId", "anonymousId"),
    "posthog": ("timestamp", "event", "distinct_id", "$distinct_id"),
    "amplitude": ("time", "event_type", "user_id", "device_id"),
}


def _decoder(vendor: str) -> Callable[[bytes], Any]:
    keys = dict(zip(("time", "name", "who", "other"), _KEYS[vendor], strict=True))
    event = msgspec.defstruct("Event", [(name, Any, None) for name in keys], rename=keys, gc=False)
    around = {"events": "events" if vendor == "amplitude" else "batch"}
    envelope = msgspec.defstruct("Batch", [("events", list[event])], rename=around, gc=False)  # type: ignore[valid-type]
    return msgspec.json.Decoder(envelope).decode


_DECODERS = {vendor: _decoder(vendor) for vendor in _KEYS}


def outlines(vendor: str, body: bytes, raws: Sequence[msgspec.Raw]) -> Sequence[Any]:
    """Return an outline of each event; `body` is known to be JSON with `raws` in it."""
    if not raws:
        return []
    try:
        events: Sequence[Any] = _DECODERS[vendor](body).events
    except msgspec.MsgspecError:  # an event that is no object, or a number beyond 64 bits
        keys = _KEYS[vendor]
        dicts = [as_dict(raw) or {} for raw in raws]
        return [Outline(*(event.get(key) for key in keys)) for event in dicts]
    return events
