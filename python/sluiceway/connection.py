"""One connection to the vendor: opened by urllib3, kept alive, one request and one response at a time.

urllib3 opens it (TLS settings, certificates, host name check) and is imported only then; the exchange itself is ours:
two socket calls a POST where urllib3's and http.client's code makes a dozen, and every deadline is a total one.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING, Protocol

from sluiceway.deadline import DeadlineSocket
from sluiceway.http1 import BadResponseError, Reading, ResponseReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.errors import Sent

# Find a peer that vanished without a word after about a minute: the usual silence after which middle boxes forget a
# connection is a few minutes.
_KEEP_ALIVE_OPTIONS = (("TCP_KEEPIDLE", 30), ("TCP_KEEPALIVE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class Endpoint(Protocol):
    """Where to connect to."""

    @property
    def scheme(self) -> str:
        """Return "https" or "http"."""
        ...

    @property
    def host(self) -> str:
        """Return the name or address, IPv6 without brackets."""
        ...

    @property
    def port(self) -> int:
        """Return the TCP port."""
        ...


class ExchangeError(Exception):
    """No response. `kind` is one of the words of `TransportError`; `stale` says that a new connection may do better."""

    def __init__(self, kind: str, sent: Sent, detail: str, *, stale: bool = False) -> None:
        super().__init__(kind, sent, detail)
        self.kind = kind
        self.sent: Sent = sent
        self.detail = detail
        self.stale = stale


class Connection:
    """An open connection. Not for concurrent use, except `abort`."""

    __slots__ = ("_monotonic", "_sock", "idle_since", "opened_at", "requests")

    def __init__(self, sock: socket.socket, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._sock = DeadlineSocket(sock, monotonic)
        self.opened_at = self.idle_since = monotonic()
        self.requests = 0

    def exchange(self, head: bytes, body: bytes, deadline: float) -> Reading:
        """Send a request and read its response before the deadline. Raises ExchangeError.

        A server may answer and close before it has read everything (413, 401): a failed send is only a failure when
        there is no response to read either.
        """
        reused = self.requests > 0
        self.requests += 1
        self._sock.sent = False
        reader = ResponseReader(lambda: self._sock.receive(deadline))
        failed: OSError | None = None
        try:
            self._sock.send(head, body, deadline)
        except TimeoutError:
            if self._sock.quiet():
                raise self._failure("timeout", "the request was not sent in time") from None
            # The server has answered without reading on. What is here already takes no time to read.
            deadline = self._monotonic() + 0.05
        except OSError as error:
            failed = error
        try:
            return reader.read()
        except TimeoutError:
            raise self._failure("timeout", "no response in time") from None
        except BadResponseError as bad:
            kind, detail = (bad.kind, bad.detail) if failed is None else ("closed", _describe(failed))
            stale = reused and not reader.started and kind == "closed"
            raise self._failure(kind, detail, stale=stale) from None
        except OSError as error:
            raise self._failure("closed", _describe(failed or error), stale=reused and not reader.started) from None
        finally:
            self.idle_since = self._monotonic()

    def quiet(self) -> bool:
        """Return whether an idle connection still looks open."""
        return self._sock.quiet()

    def abort(self) -> None:
        """End the exchange of another thread."""
        self._sock.abort()

    def close(self) -> None:
        """Close without a word to the peer."""
        self._sock.close()

    def _failure(self, kind: str, detail: str, *, stale: bool = False) -> ExchangeError:
        return ExchangeError(kind, "maybe" if self._sock.sent else "no", detail, stale=stale)


class Connector:
    """Opens connections to one endpoint."""

    __slots__ = ("_connect_seconds", "_context", "_endpoint", "_monotonic")

    def __init__(
        self,
        endpoint: Endpoint,
        monotonic: Callable[[], float],
        *,
        connect_seconds: float,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Connect within `connect_seconds`, TLS included. `ssl_context` replaces the default one, which verifies."""
        self._endpoint = endpoint
        self._monotonic = monotonic
        self._connect_seconds = connect_seconds
        self._context = ssl_context

    def open(self, deadline: float) -> tuple[Connection, float]:
        """Open a connection; returns it with the deadline, moved by as long as the look-up of the name took.

        Name look-up cannot be bounded; everything after it ends by the deadline. Raises ExchangeError.
        """
        began = self._monotonic()
        addresses = self._resolve()
        deadline += self._monotonic() - began
        sock = self._connect(addresses, min(deadline, self._monotonic() + self._connect_seconds))
        return Connection(sock, self._monotonic), deadline

    def _resolve(self) -> list[tuple[int, tuple[object, ...]]]:
        try:
            found = socket.getaddrinfo(self._endpoint.host, self._endpoint.port, 0, socket.SOCK_STREAM)
        except OSError as error:
            raise ExchangeError("resolve", "no", _describe(error)) from None
        except UnicodeError:
            raise ExchangeError("resolve", "no", "the host is not a name") from None
        return [(family, address) for family, _, _, _, address in found]

    def _connect(self, addresses: list[tuple[int, tuple[object, ...]]], deadline: float) -> socket.socket:
        """Try the addresses in turn, each with its share of the time that is left: the first may be a black hole."""
        failure = ExchangeError("resolve", "no", "the host has no address")
        for index, (family, address) in enumerate(addresses):
            left = deadline - self._monotonic()
            if left <= 0:
                break
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                _set_options(sock)
                sock.settimeout(left / (len(addresses) - index))
                sock.connect(address)
            except OSError as error:
                sock.close()
                kind = "timeout" if isinstance(error, TimeoutError) else "connect"
                failure = ExchangeError(kind, "no", _describe(error))
                continue
            except BaseException:
                sock.close()
                raise
            return self._secured(sock, deadline)
        raise failure

    def _secured(self, sock: socket.socket, deadline: float) -> socket.socket:
        """Do the TLS handshake, where the endpoint is https."""
        if self._endpoint.scheme != "https":
            return sock
        try:
            from sluiceway import opening  # noqa: PLC0415 (costs tens of milliseconds, and only https needs it)

            if self._context is None:
                self._context = opening.ssl_context()
            # One timeout bounds the whole handshake: the loop around OpenSSL in CPython keeps a deadline.
            sock.settimeout(max(deadline - self._monotonic(), 0.001))
            return opening.secure(sock, self._endpoint.host, self._endpoint.port, self._context)
        except TimeoutError:
            sock.close()
            raise ExchangeError("timeout", "no", "the TLS handshake took too long") from None
        except (OSError, ValueError) as error:
            sock.close()
            raise ExchangeError("tls", "no", _describe(error)) from None
        except BaseException:
            sock.close()
            raise


def _set_options(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE_OPTIONS:
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _describe(error: Exception) -> str:
    """Name an error by its kind and number: the text of an exception may quote what it was given."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or type(error).__name__}"
    if isinstance(error, socket.gaierror):
        return f"name look-up failed ({error.errno})"
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno, f"error {error.errno}")
    return type(error).__name__
