"""A file system in memory that can lose its power: what was synced stays, of the rest any part in any order.

Every change goes into a journal. `after_power_loss` makes the disk that is found afterwards, from a beginning of the
journal and a choice of what survives of the changes that no sync had made durable.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sluiceway.spool.disk import Listed, Status

ROOT = 1

Pick = Callable[[int], int]
"""Choose one of so many."""


class Written(NamedTuple):
    """Bytes written into a file."""

    inode: int
    offset: int
    data: bytes


class Named(NamedTuple):
    """Names changed, all at once: directory and name, and the inode it leads to now or 0."""

    changes: tuple[tuple[int, str, int], ...]


class Synced(NamedTuple):
    """An inode's bytes or names are durable."""

    inode: int


class MemoryDisk:
    """A disk that forgets what was not synced."""

    def __init__(self, journal: list[Written | Named | Synced] | None = None) -> None:
        self.files: dict[int, bytearray] = {}
        self.directories: dict[int, dict[str, int]] = {ROOT: {}}
        self.journal: list[Written | Named | Synced] = []
        self.open: dict[int, tuple[int, int]] = {}
        self.locks: dict[int, int] = {}
        self._inode = ROOT
        self._descriptor = 10
        if journal is None:
            for path in ("spool", "spool/v1", "spool/v1/quarantine"):
                *above, name = path.split("/")
                at = ROOT
                for part in above:
                    at = self.directories[at][part]
                self._inode += 1
                self.directories[at][name] = self._inode
                self.directories[self._inode] = {}

    # The calls.

    def open_directory(self, name: str, at: int | None) -> int:
        if name == ".":
            assert at is not None
            return self._opened(self.open[at][0])
        inode = self._lead(name, ROOT if at is None else self.open[at][0])
        if inode not in self.directories:
            raise NotADirectoryError(errno.ENOTDIR, "not a directory")
        return self._opened(inode)

    def make_directory(self, name: str, at: int) -> None:
        directory = self._directory(at)
        if name in self.directories[directory]:
            raise FileExistsError(errno.EEXIST, "exists")
        self._inode += 1
        self.directories[self._inode] = {}
        self._name((directory, name, self._inode))

    def create(self, name: str, at: int) -> int:
        directory = self._directory(at)
        if name in self.directories[directory]:
            raise FileExistsError(errno.EEXIST, "exists")
        self._inode += 1
        self.files[self._inode] = bytearray()
        self._name((directory, name, self._inode))
        return self._opened(self._inode)

    def open_to_read(self, name: str, at: int) -> int:
        return self._opened(self._lead(name, self.open[at][0]))

    open_to_change = open_to_read

    def read(self, descriptor: int, nbytes: int) -> bytes:
        inode, place = self.open[descriptor]
        data = bytes(self.files[inode][place : place + nbytes])
        self.open[descriptor] = (inode, place + len(data))
        return data

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        inode, place = self.open[descriptor]
        self._write(Written(inode, place, bytes(data)))
        self.open[descriptor] = (inode, place + len(data))
        return len(data)

    def overwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        self._write(Written(self.open[descriptor][0], offset, data))
        return len(data)

    def sync_data(self, descriptor: int) -> None:
        self.journal.append(Synced(self.open[descriptor][0]))

    def sync_directory(self, descriptor: int) -> None:
        self.journal.append(Synced(self.open[descriptor][0]))

    def rename(self, name: str, at: int, new_name: str, new_at: int) -> None:
        inode = self._lead(name, self.open[at][0])
        self._name((self._directory(at), name, 0), (self._directory(new_at), new_name, inode))

    def remove(self, name: str, at: int) -> None:
        self._lead(name, self.open[at][0])
        self._name((self.open[at][0], name, 0))

    def remove_directory(self, name: str, at: int) -> None:
        inode = self._lead(name, self.open[at][0])
        if self.directories[inode]:
            raise OSError(errno.ENOTEMPTY, "not empty")
        self._name((self.open[at][0], name, 0))

    def names(self, descriptor: int) -> Iterator[Listed]:
        for name, inode in list(self.directories[self.open[descriptor][0]].items()):
            yield Listed(name, inode in self.files, len(self.files.get(inode, b"")))

    def status(self, descriptor: int) -> Status:
        return self._status(self.open[descriptor][0])

    def status_of(self, name: str, at: int) -> Status:
        return self._status(self._lead(name, self.open[at][0]))

    def lock(self, descriptor: int) -> bool:
        inode = self.open[descriptor][0]
        return self.locks.setdefault(inode, descriptor) == descriptor

    def close(self, descriptor: int) -> None:
        inode, _ = self.open.pop(descriptor)
        if self.locks.get(inode) == descriptor:
            del self.locks[inode]

    # What lies behind them.

    def _opened(self, inode: int) -> int:
        self._descriptor += 1
        self.open[self._descriptor] = (inode, 0)
        return self._descriptor

    def _lead(self, name: str, directory: int) -> int:
        try:
            return self.directories[directory][name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such name") from None

    def _directory(self, descriptor: int) -> int:
        inode = self.open[descriptor][0]
        if inode != ROOT and not any(inode in names.values() for names in self.directories.values()):
            raise FileNotFoundError(errno.ENOENT, "directory is gone")
        return inode

    def _status(self, inode: int) -> Status:
        return Status((1, inode), inode in self.files, len(self.files.get(inode, b"")), 0o700, os.geteuid())

    def _write(self, change: Written) -> None:
        self.journal.append(change)
        self._apply_write(change)

    def _name(self, *changes: tuple[int, str, int]) -> None:
        self.journal.append(Named(changes))
        self._apply_names(Named(changes))

    def _apply_write(self, change: Written) -> None:
        data = self.files.setdefault(change.inode, bytearray())
        data.extend(bytes(max(0, change.offset + len(change.data) - len(data))))
        data[change.offset : change.offset + len(change.data)] = change.data

    def _apply_names(self, change: Named) -> None:
        for directory, name, inode in change.changes:
            names = self.directories.setdefault(directory, {})
            if inode:
                names[name] = inode
            else:
                names.pop(name, None)


def unsynced(journal: list[Written | Named | Synced]) -> list[int]:
    """The places of changes that no sync has made durable."""
    durable: set[int] = set()
    for end, entry in enumerate(journal):
        if isinstance(entry, Synced):
            for place, earlier in enumerate(journal[:end]):
                if isinstance(earlier, Written):
                    if earlier.inode == entry.inode:
                        durable.add(place)
                elif isinstance(earlier, Named) and any(entry.inode == at for at, _, _ in earlier.changes):
                    durable.add(place)
    return [place for place, entry in enumerate(journal) if not isinstance(entry, Synced) and place not in durable]


def choices(entry: Written | Named | Synced) -> int:
    """How many things may become of an unsynced change: a name's is made or not, bytes may come in part or as zeros."""
    return 4 if isinstance(entry, Written) else 2


def after_power_loss(before: MemoryDisk, length: int, pick: Pick) -> MemoryDisk:
    """The disk that is found when the power goes after `length` entries of the journal."""
    journal = before.journal[:length]
    loose = set(unsynced(journal))
    found = MemoryDisk()
    found._inode = before._inode
    kinds = before.files
    for place, entry in enumerate(journal):
        if isinstance(entry, Synced):
            continue
        fate = pick(choices(entry)) if place in loose else 0
        if isinstance(entry, Named):
            if fate == 0:
                found._apply_names(entry)
                for _, _, inode in entry.changes:
                    if inode in kinds:
                        found.files.setdefault(inode, bytearray())
                    elif inode:
                        found.directories.setdefault(inode, {})
        elif fate == 0:
            found._apply_write(entry)
        elif fate == 1:
            found._apply_write(entry._replace(data=entry.data[: len(entry.data) // 2]))
        elif fate == 2:
            found._apply_write(entry._replace(data=bytes(len(entry.data))))
    return found
