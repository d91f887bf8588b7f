"""The closer look at one event: what the arguments of a call may be, and the event as a dict for middleware.

The native walk takes the common kinds as they are. Whatever it hands back comes here: ids that are numbers, times in
other forms than a UTC datetime, mappings that are no dict, mistakes. What leaves here has plain ids, a UTC time or
none, and mappings whose insides are still the user's; `values.py` turns those plain. Nothing here knows the engine.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from sluiceway.errors import InvalidEvent
from sluiceway.values import EPOCH, is_not_a_time, to_utc
from sluiceway.vendors.base import Call, Vendor

Id: TypeAlias = str | int | UUID
"""An id as a call takes it. It is sent as text and must not be empty; a bool is no id."""

Timestamp: TypeAlias = datetime | str | int | float
"""A moment as a call takes it: a datetime (naive means UTC), ISO 8601 text, or Unix seconds or milliseconds."""

# The engine counts nanoseconds since 1970 in 64 bits.
_FIRST_YEAR, _LAST_YEAR = 1678, 2261

# 1e11 seconds is the year 5138, 1e11 milliseconds is March 1973: between them nobody means the other unit.
_MILLISECONDS_FROM = 1e11


class CheckedEvent(msgspec.Struct, frozen=True):
    """An event whose arguments are what the call asks for. ``values`` are in the order of the call's fields.

    ``extras`` are fields that middleware added beside those the call knows.
    """

    message_id: str | None
    timestamp: datetime | None
    values: tuple[Any, ...]
    extras: Mapping[str, Any] | None = None


def check(
    vendor: Vendor, call: Call, message_id: object, timestamp: object, values: Sequence[Any], extras: Any = None
) -> CheckedEvent:
    """Check every argument of a call. Raises InvalidEvent, naming the argument and a type or size, never a value."""
    checked = []
    for field, value in zip(call.fields, values, strict=True):
        if value is None and field.required:
            raise InvalidEvent(field.argument, "is required")
        checked.append(None if value is None else _CHECKS[field.kind](field.argument, value))
    if call.one_of and all(
        value is None for field, value in zip(call.fields, values, strict=True) if field.argument in call.one_of
    ):
        raise InvalidEvent(" or ".join(call.one_of), "is required")
    return CheckedEvent(
        _message_id(message_id, vendor.limits.max_id_chars), _timestamp(timestamp), tuple(checked), extras
    )


def to_dict(vendor: Vendor, call: Call, event: CheckedEvent) -> dict[str, Any]:
    """Return the event in the vendor's words, as middleware sees it. What the caller left out is left out."""
    told: dict[str, Any] = {"type": call.type}
    if event.message_id is not None:
        told[vendor.id_key] = event.message_id
    if event.timestamp is not None:
        told[vendor.time_key] = event.timestamp
    told.update({field.key: value for field, value in zip(call.fields, event.values, strict=True) if value is not None})
    return told


def from_dict(vendor: Vendor, call: Call, told: dict[str, Any], was: CheckedEvent) -> CheckedEvent:
    """Check what middleware made of the event. The type and a given id cannot be taken away: they stay as they were."""
    rest = dict(told)
    rest.pop("type", None)
    message_id = rest.pop(vendor.id_key, None)
    timestamp = rest.pop(vendor.time_key, None)
    values = [rest.pop(field.key, None) for field in call.fields]
    return check(
        vendor,
        call,
        was.message_id if message_id is None else message_id,
        was.timestamp if timestamp is None else timestamp,
        values,
        rest or None,
    )


def _id(argument: str, value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        return _text(argument, value)
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise InvalidEvent(argument, f"must be a str, an int or a UUID, not {type(value).__name__}")
    try:
        return int.__repr__(operator.index(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidEvent(argument, "must be a str, an int of at most 4,300 digits, or a UUID") from None


def _text(argument: str, value: object) -> str:
    value = _label(argument, value)
    if not value:
        raise InvalidEvent(argument, "must not be empty")
    return value


def _label(argument: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidEvent(argument, f"must be a str, not {type(value).__name__}")
    return str.__str__(value)


def _map(argument: str, value: object) -> object:
    if not isinstance(value, Mapping):
        raise InvalidEvent(argument, f"must be a mapping, not {type(value).__name__}")
    return value


def _anything(argument: str, value: object) -> object:
    return value


_CHECKS: Mapping[str, Callable[[str, object], object]] = {
    "id": _id,
    "name": _text,
    "label": _label,
    "map": _map,
    "any": _anything,
}


def _message_id(value: object, max_chars: int) -> str | None:
    if value is None:
        return None
    if isinstance(value, UUID):
        return str(value)
    text = _text("message_id", value)
    if len(text) > max_chars:
        raise InvalidEvent("message_id", f"must have 1 to {max_chars} characters, not {len(text)}")
    return text


def _timestamp(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        if isinstance(value, datetime):
            if is_not_a_time(value):
                raise InvalidEvent("timestamp", "must be a moment, not NaT")
            moment = to_utc(value)
        elif isinstance(value, str):
            moment = to_utc(_from_iso(str.__str__(value)))
        elif isinstance(value, float) or (hasattr(type(value), "__index__") and not isinstance(value, bool)):
            moment = _from_unix(float(value))  # type: ignore[arg-type]
        else:
            raise InvalidEvent(
                "timestamp", f"must be a datetime, ISO 8601 text or a Unix time, not {type(value).__name__}"
            )
        if _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            return moment
    except InvalidEvent:
        raise
    except Exception:
        # Not only what text and numbers can be wrong about: a tzinfo is Python code and may raise anything.
        pass
    raise InvalidEvent(
        "timestamp", f"is a {type(value).__name__} that names no moment from {_FIRST_YEAR} to {_LAST_YEAR}"
    )


def _from_unix(number: float) -> datetime:
    seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
    return EPOCH + timedelta(seconds=seconds)


def _from_iso(text: str) -> datetime:
    """Read ISO 8601 as the vendors print it; Python 3.10 knows neither the Z nor fractions but of 3 or 6 digits."""
    text = text.strip()
    if text[-1:] in ("Z", "z"):
        text = text[:-1] + "+00:00"
    head, dot, tail = text.partition(".")
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{tail[:digits][:6]:0<6}{tail[digits:]}"
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
