"""An event as a test: the testing kit writes it, without what the page hides."""

from __future__ import annotations

from typing import Any

import msgspec

from sluiceway.devserver.redaction import HIDDEN
from sluiceway.testing.writing import assertion_for


def assertion(vendor: str, text: str) -> str:
    """Return the source of a test that asserts an event with this JSON; empty for what is no JSON object."""
    try:
        event = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return ""
    return assertion_for(vendor, _visible(event))


def _visible(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _visible(inner) for key, inner in value.items() if inner != HIDDEN}
    return [_visible(inner) for inner in value if inner != HIDDEN] if isinstance(value, list) else value
