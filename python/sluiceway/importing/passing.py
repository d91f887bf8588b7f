"""Rows that are events already, in the words of the vendor they go to: what an export, or another client, wrote.

The id and the moment that an event has stay its own; where it has none, they are made as for any other row. Keys that
belong to a request and not to an event, or that no client sends, are left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping as AnyMapping
from datetime import datetime, timezone
from typing import Any

from sluiceway.importing.faults import Unfit
from sluiceway.importing.identifiers import Ids, as_uuid
from sluiceway.importing.making import Event, Maker, as_json
from sluiceway.importing.mapping import KINDS_OF
from sluiceway.importing.timestamps import Times

_NOTHING: AnyMapping[str, Any] = {}

_SPEC_KEYS = {"type", "event", "name", "category", "userId", "anonymousId", "groupId", "previousId", "properties"} | {
    *("traits", "context", "integrations", "messageId", "timestamp", "originalTimestamp")
}
_POSTHOG_KEYS = {"event", "distinct_id", "properties", "uuid", "timestamp", "$set", "$set_once"}


def passer(vendor: str, ids: Ids, began: datetime, left_out: Counter[str]) -> Maker:
    """Return what takes events as they are. ``left_out`` counts the keys that are not sent on."""
    made: dict[str, type[_Passing]] = {"posthog": _PostHog, "amplitude": _Amplitude}
    return made.get(vendor, _Spec)(vendor, ids, began, left_out)


class _Passing:
    """What the vendors' ways have in common."""

    id_key = "messageId"

    def __init__(self, vendor: str, ids: Ids, began: datetime, left_out: Counter[str]) -> None:
        self.vendor = vendor
        self._ids = ids
        self._began = began
        self._left_out = left_out
        self._read = Times("auto", timezone.utc).read

    def __call__(self, row: dict[str, Any], line: int) -> Event:
        raise NotImplementedError

    def moment(self, *given: Any) -> datetime:
        """The first of the moments that is given, or that of the import's beginning."""
        value = next((one for one in given if one is not None), None)
        return self._began if value is None else self._read(value)

    def message_id(self, kind: str, row: dict[str, Any], raw: bytes, line: int) -> str:
        """The event's own id, or one that is made from all of it."""
        own = row.get(self.id_key)
        if own is None or own == "":
            return self._ids.of(kind, "", row, raw, line)
        if not isinstance(own, str):
            raise Unfit("bad_id", f"{self.id_key} is a {type(own).__name__}, not a text")
        return own

    def leave_out(self, row: dict[str, Any], known: set[str]) -> None:
        """Count the keys that nobody knows."""
        if not row.keys() <= known:
            self._left_out.update(row.keys() - known)


class _Spec(_Passing):
    """Segment and RudderStack: `{"type": "track", "event": …, "userId": …, "properties": …}`."""

    def __call__(self, row: dict[str, Any], line: int) -> Event:
        kind = row.get("type")
        if kind not in KINDS_OF[self.vendor]:
            said = "has no type" if kind is None else "is of a type that nobody knows"
            raise Unfit("not_an_event", f"no event of {self.vendor}: it {said} (map its columns by --event …)")
        self.leave_out(row, _SPEC_KEYS)
        raw = as_json(row)
        more = {
            "group_id": row.get("groupId"),
            "previous_id": row.get("previousId"),
            "category": row.get("category"),
            "integrations": row.get("integrations"),
            "traits": row.get("traits"),
        }
        return Event(
            kind,
            row.get("event") if kind == "track" else row.get("name"),
            row.get("userId"),
            row.get("anonymousId"),
            self.moment(row.get("originalTimestamp"), row.get("timestamp")),
            self.message_id(kind, row, raw, line),
            row.get("traits" if kind in ("identify", "group") else "properties"),
            row.get("context"),
            raw,
            {key: value for key, value in more.items() if value is not None},
        )


class _PostHog(_Passing):
    """PostHog: `{"event": …, "distinct_id": …, "properties": {…}}`; whatever the name says is among the properties."""

    id_key = "uuid"

    def __call__(self, row: dict[str, Any], line: int) -> Event:
        name = row.get("event")
        properties = row.get("properties")
        inside: Any = properties if isinstance(properties, dict) else {}
        owner = row.get("distinct_id") or inside.get("distinct_id")
        if not name:
            raise Unfit("not_an_event", "no event of posthog: it has no event (map its columns by --event …)")
        if not owner:
            raise Unfit("missing_id", "distinct_id is required")
        self.leave_out(row, _POSTHOG_KEYS)
        raw = as_json(row)
        person = {key: row[key] for key in ("$set", "$set_once") if row.get(key)}
        message_id = self.message_id("track", row, raw, line)
        return Event(
            "wire",
            name,
            owner,
            None,
            self.moment(row.get("timestamp"), inside.get("timestamp")),
            as_uuid(message_id) or self._ids.of_text(message_id),
            {**inside, **person} if person else properties,
            None,
            raw,
            _NOTHING,
        )


class _Amplitude(_Passing):
    """Amplitude: `{"event_type": …, "user_id": …, "event_properties": {…}}`, by the keys of the HTTP API."""

    id_key = "insert_id"

    def __call__(self, row: dict[str, Any], line: int) -> Event:
        name = row.get("event_type")
        if not name:
            raise Unfit("not_an_event", "no event of amplitude: it has no event_type (map its columns by --event …)")
        raw = as_json(row)
        moment = self.moment(row.get("time"))
        message_id = self.message_id("track", row, raw, line)
        wire = {**row, "time": moment, "insert_id": message_id}
        user, device = row.get("user_id"), row.get("device_id")
        return Event("wire", name, user, device, moment, message_id, None, None, raw, {"wire": wire})
