"""The batches of dead processes that this one has taken over, oldest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sluiceway.spool.adoption import take_over
from sluiceway.spool.descriptors import Descriptors
from sluiceway.spool.disk import Disk
from sluiceway.spool.home import Entry, Home
from sluiceway.spool.root import Root

# Each directory that is held takes two descriptors. What is beyond is adopted when one of these is empty.
MAX_HOMES = 32


class Orphans:
    """The directories that were adopted and are not empty yet. Used within the spool's turns."""

    __slots__ = ("_back", "foreign", "homes")

    def __init__(self) -> None:
        self.homes: list[Home] = []
        self.foreign = 0
        """Names that the last look saw and that mean nothing to this spool."""
        self._back: deque[Entry] = deque()

    def next(self) -> Entry | None:
        """Hand out what was put back, then the oldest of all."""
        if self._back:
            return self._back.popleft()
        found: Home | None = None
        for home in self.homes:
            if home.oldest is not None and (found is None or found.oldest is None or home.oldest < found.oldest):
                found = home
        return None if found is None else found.take()

    def put_back(self, entry: Entry) -> None:
        """Hand an entry out again, before all others."""
        self._back.appendleft(entry)

    def look(
        self,
        disk: Disk,
        kept: Descriptors,
        root: Root,
        destination: bytes,
        known: set[str],
        welcome: Callable[[Home], bool],
    ) -> None:
        """Look once through all directories but the known ones. `welcome` is told each one that is ours now.

        It answers whether to go on. Takes no turn by itself: a large directory takes a while to list. Raises OSError.
        """
        names, foreign = root.homes(known)
        for name in names:
            if len(self.homes) >= MAX_HOMES:
                break
            try:
                found = take_over(disk, kept, root.version, name, destination)
            except OSError:
                continue  # not now; it is still there the next time
            foreign += found.foreign
            if found.home is not None and not welcome(found.home):
                break
        self.foreign = foreign
