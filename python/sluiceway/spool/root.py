"""The directories that all spools in one place share, held open, so that no path is walked twice."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from sluiceway.spool.descriptors import Descriptors
from sluiceway.spool.disk import Disk
from sluiceway.spool.home import is_home
from sluiceway.spool.sealing import sync_directory
from sluiceway.spool.settings import QUARANTINE_DIRECTORY, VERSION_DIRECTORY


class Root:
    """The spool's directory, the version's in it, and the quarantine's in that."""

    __slots__ = ("_base", "_disk", "quarantine", "version")

    def __init__(self, disk: Disk, kept: Descriptors, directory: str) -> None:
        """Open them. Raises OSError."""
        self._disk = disk
        self._base = _opened(disk, kept, directory, None)
        self.version = _opened(disk, kept, VERSION_DIRECTORY, self._base)
        self.quarantine = _opened(disk, kept, QUARANTINE_DIRECTORY, self.version)

    def sync(self) -> None:
        """Make the names of all directories durable. Raises OSError."""
        sync_directory(self._disk, self.version)
        sync_directory(self._disk, self._base)

    def homes(self, known: set[str]) -> tuple[list[str], int]:
        """Return the names of directories of batches that are not known, and how many names mean nothing here."""
        found = []
        foreign = 0
        for listed in self._disk.names(self.version):
            if listed.name == QUARANTINE_DIRECTORY or listed.name in known:
                continue
            if is_home(listed.name) and not listed.is_regular:
                found.append(listed.name)
            else:
                foreign += 1
        return found, foreign

    def close(self, kept: Descriptors) -> None:
        """Let them go: somebody has cleared the place."""
        for descriptor in (self.quarantine, self.version, self._base):
            kept.close(descriptor)


def _opened(disk: Disk, kept: Descriptors, name: str, at: int | None) -> int:
    """Open a directory that was there, and safe, when the client was made; it may have been swapped since."""
    if at is not None:
        with suppress(FileExistsError):
            disk.make_directory(name, at)
    descriptor = kept.keep(disk.open_directory(name, at))
    status = disk.status(descriptor)
    if status.uid != os.geteuid() or status.mode & 0o022:
        kept.close(descriptor)
        raise PermissionError(errno.EPERM, "a directory of the spool is somebody else's to write to")
    return descriptor
