"""Read one option at a time: what it may be, and what a wrong one is told.

Messages name the option, the type of the value (or a bare number) and the range that is allowed; never a text, because
a text may be a credential that slipped into the wrong place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sluiceway.errors import ConfigError
from sluiceway.secret import Secret


class Reader:
    """Reads one option at a time out of what was given: absent and None are the default."""

    __slots__ = ("_given",)

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def _value(self, name: str, default: Any) -> Any:
        value = self._given.get(name)
        return default if value is None else value

    def flag(self, name: str, default: bool) -> bool:
        """Return True or False. Raises ConfigError, as all of these do."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise ConfigError(name, f"must be True or False, not {shown(value)}")
        return value

    def count(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number within a range."""
        value = self._value(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ConfigError(name, f"must be an int from {least:,} to {most:,}, not {shown(value)}")
        return int(value)

    def seconds(self, name: str, default: Any, least: float, most: float) -> Any:
        """Return a finite time within a range, or the default as it is."""
        value = self._value(name, default)
        if value is None:
            return None
        if not is_number(value) or not least <= value <= most:
            raise ConfigError(name, f"must be a number of seconds from {least:g} to {most:,g}, not {shown(value)}")
        return float(value)

    def choice(self, name: str, default: Any, choices: tuple[str, ...]) -> Any:
        """Return one of some words."""
        value = self._value(name, default)
        if value not in choices:
            raise ConfigError(name, f"must be one of {', '.join(map(repr, choices))}, not {shown(value)}")
        return value

    def function(self, name: str) -> Any:
        """Return something that can be called, or None."""
        value = self._given.get(name)
        if value is not None and not callable(value):
            raise ConfigError(name, f"must be callable, not {shown(value)}")
        return value


def is_number(value: object) -> bool:
    """Whether it is a finite number; a bool is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int that no float holds
        return False


def shown(value: object) -> str:
    """A bare number as it is, everything else by its type: a text may be a key that slipped into the wrong option."""
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64):
        return repr(value)
    return type(value).__name__


def as_secret(value: object, field: str = "write_key") -> Secret:
    """Check a key and wrap it. Raises ConfigError, which names ``field`` and never repeats the key."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ConfigError(field, f"must be a str, not {type(value).__name__}")
    if not value:
        raise ConfigError(field, "must not be empty")
    if not value.isascii() or not value.isprintable() or " " in value or ":" in value:
        raise ConfigError(field, "must be printable ASCII without spaces or colons, as the vendor shows it")
    return Secret(value)
