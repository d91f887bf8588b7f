"""What a vendor objects to in an event, and how a time, an integer and a UUID are told on a wire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

FaultKind: TypeAlias = Literal["missing", "wrong_type", "invalid", "id_length", "too_long", "too_deep"]


class Fault(msgspec.Struct, frozen=True):
    """One objection: what kind, to which key (dotted inside a map), and in words. Never a value of the event."""

    kind: FaultKind
    key: str
    text: str

    def __str__(self) -> str:
        """Tell key and objection in one line."""
        return f"{self.key} {self.text}"


def is_int(value: object) -> bool:
    """Whether a JSON value is an integer; a bool is none."""
    return isinstance(value, int) and not isinstance(value, bool)


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


@lru_cache(maxsize=4096)
def is_time(text: str) -> bool:
    """Whether a text is a moment in the form of RFC 3339, which all four vendors read."""
    if _RFC_3339.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(f"{text[:10]}T{text[11:19]}")
    except ValueError:
        return False
    return True


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in one of the forms that the servers parse: with hyphens, or 32 digits alone."""
    try:
        return str(UUID(text)) == text.lower() or (len(text) == 32 and text.isascii() and text.isalnum())
    except ValueError:
        return False


def iso_faults(key: str, given: object) -> Iterator[Fault]:
    """Yield what is wrong with a value that is to be a moment."""
    if not isinstance(given, str):
        yield Fault("wrong_type", key, "is no text")
    elif not is_time(given):
        yield Fault("invalid", key, "is no time of RFC 3339")
