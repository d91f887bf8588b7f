"""An event as the text of a test: what ``sluiceway dev`` copies for you. Pure, and safe for any content.

Of the event nothing but literals of JSON's own types gets into the text, and letters, digits and underscores into the
name of the function. Ids, times, context and what clients write by themselves are left out: they differ from run to
run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from sluiceway.testing.captured import CapturedEvent, captured

_INDENT = "    "
_WIDTH = 100
# The parser of Python takes 200 brackets inside each other; where a literal goes on deeper, ANY stands for the rest.
_DEEPEST = 80

# Amplitude's own keys beside the properties that say what happened, not where.
_AMPLITUDE_KEYS = ("price", "quantity", "revenue", "productId", "revenueType", "currency")
# Of PostHog's own properties, those that a caller writes; the others are its clients'.
_POSTHOG_CALLERS = ("$current_url", "$screen_name", "$pathname")


class _Any:
    """A value that no literal stands for."""


_ANY = _Any()


def assertion_for(vendor: str, event: Mapping[str, Any]) -> str:
    """Return a whole test, as Python source, that asserts that an event like this one is sent.

    ``event`` is a decoded event of ``segment``, ``rudderstack``, ``posthog`` or ``amplitude``; for another vendor it
    raises ValueError. The text ends with a line break.
    """
    read = captured(vendor, event)
    function, arguments = _call(read)
    lines = [f"def test_{_slug(read)}(sluiceway_events) -> None:", f"{_INDENT}...  # what sends the event"]
    written = _arguments(arguments)
    call = f"{_INDENT}{function}({', '.join(written)})"
    if len(call) > _WIDTH or "\n" in call:
        written = _arguments(arguments, depth=2)
        call = "\n".join([f"{_INDENT}{function}(", *(f"{_INDENT * 2}{each}," for each in written), f"{_INDENT})"])
    text = "\n".join([*lines, "", call, ""])
    needs_any = any(_has_any(value) for _, value in arguments)
    imports = ["from unittest.mock import ANY", ""] if needs_any else []
    return "\n".join([*imports, f"from sluiceway.testing import {function}", "", "", text])


def _call(event: CapturedEvent) -> tuple[str, list[tuple[str, Any]]]:
    """The function that asserts it, and its arguments in order, those without a value left out; "" is by position."""
    owner = _owner(event)
    said: list[tuple[str, Any]] = [("properties", _properties(event)), ("traits", event.traits)]
    groups: tuple[str, Any] = ("groups", event.groups)
    wire: tuple[str, Any] = ("wire", _beside(event))
    if event.type == "identify":
        function, arguments = "assert_identified", [*owner, *said, groups, wire]
    elif event.type == "alias":
        function, arguments = "assert_aliased", [("previous_id", event.previous_id), *owner, *said, wire]
    elif event.type == "group":
        shown = ("group_id", event.group_id) if event.vendor != "posthog" else groups
        function, arguments = "assert_grouped", [shown, *owner, *said, wire]
    elif event.type in ("page", "screen"):
        name = event.event if event.vendor in ("segment", "rudderstack") else ""
        function = "assert_paged" if event.type == "page" else "assert_screened"
        arguments = [("", name), *owner, *said, groups, wire]
    elif event.type == "track":
        function, arguments = "assert_tracked", [("", event.event), *owner, *said, groups, wire]
    else:
        function, arguments = "assert_sent", [("", event.event), *owner, wire]
    return function, [(name, _plain(value, 0)) for name, value in arguments if value not in (None, "", {})]


def _owner(event: CapturedEvent) -> list[tuple[str, Any]]:
    """Who did it, unless the client made that up."""
    if event.vendor == "posthog":
        options = event.wire.get("options")
        marks = {**event.properties, **({} if not isinstance(options, dict) else options)}
        if False in (marks.get("$process_person_profile"), marks.get("process_person_profile")):
            return []
        if event.type == "group":
            return []
        return [("user_id", event.user_id), ("anonymous_id", event.anonymous_id)]
    if event.vendor == "amplitude" and event.type == "group":
        return [("user_id", event.user_id)]
    # An anonymous id differs from run to run; without a user it is all there is.
    return [("user_id", event.user_id), ("anonymous_id", None if event.user_id else event.anonymous_id)]


def _properties(event: CapturedEvent) -> dict[str, Any]:
    if event.vendor != "posthog":
        return event.properties
    leave = ("distinct_id", "token")
    return {
        key: value
        for key, value in event.properties.items()
        if key in _POSTHOG_CALLERS or (not key.startswith("$") and key not in leave)
    }


def _beside(event: CapturedEvent) -> dict[str, Any]:
    """What says something about the event, stands beside its properties and has no attribute of its own."""
    keys = {"amplitude": _AMPLITUDE_KEYS, "posthog": ()}.get(event.vendor, ("category",))
    return {key: event.wire[key] for key in keys if event.wire.get(key) is not None}


def _slug(event: CapturedEvent) -> str:
    name = event.event or event.type or "event"
    words = re.findall("[a-z0-9]+", re.sub("([a-z0-9])([A-Z])", r"\1 \2", name).lower())
    return "_".join(words)[:60].strip("_") or event.type or "event"


# -- literals


def _plain(value: Any, depth: int) -> Any:
    """Copy what literals can say: JSON's own types, exactly. All else, and what is too deep, is ANY."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if depth < _DEEPEST:
        if isinstance(value, dict):
            return {str.__str__(key): _plain(each, depth + 1) for key, each in value.items() if isinstance(key, str)}
        if isinstance(value, list):
            return [_plain(each, depth + 1) for each in value]
    return _ANY


def _has_any(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_any, value.values()))
    if isinstance(value, list):
        return any(map(_has_any, value))
    return value is _ANY


def _arguments(arguments: list[tuple[str, Any]], depth: int | None = None) -> list[str]:
    """Each argument as text: on one line, or, at a depth, over several where it is long."""
    return [
        (f"{name}=" if name else "") + (_flat(value) if depth is None else _wrapped(value, depth, len(name) + 2))
        for name, value in arguments
    ]


def _wrapped(value: Any, depth: int, before: int) -> str:
    flat = _flat(value)
    if len(_INDENT) * depth + before + len(flat) <= _WIDTH or not isinstance(value, (dict, list)) or not value:
        return flat
    inner, end = _INDENT * (depth + 1), _INDENT * depth
    if isinstance(value, dict):
        rows = [(f"{_flat(key)}: ", each) for key, each in value.items()]
    else:
        rows = [("", each) for each in value]
    lines = [f"{inner}{key}{_wrapped(each, depth + 1, len(key) + 1)}," for key, each in rows]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([opening, *lines, end + closing])


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flat(key)}: {_flat(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    if value is _ANY:
        return "ANY"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 10_000:
        return hex(value)  # Python prints no more than 4,300 digits, and reads no more
    return repr(value)
