"""A directory of batches whose lock this process holds: its own, or that of a process that is dead.

A directory belongs to whoever holds the lock on the file `lock` in it, as long as the name still leads to the locked
file: who removes a directory removes the lock file in it first, and another process may have opened that just before.
"""

from __future__ import annotations

import os
import re
import secrets
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress

from sluiceway.spool.descriptors import Descriptors
from sluiceway.spool.disk import Disk
from sluiceway.spool.format import LABEL_BYTES, file_name, label_of, read_label

LOCK = "lock"

# Another process may take a directory for a dead one's between its making and its locking, and remove it.
_CLAIM_ATTEMPTS = 8

_NAME = re.compile(r"[0-9]{1,10}-[0-9a-f]{8}-[0-9a-f]{16}", re.ASCII)


class Entry:
    """One batch on disk, as the store knows it. Opaque to callers, but for what a failed read left in `fate`."""

    __slots__ = ("count", "created", "fate", "home", "is_late", "is_over", "nbytes", "seq")

    def __init__(self, home: Home, seq: int, count: int, nbytes: int, created: float) -> None:
        self.home = home
        self.seq = seq
        self.count = count
        self.nbytes = nbytes
        self.created = created
        """Unix seconds; of an adopted file only what its name tells."""
        self.fate = ""
        """Why a read answered None: "quarantined", "gone", or "busy": not now, the file is untouched."""
        self.is_late = False
        self.is_over = False
        """Whether the file is no longer this process's business."""

    @property
    def name(self) -> str:
        """The file's name."""
        return file_name(self.seq, self.count)


class Home:
    """One directory. What waits in it is kept as numbers, 20 bytes a file, and becomes an entry when it is its turn."""

    __slots__ = (
        "_counts",
        "_next",
        "_seqs",
        "_sizes",
        "fd",
        "foreign",
        "lock_fd",
        "name",
        "remaining",
        "suspect",
        "unsynced",
    )

    def __init__(self, name: str, fd: int, lock_fd: int) -> None:
        self.name = name
        self.fd = fd
        self.lock_fd = lock_fd
        self.foreign = 0
        """Names in it that mean nothing to us."""
        self.remaining = 0
        """Batches in it that are not removed yet, handed out or not."""
        self.unsynced: dict[int, int] = {}
        """Count by sequence number of the batches whose bytes or names may still be lost with the power."""
        self.suspect: set[int] = set()
        """Those of them for which a sync failed: a second one might report success for bytes that are lost."""
        self._seqs = array("Q")
        self._counts = array("I")
        self._sizes = array("Q")
        self._next = 0

    def note(self, seq: int, count: int, nbytes: int) -> None:
        """Remember a file that was found; `arrange` is to follow."""
        self._seqs.append(seq)
        self._counts.append(count)
        self._sizes.append(nbytes)
        self.remaining += 1

    def arrange(self) -> None:
        """Bring what was found into its order."""
        order = sorted(range(len(self._seqs)), key=self._seqs.__getitem__)
        self._seqs = array("Q", map(self._seqs.__getitem__, order))
        self._counts = array("I", map(self._counts.__getitem__, order))
        self._sizes = array("Q", map(self._sizes.__getitem__, order))

    @property
    def oldest(self) -> int | None:
        """The sequence number of the next file, if one waits."""
        return self._seqs[self._next] if self._next < len(self._seqs) else None

    @property
    def sizes(self) -> Sequence[int]:
        """The sizes of all files that were found."""
        return self._sizes

    def names(self) -> Iterator[str]:
        """The names of all files that were found."""
        return map(file_name, self._seqs, self._counts)

    @property
    def found(self) -> int:
        """How many files were found."""
        return len(self._seqs)

    @property
    def events(self) -> int:
        """Events in all files that were found."""
        return sum(self._counts)

    def take(self) -> Entry:
        """Hand the next file out."""
        at = self._next
        self._next += 1
        seq = self._seqs[at]
        return Entry(self, seq, self._counts[at], self._sizes[at], seq / 1_000_000)


def is_home(name: str) -> bool:
    """Whether a name is one that `claim` makes."""
    return _NAME.fullmatch(name) is not None


def claim(disk: Disk, kept: Descriptors, root: int, destination: bytes) -> Home:
    """Make a directory of this process's own and lock it. Raises OSError."""
    for _ in range(_CLAIM_ATTEMPTS):
        name = f"{os.getpid()}-{_boot()}-{secrets.token_hex(8)}"
        disk.make_directory(name, root)
        fd = lock_fd = -1
        try:
            fd = kept.keep(disk.open_directory(name, root))
            lock_fd = kept.keep(disk.create(LOCK, fd))
            if holds(disk, fd, lock_fd):
                write_all(disk, lock_fd, label_of(destination))
                return Home(name, fd, lock_fd)
        except FileNotFoundError:
            pass
        except OSError:
            _give_up(disk, kept, root, name, fd, lock_fd)
            raise
        for descriptor in (lock_fd, fd):
            if descriptor >= 0:
                kept.close(descriptor)
    raise FileNotFoundError(2, "own directory was removed again and again")


def _give_up(disk: Disk, kept: Descriptors, root: int, name: str, fd: int, lock_fd: int) -> None:
    """Take back a directory that could not be finished, as far as that goes."""
    with suppress(OSError):
        if lock_fd >= 0:
            disk.remove(LOCK, fd)
        disk.remove_directory(name, root)
    for descriptor in (lock_fd, fd):
        if descriptor >= 0:
            kept.close(descriptor)


def holds(disk: Disk, fd: int, lock_fd: int) -> bool:
    """Lock a directory's lock file, without waiting; True when this process is the directory's owner now."""
    if not disk.lock(lock_fd):
        return False
    try:
        return disk.status_of(LOCK, fd).identity == disk.status(lock_fd).identity
    except FileNotFoundError:
        return False


def dissolve(disk: Disk, kept: Descriptors, root: int, home: Home) -> None:
    """Remove an empty directory and let its lock go. A directory that cannot be removed is the next owner's to try."""
    with suppress(OSError):
        disk.remove(LOCK, home.fd)
        disk.remove_directory(home.name, root)
    let_go(kept, home)


def let_go(kept: Descriptors, home: Home) -> None:
    """Let a directory's lock go and leave everything where it is."""
    for descriptor in (home.lock_fd, home.fd):
        if descriptor >= 0:
            kept.close(descriptor)


def label_in(disk: Disk, fd: int) -> bytes | None:
    """Return the destination that a directory's lock file names; None when it does not say. Raises OSError."""
    descriptor = disk.open_to_read(LOCK, fd)
    try:
        return read_label(disk.read(descriptor, LABEL_BYTES * 2))
    finally:
        close_quietly(disk, descriptor)


def close_quietly(disk: Disk, descriptor: int) -> None:
    """Close what was only looked at: an error says nothing of the data."""
    with suppress(OSError):
        disk.close(descriptor)


def write_all(disk: Disk, descriptor: int, data: bytes) -> None:
    """Write all of it. Raises OSError."""
    left = memoryview(data)
    while left:
        left = left[disk.write(descriptor, left) :]


def _boot() -> str:
    """Return eight digits that change with every start of the machine, where the system tells."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read(8)
    except (OSError, UnicodeError):
        return "0" * 8
