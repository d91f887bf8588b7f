"""One event as a test reads it: the same attributes whichever vendor's words it was sent in. Pure: no client, no clock.

Reads any decoded event, also one of another client of the vendor, and takes what is not there, or is of a wrong kind,
for absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from sluiceway.events import from_iso

VENDORS = ("segment", "rudderstack", "posthog", "amplitude")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class CapturedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event that was accepted, in words that all vendors share; ``wire`` is the event as it was sent.

    ===============  ======================  ==========================  =======================
    attribute        Segment, RudderStack    PostHog                     Amplitude
    ===============  ======================  ==========================  =======================
    ``event``        ``event`` or ``name``   ``event``                   ``event_type``
    ``user_id``      ``userId``              ``distinct_id``             ``user_id``
    ``anonymous_id`` ``anonymousId``         ``$anon_distinct_id``       ``device_id``
    ``properties``   ``properties``          ``properties``              ``event_properties``
    ``traits``       ``traits``              ``$set``, ``$set_once``,    ``user_properties``,
                                             ``$group_set``              ``group_properties``
    ``groups``       ``groupId``             ``$groups``                 ``groups``
    ``id``           ``messageId``           ``uuid``                    ``insert_id``
    ===============  ======================  ==========================  =======================

    What the client writes into every event by itself (the library, ``$geoip_disable``) is in ``wire`` only.
    """

    vendor: str
    type: str
    """``track``, ``identify``, ``page``, ``screen``, ``group`` or ``alias``; empty for what is none of them."""
    event: str = ""
    """The name of a track, a page or a screen; for PostHog and Amplitude that of any event, such as ``$identify``."""
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    """Of an alias: the id from before."""
    group_id: str | None = None
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    """What is said of the person, or in a ``group`` of the group. Operations such as ``$set`` are taken apart."""
    context: dict[str, Any] = {}
    """Of Amplitude: what stands beside the properties, such as ``platform``. PostHog has none."""
    groups: dict[str, Any] = {}
    """By type of group. Segment and RudderStack know one type, here ``group``."""
    timestamp: datetime | None = None
    """When it happened, in UTC."""
    id: str | None = None
    wire: dict[str, Any] = {}


def captured(vendor: str, wire: object) -> CapturedEvent:
    """Read a decoded event of one of the four vendors, by its name in lower case. Raises ValueError for another."""
    if vendor not in _READERS:
        raise ValueError(f"vendor must be one of {', '.join(VENDORS)}")
    event = _map(wire)
    return CapturedEvent(vendor=vendor, wire=event, **_READERS[vendor](event))


def spelled_out(event: CapturedEvent, field: str) -> dict[str, Any]:
    """Return one of the maps with all that is on the wire in its place, what the client wrote there included."""
    shown: dict[str, Any] = getattr(event, field)
    return {**_raw(event, field), **shown}


def moment_of(value: object) -> datetime | None:
    """Read a moment in UTC: a datetime (a naive one means UTC), ISO 8601 text, or a Unix time in milliseconds."""
    try:
        if isinstance(value, str):
            value = from_iso(value)
        if isinstance(value, datetime):
            return value.astimezone(timezone.utc) if value.tzinfo else value.replace(tzinfo=timezone.utc)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _EPOCH + timedelta(milliseconds=value)
    except (ValueError, OverflowError):
        pass
    return None


# -- Segment and RudderStack

_SPEC_TYPES = ("track", "identify", "page", "screen", "group", "alias")


def _read_spec(wire: dict[str, Any]) -> dict[str, Any]:
    kind = wire.get("type")
    kind = kind if isinstance(kind, str) and kind in _SPEC_TYPES else ""
    context = _map(wire.get("context"))
    traits = _map(wire.get("traits"))
    if kind == "identify" and "traits" in context:
        # Where RudderStack has them.
        traits = {**_map(context["traits"]), **traits}
        context = _without(context, ("traits",))
    name = wire.get("event") if kind == "track" else wire.get("name") if kind in ("page", "screen") else None
    group_id = _id(wire.get("groupId")) or _id(context.get("groupId"))
    return {
        "type": kind,
        "event": _name(name),
        "user_id": _id(wire.get("userId")),
        "anonymous_id": _id(wire.get("anonymousId")),
        "previous_id": _id(wire.get("previousId")),
        "group_id": group_id,
        "properties": _map(wire.get("properties")),
        "traits": traits,
        "context": _without(context, ("library",)),
        "groups": {} if group_id is None else {"group": group_id},
        "timestamp": moment_of(wire.get("timestamp", wire.get("originalTimestamp"))),
        "id": _id(wire.get("messageId")),
    }


# -- PostHog

_POSTHOG_TYPES = {
    "$identify": "identify",
    "$set": "identify",
    "$set_once": "identify",
    "$pageview": "page",
    "$screen": "screen",
    "$groupidentify": "group",
    "$create_alias": "alias",
    "$merge_dangerously": "alias",
}
# Written by the client, or shown as another attribute.
_POSTHOG_OURS = ("$lib", "$lib_version", "$geoip_disable", "$groups", "$anon_distinct_id")
_POSTHOG_ELSEWHERE = {
    "identify": ("$set", "$set_once"),
    "group": ("$group_type", "$group_key", "$group_set"),
    "alias": ("alias", "distinct_id"),
}


def _read_posthog(wire: dict[str, Any]) -> dict[str, Any]:
    name = _name(wire.get("event"))
    kind = _POSTHOG_TYPES.get(name, "track" if name else "")
    properties = _map(wire.get("properties"))
    groups = _map(properties.get("$groups"))
    group_id = _id(properties.get("$group_key")) if kind == "group" else None
    if kind == "group":
        traits = _map(properties.get("$group_set"))
        if group_id is not None:
            groups = {**groups, _name(properties.get("$group_type")): group_id}
    else:
        said = [_map(where.get(key)) for key in ("$set_once", "$set") for where in (properties, wire)]
        traits = {key: value for entries in said for key, value in entries.items()}
    return {
        "type": kind,
        "event": name,
        "user_id": _id(wire.get("distinct_id")) or _id(properties.get("distinct_id")),
        "anonymous_id": _id(properties.get("$anon_distinct_id")),
        "previous_id": _id(properties.get("alias")) if kind == "alias" else None,
        "group_id": group_id,
        "properties": _without(properties, _POSTHOG_OURS + _POSTHOG_ELSEWHERE.get(kind, ())),
        "traits": traits,
        "groups": groups,
        "timestamp": moment_of(wire.get("timestamp")),
        "id": _id(wire.get("uuid")),
    }


# -- Amplitude

_AMPLITUDE_TYPES = {"$identify": "identify", "$groupidentify": "group"}
_AMPLITUDE_MAIN = (
    *("event_type", "user_id", "device_id", "event_properties", "user_properties", "groups", "group_properties"),
    *("library", "time", "insert_id"),
)


def _read_amplitude(wire: dict[str, Any]) -> dict[str, Any]:
    name = _name(wire.get("event_type"))
    kind = _AMPLITUDE_TYPES.get(name, "track" if name else "")
    groups = _map(wire.get("groups"))
    traits = _map(wire.get("group_properties" if kind == "group" else "user_properties"))
    return {
        "type": kind,
        "event": name,
        "user_id": _id(wire.get("user_id")),
        "anonymous_id": _id(wire.get("device_id")),
        "group_id": _id(next(iter(groups.values()))) if kind == "group" and len(groups) == 1 else None,
        "properties": _map(wire.get("event_properties")),
        "traits": traits if kind == "track" else _operated(traits),
        "context": _without(wire, _AMPLITUDE_MAIN),
        "groups": groups,
        "timestamp": moment_of(wire.get("time")),
        "id": _id(wire.get("insert_id")),
    }


def _operated(operations: dict[str, Any]) -> dict[str, Any]:
    """What ``$set`` and ``$setOnce`` say, side by side; the other operations stay as they are."""
    rest = _without(operations, ("$setOnce", "$set"))
    return {**rest, **_map(operations.get("$setOnce")), **_map(operations.get("$set"))}


_READERS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "segment": _read_spec,
    "rudderstack": _read_spec,
    "posthog": _read_posthog,
    "amplitude": _read_amplitude,
}


def _raw(event: CapturedEvent, field: str) -> dict[str, Any]:
    if event.vendor == "amplitude":
        group = event.type == "group"
        keys = {"properties": "event_properties", "traits": "group_properties" if group else "user_properties"}
        return _map(event.wire.get(keys.get(field, field)))
    if event.vendor == "posthog" and field == "traits":
        return {}
    return _map(event.wire.get(field))


def _map(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _without(entries: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in entries.items() if key not in keys}


def _id(value: object) -> str | None:
    """An id as text; other clients send numbers as well."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:  # more digits than Python prints
            return None
    return value if isinstance(value, str) and value else None


def _name(value: object) -> str:
    return value if isinstance(value, str) else ""
