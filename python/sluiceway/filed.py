"""The file in the spool that holds a batch's events, shared by every parcel that has some of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluiceway.spool.home import Entry


class Filed:
    """A file of the spool and how many of its events have not ended; with the last of them it is removed."""

    __slots__ = ("_remove", "count", "entry", "live")

    def __init__(self, entry: Entry, remove: Callable[[Entry], Any]) -> None:
        self.entry = entry
        self.count = entry.count
        """How many events the file holds, ended ones included."""
        self.live = entry.count
        self._remove = remove

    def release(self, events: int) -> None:
        """Note that some of its events need it no longer: they have ended, or are in another file."""
        self.live -= events
        if self.live <= 0:
            self._remove(self.entry)
