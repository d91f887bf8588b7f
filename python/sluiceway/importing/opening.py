"""A file, or standard input, as a stream of plain bytes: what it is, how it is compressed, how far it has been read."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, cast

from sluiceway.importing.faults import Misuse

STDIN = "-"
_HEAD_BYTES = 65_536
_BUFFER_BYTES = 1 << 18
# Little, because all that it unpacks to is in memory at once.
_ZSTD_READ_BYTES = 8_192
_PACKED_SUFFIXES = (".gz", ".gzip", ".zst", ".zstd")
_FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
# What reading a file that is broken, cut or taken away raises.
BROKEN = (OSError, EOFError, ValueError, zlib.error)
# A file that is neither packed nor standard input is one stream.
_PLAIN = 1
_GZIP_MAGIC, _ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Identity(NamedTuple):
    """What tells one file from another. Of standard input only the head is known."""

    size: int | None
    mtime_ns: int | None
    head: str


class Opened:
    """A file that is open. ``stream`` gives plain bytes; ``done`` tells which part of the file has been read."""

    def __init__(
        self, stream: BinaryIO, identity: Identity, done: Callable[[], float | None], *below: BinaryIO
    ) -> None:
        """``below`` is what the stream reads from."""
        self.stream = stream
        self.identity = identity
        self.done = done
        self._all: list[IO[Any]] = [stream, *below]

    def seekable(self) -> BinaryIO:
        """Return the stream as one that can be sought in: itself, or a copy of it in a temporary file on disk."""
        if isinstance(self.stream, io.BufferedReader) and self.stream.seekable() and len(self._all) == _PLAIN:
            return self.stream
        copy = cast("BinaryIO", tempfile.TemporaryFile(prefix="sluiceway-"))  # noqa: SIM115  (as above)
        self._all.append(copy)
        shutil.copyfileobj(self.stream, copy, _BUFFER_BYTES)
        copy.seek(0)
        return copy

    def closes(self, above: IO[Any]) -> None:
        """Have what reads from the stream closed with it, and not when nobody holds it any more."""
        self._all.insert(0, above)

    def close(self) -> None:
        """Close all of it. May be called twice."""
        for stream in self._all:
            # What is broken inside, such as the end of a cut file, was told where it was read.
            with suppress(Exception):
                stream.close()


class _Replayed(io.RawIOBase):
    """A stream whose first bytes have been read already, and are given once more."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        if self._head:
            count = min(len(buffer), len(self._head))
            buffer[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        # Whatever is there: a slow pipe must not be waited for until the buffer is full.
        data = cast("io.BufferedReader", self._rest).read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Unzstd(io.RawIOBase):
    """What a Zstandard stream of one or more frames says. The library's own reader takes a cut one for whole."""

    def __init__(self, packed: BinaryIO, decompressor: Any, error: type[Exception]) -> None:
        self._packed = packed
        self._decompressor = decompressor
        self._error = error
        self._frame: Any = None
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Raises EOFError at the end of a cut file, and OSError for a broken one, as the reader of gzip does."""
        while not self._ready:
            packed = cast("io.BufferedReader", self._packed).read1(_ZSTD_READ_BYTES)
            if not packed:
                if self._frame is not None:
                    raise EOFError
                return 0
            self._ready = memoryview(self._unpack(packed))
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _unpack(self, packed: bytes) -> bytes:
        plain = b""
        while packed:
            if self._frame is None:
                self._frame = self._decompressor.decompressobj()
            try:
                plain += self._frame.decompress(packed)
            except self._error:
                raise OSError("no Zstandard stream, or a broken one") from None
            packed = b""
            if self._frame.eof:
                packed, self._frame = self._frame.unused_data, None
        return plain


def format_of(path: str, given: str | None) -> str:
    """Tell the format: what was said, else what the name's ending says. Raises Misuse where nobody says it."""
    if given is not None:
        return given
    if path == STDIN:
        raise Misuse("standard input has no name to tell its format by: say --format jsonl, csv, tsv or parquet")
    found = _FORMATS.get(Path(plain_name(path)).suffix.lower())
    if found is None:
        raise Misuse(f"{path}: the name does not tell the format: say --format jsonl, csv, tsv or parquet")
    return found


def plain_name(path: str) -> str:
    """Return the name of a file without its folder and without what its compression adds."""
    name = Path(path).name
    return name[: name.rindex(".")] if name.lower().endswith(_PACKED_SUFFIXES) else name


def open_file(path: str, *, wants_identity: bool = True) -> Opened:
    """Open a file for reading, unpacked if it is gzip or Zstandard, which its first bytes tell.

    ``wants_identity=False`` does not wait for the head of standard input. Raises Misuse for what cannot be opened.
    """
    if path == STDIN:
        source = cast("BinaryIO", sys.stdin.buffer)
        head = _read_head(source, _HEAD_BYTES if wants_identity else 4)
        identity = Identity(None, None, hashlib.sha256(head).hexdigest())
        raw = cast("BinaryIO", io.BufferedReader(_Replayed(head, source), _BUFFER_BYTES))
        return Opened(_unpacked(raw, head), identity, lambda: None, raw)
    try:
        if Path(path).is_dir():
            raise Misuse(f"{path} is a folder: name the files in it")
        # Unbuffered below, so that its position is how far it has been read, and one number for all formats.
        file = open(path, "rb", buffering=0)  # noqa: SIM115  (`Opened` closes it)
        status = os.fstat(file.fileno())
        head = file.read(_HEAD_BYTES)
        file.seek(0)
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    identity = Identity(status.st_size, status.st_mtime_ns, hashlib.sha256(head).hexdigest())
    size = max(1, status.st_size)
    raw = cast("BinaryIO", io.BufferedReader(file, _BUFFER_BYTES))
    try:
        stream = _unpacked(raw, head)
    except Misuse:
        raw.close()
        raise
    below = () if stream is raw else (raw,)
    return Opened(stream, identity, lambda: None if file.closed else min(1.0, file.tell() / size), *below)


def _read_head(source: BinaryIO, wanted: int) -> bytes:
    head = b""
    while len(head) < wanted:
        more = source.read(wanted - len(head))
        if not more:
            break
        head += more
    return head


def _unpacked(raw: BinaryIO, head: bytes) -> BinaryIO:
    if head.startswith(_GZIP_MAGIC):
        return cast("BinaryIO", io.BufferedReader(gzip.GzipFile(fileobj=raw), _BUFFER_BYTES))
    if head.startswith(_ZSTD_MAGIC):
        try:
            import zstandard
        except ModuleNotFoundError:
            raise Misuse("a .zst file needs zstandard: pip install 'sluiceway[zstd]'") from None
        plain = _Unzstd(raw, zstandard.ZstdDecompressor(), zstandard.ZstdError)
        return cast("BinaryIO", io.BufferedReader(plain, _BUFFER_BYTES))
    return raw
