"""One request, one response: the seam between the sender and the network, and the transport that ships.

Anything with `send` and `close` is a transport: `testing.MemoryTransport`, or your own around another HTTP client.
Retries, redirects, verdicts and back-off are not a transport's business.
"""

from __future__ import annotations

import os
import time
import zlib
from collections import deque
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from sluiceway.connection import Connection, Endpoint
    from sluiceway.errors import Sent

# Below, a gzip header and the work cost more than the bytes saved.
GZIP_MIN_BYTES = 1_024
# Level 1 takes a third of the time of level 6 and leaves analytics JSON about a tenth larger.
_GZIP_LEVEL = 1

# Load balancers forget a connection after 60 s of silence or more; half of that is safe.
MAX_IDLE_SECONDS = 30.0
# A vendor's addresses change, and a connection that never ends never notices (Segment asks for once in 24 h).
MAX_AGE_SECONDS = 3_600.0
# Servers close idle connections after as little as two seconds. Asking costs a system call, so only then.
_LOOK_AFTER_IDLE_SECONDS = 1.0


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. The host is the transport's."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    deadline: float
    """When the whole exchange must have ended, in the seconds of `time.monotonic()`. Name look-up is not included."""
    method: str = "POST"


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. The status stands even when the body is cut."""

    status: int
    headers: Mapping[str, str] = {}
    """Names in lower case; repeated headers joined by ", "."""
    body: bytes = b""
    """At most 64 KiB, as sent: never decompressed."""
    truncated: bool = False


class TransportError(Exception):
    """No response. A transport raises this and nothing else.

    `kind` is "resolve", "connect", "tls", "timeout", "closed", "protocol" or "shut" (the transport was closed). `sent`
    is "no" when no byte of the request left. `detail` is for a log line: no payload, no header, no key.
    """

    def __init__(self, kind: str, sent: Sent, detail: str = "") -> None:
        super().__init__(kind, sent, detail)
        self.kind = kind
        self.sent: Sent = sent
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.kind} (sent: {self.sent}){': ' + self.detail if self.detail else ''}"


class Transport(Protocol):
    """Carries one request at a time, from any thread."""

    def send(self, request: Request) -> Response:
        """Send and return the response, whatever its status. Blocks until `request.deadline` at most.

        Raises TransportError when there is no response.
        """
        ...

    def close(self) -> None:
        """Let go of every connection; a `send` under way ends soon. May be called twice."""
        ...


class Urllib3Transport:
    """HTTP/1.1 over connections that urllib3 opens. Nothing is retried but a stale connection; nothing is followed.

    Connections are kept alive and replaced when idle for 30 s, an hour old, or after a 5xx. A reused one that fails
    before the first byte of a response is replaced and the request sent again, once, at once: the server had closed it
    while idle. With `gzip`, bodies from 1 KiB on are compressed, until the host answers 415: that request is sent again
    as it is, and so is every later one.

    Thread-safe. A forked child starts with no connections; the parent's are left alone.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        connect_seconds: float = 5.0,
        gzip: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet. `ssl_context` replaces the default one, which verifies."""
        self._endpoint = endpoint
        self._connect_seconds = connect_seconds
        self._gzip = gzip
        self._ssl_context = ssl_context
        self._monotonic = monotonic
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        default_port = 443 if endpoint.scheme == "https" else 80
        self._host_header = host if endpoint.port == default_port else f"{host}:{endpoint.port}"
        self._start_over()

    def _start_over(self) -> None:
        self._pid = os.getpid()
        self._closed = False
        # Both are touched by single operations only, which need no lock.
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._open: Callable[[float], tuple[Connection, float]] | None = None

    def send(self, request: Request) -> Response:
        """Send and return the response. Raises TransportError when there is none; ValueError for a broken header."""
        if self._pid != os.getpid():
            self._leave_to_parent()
        if self._closed:
            raise TransportError("shut", "no", "the transport is closed")
        if self._gzip and len(request.body) >= GZIP_MIN_BYTES:
            packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
            packed = packer.compress(request.body) + packer.flush()
            response = self._exchange(request, packed, "Content-Encoding: gzip\r\n")
            if response.status != 415:
                return response
            self._gzip = False
        return self._exchange(request, request.body, "")

    def close(self) -> None:
        """Close every connection, those in use included."""
        self._closed = True
        if self._pid != os.getpid():
            return
        for connection in list(self._busy):
            connection.abort()
        while self._idle:
            self._idle.pop().close()

    def _leave_to_parent(self) -> None:
        """Start anew after a fork. Closing our copies of the descriptors writes nothing to the parent's connections."""
        inherited = [*self._idle, *self._busy]
        self._start_over()
        for connection in inherited:
            connection.close()

    def _exchange(self, request: Request, body: bytes, encoding: str) -> Response:
        from sluiceway.connection import ExchangeError  # noqa: PLC0415 (sockets and ssl: not at import)

        head = self._head(request, len(body), encoding)
        deadline = request.deadline
        sent: Sent = "no"
        connection = self._take_idle()
        while True:
            try:
                if connection is None:
                    connection, deadline = self._connect(deadline)
                return self._use(connection, head, body, deadline)
            except ExchangeError as failure:
                if failure.sent == "maybe":
                    sent = "maybe"
                if not failure.stale or self._closed:
                    raise TransportError(failure.kind, sent, failure.detail) from None
                connection = None

    def _use(self, connection: Connection, head: bytes, body: bytes, deadline: float) -> Response:
        """Make one exchange on a connection, then keep the connection or close it."""
        self._busy.add(connection)
        keep = False
        try:
            reading = connection.exchange(head, body, deadline)
            # A node that fails is best left: the next connection may reach a healthy one.
            keep = reading.reusable and reading.status < 500 and not self._closed
            return Response(
                status=reading.status, headers=reading.headers, body=reading.body, truncated=reading.truncated
            )
        finally:
            self._busy.discard(connection)
            if keep:
                self._idle.append(connection)
            else:
                connection.close()

    def _connect(self, deadline: float) -> tuple[Connection, float]:
        if self._open is None:
            from sluiceway.connection import Connector  # noqa: PLC0415 (sockets and ssl: not at import)

            connector = Connector(
                self._endpoint,
                self._monotonic,
                connect_seconds=self._connect_seconds,
                ssl_context=self._ssl_context,
            )
            self._open = connector.open
        return self._open(deadline)

    def _take_idle(self) -> Connection | None:
        """Return the connection used last, if it is still worth using."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                # Another thread was faster.
                break
            now = self._monotonic()
            idle = now - connection.idle_since
            young = idle <= MAX_IDLE_SECONDS and now - connection.opened_at <= MAX_AGE_SECONDS
            if young and (idle <= _LOOK_AFTER_IDLE_SECONDS or connection.quiet()):
                return connection
            connection.close()
        return None

    def _head(self, request: Request, length: int, encoding: str) -> bytes:
        """Write the head of a request. Raises ValueError for a header that would end its line early."""
        lines = [f"{name}: {value}\r\n" for name, value in request.headers.items()]
        head = (
            f"{request.method} {request.path} HTTP/1.1\r\nHost: {self._host_header}\r\nAccept-Encoding: identity\r\n"
            f"Content-Length: {length}\r\n{encoding}{''.join(lines)}\r\n"
        )
        expected = 5 + len(lines) + (1 if encoding else 0)
        if head.count("\n") != expected or head.count("\r") != expected or "\0" in head or " " in request.path:
            raise ValueError("a header or the path holds a control character")
        return head.encode("latin-1")
