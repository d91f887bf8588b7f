"""Taking over what a dead process left behind: its directory is whoever's gets the lock."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from sluiceway.spool.descriptors import Descriptors
from sluiceway.spool.disk import Disk
from sluiceway.spool.format import read_name
from sluiceway.spool.home import LOCK, Home, dissolve, holds, label_in, let_go
from sluiceway.spool.sealing import TEMPORARY, peek

# With a lock file that does not say whose the batches are, this many of them are asked.
_MAX_PEEKS = 16


class Found(NamedTuple):
    """What became of one directory."""

    home: Home | None = None
    """The directory, if it has batches of ours and the lock is ours now."""
    foreign: int = 0
    """Names in it that mean nothing to us; 1 for a directory that is somebody else's as a whole."""


_NOTHING = Found()
_SOMEBODY_ELSES = Found(foreign=1)


def take_over(disk: Disk, kept: Descriptors, root: int, name: str, destination: bytes) -> Found:
    """Try to become the owner of a directory, and list it. An empty one is removed. Raises OSError."""
    try:
        fd = kept.keep(disk.open_directory(name, root))
    except FileNotFoundError:
        return _NOTHING
    except OSError as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            return _SOMEBODY_ELSES
        raise
    home = Home(name, fd, -1)
    found = None
    try:
        found = _locked(disk, kept, root, home, destination) or _listed(disk, home, destination)
    finally:
        if found is None or found.home is None:
            if found is not None and home.lock_fd >= 0 and not found.foreign and not home.remaining:
                dissolve(disk, kept, root, home)
            else:
                let_go(kept, home)
    return found


def _locked(disk: Disk, kept: Descriptors, root: int, home: Home, destination: bytes) -> Found | None:
    """Lock the directory; what to answer if that may not be or cannot be, else None."""
    status = disk.status(home.fd)
    if status.uid != os.geteuid() or status.mode & 0o022:
        return _SOMEBODY_ELSES
    try:
        # Looked at before the lock is tried, so that whose it is never finds it held by somebody who does not want it.
        if not disk.status_of(LOCK, home.fd).is_regular:
            return _SOMEBODY_ELSES
        if label_in(disk, home.fd) not in {None, destination}:
            return _SOMEBODY_ELSES
        lock_fd = kept.keep(disk.open_to_change(LOCK, home.fd))
    except FileNotFoundError:
        # Its owner has not come to make the lock yet, or somebody is just removing the directory, or power was lost.
        # A living owner writes nothing before it has the lock, so what is not empty has no owner.
        try:
            disk.remove_directory(home.name, root)
        except FileNotFoundError:
            return _NOTHING
        except OSError:
            try:
                lock_fd = kept.keep(disk.create(LOCK, home.fd))
            except (FileExistsError, FileNotFoundError):
                return _NOTHING
        else:
            return _NOTHING
    home.lock_fd = lock_fd
    if not holds(disk, home.fd, lock_fd):
        kept.close(lock_fd)
        home.lock_fd = -1
        return _NOTHING
    return None


def _listed(disk: Disk, home: Home, destination: bytes) -> Found:
    """List a directory that is locked: note its batches, remove what was never finished."""
    foreign = 0
    unfinished = []
    for listed in disk.names(home.fd):
        meaning = read_name(listed.name)
        if listed.name == LOCK:
            continue
        if not listed.is_regular:
            foreign += 1
        elif meaning is not None:
            home.note(*meaning, listed.nbytes)
        elif listed.name.endswith(TEMPORARY):
            unfinished.append(listed.name)
        else:
            foreign += 1
    home.arrange()
    home.foreign = foreign
    whose = _whose(disk, home)
    if whose not in {None, destination}:
        return _SOMEBODY_ELSES
    for name in unfinished:
        with suppress(OSError):
            disk.remove(name, home.fd)
    return Found(home if home.remaining else None, foreign)


def _whose(disk: Disk, home: Home) -> bytes | None:
    """Whose the batches of a locked directory are; None when nothing in it says."""
    label = label_in(disk, home.fd)
    if label is None:
        for name in islice(home.names(), _MAX_PEEKS):
            header = peek(disk, home.fd, name)
            if header is not None:
                return header.destination
    return label
