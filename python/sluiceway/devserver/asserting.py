"""An event as a test: the text of a pytest assertion that holds for it, for the testing kit."""

from __future__ import annotations

import pprint
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sluiceway.devserver.redaction import HIDDEN
from sluiceway.devserver.shapes import Row

_WIDTH = 100


def assertion(row: Row, text: str) -> str:
    """Return the source of a test that asserts this event. What is hidden in `text` is left out of it."""
    try:
        event = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return ""
    event = _visible(event)
    name, expected = _expected(row, event)
    arguments = "".join(f"        {key}={_source(value)},\n" for key, value in expected.items())
    head = f"    assert_tracked(\n        {name!r},\n" if name is not None else "    assert_tracked(\n"
    return (
        "from sluiceway.testing import assert_tracked\n\n\n"
        f"def test_{_slug(row)}(sluiceway_events):\n"
        "    ...  # call your code here\n"
        f"{head}{arguments}    )\n"
    )


def _expected(row: Row, event: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    name = row.event or None
    expected: dict[str, Any] = {}
    if row.vendor == "posthog":
        _take(expected, "distinct_id", event.get("distinct_id"))
        inner = event.get("properties")
        plain = (
            {key: value for key, value in inner.items() if not key.startswith("$")} if isinstance(inner, dict) else {}
        )
        _take(expected, "properties", plain)
    elif row.vendor == "amplitude":
        for key in ("user_id", "device_id", "event_properties", "user_properties", "groups"):
            _take(expected, key, event.get(key))
    else:
        if row.type != "track":
            expected["type"] = row.type
        for key, argument in (("userId", "user_id"), ("anonymousId", "anonymous_id"), ("groupId", "group_id")):
            _take(expected, argument, event.get(key))
        _take(expected, "properties", event.get("properties"))
        _take(expected, "traits", event.get("traits"))
        name = name if row.type in ("track", "page", "screen") else None
    return name, expected


def _take(expected: dict[str, Any], key: str, value: Any) -> None:
    if value not in (None, {}, "", HIDDEN):
        expected[key] = value


def _visible(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _visible(inner) for key, inner in value.items() if inner != HIDDEN}
    return [_visible(inner) for inner in value if inner != HIDDEN] if isinstance(value, list) else value


def _source(value: Any) -> str:
    return pprint.pformat(value, width=_WIDTH, sort_dicts=False).replace("\n", "\n        ")


def _slug(row: Row) -> str:
    words = re.findall(r"[a-z0-9]+", (row.event or row.type or "event").lower())
    return "_".join(words)[:60] or "event"
