"""How a batch lies in its file: a header of 64 bytes, the layout, the events. Pure: bytes in, values out.

All numbers are little-endian. The first 56 bytes never change and carry a checksum of their own, so that no length is
believed that was not written; the last 8 tell how far the sending has come and are overwritten in place. What they
say is a hint: when their checksum does not fit, the batch counts as one that may have been sent.

    0   8  magic and version
    8  16  destination: a hash of vendor, host, path and key
    24  8  sequence number, as in the file's name
    32  8  when the batch was sealed, Unix seconds
    40  4  number of events
    44  4  bytes of the events
    48  4  CRC-32 of layout and events
    52  4  CRC-32 of the 52 bytes before
    56  2  attempts
    58  2  1 when it may have been sent
    60  4  CRC-32 of the 4 bytes before
    64     layout (12 bytes an event), then the events joined by commas
"""

from __future__ import annotations

import math
import re
import struct
from typing import NamedTuple
from zlib import crc32

from sluiceway.spool.contents import LAYOUT_BYTES, Contents

MAGIC = b"sluice\x00\x01"
HEADER_BYTES = 64
PROGRESS_OFFSET = 56
DESTINATION_BYTES = 16

# The largest body that any vendor takes is 20 MB.
MAX_EVENTS_BYTES = 64 * 2**20
MAX_COUNT = 2**20

_FIXED = struct.Struct("<8s16sQdIII")
_CHECKSUM = struct.Struct("<I")
_PROGRESS = struct.Struct("<HH")
_MAX_ATTEMPTS = 0xFFFF

# Array elements hold 64 bits.
MAX_SEQUENCE = 2**64 - 1
_LABEL = re.compile(rb"(sluiceway spool 1 ([0-9a-f]{32})) ([0-9a-f]{8})\n")
LABEL_BYTES = 64
_NAME = re.compile(r"([0-9]{20})\.([1-9][0-9]{0,6})\.b", re.ASCII)


class Malformed(Exception):
    """A file is not one that this package wrote whole. The text is a fixed word or two, never something read."""


class Header(NamedTuple):
    """What the header says, its checksum being right."""

    destination: bytes
    sequence: int
    created_at: float
    events: int
    events_bytes: int
    checksum: int
    attempts: int
    maybe_sent: bool

    @property
    def layout_bytes(self) -> int:
        """Bytes of the layout."""
        return self.events * LAYOUT_BYTES

    @property
    def file_bytes(self) -> int:
        """Bytes of the whole file."""
        return HEADER_BYTES + self.layout_bytes + self.events_bytes


def file_name(sequence: int, count: int) -> str:
    """Return the name of a sealed batch. It tells how many events are lost with a file that cannot be read."""
    return f"{sequence:020}.{count}.b"


def read_name(name: str) -> tuple[int, int] | None:
    """Return sequence number and count of a sealed batch's name, or None for any other name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    sequence, count = int(match[1]), int(match[2])
    return (sequence, count) if sequence <= MAX_SEQUENCE and count <= MAX_COUNT else None


def label_of(destination: bytes) -> bytes:
    """Return what a directory's lock file says: whose batches these are."""
    text = f"sluiceway spool 1 {destination.hex()}"
    return f"{text} {crc32(text.encode()):08x}\n".encode()


def read_label(data: bytes) -> bytes | None:
    """Return the destination that a lock file names, or None when it does not say."""
    match = _LABEL.fullmatch(data)
    if match is None or int(match[3], 16) != crc32(match[1]):
        return None
    return bytes.fromhex(match[2].decode())


def nbytes_of(contents: Contents) -> int:
    """Return the bytes of the file that would hold the batch."""
    return HEADER_BYTES + len(contents.layout) + len(contents.events)


def fits(contents: Contents) -> bool:
    """Whether the batch is one that a file may hold: not larger than is ever read back."""
    return contents.count <= MAX_COUNT and len(contents.events) <= MAX_EVENTS_BYTES


def header_of(contents: Contents, sequence: int, destination: bytes) -> bytes:
    """Return the header of a batch's file."""
    fixed = _FIXED.pack(
        MAGIC,
        destination,
        sequence,
        contents.created_at,
        contents.count,
        len(contents.events),
        crc32(contents.events, crc32(contents.layout)),
    )
    return fixed + _CHECKSUM.pack(crc32(fixed)) + progress_of(contents.attempts, contents.maybe_sent)


def progress_of(attempts: int, maybe_sent: bool) -> bytes:
    """Return the bytes that are overwritten in place, at `PROGRESS_OFFSET`."""
    said = _PROGRESS.pack(min(attempts, _MAX_ATTEMPTS), maybe_sent)
    return said + _CHECKSUM.pack(crc32(said))


def read_header(data: bytes) -> Header:
    """Read the first 64 bytes of a file. Raises Malformed, and nothing else whatever the bytes are."""
    if len(data) < HEADER_BYTES:
        raise Malformed("header cut short")
    fixed = data[: _FIXED.size]
    magic, destination, sequence, created_at, count, events_bytes, checksum = _FIXED.unpack(fixed)
    if magic != MAGIC:
        raise Malformed("not a batch of this version")
    if _CHECKSUM.unpack_from(data, _FIXED.size) != (crc32(fixed),):
        raise Malformed("header damaged")
    if not 1 <= count <= MAX_COUNT or events_bytes > MAX_EVENTS_BYTES or not math.isfinite(created_at):
        raise Malformed("header out of bounds")
    said = data[PROGRESS_OFFSET : PROGRESS_OFFSET + _PROGRESS.size]
    attempts, maybe_sent = _PROGRESS.unpack(said)
    if _CHECKSUM.unpack_from(data, PROGRESS_OFFSET + _PROGRESS.size) != (crc32(said),) or maybe_sent > 1:
        attempts, maybe_sent = 0, 1
    return Header(destination, sequence, created_at, count, events_bytes, checksum, attempts, bool(maybe_sent))


def read_body(header: Header, body: bytes) -> Contents:
    """Read what follows the header. Raises Malformed, and nothing else whatever the bytes are."""
    if len(body) != header.layout_bytes + header.events_bytes:
        raise Malformed("body of another length")
    if crc32(body) != header.checksum:
        raise Malformed("body damaged")
    contents = Contents(
        events=body[header.layout_bytes :],
        layout=body[: header.layout_bytes],
        count=header.events,
        created_at=header.created_at,
        attempts=header.attempts,
        maybe_sent=header.maybe_sent,
    )
    if not contents.is_consistent:
        raise Malformed("layout does not fit the events")
    return contents
