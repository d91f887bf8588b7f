"""Turn any Python value into plain ones, for the events that the native walk does not take as they are.

Plain is exactly: dict with str keys, list, str, int, float, bool, None, UUID, and datetime that is naive (read as UTC)
or UTC. Everything else has one row in this table; what has none goes to the user's ``default=`` and then to ``str``.

    str, int, float subclasses       their plain counterpart        Enum              its value
    datetime                         UTC                            date, time        ISO 8601 text
    timedelta                        seconds                        Decimal           a number where float holds it
    bytes                            UTF-8 text, else base64                          exactly, else its text
    set, frozenset                   list, sorted if sortable       NaT, NA           None
    Mapping, Sequence, views         dict, list                     numpy, pandas     their items, as Python values
    dataclass, attrs, pydantic, msgspec.Struct: a dict of the fields                  NamedTuple: a list
    Path, IP address, lazy text      text                           re.Pattern        its pattern
    keys: None "null", True "true", False "false", numbers and all others their text; the last of two equal keys wins

The work is bounded by the event limit, not by the value: the least JSON that a value can become is added up on the way,
and the walk stops as soon as that is over the limit. Depth is counted, so neither a cycle nor a million lists can
exhaust a stack. User code runs here (``__str__``, ``items``, ``default``); whatever it raises comes out of here.
"""

from __future__ import annotations

import binascii
from collections import UserString
from collections.abc import Callable, Iterable, Mapping, MappingView, Sequence, Set
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

Default: TypeAlias = Callable[[Any], Any]
"""The user's own conversion: takes a value of an unknown type, answers one of a known type (or NotImplemented)."""

MAX_DEPTH = 64
"""Containers inside each other, the field's own map included; the native walk has the same limit."""

# A sum of this and a timedelta is exactly a datetime, also where a test has replaced the class of that name by its own:
# freezegun's derives from it, and if this is imported meanwhile, that is the one which is imported.
_REAL = next(kind for kind in datetime.__mro__ if (kind.__module__, kind.__qualname__) == ("datetime", "datetime"))
EPOCH: datetime = _REAL(1970, 1, 1, tzinfo=timezone.utc)


class Unserializable(Exception):
    """The value cannot be turned into JSON. The text speaks of types and depth, never of the value."""


class TooLarge(Exception):
    """The value's JSON certainly has more bytes than an event may have."""

    def __init__(self, at_least_bytes: int) -> None:
        super().__init__(at_least_bytes)
        self.at_least_bytes = at_least_bytes


class Plain:
    """The walk over the fields of one event, under one budget of bytes."""

    __slots__ = ("_default", "_max_bytes", "_max_depth", "_spent")

    def __init__(self, max_bytes: int, default: Default | None = None, max_depth: int = MAX_DEPTH) -> None:
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._default = default
        self._spent = 0

    def __call__(self, value: Any) -> Any:
        """Return the value made of plain ones, as a copy. Raises Unserializable, TooLarge, or what user code raises."""
        return self._walk(value, 1)

    def _spend(self, least_bytes: int) -> None:
        self._spent += least_bytes
        if self._spent > self._max_bytes:
            raise TooLarge(self._spent)

    def _walk(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            self._spend(len(value) + 2)
            return value
        if kind in _AS_THEY_ARE:
            self._spend(1)
            return value if kind is not int or value.bit_length() <= _SURELY_PRINTED_BITS else _printable(value)
        # By identity, as the native walk: what merely equals UTC is converted below.
        if kind is type(EPOCH) and (value.tzinfo is None or value.tzinfo is timezone.utc):
            self._spend(_DATETIME_BYTES)
            return value
        if depth > self._max_depth:
            raise Unserializable(f"is nested deeper than {self._max_depth} levels, or holds itself")
        if kind is dict:
            # Keys may run user code, and user code may change the dict: a copy first, of a dict that can fit at all.
            self._check_width(len(value), 5)
            return self._mapping(list(value.items()), depth)
        if kind is list or kind is tuple:
            self._check_width(len(value), 2)
            return self._sequence(list(value), depth)
        return self._unusual(value, kind, depth)

    def _check_width(self, items: int, least_bytes_each: int) -> None:
        least_bytes = self._spent + items * least_bytes_each
        if least_bytes > self._max_bytes:
            raise TooLarge(least_bytes)

    def _mapping(self, items: Iterable[tuple[Any, Any]], depth: int) -> dict[str, Any]:
        self._spend(1)
        plain = {}
        for key, value in items:
            text = key if type(key) is str else _key(key)
            self._spend(len(text) + 4)
            plain[text] = self._walk(value, depth + 1)
        return plain

    def _sequence(self, items: Iterable[Any], depth: int) -> list[Any]:
        self._spend(1)
        plain = []
        for item in items:
            self._spend(1)
            plain.append(self._walk(item, depth + 1))
        return plain

    def _unusual(self, value: Any, kind: type, depth: int) -> Any:
        """Take one step towards plain and walk on from there. Steps count as depth, so no chain of them is endless."""
        # By the real type where its content is read: a proxy may claim to be a str and be none, and is asked for one.
        if isinstance(value, Enum):
            return self._walk(value.value, depth + 1)
        if issubclass(kind, str):
            # Before the copy that makes it plain: it may be huge.
            self._check_width(str.__len__(value), 1)
            return self._walk(str.__str__(value), depth)
        if isinstance(value, (UserString, str)):
            return self._walk(str.__str__(str(value)), depth + 1)
        if issubclass(kind, int):
            return self._walk(int.__int__(value), depth)
        if issubclass(kind, float):
            return self._walk(float.__float__(value), depth)
        if isinstance(value, (int, float)):
            return self._walk(int(value) if isinstance(value, int) else float(value), depth + 1)
        if issubclass(kind, (bytes, bytearray, memoryview)):
            return self._bytes(value)
        if issubclass(kind, datetime):
            return self._datetime(value)
        if issubclass(kind, (date, time)):
            return self._walk(value.isoformat(), depth)
        if issubclass(kind, timedelta):
            return self._walk(value.total_seconds(), depth)
        if issubclass(kind, Decimal):
            return self._walk(_number(value), depth)
        if isinstance(value, UUID):
            return self._walk(str(value), depth)
        if isinstance(value, Mapping):
            return self._mapping(value.items(), depth)
        if isinstance(value, (set, frozenset)):
            self._check_width(len(value), 2)
            return self._sequence(_in_order(value), depth)
        if isinstance(value, (Sequence, Set, MappingView)):
            return self._sequence(value, depth)  # type: ignore[arg-type]
        if hasattr(kind, "tolist") and hasattr(kind, "dtype"):
            return self._array(value, kind, depth)
        declared = _declared(value, kind)
        if declared is not NotImplemented:
            return self._walk(declared, depth + 1)
        return self._last_resort(value, kind, depth)

    def _datetime(self, value: datetime) -> datetime | str | None:
        self._spend(4)
        if is_not_a_time(value):
            return None
        try:
            return to_utc(value)
        except OverflowError:
            return value.isoformat()

    def _bytes(self, value: bytes | bytearray | memoryview) -> str:
        self._spend((value.nbytes if isinstance(value, memoryview) else len(value)) + 2)
        raw = bytes(value)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return binascii.b2a_base64(raw, newline=False).decode("ascii")

    def _array(self, value: Any, kind: type, depth: int) -> Any:
        """Take numpy's and pandas' scalars, arrays and series by what they can do; neither is ever imported here."""
        self._check_width(int(getattr(value, "size", 1)), 1)
        dtype = str(value.dtype)
        if kind.__module__.partition(".")[0] == "numpy" and dtype.startswith(("datetime64", "timedelta64")):
            # In nanoseconds, numpy's own conversion gives bare integers.
            value = value.astype(dtype.partition("[")[0] + "[us]")
        items = value.tolist()
        if type(items) is kind:
            # A long double is no Python number, so numpy answers with itself.
            items = float(value)
        return self._walk(items, depth + (not isinstance(items, list)))

    def _last_resort(self, value: Any, kind: type, depth: int) -> Any:
        if kind.__name__ == "NAType":
            return self._walk(None, depth)
        if kind.__module__ == "re" and kind.__name__ == "Pattern":
            return self._walk(value.pattern, depth)
        if self._default is not None and kind.__module__ != "ipaddress" and not hasattr(kind, "__fspath__"):
            answer = self._default(value)
            if answer is not NotImplemented and answer is not value:
                return self._walk(answer, depth + 1)
        return self._walk(str.__str__(str(value)), depth)


_AS_THEY_ARE = frozenset({int, float, bool, type(None), UUID})
_DATETIME_BYTES = 26
# The lowest limit of digits that Python can be set to is 640: below so many bits no integer has more.
_SURELY_PRINTED_BITS = 2_120


def to_utc(value: datetime) -> datetime:
    """Return the moment as an exact UTC datetime; naive means UTC. Raises OverflowError outside the years 1 to 9999."""
    if value.tzinfo is None or value.utcoffset() is None:
        value = value.replace(tzinfo=timezone.utc)
    return EPOCH + (value - EPOCH)


def is_not_a_time(value: object) -> bool:
    """Whether this is pandas' NaT: a datetime that, like NaN, does not equal itself."""
    return bool(value != value)  # noqa: PLR0124  (that is the question)


def _number(value: Decimal) -> int | float | str:
    """The number where JSON's reader gets the same one back, its text where a float would round it."""
    if value.is_nan():
        return float("nan")
    number = float(value)
    if value.is_finite() and Decimal(repr(number)) != value:
        return str(value)
    exponent = value.as_tuple().exponent
    return int(value) if exponent == 0 and abs(number) < 2**53 else number


def _in_order(value: Set[Any]) -> list[Any]:
    try:
        return sorted(value)
    except Exception:
        return list(value)


def _printable(value: int) -> int | str:
    """Return a long integer, or what stands for it where the program has forbidden Python to print one so long."""
    try:
        int.__repr__(value)
    except ValueError:
        return "<int>"
    return value


def key_text(key: Any) -> str:
    """Return the text that a key of a mapping becomes. Runs user code, and raises what that does."""
    return key if type(key) is str else _key(key)


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return str.__str__(key)
    if key is None:
        return "null"
    if key is True or key is False:
        return "true" if key else "false"
    if isinstance(key, (bytes, bytearray)):
        return bytes(key).decode("utf-8", "replace")
    if isinstance(key, (date, time)):
        return key.isoformat()
    try:
        return str.__str__(str(key))
    except ValueError:
        if isinstance(key, int):
            return "<int>"
        raise


def _declared(value: Any, kind: Any) -> Any:
    """The fields of an instance whose class declares them, else NotImplemented. Nothing is imported for it."""
    if isinstance(value, msgspec.Struct):
        config = kind.__struct_config__
        fields = {} if config.tag is None else {config.tag_field: config.tag}
        for wire, name in zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True):
            if (field := getattr(value, name)) is not msgspec.UNSET:
                fields[wire] = field
        return fields
    if hasattr(kind, "model_dump") and hasattr(kind, "model_fields"):  # pydantic 2
        return value.model_dump()
    if hasattr(kind, "parse_obj") and hasattr(kind, "dict"):  # pydantic 1
        return value.dict()
    if hasattr(kind, "__dataclass_fields__"):
        import dataclasses  # in memory already: the value's module imported it

        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(kind, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
    return NotImplemented
