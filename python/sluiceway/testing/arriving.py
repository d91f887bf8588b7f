"""A request that is arriving: its head is known, its body is read when somebody asks for it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from sluiceway.testing.wire import Malformed

# A body that unpacks to more than this is a bomb, not a batch: the largest limit of any vendor is 100 MiB.
MAX_UNPACKED_BYTES = 128 * 1024 * 1024

GZIP = 31  # zlib's wbits for "a gzip header and trailer"


class Arriving:
    """What a scripted function decides by.

    `method`, `path` and `headers` (names in lower case) are there at once; `body` and `batch` block until the rest of
    the request has been read. A function that never asks for them can still cut the connection before the body.
    """

    def __init__(
        self,
        *,
        number: int,
        connection: int,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body_bytes: int,
        read: Callable[[int], bytes],
    ) -> None:
        self.number = number
        """How many requests arrived before this one, over all connections."""
        self.connection = connection
        """Which connection it came by, counted from 0 in the order of acceptance."""
        self.method = method
        self.path = path
        self.headers = dict(headers)
        self.body_bytes = body_bytes
        """Length of the body as sent, compressed if it is."""
        self._read = read

    @property
    def attempt(self) -> int:
        """How many attempts came before this one, by the header that the vendor has for that; 0 without one.

        `X-Retry-Count` counts retries, `PostHog-Attempt` attempts.
        """
        retries, attempts = self.headers.get("x-retry-count", ""), self.headers.get("posthog-attempt", "")
        if _is_count(retries):
            return int(retries)
        return max(int(attempts) - 1, 0) if _is_count(attempts) else 0

    @property
    def is_read(self) -> bool:
        """Whether the body has been read from the connection."""
        return "sent_body" in vars(self)

    @cached_property
    def sent_body(self) -> bytes:
        """The body as sent. Blocks until it is here; raises ConnectionError when the peer goes away first."""
        return self._read(self.body_bytes)

    @property
    def encoding(self) -> str:
        """The name of the body's encoding, in lower case; "identity" if it has none."""
        return self.headers.get("content-encoding", "identity").strip().lower()

    @cached_property
    def body(self) -> bytes:
        """The body, unpacked if it came as gzip. Raises `Malformed` for an unknown or broken encoding."""
        if self.encoding == "identity":
            return self.sent_body
        if self.encoding != "gzip":
            raise Malformed(415, "content-encoding is neither gzip nor identity")
        return unpacked(self.sent_body, "gzip")

    @cached_property
    def document(self) -> Any:
        """The body as Python's own `json` reads it, except that NaN and infinities are refused. Raises `Malformed`."""
        try:
            return json.loads(self.body.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise Malformed(400, "the body is not JSON") from None

    @property
    def batch(self) -> list[dict[str, Any]]:
        """The events of the body, whatever the vendor's envelope calls them; empty when it carries none.

        Raises `Malformed` when it is not JSON.
        """
        return events_of(self.document)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def unpacked(packed: bytes, encoding: str) -> bytes:
    """Return what was packed as "gzip", "deflate" (with zlib's header or without) or "zstd".

    Raises `Malformed`: 400 for a body that is none of these, or too large; 415 for another encoding, and for zstd where
    the package zstandard is missing.
    """
    if encoding == "zstd":
        return _zstd(packed)
    window = _WINDOWS.get(encoding)
    if window is None:
        raise Malformed(415, "the content-encoding is one that the receiver cannot read")
    if encoding == "deflate" and packed[:1] != _ZLIB_HEADER:
        window = -zlib.MAX_WBITS
    unpacker = zlib.decompressobj(window)
    try:
        body = unpacker.decompress(packed, MAX_UNPACKED_BYTES)
    except zlib.error:
        raise Malformed(400, f"the body is not {encoding}") from None
    if not unpacker.eof:
        raise Malformed(400, f"the {encoding} body is cut short or larger than the receiver takes")
    return body


_WINDOWS = {"gzip": GZIP, "deflate": zlib.MAX_WBITS}
_ZLIB_HEADER = b"\x78"  # its first byte, for the window that everybody uses


def _zstd(packed: bytes) -> bytes:
    try:
        import zstandard
    except ModuleNotFoundError:
        raise Malformed(415, "to read zstd, install the package zstandard") from None
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    body = bytearray()
    try:
        # In pieces, so that a small body cannot become a large one before anybody looks.
        for at in range(0, len(packed), _PIECE_BYTES):
            body += unpacker.decompress(packed[at : at + _PIECE_BYTES])
            if len(body) > MAX_UNPACKED_BYTES:
                raise Malformed(400, "the zstd body is larger than the receiver takes")
    except zstandard.ZstdError:
        raise Malformed(400, "the body is not zstd") from None
    if not unpacker.eof:
        raise Malformed(400, "the zstd body is cut short")
    return bytes(body)


_PIECE_BYTES = 64 * 1024


def events_of(document: Any) -> list[dict[str, Any]]:
    """Return the events of a decoded body: `batch` for most vendors, `events` for Amplitude."""
    for key in ("batch", "events"):
        events = document.get(key) if isinstance(document, dict) else None
        if isinstance(events, list):
            return events
    return []


def _refuse(_constant: str) -> None:
    raise ValueError
