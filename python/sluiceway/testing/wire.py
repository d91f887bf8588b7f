"""HTTP/1.1 over one accepted socket: a request's head, its body, and an answer.

The standard library's own server parses each head with its e-mail parser, which costs more than receiving and
decoding a batch; a receiver that slow would be what a benchmark measures.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus

import msgspec

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
_READ_BYTES = 64 * 1024

_WAIT_FOR_ALL = getattr(socket, "MSG_WAITALL", 0)

# Closing a socket with unread bytes in it sends a reset, which may overtake the answer.
_LAST_WORD_SECONDS = 1.0

# Linger switched on with zero seconds: close() then sends RST instead of FIN.
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Malformed(Exception):
    """A request that is answered with `status` instead of being kept."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Head(msgspec.Struct, frozen=True):
    """The head of one request; header names in lower case, repeated ones joined by a comma."""

    method: str
    path: str
    headers: dict[str, str]
    keep_alive: bool

    def body_bytes(self) -> int:
        """Return the announced length of the body. Raises `Malformed` when it is not announced as a plain number."""
        if "transfer-encoding" in self.headers:
            raise Malformed(411, "transfer-encoding without a length")
        announced = self.headers.get("content-length")
        if announced is None:
            if self.method in ("POST", "PUT", "PATCH"):
                raise Malformed(411, "no content-length")
            return 0
        if not (announced.isascii() and announced.isdigit()):
            raise Malformed(400, "content-length is not a number")
        nbytes = int(announced)
        if nbytes > MAX_BODY_BYTES:
            raise Malformed(413, f"a body of {nbytes} bytes; the receiver reads {MAX_BODY_BYTES}")
        return nbytes


class Wire:
    """One connection: reads requests one after the other, and answers them."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._ahead = bytearray()

    def read_head(self) -> Head | None:
        """Wait for the next request; None when the peer has closed. Raises `Malformed` or OSError."""
        while (end := self._ahead.find(b"\r\n\r\n")) < 0:
            if len(self._ahead) > MAX_HEAD_BYTES:
                raise Malformed(431, "the head is too long")
            more = self._sock.recv(_READ_BYTES)
            if not more:
                return None
            self._ahead += more
        head = _parse(self._ahead[:end].decode("latin-1"))
        del self._ahead[: end + 4]
        return head

    def read_body(self, nbytes: int) -> bytes:
        """Read exactly so many bytes. Raises ConnectionError when the peer goes away before that."""
        pieces = [bytes(self._ahead[:nbytes])]
        have = len(pieces[0])
        del self._ahead[:have]
        while have < nbytes:
            # Where the system waits for all of it, the body comes in one piece of the right length.
            more = self._sock.recv(nbytes - have, _WAIT_FOR_ALL)
            if not more:
                raise ConnectionResetError(f"the peer closed after {have} of {nbytes} body bytes")
            pieces.append(more)
            have += len(more)
        return b"".join(pieces)

    def go_on(self) -> None:
        """Tell a peer that asked with `Expect: 100-continue` to send its body."""
        self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def answer(self, status: int, headers: Mapping[str, str], body: bytes | bytearray, *, keep_alive: bool) -> None:
        """Send a whole answer."""
        length = {"Content-Length": str(len(body))}
        self._sock.sendall(compose(status, {**headers, **length}, b"", keep_alive=keep_alive))
        self._sock.sendall(body)

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self._sock.sendall(data)

    def drip(self, data: bytes, pause: Callable[[], bool]) -> None:
        """Send byte by byte; `pause` waits between two of them and returns True to stop."""
        for at in range(len(data)):
            if at and pause():
                return
            self._sock.sendall(data[at : at + 1])

    def refuse(self, status: int) -> None:
        """Answer a request that is not read to its end, and give the peer a second to see that before the close."""
        self.answer(status, {}, b"", keep_alive=False)
        self._sock.shutdown(socket.SHUT_WR)
        self._sock.settimeout(_LAST_WORD_SECONDS)
        for _ in range(MAX_BODY_BYTES // _READ_BYTES):
            if not self._sock.recv(_READ_BYTES):
                return

    def reset(self) -> None:
        """Cut the connection with a TCP reset: whatever the peer has sent or waits for is lost."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._sock.close()

    def shut(self) -> None:
        """Wake a thread that reads from this connection; it then sees the end of the stream."""
        with suppress(OSError):  # it may be gone already
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket. May be called twice."""
        self._sock.close()


def compose(status: int, headers: Mapping[str, str], body: bytes, *, keep_alive: bool) -> bytes:
    """Return the bytes of an answer. Headers given by the caller win, a wrong Content-Length too."""
    given = {name.lower() for name in headers}
    lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
    if "content-length" not in given and status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}")
    if "connection" not in given and not keep_alive:
        lines.append("Connection: close")
    lines.extend(f"{name}: {value}" for name, value in headers.items())
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if status in (204, 304) else body)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"  # 460 and its like are in no registry


def _parse(text: str) -> Head:
    start, *lines = text.split("\r\n")
    words = start.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise Malformed(400, "the request line is not HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Malformed(400, "a header line without a name")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    wish = headers.get("connection", "").lower()
    keep_alive = wish != "close" if words[2] == "HTTP/1.1" else wish == "keep-alive"
    return Head(words[0], words[1], headers, keep_alive)
