"""Making durable what was written without a sync."""

from __future__ import annotations

from collections.abc import Callable

from sluiceway.spool.disk import Disk
from sluiceway.spool.format import Malformed, file_name
from sluiceway.spool.home import Home
from sluiceway.spool.sealing import NotSynced, load, seal, sync_again, sync_directory
from sluiceway.spool.turn import Turn


def sync_home(disk: Disk, turn: Turn, home: Home, destination: bytes, met: Callable[[OSError], None]) -> OSError | None:
    """Sync the files of a directory, then its names; a turn for each. What failed stays on the list.

    `met` is told each failed sync, also one that was made up for by writing the batch anew.

    Until a batch is removed or rewritten, one that could not be synced makes every later answer an error, because the
    system reports each loss only once.
    """
    failure: OSError | None = None
    synced = []
    for seq, count in list(home.unsynced.items()):
        with turn:
            if turn.is_over:
                return OSError("closed")
            if seq not in home.unsynced:
                continue
            try:
                _sync_file(disk, home, seq, count, destination, met)
                synced.append(seq)
            except FileNotFoundError:
                home.unsynced.pop(seq, None)
            except OSError as error:
                met(error)
                failure = error
                if isinstance(error, NotSynced):
                    home.suspect.add(seq)
    with turn:
        if turn.is_over:
            return OSError("closed")
        try:
            sync_directory(disk, home.fd)
        except OSError as error:
            met(error)
            home.suspect.update(seq for seq in synced if seq in home.unsynced)
            return error
        for seq in synced:
            home.unsynced.pop(seq, None)
            home.suspect.discard(seq)
    return failure


def _sync_file(
    disk: Disk, home: Home, seq: int, count: int, destination: bytes, met: Callable[[OSError], None]
) -> None:
    """Sync one file, or write it anew if that ever failed. Raises OSError."""
    if seq not in home.suspect:
        try:
            sync_again(disk, home.fd, file_name(seq, count))
            return
        except NotSynced as error:
            met(error)
            home.suspect.add(seq)
    try:
        contents = load(disk, home.fd, file_name(seq, count), seq, count, destination)
    except Malformed:
        raise NotSynced(0, "what was written is lost") from None
    seal(disk, home.fd, seq, contents, destination, sync=True, replaces=True)
