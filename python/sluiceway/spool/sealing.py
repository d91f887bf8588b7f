"""One batch's file, from its first byte to its name, and back. Whatever happens, the name means a whole file.

A file is written under another name, synced, renamed, and its directory synced: only then is it durable. A descriptor
whose sync failed is never synced again, because the second call may report success for pages that were thrown away;
the batch is written to a new file instead.
"""

from __future__ import annotations

from contextlib import suppress

from sluiceway.spool.contents import Contents
from sluiceway.spool.disk import Disk
from sluiceway.spool.format import (
    HEADER_BYTES,
    PROGRESS_OFFSET,
    Header,
    Malformed,
    file_name,
    header_of,
    progress_of,
    read_body,
    read_header,
)
from sluiceway.spool.home import close_quietly, write_all

TEMPORARY = ".tmp"


class NotSynced(OSError):
    """A sync failed: the file is suspect, and is gone again."""


def seal(
    disk: Disk, at: int, seq: int, contents: Contents, destination: bytes, *, sync: bool, replaces: bool = False
) -> None:
    """Write one batch's file. Raises OSError, NotSynced for a sync, and leaves nothing then that can be left out.

    A file that it `replaces` is there until the new one is in its place, and the new one stays whatever is raised.
    """
    temporary = f"{seq:020}{TEMPORARY}"
    descriptor = disk.create(temporary, at)
    try:
        try:
            write_all(disk, descriptor, header_of(contents, seq, destination))
            write_all(disk, descriptor, contents.layout)
            write_all(disk, descriptor, contents.events)
            if sync:
                _sync_data(disk, descriptor)
        finally:
            disk.close(descriptor)
        disk.rename(temporary, at, file_name(seq, contents.count), at)
    except OSError:
        with suppress(OSError):
            disk.remove(temporary, at)
        raise
    if sync:
        try:
            sync_directory(disk, at)
        except OSError:
            if not replaces:
                with suppress(OSError):
                    disk.remove(file_name(seq, contents.count), at)
            raise


def sync_again(disk: Disk, at: int, name: str) -> None:
    """Sync a file that was written some time ago. Raises NotSynced; FileNotFoundError when it is gone."""
    # An error that the kernel met since and has told nobody is reported to a descriptor that is opened later, too.
    descriptor = disk.open_to_read(name, at)
    try:
        _sync_data(disk, descriptor)
    finally:
        close_quietly(disk, descriptor)


def sync_directory(disk: Disk, at: int) -> None:
    """Sync a directory's names, through a descriptor that never failed. Raises NotSynced, or OSError."""
    descriptor = disk.open_directory(".", at)
    try:
        disk.sync_directory(descriptor)
    except OSError as error:
        raise NotSynced(*error.args) from error
    finally:
        close_quietly(disk, descriptor)


def load(disk: Disk, at: int, name: str, seq: int, count: int, destination: bytes) -> Contents:
    """Read one batch's file. Raises Malformed for anything but the file that was sealed under this name; OSError."""
    descriptor = disk.open_to_read(name, at)
    try:
        status = disk.status(descriptor)
        if not status.is_regular:
            raise Malformed("not a file")
        header = read_header(_read_all(disk, descriptor, HEADER_BYTES))
        if header.destination != destination:
            raise Malformed("of another destination")
        if (header.sequence, header.events) != (seq, count):
            raise Malformed("of another name")
        # Nothing is allocated for a length that the file does not have.
        if header.file_bytes != status.nbytes:
            raise Malformed("of another length")
        return read_body(header, _read_all(disk, descriptor, header.file_bytes - HEADER_BYTES))
    finally:
        close_quietly(disk, descriptor)


def peek(disk: Disk, at: int, name: str) -> Header | None:
    """Read one file's header; None when it has none. Raises OSError."""
    descriptor = disk.open_to_read(name, at)
    try:
        return read_header(_read_all(disk, descriptor, HEADER_BYTES))
    except Malformed:
        return None
    finally:
        close_quietly(disk, descriptor)


def overwrite_progress(disk: Disk, at: int, name: str, attempts: int, *, maybe_sent: bool) -> None:
    """Write into a file how far its sending has come. Raises OSError."""
    descriptor = disk.open_to_change(name, at)
    try:
        if disk.status(descriptor).nbytes >= HEADER_BYTES:
            disk.overwrite(descriptor, progress_of(attempts, maybe_sent), PROGRESS_OFFSET)
    finally:
        close_quietly(disk, descriptor)


def _sync_data(disk: Disk, descriptor: int) -> None:
    try:
        disk.sync_data(descriptor)
    except OSError as error:
        raise NotSynced(*error.args) from error


def _read_all(disk: Disk, descriptor: int, nbytes: int) -> bytes:
    """Read so many bytes, fewer only where the file ends."""
    data = disk.read(descriptor, nbytes)
    if len(data) == nbytes:
        return data
    parts = [data]
    while data and (nbytes := nbytes - len(data)) > 0:
        data = disk.read(descriptor, nbytes)
        parts.append(data)
    return b"".join(parts)
