"""From a row to an event, as the mapping says."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from sluiceway.importing.faults import Unfit
from sluiceway.importing.identifiers import Ids, as_uuid
from sluiceway.importing.mapping import KINDS_OF, THE_REST, Mapping
from sluiceway.importing.timestamps import Times, zone_named


class Event(NamedTuple):
    """One event before it is said to a vendor's client. None is absent."""

    kind: str
    name: str | None
    user: str | None
    anonymous: str | None
    moment: datetime
    message_id: str
    properties: Any
    context: Any
    raw: bytes
    """The row as JSON, keys sorted: what its id is made from, and what is written down if the event is refused."""
    more: AnyMapping[str, Any]
    """What few events have: group_id, group_type, previous_id, category, integrations, user_properties, fields."""


Maker = Callable[[dict[str, Any], int], Event]
"""From a row and its line to the event. Raises Unfit. What it does to the row is nobody's concern afterwards."""

_NOTHING: AnyMapping[str, Any] = {}
_sorted_json = msgspec.json.Encoder(order="sorted").encode


def as_json(row: AnyMapping[str, Any]) -> bytes:
    """Return a row as JSON with sorted keys. Raises Unfit for text that no UTF-8 can hold."""
    try:
        return _sorted_json(row)
    except UnicodeEncodeError:
        raise Unfit("bad_utf8", "the row is not UTF-8") from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Unfit("bad_value", f"holds what JSON cannot ({type(error).__name__})") from None


def as_text(column: str, value: Any) -> str:
    """Return an id or a name as text. Raises Unfit for what is neither text nor a whole number."""
    if isinstance(value, (int, UUID)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        # Columns of whole numbers with gaps are floats in many tables.
        return str(int(value))
    raise Unfit("bad_id", f"column {column!r} holds a {type(value).__name__} where a text or a whole number is wanted")


def maker(mapping: Mapping, vendor: str, ids: Ids, began: datetime) -> Maker:
    """Return what makes events. ``began`` is the moment of rows that have none. Raises Misuse."""
    texts = tuple(mapping.texts)
    time_column = mapping.timestamp
    read_time = Times(mapping.timestamp_format, zone_named(mapping.timezone)).read
    kind_of = _kinds(mapping, vendor)
    event, user, anonymous = mapping.event, mapping.user_id, mapping.anonymous_id
    event_name = mapping.event_name or None
    message_id = mapping.message_id
    wants_uuid = vendor == "posthog"
    more_of = _more(mapping)
    context_of = _nested(mapping.context)
    properties_of = _properties(mapping)

    def make(row: dict[str, Any], line: int) -> Event:
        if None in row.values():
            row = {name: value for name, value in row.items() if value is not None}
        for column in texts:
            value = row.get(column)
            if value is not None and type(value) is not str:
                row[column] = as_text(column, value)
        moment = began
        if time_column and (value := row.get(time_column)) is not None:
            row[time_column] = moment = read_time(value)
        raw = as_json(row)
        kind = kind_of(row)
        name = row.get(event) or None if event else event_name
        if message_id:
            own = row.get(message_id)
            if not own:
                raise Unfit("no_id", f"column {message_id!r} is empty")
            own_id = (as_uuid(own) or ids.of_text(own)) if wants_uuid else own
        else:
            own_id = ids.of(kind, name or "", row, raw, line)
        return Event(
            kind,
            name,
            row.get(user) or None,
            row.get(anonymous) or None,
            moment,
            own_id,
            properties_of(row),
            context_of(row) if context_of else None,
            raw,
            more_of(row) if more_of else _NOTHING,
        )

    return make


def _kinds(mapping: Mapping, vendor: str) -> Callable[[dict[str, Any]], str]:
    column, kinds = mapping.type_column, KINDS_OF[vendor]
    constant = mapping.type or "track"
    if not column:
        return lambda row: constant

    def kind_of(row: dict[str, Any]) -> str:
        kind = str(row.get(column) or "").strip().lower()
        if kind not in kinds:
            raise Unfit("bad_type", f"column {column!r} names no kind of event; {vendor} has {', '.join(kinds)}")
        return kind

    return kind_of


def _properties(mapping: Mapping) -> Callable[[dict[str, Any]], dict[str, Any]]:
    left_out = tuple(mapping.taken | set(mapping.drop))
    named = tuple((name, column) for name, column in mapping.properties.items() if name != THE_REST)

    def the_rest(row: dict[str, Any]) -> dict[str, Any]:
        rest = dict(row)
        for column in left_out:
            rest.pop(column, None)
        return rest

    if not mapping.properties:
        return the_rest

    if THE_REST not in mapping.properties:
        return lambda row: {name: row[column] for name, column in named if column in row}

    def both(row: dict[str, Any]) -> dict[str, Any]:
        rest = the_rest(row)
        for _, column in named:
            rest.pop(column, None)
        rest.update((name, row[column]) for name, column in named if column in row)
        return rest

    return both


def _nested(named: AnyMapping[str, str]) -> Callable[[dict[str, Any]], dict[str, Any] | None] | None:
    if not named:
        return None
    paths = [(name.split("."), column) for name, column in named.items()]

    def nested(row: dict[str, Any]) -> dict[str, Any] | None:
        made: dict[str, Any] = {}
        for path, column in paths:
            if column not in row:
                continue
            inner = made
            for step in path[:-1]:
                further = inner.setdefault(step, {})
                inner = further if isinstance(further, dict) else {}
            inner[path[-1]] = row[column]
        return made or None

    return nested


def _more(mapping: Mapping) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    singles = [(key, column) for key in ("group_id", "previous_id", "category") if (column := getattr(mapping, key))]
    maps = [(key, entries) for key in ("user_properties", "fields") if (entries := getattr(mapping, key))]
    if not singles and not maps and not mapping.group_type:
        return None

    def more(row: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {key: row[column] for key, column in singles if column in row}
        for key, entries in maps:
            told[key] = {name: row[column] for name, column in entries.items() if column in row}
        if mapping.group_type:
            told["group_type"] = mapping.group_type
        return told

    return more
