"""Whether a spool can live in a directory: asked as a client's constructor asks, without leaving a new one behind."""

from __future__ import annotations

import os
import shutil

from sluiceway.checking.finding import Finding, fail, ok, warn
from sluiceway.errors import ConfigError
from sluiceway.options import SPOOL_MAX_BYTES
from sluiceway.spool.settings import checked_directory

_MIB = 2**20


def look(path: str) -> Finding:
    """Say whether a client could spool there. Writes and removes a file where the directory exists already."""
    directory = os.path.abspath(os.path.expanduser(path))
    if not os.path.lexists(directory):
        return _to_be_made(directory)
    try:
        checked_directory(path)
    except ConfigError as error:
        return fail("spool", f"the directory {error.message}", "Take a directory of this user's, on a local disk.")
    return _room(directory, "can be written to and locked")


def _to_be_made(directory: str) -> Finding:
    above = os.path.dirname(directory)
    while not os.path.isdir(above):
        if os.path.lexists(above):
            return fail("spool", "something above the directory is no directory", "Take another one.")
        above = os.path.dirname(above)
    if not os.access(above, os.W_OK | os.X_OK):
        return fail(
            "spool",
            "the directory is not there, and this user cannot make it",
            "Make it, for this user alone: chmod 700.",
        )
    return _room(above, "is not there yet; a client makes it")


def _room(place: str, seen: str) -> Finding:
    free = shutil.disk_usage(place).free
    if free < SPOOL_MAX_BYTES:
        return warn(
            "spool",
            f"the directory {seen}; {free // _MIB:,} MiB are free, and a spool may grow to {SPOOL_MAX_BYTES // _MIB:,}",
            "Give the client a smaller spool_max_bytes, or the disk more room.",
        )
    return ok("spool", f"the directory {seen}; {free // _MIB:,} MiB are free")
