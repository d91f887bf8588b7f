"""Every call that the spool makes to the file system, behind one seam.

All names are relative to a directory's descriptor and no link is followed, so that nobody can swap a path in between.
Tests put a disk in its place that fails at any call or forgets what was never synced.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from typing import NamedTuple, Protocol

if sys.platform != "win32":
    import fcntl

# O_NONBLOCK: a FIFO in the place of a file must not hold whoever opens it.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_DIRECTORY = os.O_RDONLY | _SAFELY | getattr(os, "O_DIRECTORY", 0)

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


class Listed(NamedTuple):
    """One name in a directory."""

    name: str
    is_regular: bool
    nbytes: int


class Status(NamedTuple):
    """What is known of a file without reading it."""

    identity: tuple[int, int]
    """Device and inode."""
    is_regular: bool
    nbytes: int
    mode: int
    """Permission bits."""
    uid: int


class Disk(Protocol):
    """The calls, each one call to the system as far as it matters. All raise OSError."""

    def open_directory(self, name: str, at: int | None) -> int:
        """Open a directory in the directory `at`, or by a path."""
        ...

    def make_directory(self, name: str, at: int) -> None:
        """Make a directory that is its owner's alone, whatever the umask."""
        ...

    def create(self, name: str, at: int) -> int:
        """Make a file that must not exist yet and is its owner's alone, and open it for writing."""
        ...

    def open_to_read(self, name: str, at: int) -> int:
        """Open a file for reading."""
        ...

    def open_to_change(self, name: str, at: int) -> int:
        """Open a file for writing in place."""
        ...

    def read(self, descriptor: int, nbytes: int) -> bytes:
        """Read up to so many bytes; none at the end of the file."""
        ...

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write, and return how many bytes were taken."""
        ...

    def overwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        """Write in place, and return how many bytes were taken."""
        ...

    def sync_data(self, descriptor: int) -> None:
        """Return when a file's bytes and length outlive a power loss."""
        ...

    def sync_directory(self, descriptor: int) -> None:
        """Return when a directory's names outlive a power loss."""
        ...

    def rename(self, name: str, at: int, new_name: str, new_at: int) -> None:
        """Give a file another name, in the place of whatever had it."""
        ...

    def remove(self, name: str, at: int) -> None:
        """Remove a file's name."""
        ...

    def remove_directory(self, name: str, at: int) -> None:
        """Remove an empty directory."""
        ...

    def names(self, descriptor: int) -> Iterator[Listed]:
        """Go through a directory, in no order, without holding all of it. What vanishes meanwhile is left out."""
        ...

    def status(self, descriptor: int) -> Status:
        """Look at what is open."""
        ...

    def status_of(self, name: str, at: int) -> Status:
        """Look at a name, without following a link."""
        ...

    def lock(self, descriptor: int) -> bool:
        """Lock a file for this descriptor and its copies, without waiting. False when another holds it."""
        ...

    def close(self, descriptor: int) -> None:
        """Close."""
        ...


class RealDisk:
    """The file system itself."""

    def open_directory(self, name: str, at: int | None) -> int:
        """Open a directory."""
        return os.open(name, _DIRECTORY, dir_fd=at)

    def make_directory(self, name: str, at: int) -> None:
        """Make a directory of mode 0700."""
        os.mkdir(name, DIRECTORY_MODE, dir_fd=at)
        os.chmod(name, DIRECTORY_MODE, dir_fd=at)

    def create(self, name: str, at: int) -> int:
        """Make a file of mode 0600."""
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, FILE_MODE, dir_fd=at)
        try:
            os.fchmod(descriptor, FILE_MODE)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def open_to_read(self, name: str, at: int) -> int:
        """Open a file for reading."""
        return os.open(name, os.O_RDONLY | _SAFELY, dir_fd=at)

    def open_to_change(self, name: str, at: int) -> int:
        """Open a file for writing in place."""
        return os.open(name, os.O_WRONLY | _SAFELY, dir_fd=at)

    def read(self, descriptor: int, nbytes: int) -> bytes:
        """Read up to so many bytes."""
        return os.read(descriptor, nbytes)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write at the descriptor's place."""
        return os.write(descriptor, data)

    def overwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        """Write at an offset."""
        return os.pwrite(descriptor, data, offset)

    def sync_data(self, descriptor: int) -> None:
        """Sync a file, without its times where the system can leave them."""
        getattr(os, "fdatasync", os.fsync)(descriptor)

    def sync_directory(self, descriptor: int) -> None:
        """Sync a directory."""
        os.fsync(descriptor)

    def rename(self, name: str, at: int, new_name: str, new_at: int) -> None:
        """Rename."""
        os.rename(name, new_name, src_dir_fd=at, dst_dir_fd=new_at)

    def remove(self, name: str, at: int) -> None:
        """Unlink."""
        os.unlink(name, dir_fd=at)

    def remove_directory(self, name: str, at: int) -> None:
        """Remove an empty directory."""
        os.rmdir(name, dir_fd=at)

    def names(self, descriptor: int) -> Iterator[Listed]:
        """Go through a directory."""
        with os.scandir(descriptor) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield Listed(entry.name, stat.S_ISREG(found.st_mode), found.st_size)

    def status(self, descriptor: int) -> Status:
        """Look at what is open."""
        return _status(os.fstat(descriptor))

    def status_of(self, name: str, at: int) -> Status:
        """Look at a name."""
        return _status(os.stat(name, dir_fd=at, follow_symlinks=False))

    def lock(self, descriptor: int) -> bool:
        """Lock with flock, which belongs to the open file and ends with its last copy."""
        if sys.platform == "win32":
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self, descriptor: int) -> None:
        """Close."""
        os.close(descriptor)


REAL_DISK = RealDisk()


def _status(found: os.stat_result) -> Status:
    return Status(
        (found.st_dev, found.st_ino),
        stat.S_ISREG(found.st_mode),
        found.st_size,
        stat.S_IMODE(found.st_mode),
        found.st_uid,
    )
