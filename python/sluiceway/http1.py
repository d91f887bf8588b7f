"""Read one HTTP/1.1 response from a peer that may be slow, wrong or hostile.

Pure but for the `receive` that is handed in. http.client would do the reading, but it allows a head of a hundred lines
of 64 KiB, has no total deadline, and its e-mail parser costs more than sending the batch. What is promised here:

- a head of at most 64 KiB, at most 16 interim (1xx) responses before the real one;
- a body of at most 64 KiB, never decompressed; a longer one is cut;
- once the head has been read the status stands: a body that breaks, stalls or never ends only cuts the body.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_HEAD_BYTES = 65_536
MAX_BODY_BYTES = 65_536
MAX_INTERIM_RESPONSES = 16

# Of a body in chunks the framing counts too, so that chunks of one byte end as well.
_MAX_CHUNKED_BYTES = 2 * MAX_BODY_BYTES
_MAX_CHUNK_LINE_BYTES = 1_024

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n\0]*)?")
_HEADER_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_NO_BODY = frozenset({204, 304})


class BadResponseError(Exception):
    """What arrived is not an HTTP/1.1 response. `kind` is "closed" (nothing arrived) or "protocol"."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail


class Reading(msgspec.Struct, frozen=True):
    """One response as read: header names in lower case, repeated headers joined by ", "."""

    status: int
    headers: dict[str, str]
    body: bytes
    truncated: bool
    """The body was cut: too long, or it broke."""
    reusable: bool
    """The connection is in step and may carry another request."""


class ResponseReader:
    """Reads one response. `receive` returns bytes, b"" at the end of the stream, or raises OSError."""

    __slots__ = ("_buffer", "_receive", "started")

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._buffer = b""
        self.started = False
        """Whether a byte has arrived."""

    def read(self) -> Reading:
        """Read to the end of the response. Raises BadResponseError, or the OSError that ended the head."""
        for _ in range(MAX_INTERIM_RESPONSES + 1):
            minor, status, headers = _parse_head(self._head())
            if status >= 200:
                break
            if status == 101:
                raise BadResponseError("protocol", "the server switched protocols")
        else:
            raise BadResponseError("protocol", "too many interim responses")
        body, complete = self._body(status, headers)
        connection = headers.get("connection", "").lower()
        keeps = "close" not in connection if minor else "keep-alive" in connection
        # Without exactly one kind of framing two readers may disagree where the response ends: read, but never reuse.
        framed = ("transfer-encoding" in headers) != ("content-length" in headers) or status in _NO_BODY
        return Reading(status, headers, body, not complete, keeps and framed and complete and not self._buffer)

    def _more(self) -> bool:
        """Read on; returns False at the end of the stream."""
        data = self._receive()
        if data:
            self.started = True
            self._buffer += data
        return bool(data)

    def _head(self) -> bytes:
        """Take the next head off the buffer, without the empty line that ends it."""
        searched = 0
        while (end := _HEAD_END.search(self._buffer, searched)) is None:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise BadResponseError("protocol", "the head is larger than 64 KiB")
            searched = max(0, len(self._buffer) - 3)
            if not self._more():
                if self.started:
                    raise BadResponseError("protocol", "the connection closed inside the head")
                raise BadResponseError("closed", "the connection closed without a response")
        if end.start() > MAX_HEAD_BYTES:
            raise BadResponseError("protocol", "the head is larger than 64 KiB")
        head, self._buffer = self._buffer[: end.start()], self._buffer[end.end() :]
        return head

    def _body(self, status: int, headers: dict[str, str]) -> tuple[bytes, bool]:
        """Return the body and whether it was read to its end. Never raises."""
        if status in _NO_BODY:
            return b"", True
        try:
            if "transfer-encoding" in headers:
                return self._chunks(headers["transfer-encoding"])
            if "content-length" in headers:
                return self._exactly(headers["content-length"])
            return self._to_the_end()
        except OSError:
            # The status has been read and stands: late or broken bytes of the body do not change it.
            body, self._buffer = self._buffer[:MAX_BODY_BYTES], b""
            return body, False

    def _exactly(self, announced: str) -> tuple[bytes, bool]:
        if not (announced.isascii() and announced.isdigit() and len(announced) <= 18):
            return b"", False
        length = int(announced)
        wanted = min(length, MAX_BODY_BYTES)
        if not self._fill(wanted):
            return self._buffer, False
        body, self._buffer = self._buffer[:wanted], self._buffer[wanted:]
        return body, wanted == length

    def _to_the_end(self) -> tuple[bytes, bool]:
        while len(self._buffer) <= MAX_BODY_BYTES:
            if not self._more():
                return self._buffer, True
        return self._buffer[:MAX_BODY_BYTES], False

    def _chunks(self, coding: str) -> tuple[bytes, bool]:
        if coding.strip().lower() != "chunked":
            return b"", False
        body = b""
        raw = 0
        while (size := self._chunk_size()) is not None:
            if size == 0:
                # Trailers are not worth a parser: with one the body stands, but the connection is not used again.
                return body, self._line_end()
            raw += size + 5
            wanted = min(size, MAX_BODY_BYTES - len(body))
            whole = self._fill(wanted)
            body, self._buffer = body + self._buffer[:wanted], self._buffer[wanted:]
            if not whole or wanted < size or raw > _MAX_CHUNKED_BYTES or not self._line_end():
                break
        return body, False

    def _chunk_size(self) -> int | None:
        """Take the line before a chunk off the buffer and return its size, or None when there is no such line."""
        while (line := _CHUNK_LINE.match(self._buffer)) is None:
            if len(self._buffer) > _MAX_CHUNK_LINE_BYTES or not self._more():
                return None
        self._buffer = self._buffer[line.end() :]
        return int(line[1], 16)

    def _line_end(self) -> bool:
        """Take a line end off the buffer; returns whether there was one."""
        self._fill(2)
        ended = self._buffer.startswith(b"\r\n")
        self._buffer = self._buffer[2:]
        return ended

    def _fill(self, count: int) -> bool:
        """Read until the buffer holds so many bytes; returns whether it does."""
        while len(self._buffer) < count:
            if not self._more():
                return False
        return True


def _parse_head(head: bytes) -> tuple[int, int, dict[str, str]]:
    """Return the minor version, the status and the headers."""
    lines = head.split(b"\n")
    status_line = _STATUS_LINE.fullmatch(lines[0].rstrip(b"\r"))
    if status_line is None:
        raise BadResponseError("protocol", "what arrived is not HTTP/1.1")
    headers: dict[str, str] = {}
    name = ""
    for raw in lines[1:]:
        line = raw[:-1] if raw.endswith(b"\r") else raw
        if b"\r" in line or b"\0" in line:
            raise BadResponseError("protocol", "a header holds a control character")
        if line[:1] in (b" ", b"\t") and name:
            headers[name] += " " + line.strip().decode("latin-1")
            continue
        key, colon, value = line.partition(b":")
        if not colon or _HEADER_NAME.fullmatch(key) is None:
            raise BadResponseError("protocol", "a header line is not a header")
        name = key.decode("ascii").lower()
        text = value.strip().decode("latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return int(status_line[1]), int(status_line[2]), headers
