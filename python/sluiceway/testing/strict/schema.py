"""Types for `msgspec` out of a vendor's page: what decodes without an error has the keys and kinds that it asks for.

They ask for no less than `faults` does, and sometimes for more (an id is a text here, a server may take a number).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sluiceway.values import EPOCH
from sluiceway.vendors.base import Call, Field, Vendor
from sluiceway.vendors.rules import telling_keys

_OWN_ID = "own_id_"
_OWN_TIME = "own_time_"
_GIVEN_TIME = "given_time_"

# The class itself, also where freezegun has put a class of its own, which msgspec does not know, in its place.
_DATETIME: Any = type(EPOCH)
MOMENT = Annotated[_DATETIME, Meta(tz=True)]


class Object(msgspec.Struct, gc=False):
    """Any JSON object; nothing of it is kept."""


class Schema:
    """The types of one vendor's events, and what has to be asked of the decoded events besides.

    Raises ValueError for a page that it cannot say.
    """

    def __init__(self, vendor: Vendor, further: Mapping[str, Any], required: Mapping[str, Any]) -> None:
        self._vendor = vendor
        self._further = further
        self._required = required
        keys = telling_keys(vendor)
        tagged = len(keys) == 1 and all(keys[0] in call.constants for call in vendor.calls)
        plain = [call for call in vendor.calls if not any(key in call.constants for key in keys)]
        if len(keys) > 1 or (not tagged and len(plain) != 1):
            raise ValueError(f"the calls of {vendor.name} differ by {keys}: one key, or one plain call, is needed")
        calls = vendor.calls if tagged else tuple(plain)
        self._either = list(dict.fromkeys(argument for call in calls for argument in call.one_of))
        self.either: list[str] = list(map(self._attribute, self._either))
        """Attributes of which one must be given, `first_` and others."""
        self.ids: list[str] = sorted({self._attribute(field.argument) for field in _outer(calls) if field.kind == "id"})
        self.refusing: dict[str, frozenset[str]] = {
            self._attribute(field.argument): frozenset(field.refused) for field in _outer(calls) if field.refused
        }
        """Texts in lower case that an attribute must not be."""
        self.special_names: frozenset[str] = frozenset()
        """Names of events of which a call of their own asks for more."""
        self.name = ""
        """The attribute that has the name."""
        if keys and not tagged:
            self.special_names = frozenset(call.constants[keys[0]] for call in vendor.calls if call is not plain[0])
            [self.name] = [field.argument for field in plain[0].fields if field.key == keys[0]]
        asked = {*self.either, *self.ids, *self.refusing}
        self._types = [self._event(call, keys[0] if tagged else "", asked) for call in calls]

    def batch(self, key: str) -> Any:
        """Return the type of an envelope; the decoded one has its events as `events`, each with its id as `own_id_`."""
        event = reduce(or_, self._types)
        return msgspec.defstruct("Batch", [("events", list[event])], rename={"events": key}, gc=False)  # type: ignore[valid-type]

    def _attribute(self, argument: str) -> str:
        """By a name that is the same for all vendors, the first of those that must be given is read fastest."""
        return "first_" if self._either[:1] == [argument] else argument

    def _event(self, call: Call, tag_key: str, asked: Iterable[str]) -> Any:
        vendor = self._vendor
        names = {_OWN_ID: vendor.id_key, _OWN_TIME: vendor.time_key}
        own_id = Annotated[str, Meta(min_length=1, max_length=vendor.limits.max_id_chars)]
        required: list[Any] = [(_OWN_ID, own_id), (_OWN_TIME, MOMENT if vendor.time_format == "iso" else int)]
        optional: list[Any] = []
        if vendor.given_time_key:
            names[_GIVEN_TIME] = vendor.given_time_key
            optional.append((_GIVEN_TIME, MOMENT | None, None))
        for field in _outer([call]):
            attribute = self._attribute(field.argument)
            names[attribute] = field.key
            inner = [other for other in call.fields if other.inside == field.key]
            is_required = field.required or any(other.required for other in inner)
            kind = _object_of(inner) if inner else _type(field)
            if is_required:
                required.append((attribute, kind))
            else:
                optional.append((attribute, kind | None, None))
        for number, (key, kind) in enumerate(self._further.items()):
            names[f"further_{number}_"] = key
            optional.append((f"further_{number}_", kind | None, None))
        for number, (key, kind) in enumerate(self._required.items()):
            names[f"required_{number}_"] = key
            required.append((f"required_{number}_", kind))
        absent = {attribute: None for attribute in asked if attribute not in names}  # this call knows none
        tag = {"tag": call.constants[tag_key], "tag_field": tag_key} if tag_key else {}
        return msgspec.defstruct(
            f"Event_{call.name}", required + optional, rename=names, namespace=absent, gc=False, **tag
        )


def _outer(calls: Iterable[Call]) -> list[Field]:
    return [field for call in calls for field in call.fields if not field.inside]


def _object_of(inner: Iterable[Field]) -> Any:
    required: list[Any] = []
    optional: list[Any] = []
    names = {}
    for field in inner:
        if field.refused:
            raise ValueError(f"{field.key} inside a map refuses texts: only a special call may ask for that")
        names[field.argument] = field.key
        if field.required:
            required.append((field.argument, _type(field)))
        else:
            optional.append((field.argument, _type(field) | None, None))
    return msgspec.defstruct("Inner", required + optional, rename=names, gc=False)


def _type(field: Field) -> Any:
    if field.kind == "map":
        return Object
    if field.kind == "number":
        return int | float
    if field.kind == "int":
        return int
    if field.kind == "any":
        return Any
    shortest = field.min_chars if field.kind == "label" else max(field.min_chars, 1)
    return Annotated[str, Meta(min_length=shortest, max_length=field.max_chars or None)]
