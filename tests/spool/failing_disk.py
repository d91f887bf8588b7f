"""The real file system, on which any call can fail, and which kills the process at any call if asked to."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

from sluiceway.spool.disk import RealDisk

CALLS = (
    "open_directory",
    "make_directory",
    "create",
    "open_to_read",
    "open_to_change",
    "read",
    "write",
    "overwrite",
    "sync_data",
    "sync_directory",
    "rename",
    "remove",
    "remove_directory",
    "names",
    "status",
    "status_of",
    "lock",
    "close",
)


class CountingDisk(RealDisk):
    """Calls `at(name, number)` before each call, and counts them."""

    def __init__(self, at: Callable[[str, int], None] = lambda name, number: None) -> None:
        self.at = at
        self.calls: Counter[str] = Counter()
        self.total = 0
        self.synced: list[int] = []
        """Which opened file each sync was for: numbers of openings, never used again."""
        self.failed_syncs: set[int] = set()
        self._openings: dict[int, int] = {}

    def _count(self, name: str, descriptor: int | None) -> None:
        self.total += 1
        self.calls[name] += 1
        if name in {"sync_data", "sync_directory"} and descriptor is not None:
            opening = self._openings[descriptor]
            assert opening not in self.failed_syncs, "a descriptor whose sync failed was synced again"
            try:
                self.at(name, self.calls[name])
            except OSError:
                self.failed_syncs.add(opening)
                raise
            self.synced.append(opening)
            return
        self.at(name, self.calls[name])


def _counted(name: str) -> Callable[..., Any]:
    real = getattr(RealDisk, name)

    def call(self: CountingDisk, *args: Any) -> Any:
        self._count(name, args[0] if name.startswith("sync") else None)
        answer = real(self, *args)
        if name in {"open_directory", "create", "open_to_read", "open_to_change"}:
            self._openings[answer] = self.total
        return answer

    return call


for _name in CALLS:
    setattr(CountingDisk, _name, _counted(_name))


def failing(call: str, error: int, *, first: int = 1, times: int = 1) -> CountingDisk:
    """A disk on which the `first` such call fails, and so many after it."""

    def at(name: str, number: int) -> None:
        if name == call and first <= number < first + times:
            raise OSError(error, os.strerror(error))

    return CountingDisk(at)


def deadly(total: int) -> CountingDisk:
    """A disk whose so-manieth call is never made: the process is killed there."""
    disk = CountingDisk()

    def at(name: str, number: int) -> None:
        if disk.total == total:
            os.kill(os.getpid(), signal.SIGKILL)

    disk.at = at
    return disk
