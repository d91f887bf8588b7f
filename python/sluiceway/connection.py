"""urllib3's pool and connections, with a deadline in place of a timeout for each call. Imported at the first request.

urllib3 and http.client write the request, read the response, verify the certificate and keep the pool; what is added
here is where the time goes: one look-up, the addresses tried within one deadline, the request in one system call, and
every send and receive bounded by the deadline of the request that this thread is making.
"""

from __future__ import annotations

import errno
import http.client
import queue
import socket
import ssl
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.util import Url
from urllib3.util.ssl_ import create_urllib3_context
from urllib3.util.wait import wait_for_read

from sluiceway import tunnel
from sluiceway.deadline import DeadlineSocket, Exchange
from sluiceway.lookup import look_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.endpoint import Endpoint
    from sluiceway.proxy import Proxy

# Load balancers forget a connection after 60 s of silence or more; half of that is safe.
MAX_IDLE_SECONDS = 30.0
# A vendor's addresses change, and a connection that never ends never notices: the name is looked up again after five
# minutes, which is what the vendors' own records ask for or more. A handshake in five minutes costs nothing.
MAX_AGE_SECONDS = 300.0

# Find a peer that vanished without a word after about a minute: the usual silence after which middle boxes forget a
# connection is a few minutes.
_KEEP_ALIVE_OPTIONS = (("TCP_KEEPIDLE", 30), ("TCP_KEEPALIVE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))

# How long reading an answer that is here already may take when the time for the request is over.
_SALVAGE_SECONDS = 0.05

# Enough for a 100, a few 103 and whatever a proxy adds.
_MAX_INTERIM_RESPONSES = 16


class ExchangeError(Exception):
    """No response. `kind` is a word of `TransportError`; `detail` quotes nothing that was sent or received."""

    def __init__(self, kind: str, detail: str, *, sent: bool = False) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail
        self.sent = sent


def describe(error: object) -> str:
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


def refused_by_proxy() -> ExchangeError:
    """What a 407 is: the proxy wants credentials that it was not given."""
    return ExchangeError("proxy_auth", "the proxy refused its credentials, or wants some (status 407)")


class Context(threading.local):
    """What urllib3 does not hand on to a connection: the exchange that this thread is making."""

    exchange: Exchange


def pool(
    endpoint: Endpoint,
    context: Context,
    monotonic: Callable[[], float],
    *,
    ssl_context: ssl.SSLContext | None,
    proxy: Proxy | None = None,
) -> HTTPConnectionPool:
    """Make the pool of connections to one endpoint. Opens nothing. `ssl_context` replaces the default one."""
    host, port = endpoint.host, endpoint.port
    options: dict[str, Any] = {"timeout": None, "retries": False, "context": context, "monotonic": monotonic}
    if proxy is not None:
        # What urllib3's ProxyManager hands to its pools; a manager itself has no room for our connections.
        options["_proxy"] = Url(scheme="http", host=proxy.host, port=proxy.port)
        options["_proxy_headers"] = proxy.headers
        options["_proxy_config"] = ProxyConfig(None, False, None, None)
    if endpoint.scheme == "https":
        return _SecurePool(host, port, ssl_context=ssl_context or verifying_context(), **options)
    if proxy is not None:
        host, port = proxy.host, proxy.port
    return _Pool(host, port, **options)


def verifying_context() -> ssl.SSLContext:
    """Return a context that verifies: TLS 1.2 or newer, the system's certificate authorities, the host's name."""
    context = create_urllib3_context(ssl_minimum_version=ssl.TLSVersion.TLSv1_2)
    context.load_default_certs()
    return context


class _Idle(queue.LifoQueue[Any]):
    """The idle connections, the one used last first: as many as there ever were threads that sent at the same time.

    Without a lock, which a fork while another thread holds it would leave locked in the child for ever.
    """

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._kept: deque[Any] = deque()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        # None stands for a connection that was given up.
        if item is not None:
            self._kept.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return self._kept.pop()
        except IndexError:
            raise queue.Empty from None


class _Answer(http.client.HTTPResponse):
    """http.client's response, which also passes over 103, sees a head that was cut, and says when to let go."""

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.exchange: Exchange = sock.exchange

    def begin(self, **options: Any) -> None:
        for _ in range(_MAX_INTERIM_RESPONSES + 1):
            super().begin(**options)
            if self.exchange.ended:
                # http.client takes the end of the stream for the end of the head.
                raise http.client.IncompleteRead(b"")
            if self.status >= 200:
                break
            if self.status == 101:
                raise http.client.HTTPException("the server switched protocols")
            self.headers = None  # type: ignore[assignment]  # what begin() takes for "read on"
        else:
            raise http.client.HTTPException("too many interim responses")
        if self.headers.defects or self.headers.get_payload():
            self._leave_out_broken_lines()
        lengths = self.headers.get_all("content-length")
        if lengths and (self.chunked or self.length is None or len(set(lengths)) > 1):
            self._leave_out_length()
        # A server that answered before it had read everything may take the rest for a request. And a node that fails is
        # best left: the next connection may reach a healthy one.
        if self.status >= 500 or self.exchange.unsent is not None:
            self.will_close = True

    def _leave_out_broken_lines(self) -> None:
        """Keep the headers up to the first line that is none, and no body. urllib3 would log what the server wrote."""
        readable = http.client.HTTPMessage()
        for name, value in self.headers.items():
            readable[name] = value
        self.headers = self.msg = readable
        self.chunked, self.length, self.will_close = False, 0, True

    def _leave_out_length(self) -> None:
        """Leave out a length that is no number, one of two, or beside chunks: two readers may disagree on the end."""
        del self.headers["content-length"]
        self.length = None if self.chunked else 0
        self.will_close = True


class _Deadlined(HTTPConnection):
    """A connection whose every step ends by the deadline of the request that this thread is making."""

    response_class = _Answer
    sock: Any

    def __init__(self, *args: Any, context: Context, monotonic: Callable[[], float], **options: Any) -> None:
        super().__init__(*args, **options)
        self.context = context
        self.monotonic = monotonic
        self.holds_back = False
        self.held_back = b""

    def connect(self) -> None:
        exchange = self.context.exchange
        super().connect()
        self.sock = DeadlineSocket(self.sock, self.monotonic, exchange)
        self.opened_at = self.used_at = self.monotonic()
        exchange.kind = "closed"
        _watch(exchange, self.sock)

    @property
    def is_connected(self) -> bool:
        """Whether the pool may hand it out again: young, not idle for long, not closed by the server, and in step."""
        if self.sock is None or self.context.exchange.renews or not self.sock.in_step:
            return False
        now = self.monotonic()
        if now - self.used_at > MAX_IDLE_SECONDS or now - self.opened_at > MAX_AGE_SECONDS:
            return False
        return super().is_connected

    def request(self, *args: Any, **options: Any) -> None:
        exchange = self.context.exchange
        if self.sock is not None and self.sock.exchange is not exchange:
            exchange.reused = True
            exchange.kind = "closed"
            self.sock.exchange = exchange
            _watch(exchange, self.sock)
        try:
            super().request(*args, **options)
            if self.held_back:
                self.send(b"")
        except OSError as error:
            # A server may answer and close before it has read everything (413, 401): then there is an answer to read.
            exchange.unsent = error
            if isinstance(error, TimeoutError):
                if not wait_for_read(self.sock, timeout=0):
                    raise
                exchange.deadline = self.monotonic() + _SALVAGE_SECONDS

    def endheaders(self, *args: Any, **options: Any) -> None:
        # The head is kept until the body comes, so that both leave in one system call.
        self.holds_back = True
        super().endheaders(*args, **options)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if self.holds_back:
            self.held_back, self.holds_back = data, False
            return
        head, self.held_back = self.held_back, b""
        self.sock.send(head, data)

    def getresponse(self) -> Any:
        exchange = self.context.exchange
        if exchange.unsent is not None and not exchange.sent:
            # What may have arrived answers something else.
            raise exchange.unsent
        response = super().getresponse()
        self.used_at = self.monotonic()
        return response

    # The only private name that is overridden, as urllib3's own SOCKS connection does. Every test of tests/faults that
    # connects to a black hole fails when it is not called any more.
    def _new_conn(self) -> socket.socket:
        """Look the name up, then connect within what is left of the deadline."""
        exchange, monotonic = self.context.exchange, self.monotonic
        began = monotonic()
        try:
            found = look_up(self.host, self.port, exchange.until, monotonic)
        except TimeoutError:
            raise ExchangeError("resolve", "the name look-up hangs") from None
        except OSError as error:
            raise ExchangeError("resolve", describe(error)) from None
        except UnicodeError:
            raise ExchangeError("resolve", "the host is not a name") from None
        # Name look-up is not charged, unless somebody waits for the whole; everything after it ends by the deadline.
        exchange.deadline += monotonic() - began
        if exchange.until is not None:
            exchange.deadline = min(exchange.deadline, exchange.until)
        deadline = min(exchange.deadline, monotonic() + exchange.connect_seconds)
        failure: OSError = TimeoutError()
        for index, (family, _, _, _, address) in enumerate(found):
            # Each address has its share of what is left: the first may be a black hole.
            left = (deadline - monotonic()) / (len(found) - index)
            if left <= 0:
                break
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                _watch(exchange, sock)
                _set_options(sock)
                sock.settimeout(left)
                sock.connect(address)
                # One timeout bounds a whole TLS handshake: the loop around OpenSSL in CPython keeps a deadline.
                sock.settimeout(max(deadline - monotonic(), 0.001))
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                exchange.kind = "tls"
                return sock
        if isinstance(failure, TimeoutError):
            raise ExchangeError("timeout", "no connection in time")
        raise ExchangeError("connect", describe(failure))


class _Connection(_Deadlined, HTTPConnection):
    pass


class _SecureConnection(_Deadlined, HTTPSConnection):
    # Called by urllib3 between the connection to a proxy and the handshake.
    def _tunnel(self) -> None:
        """Have the proxy open a tunnel to the endpoint, within the deadline."""
        exchange = self.context.exchange
        exchange.kind = "proxy"
        deadline = min(exchange.deadline, self.monotonic() + exchange.connect_seconds)
        tunneled: Any = self
        host, port, headers = tunneled._tunnel_host, tunneled._tunnel_port, tunneled._tunnel_headers
        try:
            status = tunnel.ask(self.sock, host, port, headers, deadline, self.monotonic)
        except TimeoutError:
            raise ExchangeError("timeout", "no answer from the proxy in time") from None
        except OSError as error:
            raise ExchangeError("proxy", describe(error)) from None
        if status == 407:
            raise refused_by_proxy()
        if not 200 <= status <= 299:
            raise ExchangeError("proxy", f"CONNECT was answered with status {status}")
        exchange.kind = "tls"
        self.sock.settimeout(max(deadline - self.monotonic(), 0.001))


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection
    QueueCls = _Idle


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
    QueueCls = _Idle


def _watch(exchange: Exchange, sock: socket.socket | DeadlineSocket) -> None:
    """Let `close` of the transport end what is done with the socket. Raises ExchangeError when it is closed already."""
    exchange.sock = sock
    if exchange.aborted:
        raise ExchangeError("shut", "the transport was closed")


def _set_options(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE_OPTIONS:
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
