"""One request, one response: the seam between the sender and the network, and the transport that ships.

Anything with `send` and `close` is a transport: `testing.MemoryTransport`, or your own around another HTTP client.
Retries, redirects, verdicts and back-off are not a transport's business.
"""

from __future__ import annotations

import os
import time
import zlib
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from sluiceway.endpoint import Endpoint
    from sluiceway.errors import Sent
    from sluiceway.exchange import Exchanges
    from sluiceway.proxy import Proxy

# Below, a gzip header and the work cost more than the bytes saved.
GZIP_MIN_BYTES = 1_024
# Level 1 takes a third of the time of level 6 and leaves analytics JSON about a tenth larger.
_GZIP_LEVEL = 1


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. The host is the transport's."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    deadline: float
    """When the whole exchange must have ended, in the seconds of `time.monotonic()`. Name look-up is not included."""
    method: str = "POST"
    until: float | None = None
    """When somebody who waits for it stops waiting, so that name look-up must have ended, too; None: nobody waits."""

    def __repr__(self) -> str:
        """Tell sizes only: the headers, and for some vendors the body, hold the key."""
        return f"<Request {self.method} {self.path}, {len(self.headers)} headers, {len(self.body):,} bytes>"


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. The status stands even when the body is cut."""

    status: int
    headers: Mapping[str, str] = {}
    """Names in lower case; repeated headers joined by ", "."""
    body: bytes = b""
    """At most 64 KiB, as sent: never decompressed."""
    truncated: bool = False

    def __repr__(self) -> str:
        """Tell status and size only: a vendor may quote what it refuses."""
        return f"<{type(self).__name__} {self.status}, {len(self.body):,} bytes>"


class KeptResponse(Response, frozen=True, kw_only=True):
    """What a retry handler returns that keeps the events of a failed request to send them with a later one.

    Unless it is a success, the events end as handed over, but for those that it names as refused: they are the
    handler's now.
    """


class TransportError(Exception):
    """No response. A transport raises this and nothing else.

    `kind` is "resolve", "connect", "tls", "timeout", "closed", "protocol", "proxy" (it made no connection),
    "proxy_auth" (it wants other credentials) or "shut" (the transport was closed). `sent` is "no" when no byte of the
    request left, or none got past a proxy. `detail` is for a log line: no payload, no header, no key.
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
    """HTTP/1.1 through urllib3's connection pool. Nothing is retried but a stale connection; nothing is followed.

    Connections are kept alive and replaced when idle for 30 s, five minutes old, or after a 5xx. A reused one that
    fails before the first byte of a response is replaced and the request sent again, once, at once: the server had
    closed it while idle. With `gzip`, bodies from 1 KiB on are compressed, until the host answers 415: that request is
    sent again as it is, and so is every later one.

    Thread-safe. A forked child starts with no connections; the parent's are left alone.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        connect_seconds: float = 5.0,
        gzip: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet. `ssl_context` replaces the default one, which verifies."""
        self._endpoint = endpoint
        self._connect_seconds = connect_seconds
        self._gzip = gzip
        self._ssl_context = ssl_context
        self._proxy = proxy
        self._monotonic = monotonic
        self._closed = False
        # By process, so that a forked child starts anew. Only single operations, which need no lock.
        self._exchanges: dict[int, Exchanges] = {}

    def send(self, request: Request) -> Response:
        """Send and return the response. Raises TransportError when there is none; ValueError for a broken header."""
        if self._gzip and len(request.body) >= GZIP_MIN_BYTES:
            packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
            packed = packer.compress(request.body) + packer.flush()
            response = self._exchange(request, packed, {**request.headers, "Content-Encoding": "gzip"})
            if response.status != 415:
                return response
            self._gzip = False
        return self._exchange(request, request.body, request.headers)

    def close(self) -> None:
        """Close every connection, those in use included."""
        self._closed = True
        exchanges = self._exchanges.get(os.getpid())
        if exchanges is not None:
            exchanges.close()

    def _exchange(self, request: Request, body: bytes, headers: Mapping[str, str]) -> Response:
        exchanges = None if self._closed else self._exchanges.get(os.getpid()) or self._start()
        # Looked at again: close() marks first and then looks for what to close.
        if exchanges is None or self._closed:
            raise TransportError("shut", "no", "the transport is closed")
        from sluiceway.connection import ExchangeError

        try:
            reading = exchanges.make(request.method, request.path, headers, body, request.deadline, request.until)
        except ExchangeError as error:
            raise TransportError(error.kind, "maybe" if error.sent else "no", error.detail) from None
        return Response(status=reading.status, headers=reading.headers, body=reading.body, truncated=reading.truncated)

    def _start(self) -> Exchanges:
        # urllib3 and ssl take tens of milliseconds to import: not at `import sluiceway`, not in a call.
        from sluiceway.exchange import Exchanges

        pid = os.getpid()
        for ancestor in self._exchanges.copy():
            inherited = self._exchanges.pop(ancestor, None) if ancestor != pid else None
            if inherited is not None:
                inherited.leave_to_parent()
        started = Exchanges(
            self._endpoint,
            self._monotonic,
            connect_seconds=self._connect_seconds,
            ssl_context=self._ssl_context,
            proxy=self._proxy,
        )
        return self._exchanges.setdefault(pid, started)
