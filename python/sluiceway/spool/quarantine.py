"""Where files go that cannot be believed: kept for whoever wants to look, never read again, and never too many."""

from __future__ import annotations

from contextlib import suppress

from sluiceway.spool.disk import Disk
from sluiceway.spool.home import Home

MAX_FILES = 256
MAX_BYTES = 64 * 2**20

# What is in there is listed anew after so many files, because other processes put theirs in the same place.
_LOOK_EVERY = 64


class Quarantine:
    """The directory, from one process's point of view."""

    __slots__ = ("_added", "_disk", "_held")

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._held: list[tuple[str, int]] = []
        self._added = 0

    def take(self, at: int, home: Home, name: str, nbytes: int, now: float) -> None:
        """Move a file here; the oldest go when there are too many. Raises OSError when the file stays where it is."""
        # The moment comes first, so that the order of names is the order of arrival.
        new_name = f"{max(0, int(now * 1_000_000)):020}.{home.name}.{name}"
        self._disk.rename(name, home.fd, new_name, at)
        with suppress(OSError):
            if self._added % _LOOK_EVERY == 0:
                self._held = sorted((there.name, there.nbytes) for there in self._disk.names(at) if there.is_regular)
            else:
                self._held.append((new_name, nbytes))
            self._added += 1
            self._trim(at)

    def _trim(self, at: int) -> None:
        total = sum(nbytes for _, nbytes in self._held)
        while self._held and (len(self._held) > MAX_FILES or total > MAX_BYTES):
            name, nbytes = self._held.pop(0)
            total -= nbytes
            with suppress(FileNotFoundError):
                self._disk.remove(name, at)
