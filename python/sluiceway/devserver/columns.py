"""The columns of the list: what each vendor calls type, event, user and library, read from one event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

MAX_CHARS = 200
"""Of each column; the event has the whole text."""


class Columns(msgspec.Struct, frozen=True):
    """One event's columns; empty texts where it says nothing."""

    type: str
    event: str
    user: str
    anonymous: str
    library: str


def columns(vendor: str, event: Mapping[str, Any], headers: Mapping[str, str]) -> Columns:
    """Read the columns of a decoded event, whatever it is."""
    if vendor == "posthog":
        return _posthog(event, headers)
    if vendor == "amplitude":
        event_type = _text(event.get("event_type"))
        kind = {"$identify": "identify", "$groupidentify": "group"}.get(event_type, "track")
        told = _text(event.get("library")).replace("/", " ", 1)
        return Columns(kind, event_type, _text(event.get("user_id")), _text(event.get("device_id")), told)
    kind = _text(event.get("type"))
    name = event.get({"track": "event", "group": "groupId", "alias": "previousId"}.get(kind, "name"))
    context = event.get("context")
    library = context.get("library") if isinstance(context, dict) else None
    said = f"{_text(library.get('name'))} {_text(library.get('version'))}" if isinstance(library, dict) else ""
    return Columns(
        kind, _text(name), _text(event.get("userId")), _text(event.get("anonymousId")), said.strip()[:MAX_CHARS]
    )


_POSTHOG_TYPES = {
    "$identify": "identify",
    "$create_alias": "alias",
    "$groupidentify": "group",
    "$set": "set",
    "$set_once": "set_once",
    "$pageview": "page",
    "$screen": "screen",
}


def _posthog(event: Mapping[str, Any], headers: Mapping[str, str]) -> Columns:
    inner = event.get("properties")
    properties: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
    name = _text(event.get("event"))
    who: Any = event.get("distinct_id")
    if who is None:
        who = event.get("$distinct_id", properties.get("distinct_id"))
    library = f"{_text(properties.get('$lib'))} {_text(properties.get('$lib_version'))}".strip()
    if not library:
        library = headers.get("posthog-sdk-info", "").replace("/", " ", 1)
    anonymous = _text(properties.get("$anon_distinct_id"))
    return Columns(_POSTHOG_TYPES.get(name, "capture"), name, _text(who), anonymous, library[:MAX_CHARS])


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    # Half of a surrogate pair can be read from JSON, and is no text for anybody else.
    return text[:MAX_CHARS].encode("utf-8", "replace").decode()
