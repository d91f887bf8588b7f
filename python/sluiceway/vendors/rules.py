"""What a vendor objects to in one event as it stands on the wire, read off the vendor's page.

The page says of each call which keys it has, what they take and which must be there; the client checks arguments
against it before an event is taken, and the receiver of the tests holds what arrives against the same data. The few
rules that no page can say as data are in ``beyond.py``. This is lenient where the vendors are: ids may be numbers if
the server makes text of them, null is absence, and keys that nobody knows are nobody's business.

Whether a fault costs the event, the batch or nothing is the vendor's answer and not decided here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from sluiceway.vendors.base import Call, Field, Vendor
from sluiceway.vendors.beyond import elsewhere, further_faults, has_own_time, needs_no_id, takes_any_id, trims_ids
from sluiceway.vendors.fault import Fault, is_int, is_uuid, iso_faults

# The bound of a page that knows no bound of its vendor's: it is the engine's own, and no server's.
ENGINE_MAX_DEPTH = 64


def faults(vendor: Vendor, event: Mapping[str, Any]) -> list[Fault]:
    """Return all that this vendor would object to in one event, decoded from JSON; nothing if it takes it as it is."""
    found = [*_id(vendor, event), *_time(vendor, event)]
    fitting = _calls_of(vendor, event)
    if not fitting:
        found.append(Fault("invalid", " and ".join(telling_keys(vendor)), "names no call of this vendor"))
    else:
        *plainer, call = fitting
        of_the_call = list(_fields(vendor, call, event))
        if plainer and of_the_call and not any(_fields(vendor, plainer[0], event)):
            # A plain event under the name of a special one: it need not have what the special call would give it.
            of_the_call = [fault for fault in of_the_call if fault.kind != "missing"]
        found.extend(of_the_call)
    found.extend(further_faults(vendor, event))
    found.extend(_inside(vendor, event))
    # The page and the server's own rules may say the same.
    return list({(fault.kind, fault.key): fault for fault in found}.values())


def telling_keys(vendor: Vendor) -> list[str]:
    """Return the keys of those constants that tell one call of the page from another."""
    keys = sorted({key for call in vendor.calls for key in call.constants})
    return [key for key in keys if len({call.constants.get(key) for call in vendor.calls}) > 1]


def _calls_of(vendor: Vendor, event: Mapping[str, Any]) -> list[Call]:
    """The calls that this event may come from, the one that says most of it last."""
    keys = telling_keys(vendor)
    fitting = [
        call
        for call in vendor.calls
        if all(event.get(key) == call.constants[key] for key in keys if key in call.constants)
    ]
    return sorted(fitting, key=lambda call: sum(key in call.constants for key in keys))


def _id(vendor: Vendor, event: Mapping[str, Any]) -> Iterator[Fault]:
    key, given = vendor.id_key, event.get(vendor.id_key)
    if given is None or given == "":
        yield Fault("missing", key, "is missing")
    elif not isinstance(given, str):
        yield Fault("wrong_type", key, "is no text")
    elif vendor.id_format == "uuid" and not is_uuid(given):
        yield Fault("invalid", key, "is no UUID")
    elif len(given) > vendor.limits.max_id_chars:
        yield Fault("too_long", key, f"has {len(given)} characters, limit {vendor.limits.max_id_chars}")


def _time(vendor: Vendor, event: Mapping[str, Any]) -> Iterator[Fault]:
    key, given = vendor.time_key, event.get(vendor.time_key)
    if given is None:
        if not has_own_time(vendor, event):
            yield Fault("missing", key, "is missing")
    elif vendor.time_format == "epoch_ms":
        if not is_int(given):
            yield Fault("wrong_type", key, "is no integer of milliseconds")
    else:
        yield from iso_faults(key, given)
    second = event.get(vendor.given_time_key)
    if vendor.given_time_key and second is not None:
        yield from iso_faults(vendor.given_time_key, second)


def _fields(vendor: Vendor, call: Call, event: Mapping[str, Any]) -> Iterator[Fault]:
    argument_keys: dict[str, str] = {}
    absent: set[str] = set()
    for field in call.fields:
        argument_keys[field.argument] = field.key
        value = _value(vendor, field, event)
        if value is None or (value == "" and field.kind in ("id", "name")):
            absent.add(field.argument)
            if field.required:
                yield Fault("missing", _path(field), "is missing")
        else:
            yield from _FITS[field.kind](vendor, field, value)
    if call.one_of and absent.issuperset(call.one_of) and not needs_no_id(vendor, event):
        yield Fault("missing", " or ".join(argument_keys[argument] for argument in call.one_of), "is missing")


def _value(vendor: Vendor, field: Field, event: Mapping[str, Any]) -> Any:
    if field.inside:
        around = event.get(field.inside)
        return around.get(field.key) if isinstance(around, Mapping) else None
    value = event.get(field.key)
    if value is None:
        value = elsewhere(vendor, field.key, event)
    if isinstance(value, str) and field.kind == "id" and trims_ids(vendor):
        return value.strip()
    return value


def _path(field: Field) -> str:
    return f"{field.inside}.{field.key}" if field.inside else field.key


def _is_id(vendor: Vendor, field: Field, value: object) -> Iterator[Fault]:
    if isinstance(value, str):
        yield from _text_fits(field, value)
    elif isinstance(value, (dict, list)) or not takes_any_id(vendor):
        yield Fault("wrong_type", _path(field), "is no text")


def _is_text(_vendor: Vendor, field: Field, value: object) -> Iterator[Fault]:
    if isinstance(value, str):
        yield from _text_fits(field, value)
    else:
        yield Fault("wrong_type", _path(field), "is no text")


def _text_fits(field: Field, text: str) -> Iterator[Fault]:
    if field.refused and text.lower() in field.refused:
        yield Fault("invalid", _path(field), "is a text that this vendor refuses")
    elif len(text) < field.min_chars:
        yield Fault("id_length", _path(field), f"has {len(text)} characters, at least {field.min_chars} are asked for")
    elif field.max_chars and len(text) > field.max_chars:
        yield Fault("too_long", _path(field), f"has {len(text)} characters, limit {field.max_chars}")


def _is_map(_vendor: Vendor, field: Field, value: object) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        yield Fault("wrong_type", _path(field), "is no object")


def _is_number(_vendor: Vendor, field: Field, value: object) -> Iterator[Fault]:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        yield Fault("wrong_type", _path(field), "is no number")


def _is_integer(_vendor: Vendor, field: Field, value: object) -> Iterator[Fault]:
    if not is_int(value):
        yield Fault("wrong_type", _path(field), "is no integer")


def _is_anything(_vendor: Vendor, _field: Field, _value: object) -> Iterator[Fault]:
    return iter(())


_FITS: Mapping[str, Callable[[Vendor, Field, object], Iterator[Fault]]] = {
    "id": _is_id,
    "name": _is_text,
    "label": _is_text,
    "map": _is_map,
    "number": _is_number,
    "int": _is_integer,
    "any": _is_anything,
}


def _inside(vendor: Vendor, event: Mapping[str, Any]) -> Iterator[Fault]:
    """Texts and depth, anywhere in the event."""
    limits = vendor.limits
    max_depth = limits.max_depth if limits.max_depth < ENGINE_MAX_DEPTH else 0
    if not (limits.max_text_chars or max_depth):
        return
    for key, value in event.items():
        longest, depth = _measure(value)
        if limits.max_text_chars and longest > limits.max_text_chars:
            yield Fault("too_long", key, f"has a text of {longest} characters, limit {limits.max_text_chars}")
        if max_depth and depth > max_depth:
            yield Fault("too_deep", key, f"is nested {depth} deep, limit {max_depth}")


def _measure(value: object) -> tuple[int, int]:
    """The longest text in a value, keys aside, and how many maps and lists stand inside each other."""
    longest = deepest = 0
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, str):
            longest = max(longest, len(one))
        elif isinstance(one, (dict, list)):
            deepest = max(deepest, depth + 1)
            waiting.extend((inner, depth + 1) for inner in (one.values() if isinstance(one, dict) else one))
    return longest, deepest


def with_min_id_length(vendor: Vendor, min_chars: int) -> Vendor:
    """Return the page as it reads for a client that asked for another shortest id (Amplitude's ``min_id_length``)."""

    def shorter(field: Field) -> Field:
        return msgspec.structs.replace(field, min_chars=min_chars) if field.min_chars else field

    calls = tuple(msgspec.structs.replace(call, fields=tuple(map(shorter, call.fields))) for call in vendor.calls)
    return msgspec.structs.replace(vendor, calls=calls)
