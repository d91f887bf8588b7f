"""A call that a client refused while a test captured, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class RefusedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call that answered False. ``reason`` is a word of the accounting, such as ``invalid``."""

    vendor: str
    call: str
    """The method, such as ``track``."""
    reason: str
    field: str
    """The argument at fault."""
    message: str
    """What is wrong with it; never its value."""
    arguments: Mapping[str, Any] = {}
    """What the call was given, by name; only what was given."""

    @property
    def event(self) -> str:
        """The name of the event, as far as one was given."""
        name = self.arguments.get("event", self.arguments.get("event_type"))
        return name if isinstance(name, str) else ""

    def __str__(self) -> str:
        """Tell it in one line."""
        name = f"{self.event!r}" if self.event else ""
        return f"{self.call}({name}): {self.field} {self.message} ({self.reason})"
