"""Who has to wait, under which names, and until when."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from sluiceway.vendors.base import Owner

Name: TypeAlias = "tuple[str, ...]"
"""("user", id), ("device", id) or ("pair", user, device)."""


def names_of(owner: Owner) -> tuple[Name, Name, Name]:
    """Return every name under which an event of this owner could be made to wait."""
    return ("user", owner.user), ("device", owner.device), ("pair", owner.user, owner.device)


class Hold(msgspec.Struct, frozen=True):
    """Who has to wait from now on, and until when, in monotonic seconds."""

    names: frozenset[Name]
    until: float
