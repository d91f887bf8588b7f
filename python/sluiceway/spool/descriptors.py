"""The descriptors that a spool keeps open, so that a forked child can close its copies.

A lock belongs to the open file, of which a child holds a copy: while the copy is open the lock is held, and unlocking
it would unlock the parent's. So a child closes, and never unlocks.
"""

from __future__ import annotations

from contextlib import suppress

from sluiceway.spool.disk import Disk


class Descriptors:
    """What is open, each with what it names."""

    __slots__ = ("_disk", "_kept")

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._kept: dict[int, tuple[int, int]] = {}

    def keep(self, descriptor: int) -> int:
        """Remember a descriptor that was just opened, and return it."""
        try:
            self._kept[descriptor] = self._disk.status(descriptor).identity
        except OSError:
            with suppress(OSError):
                self._disk.close(descriptor)
            raise
        return descriptor

    def close(self, descriptor: int) -> None:
        """Close a descriptor. An error is nobody's to mend."""
        # Forgotten first: a fork in between leaves the child a copy too many, instead of closing a stranger's.
        self._kept.pop(descriptor, None)
        with suppress(OSError):
            self._disk.close(descriptor)

    def close_all(self) -> None:
        """Close everything."""
        for descriptor in list(self._kept):
            self.close(descriptor)

    def abandon(self) -> None:
        """Close a forked child's copies: those that still name what was opened, for numbers are used again."""
        for descriptor, identity in list(self._kept.items()):
            with suppress(OSError):
                if self._disk.status(descriptor).identity == identity:
                    self._disk.close(descriptor)
        self._kept.clear()
