"""The closer look at one event: what the arguments of a call may be, and the event as a dict for middleware.

The native walk takes the common kinds as they are. Whatever it hands back comes here: ids that are numbers, times in
other forms than a UTC datetime, mappings that are no dict, mistakes. What leaves here has plain ids, a UTC time or
none, and mappings whose insides are still the user's; `values.py` turns those plain. Nothing here knows the engine.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from sluiceway import nesting
from sluiceway.errors import InvalidEvent
from sluiceway.values import EPOCH, is_not_a_time, to_utc
from sluiceway.vendors.base import Call, Field, Vendor

Id: TypeAlias = str | int | UUID
"""An id as a call takes it. It is sent as text and must not be empty; a bool is no id."""

Timestamp: TypeAlias = datetime | str | int | float
"""A moment as a call takes it: a datetime (naive means UTC), ISO 8601 text, or Unix seconds or milliseconds."""

# The engine counts nanoseconds since 1970 in 64 bits.
_FIRST_YEAR, _LAST_YEAR = 1678, 2261

# The engine writes longer integers as texts, because a strict parser takes no number beyond the largest float.
_NUMBERS_END = 10**308

# 1e11 seconds is the year 5138, 1e11 milliseconds is March 1973: between them nobody means the other unit.
_MILLISECONDS_FROM = 1e11


class CheckedEvent(msgspec.Struct, frozen=True):
    """An event whose arguments are what the call asks for. ``values`` are in the order of the call's fields.

    ``extras`` are fields that middleware added beside those the call knows. ``lost_id``: the caller's own id was none
    that the vendor takes, and the engine makes one instead.
    """

    message_id: str | None
    timestamp: datetime | None
    values: tuple[Any, ...]
    extras: Mapping[str, Any] | None = None
    lost_id: bool = False

    def __repr__(self) -> str:
        """Tell what is given, and nothing of it."""
        return f"<CheckedEvent of {sum(value is not None for value in self.values)} values>"


def check(
    vendor: Vendor, call: Call, message_id: object, timestamp: object, values: Sequence[Any], extras: Any = None
) -> CheckedEvent:
    """Check every argument of a call. Raises InvalidEvent, naming the argument and a type or size, never a value.

    ``values`` may be fewer than the call has fields; the rest was not given.
    """
    arguments: dict[str, Any] = {field.argument: None for field in call.fields}
    arguments.update({field.argument: value for field, value in zip(call.fields, values, strict=False)})
    arguments[vendor.id_argument] = message_id
    arguments[vendor.time_argument] = timestamp
    if call.prepare is not None:
        call.prepare(arguments)
    nesting.part(call, arguments)
    checked = []
    for field in call.fields:
        value = arguments[field.argument]
        if value is None and field.required:
            raise InvalidEvent(field.argument, "is required")
        checked.append(None if value is None else _read(field.argument, _CHECKS[field.kind], field, value))
    if call.one_of and all(arguments[argument] is None for argument in call.one_of):
        raise InvalidEvent(" or ".join(call.one_of), "is required")
    own_id = _read(vendor.id_argument, _own_id, vendor, arguments[vendor.id_argument])
    moment = _timestamp(vendor.time_argument, arguments[vendor.time_argument])
    lost_id = own_id is None and arguments[vendor.id_argument] is not None
    return CheckedEvent(own_id, moment, tuple(checked), extras, lost_id)


def _read(argument: str, check: Callable[..., Any], *arguments: Any) -> Any:
    """Check one argument. What its own code raises meanwhile (a metaclass, a property) is said of it, not of us."""
    try:
        return check(*arguments)
    except (InvalidEvent, RecursionError):
        raise
    except Exception as error:
        raise InvalidEvent(argument, f"raised {type(error).__name__} while it was read") from None


def check_id(argument: str, value: object) -> str:
    """Return an id that is no event's yet, as text. Raises InvalidEvent. What one vendor asks for is not known here."""
    if type(value) is str and value.isascii() and value.isprintable() and not value.isspace() and value:
        return value
    text: str = _read(argument, _id, Field(argument=argument, key=argument, kind="id"), value)
    return text


def to_dict(vendor: Vendor, call: Call, event: CheckedEvent) -> dict[str, Any]:
    """Return the event in the vendor's words, as middleware sees it. What the caller left out is left out."""
    told: dict[str, Any] = dict(call.constants)
    if event.message_id is not None:
        told[vendor.id_key] = event.message_id
    if event.timestamp is not None:
        told[vendor.time_key] = event.timestamp
    for field, value in zip(call.fields, event.values, strict=True):
        if value is None:
            continue
        if field.inside:
            told.setdefault(field.inside, {})[field.key] = value
        elif field.key in told:  # a map whose inner fields came first
            told[field.key] = {**value, **told[field.key]}
        else:
            told[field.key] = value
    return {**told, **(event.extras or {})}


def from_dict(vendor: Vendor, call: Call, told: dict[str, Any], was: CheckedEvent) -> CheckedEvent:
    """Check what middleware made of the event. The type and a given id cannot be taken away: they stay as they were.

    What stands inside a map of the call is found there by ``check``.
    """
    rest = dict(told)
    for key in (*call.constants, *_keys_at_the_end(vendor)):
        rest.pop(key, None)
    message_id = rest.pop(vendor.id_key, None)
    timestamp = rest.pop(vendor.time_key, None)
    if vendor.given_time_key:
        timestamp = rest.pop(vendor.given_time_key, timestamp)
    values = [None if field.inside else rest.pop(field.key, None) for field in call.fields]
    event = check(
        vendor,
        call,
        was.message_id if message_id is None else message_id,
        was.timestamp if timestamp is None else timestamp,
        values,
        rest or None,
    )
    return msgspec.structs.replace(event, lost_id=event.lost_id or was.lost_id)


def _keys_at_the_end(vendor: Vendor) -> list[str]:
    """What the page itself writes behind the fields of every event."""
    return list(msgspec.json.decode(b"{" + vendor.event_tail[1:] + b"}"))


def _id(field: Field, value: object) -> str:
    if isinstance(value, UUID):
        return _within(field, str(value))
    if isinstance(value, str):
        text = _text(field, value)
        if not is_visible(text):
            raise InvalidEvent(field.argument, "must not be blank")
        return text
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise InvalidEvent(field.argument, f"must be a str, an int or a UUID, not {type(value).__name__}")
    try:
        return _within(field, int.__repr__(operator.index(value)))  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        if isinstance(error, InvalidEvent):
            raise
        raise InvalidEvent(field.argument, "must be a str, an int of at most 4,300 digits, or a UUID") from None


def _text(field: Field, value: object) -> str:
    text = _label(field, value)
    if not text:
        raise InvalidEvent(field.argument, "must not be empty")
    return text


def _label(field: Field, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidEvent(field.argument, f"must be a str, not {type(value).__name__}")
    return _within(field, str.__str__(value))


def _within(field: Field, text: str) -> str:
    if text and len(text) < field.min_chars:
        raise InvalidEvent(field.argument, f"must have at least {field.min_chars} characters, not {len(text)}")
    if field.max_bytes and len(nbytes := text.encode("utf-8", "replace")) > field.max_bytes:
        raise InvalidEvent(field.argument, f"must have at most {field.max_bytes} bytes, not {len(nbytes)}")
    if field.max_chars and len(text) > field.max_chars:
        raise InvalidEvent(field.argument, f"must have at most {field.max_chars} characters, not {len(text)}")
    if field.refused and text.lower() in field.refused:
        raise InvalidEvent(field.argument, "is a text that the vendor takes for a mistake, as 'null' would be")
    return text


def _map(field: Field, value: object) -> object:
    if not isinstance(value, Mapping):
        raise InvalidEvent(field.argument, f"must be a mapping, not {type(value).__name__}")
    return value


def _int(field: Field, value: object) -> object:
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise InvalidEvent(field.argument, f"must be an int, not {type(value).__name__}")
    number = operator.index(value)  # type: ignore[arg-type]
    if not -(2**63) <= number < 2**64:
        raise InvalidEvent(field.argument, "must be an int of 64 bits")
    return int(number)


def _number(field: Field, value: object) -> object:
    if not isinstance(value, bool) and hasattr(type(value), "__index__"):
        whole = operator.index(value)  # type: ignore[arg-type]
        if abs(whole) >= _NUMBERS_END:
            raise InvalidEvent(field.argument, "must be a number of at most 308 digits")
        return int(whole)
    if isinstance(value, bool) or not hasattr(type(value), "__float__"):
        raise InvalidEvent(field.argument, f"must be a number, not {type(value).__name__}")
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise InvalidEvent(field.argument, "must be a finite number")
    return number


def _anything(field: Field, value: object) -> object:
    return value


_CHECKS: Mapping[str, Callable[[Field, object], object]] = {
    "id": _id,
    "name": _text,
    "label": _label,
    "map": _map,
    "int": _int,
    "number": _number,
    "any": _anything,
}


# To Python these print something; RudderStack's server takes them off, and refuses the batch if nothing is left.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def is_visible(text: str) -> bool:
    """Whether a text shows anything: an id that does not is nobody's, whatever a vendor makes of it."""
    return any(char.isprintable() and not char.isspace() and char not in _UNSEEN for char in text)


def _own_id(vendor: Vendor, value: object) -> str | None:
    """The caller's own id as text; None where none was given, and where the vendor would take it for none."""
    if value is None:
        return None
    if vendor.id_format == "uuid":
        return _uuid(value)
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        raise InvalidEvent(vendor.id_argument, f"must be a str or a UUID, not {type(value).__name__}")
    text, max_chars = str.__str__(value), vendor.limits.max_id_chars
    if not text:
        raise InvalidEvent(vendor.id_argument, "must not be empty")
    if len(text) > max_chars:
        raise InvalidEvent(vendor.id_argument, f"must have 1 to {max_chars} characters, not {len(text)}")
    return text


def _uuid(value: object) -> str | None:
    try:
        return str(value if isinstance(value, UUID) else UUID(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, AttributeError):
        return None


def _timestamp(argument: str, value: object) -> datetime | None:
    if value is None:
        return None
    try:
        if isinstance(value, datetime):
            if is_not_a_time(value):
                raise InvalidEvent(argument, "must be a moment, not NaT")
            moment = to_utc(value)
        elif isinstance(value, str):
            moment = to_utc(from_iso(str.__str__(value)))
        elif isinstance(value, float) or (hasattr(type(value), "__index__") and not isinstance(value, bool)):
            moment = _from_unix(float(value))  # type: ignore[arg-type]
        else:
            raise InvalidEvent(
                argument, f"must be a datetime, ISO 8601 text or a Unix time, not {type(value).__name__}"
            )
        if _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            return moment
    except InvalidEvent:
        raise
    except Exception:
        # Not only what text and numbers can be wrong about: a tzinfo is Python code and may raise anything.
        pass
    raise InvalidEvent(argument, f"is a {type(value).__name__} that names no moment from {_FIRST_YEAR} to {_LAST_YEAR}")


def _from_unix(number: float) -> datetime:
    seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
    return EPOCH + timedelta(seconds=seconds)


def from_iso(text: str) -> datetime:
    """Read ISO 8601 as the vendors print it; Python 3.10 knows neither the Z nor fractions but of 3 or 6 digits.

    Naive where the text names no zone. Raises ValueError.
    """
    text = text.strip()
    if text[-1:] in ("Z", "z"):
        text = text[:-1] + "+00:00"
    head, dot, tail = text.partition(".")
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{tail[:digits][:6]:0<6}{tail[digits:]}"
    return datetime.fromisoformat(text)
