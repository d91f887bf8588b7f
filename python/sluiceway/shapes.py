"""From a page's call to the shape in which the engine writes its events: which bytes stand between the values.

The engine knows a flat row of places, each with the text before it. What a page says in words (a field inside another,
entries that a map always has, the library's own mark) becomes such text here. Data only: ``client.py`` makes the native
objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sluiceway.vendors.base import Call, Field, Vendor, library

_NATIVE_KINDS = {"id": "id", "name": "text", "label": "text", "map": "map", "number": "number", "int": "int"}


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a native shape. ``places`` are those of its fields, one mapping each."""

    head: bytes
    places: list[dict[str, Any]]
    tail: bytes
    one_of: list[str]


def shape(vendor: Vendor, call: Call, version: str, *, extras: bool = False) -> Shape:
    """Lay one call out. With ``extras`` a last place takes further fields, which middleware may add.

    Raises ValueError for a page that contradicts itself.
    """
    maps = open_maps(call)
    places: list[dict[str, Any]] = []
    inside = ""
    for field in call.fields:
        into = field.inside or (field.key if field.key in maps else "")
        before = b""
        follows = True
        if into != inside:
            if inside:
                before += b"}"
            if into:
                entries = _entries(_ours(maps[into], version))
                before += b"," + _quoted(into) + b":{" + entries
                follows = bool(entries)
            inside = into
        places.append(_place(call, field, maps, version, before=before, follows=follows))
    closing = b"}" if inside else b""
    if extras:
        places.append({"key": "", "kind": "spread", "before": closing})
        closing = b""
    keys = {field.argument: field.key for field in call.fields}
    return Shape(
        head=call.head,
        places=places,
        tail=closing + vendor.event_tail + b"}",
        one_of=[keys[argument] for argument in call.one_of],
    )


def open_maps(call: Call) -> Mapping[str, Field]:
    """The maps of a call that hold more than what the caller gives, by their keys."""
    shared = {field.inside for field in call.fields if field.inside}
    maps = {field.key: field for field in call.fields if field.ours is not None or field.key in shared}
    if missing := shared - maps.keys():
        raise ValueError(f"{call.name} has fields inside {sorted(missing)}, which is no map of it")
    return maps


def reserved(call: Call, owner: Field, version: str = "") -> tuple[str, ...]:
    """The keys of an open map that the caller's own entries must not have: what is written there anyway."""
    return (*_ours(owner, version), *(field.key for field in call.fields if field.inside == owner.key))


def _ours(owner: Field, version: str) -> dict[str, Any]:
    return {} if owner.ours is None else owner.ours(version)


def _place(
    call: Call, field: Field, maps: Mapping[str, Field], version: str, *, before: bytes, follows: bool
) -> dict[str, Any]:
    is_open = field.key in maps and not field.inside
    if not follows and (is_open or not (field.required or field.default)):
        raise ValueError(f"{call.name} starts a map with {field.key}, which may be absent: let another be first")
    place: dict[str, Any] = {"key": field.key, "kind": _native_kind(field, is_open), "required": field.required}
    if before:
        place["before"] = before
    if field.scope:
        place["scope"] = field.scope
    if is_open:
        place["watched"] = [*reserved(call, field, version), *field.watched]
        return place
    if not follows:
        place["prefix"] = _quoted(field.key) + b":"
    if field.watched:
        place["watched"] = list(field.watched)
    if field.library:
        who = library(version)
        place |= {"default": b'{"library":' + who + b"}", "merge_key": "library", "merge_json": who}
    else:
        place["default"] = field.default if isinstance(field.default, bytes) else field.default(version)
    if field.guarded:
        # Whatever is given takes the long way, where the rest is checked.
        return place
    if field.refused:
        place["refused"] = list(field.refused)
    if field.min_chars:
        place["min_chars"] = field.min_chars
    if field.max_chars:
        place["max_chars"] = field.max_chars
    if field.max_bytes:
        place["max_bytes"] = field.max_bytes
    return place


def _native_kind(field: Field, is_open: bool) -> str:
    if is_open:
        return "spread"
    return "guarded" if field.guarded else _NATIVE_KINDS.get(field.kind, "any")


def _quoted(text: str) -> bytes:
    return msgspec.json.encode(text)


def _entries(entries: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(entries)[1:-1]
