"""How far an import has come, in a file that is whole at every moment: written beside, synced, and renamed.

A checkpoint names a position before which every event has ended: delivered, or written to the rejects. It belongs to
the files it was made for, to the destination and to the mapping, and is no use for any other.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

import msgspec

from sluiceway.importing.faults import Misuse

_VERSION = 1


class SourceMark(msgspec.Struct, frozen=True, kw_only=True):
    """By what a file is known again: its name for people, the rest for us."""

    name: str
    size: int | None
    mtime_ns: int | None
    head: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows before a position. All of them have ended."""

    rows: int = 0
    sent: int = 0
    """Rows that a client accepted."""
    rejected: int = 0
    """Rows that never were an event: unreadable, or refused by the client."""
    failed: int = 0
    """Of those sent, the ones that the vendor refused for good. The others were delivered."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds. Neither a key nor anything of a row."""

    sluiceway_checkpoint: int = _VERSION
    vendor: str
    destination: str
    """A digest of vendor, host and key."""
    mapping: str
    """A digest of everything that decides what is sent."""
    sources: list[SourceMark]
    began: float
    """Unix seconds; the moment of rows that have none."""
    file: int = 0
    """The file that the position is in: 0 is the first."""
    position: int = 0
    """Where to go on in it, in the words of its format."""
    counts: Counts = Counts()
    rejects_bytes: int = 0
    """How long the rejects file is; what stands behind that will be found again."""
    is_complete: bool = False


def read(path: Path) -> Checkpoint | None:
    """Return what the file holds; None where there is none. Raises Misuse for a file that is no checkpoint."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Misuse(f"the checkpoint {path} cannot be read: {error.strerror}") from None
    try:
        found = msgspec.json.decode(content, type=Checkpoint)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Misuse(f"{path} is no checkpoint of sluiceway: name another file by --checkpoint") from None
    if found.sluiceway_checkpoint != _VERSION:
        raise Misuse(f"the checkpoint {path} was written by another version of sluiceway; begin anew with --restart")
    return found


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file, so that after a crash it holds the old content or the new, whole. Raises OSError."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, msgspec.json.format(msgspec.json.encode(checkpoint), indent=2) + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(beside, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_same(found: Checkpoint, now: Checkpoint, path: Path) -> None:
    """Refuse to go on with anything but what the checkpoint was made for. Raises Misuse, saying what differs."""
    anew = "begin anew with --restart (equal rows keep their ids, so the vendor counts them once)"
    if found.vendor != now.vendor or found.destination != now.destination:
        raise Misuse(f"the checkpoint {path} is of an import to another destination (vendor, host or key); {anew}")
    if len(found.sources) != len(now.sources):
        raise Misuse(f"the checkpoint {path} is of {len(found.sources)} files, not {len(now.sources)}; {anew}")
    for then, source in zip(found.sources, now.sources, strict=True):
        for what in ("head", "size", "mtime_ns"):
            if getattr(then, what) != getattr(source, what):
                said = {"head": "begins otherwise", "size": "has another size", "mtime_ns": "was changed"}[what]
                raise Misuse(f"{source.name} {said} since the checkpoint {path} was written; {anew}")
    if found.mapping != now.mapping:
        raise Misuse(f"the checkpoint {path} was made with another mapping of the columns; {anew}")


class Lock:
    """Keeps a second import away from the same checkpoint. Ends with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        """Take it. Raises Misuse when another process holds it, or the folder cannot be written."""
        self._path = path.with_name(path.name + ".lock")
        while True:
            try:
                self._file: IO[bytes] = open(self._path, "ab")  # noqa: SIM115  (open while it locks)
            except OSError as error:
                raise Misuse(
                    f"{self._path.parent} cannot be written ({error.strerror}): name a place by --checkpoint"
                ) from None
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.close()
                raise Misuse(f"another import is at work with the checkpoint {path}") from None
            # Whoever held it may have removed the file between our opening it and our taking it.
            if self._path.exists() and os.fstat(self._file.fileno()).st_ino == self._path.stat().st_ino:
                return
            self._file.close()

    def release(self) -> None:
        """Give it back and remove its file."""
        self._path.unlink(missing_ok=True)
        self._file.close()
