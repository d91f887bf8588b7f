"""Where the spool lies and how it behaves: options checked once, before anything is written."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import struct
import sys
from contextlib import suppress
from typing import Literal

import msgspec

from sluiceway.errors import ConfigError
from sluiceway.spool.disk import DIRECTORY_MODE, REAL_DISK
from sluiceway.spool.filesystem import is_on_a_network

FIELD = "spool_dir"
ALLOW_NFS = "SLUICEWAY_SPOOL_ALLOW_NFS"

VERSION_DIRECTORY = "v1"
QUARANTINE_DIRECTORY = "quarantine"

# What a program meets that may go away by itself: the disk is full now.
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT})


class SpoolSettings(msgspec.Struct, frozen=True):
    """How one client uses the disk. The values were checked before."""

    mode: Literal["on_failure", "always"]
    directory: str
    max_bytes: int
    fsync: Literal["batch", "interval", "off"]


def destination(vendor: str, host: str, path: str, key: str) -> bytes:
    """Return 16 bytes that tell one recipient from another and from which none of the parts can be read.

    A key has too many random bits to be guessed from its hash; the hash is not keyed because the next process has to
    find the same.
    """
    digest = hashlib.blake2b(digest_size=16, person=b"sluiceway-spool")
    for part in (vendor, host, path, key):
        data = part.encode("utf-8", "surrogatepass")
        # With its length, so that no two lists of parts are the same bytes.
        digest.update(struct.pack("<I", len(data)) + data)
    return digest.digest()


def checked_directory(path: object) -> str:
    """Make the spool's directories if need be and return the absolute path. Raises ConfigError for what is unsafe.

    Called by the constructor, so that a spool that cannot work is found at the start and not at the first failure. A
    disk that is full passes: it may have room again when it is needed.
    """
    directory = _absolute(path)
    if sys.platform == "win32":
        raise ConfigError(FIELD, "needs flock, which this system does not have")
    try:
        os.makedirs(os.path.dirname(directory) or "/", exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(directory, DIRECTORY_MODE)
            os.chmod(directory, DIRECTORY_MODE)
        base = _opened(directory, None, "")
    except OSError as error:
        raise ConfigError(FIELD, f"cannot be made: {_reason(error)}") from None
    try:
        _check_kind_of_filesystem(base)
        version = _made(base, VERSION_DIRECTORY)
        try:
            os.close(_made(version, QUARANTINE_DIRECTORY))
            _try_out(version)
            with suppress(OSError):  # the spool itself says what is durable and what is not
                os.fsync(version)
                os.fsync(base)
        finally:
            os.close(version)
    finally:
        os.close(base)
    return directory


def _absolute(path: object) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(FIELD, f"must be a path, not {type(path).__name__}")
    text = os.fspath(path)
    if not isinstance(text, str):
        raise ConfigError(FIELD, "must be a path of text, not of bytes")
    if not text or "\0" in text:
        raise ConfigError(FIELD, "must be a path, and is empty or holds a NUL")
    try:
        os.fsencode(text)
        return os.path.abspath(os.path.expanduser(text))
    except (OSError, UnicodeError) as error:
        raise ConfigError(FIELD, f"cannot be made absolute: {_reason(error)}") from None


def _made(at: int, name: str) -> int:
    """Return a directory of ours below the spool's, opened, made if need be."""
    try:
        with suppress(FileExistsError):
            REAL_DISK.make_directory(name, at)
        return _opened(name, at, f"/{name}")
    except OSError as error:
        raise ConfigError(FIELD, f"cannot be written to: {_reason(error)}") from None


def _opened(name: str, at: int | None, place: str) -> int:
    """Open a directory that must be this user's alone to write to."""
    whose = f"{place} in it" if place else ""
    kind = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
    if stat.S_ISLNK(kind):
        raise ConfigError(FIELD, f"{whose} is a symbolic link: name the directory itself".strip())
    if not stat.S_ISDIR(kind):
        raise ConfigError(FIELD, f"{whose} is not a directory".strip())
    descriptor = REAL_DISK.open_directory(name, at)
    status = REAL_DISK.status(descriptor)
    problem = ""
    if status.uid != os.geteuid():
        problem = f"belongs to user {status.uid}, and this process is user {os.geteuid()}"
    elif status.mode & 0o022:
        problem = f"can be written to by others (mode {status.mode:04o}): run chmod 700 on it"
    if problem:
        os.close(descriptor)
        raise ConfigError(FIELD, f"{whose} {problem}".strip())
    return descriptor


def _check_kind_of_filesystem(base: int) -> None:
    if is_on_a_network(os.fstat(base).st_dev) and os.environ.get(ALLOW_NFS) != "1":
        raise ConfigError(
            FIELD,
            "is on a network file system, whose locks and syncs cannot be relied upon: "
            f"take a local directory, or set {ALLOW_NFS}=1",
        )


def _try_out(version: int) -> None:
    """Write and lock a file, as the spool will."""
    name = f"{os.getpid()}-{secrets.token_hex(8)}.tmp"
    try:
        descriptor = REAL_DISK.create(name, version)
    except OSError as error:
        if error.errno in _PASSING:
            return
        raise ConfigError(FIELD, f"cannot be written to: {_reason(error)}") from None
    try:
        REAL_DISK.lock(descriptor)
    except OSError as error:
        raise ConfigError(FIELD, f"is on a file system without flock: {_reason(error)}") from None
    finally:
        os.close(descriptor)
        with suppress(OSError):
            REAL_DISK.remove(name, version)


def _reason(error: BaseException) -> str:
    """Return the system's word for an error, without the path that its text would quote."""
    number = getattr(error, "errno", None)
    return errno.errorcode.get(number, str(number)) if number is not None else type(error).__name__
