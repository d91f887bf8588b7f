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
        if retries.isascii() and retries.isdigit():
            return int(retries)
        return max(int(attempts) - 1, 0) if attempts.isascii() and attempts.isdigit() else 0

    @property
    def is_read(self) -> bool:
        """Whether the body has been read from the connection."""
        return "sent_body" in vars(self)

    @cached_property
    def sent_body(self) -> bytes:
        """The body as sent. Blocks until it is here; raises ConnectionError when the peer goes away first."""
        return self._read(self.body_bytes)

    @cached_property
    def body(self) -> bytes:
        """The body, unpacked if it came as gzip. Raises `Malformed` for an unknown or broken encoding."""
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding == "identity":
            return self.sent_body
        if encoding != "gzip":
            raise Malformed(415, "content-encoding is neither gzip nor identity")
        unpacker = zlib.decompressobj(GZIP)
        try:
            body = unpacker.decompress(self.sent_body, MAX_UNPACKED_BYTES)
        except zlib.error:
            raise Malformed(400, "the body is not gzip") from None
        if not unpacker.eof:
            raise Malformed(400, "the gzip body is cut short or larger than the receiver takes")
        return body

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


def events_of(document: Any) -> list[dict[str, Any]]:
    """Return the events of a decoded body: `batch` for most vendors, `events` for Amplitude."""
    for key in ("batch", "events"):
        events = document.get(key) if isinstance(document, dict) else None
        if isinstance(events, list):
            return events
    return []


def _refuse(_constant: str) -> None:
    raise ValueError
