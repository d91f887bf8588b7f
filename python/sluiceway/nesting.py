"""Fields that a vendor keeps inside a map of the event: PostHog's groups are an entry of ``properties``.

The caller may give such a field by its argument or inside the map; here both become the one. What the map always has
because the page says so is ours, and the caller's own entry under that key gives way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.errors import InvalidEvent
from sluiceway.shapes import open_maps, reserved
from sluiceway.vendors.base import Call


def part(call: Call, arguments: dict[str, Any]) -> None:
    """Take out of each open map what has a place of its own. Changes ``arguments`` and no map of the caller's.

    A field given both ways is the argument's; of two mappings the argument's entries win. Raises InvalidEvent when a
    mapping of the caller's own class raises.
    """
    for key, owner in open_maps(call).items():
        given = arguments[owner.argument]
        if not isinstance(given, Mapping):
            continue
        try:
            if not any(name in given for name in reserved(call, owner)):
                continue
            rest = dict(given)
        except Exception as error:
            raise InvalidEvent(owner.argument, f"raised {type(error).__name__} while it was read") from None
        for field in call.fields:
            if field.inside != key or field.key not in rest:
                continue
            inner, outer = rest.pop(field.key), arguments[field.argument]
            if outer is None:
                arguments[field.argument] = inner
            elif isinstance(inner, Mapping) and isinstance(outer, Mapping):
                arguments[field.argument] = {**inner, **outer}
        for name in reserved(call, owner):
            rest.pop(name, None)
        arguments[owner.argument] = rest
