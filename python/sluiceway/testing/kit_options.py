"""What the fixtures of the pytest plugin can be told: by the fixture ``sluiceway_options``, and by the marker."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict


class KitOptions(TypedDict, total=False):
    """What the fixture ``sluiceway_options`` answers, and what the marker ``sluiceway`` takes."""

    strict: bool
    """A call that is refused as invalid raises InvalidEvent, whatever the client was told."""
    freeze: datetime | str | float
    """The moment at which the clock stands."""
    ids: bool
    """Ids are numbered."""
    vendor: str
    """Which vendor ``sluiceway_server`` is, where requests do not tell."""
    allow_violations: bool
    """What a strict vendor would object to does not fail the test."""
