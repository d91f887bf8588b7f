"""The exchanges of one transport in one process: each a request and its response up to 64 KiB, or a failure in words.

Imported at the first request, with urllib3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from urllib3 import Retry, exceptions

from sluiceway.connection import Context, ExchangeError, describe, pool, refused_by_proxy
from sluiceway.deadline import Exchange

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from urllib3 import BaseHTTPResponse

    from sluiceway.endpoint import Endpoint
    from sluiceway.proxy import Proxy

# A response is read so far and no further; what a vendor has to say fits many times.
MAX_BODY_BYTES = 65_536

# What urllib3 puts around the error of a connection, one inside the other where there is a proxy.
_WRAPPERS = (exceptions.ProtocolError, exceptions.SSLError, exceptions.ProxyError)

# Made once: urllib3 would make a new object of False for each request.
_NO_RETRIES = Retry(False)

_is_name = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_ends_early = re.compile(r"[^\x20-\x7e\x80-\xff]").search
_ends_path_early = re.compile(r"[^\x21-\x7e]").search


class Reading(NamedTuple):
    """A response: header names in lower case, repeated headers joined by ", "; the body as sent, perhaps cut."""

    status: int
    headers: dict[str, str]
    body: bytes
    truncated: bool


class Exchanges:
    """Makes exchanges with one endpoint over connections that are kept. For any number of threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        monotonic: Callable[[], float],
        *,
        connect_seconds: float,
        ssl_context: ssl.SSLContext | None,
        proxy: Proxy | None = None,
    ) -> None:
        """Open nothing yet. `ssl_context` replaces the default one, which verifies."""
        self._connect_seconds = connect_seconds
        self._context = Context()
        self._pool = pool(endpoint, self._context, monotonic, ssl_context=ssl_context, proxy=proxy)
        # A proxy that is handed a request in clear has to be told for whom it is.
        self._origin = ""
        if proxy is not None and endpoint.scheme == "http":
            self._origin = f"http://{endpoint.authority_host}:{endpoint.port}"
        self._under_way: set[Exchange] = set()
        self._closed = False

    def make(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        deadline: float,
        until: float | None = None,
    ) -> Reading:
        """Make one exchange by the deadline; `until`, when given, ends a name look-up, too.

        Raises ExchangeError, or ValueError for a broken header, before anything is sent. A reused connection that fails
        before the first byte of a response was closed by the server while idle: the request is made again, once, over
        a new one.
        """
        _check(path, headers)
        path = self._origin + path
        headers = {"Accept-Encoding": "identity", **headers}
        exchange = Exchange(deadline, self._connect_seconds, until=until)
        try:
            reading = self._attempt(exchange, method, path, headers, body)
        except ExchangeError as error:
            if error.kind != "closed" or not exchange.reused or exchange.received:
                raise
            renewed = Exchange(exchange.deadline, self._connect_seconds, until=until, renews=True)
            renewed.sent = exchange.sent
            reading = self._attempt(renewed, method, path, headers, body)
        if self._origin and reading.status == 407:
            # The proxy's word, not the endpoint's, which has seen nothing of the request.
            raise refused_by_proxy()
        return reading

    def _attempt(self, exchange: Exchange, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reading:
        self._context.exchange = exchange
        self._under_way.add(exchange)
        try:
            # close() marks first and then looks who is under way: one of the two sees the other.
            if self._closed:
                raise ExchangeError("shut", "the transport was closed")
            response = self._pool.urlopen(
                method,
                path,
                body=body,
                headers=headers,
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                reading = _read(response)
            finally:
                response.release_conn()
            if exchange.unsent is not None and 200 <= reading.status <= 299:
                # Nobody can have taken what did not leave whole. A refusal in the midst of it stands.
                raise exchange.unsent
            return reading
        except (ExchangeError, exceptions.HTTPError, OSError) as error:
            kind, detail = _reason(error, exchange)
            raise ExchangeError(kind, detail, sent=exchange.sent) from None
        finally:
            self._under_way.discard(exchange)

    def close(self) -> None:
        """Close every connection, those in use included."""
        self._closed = True
        for exchange in self._under_way.copy():
            exchange.abort()
        self._pool.close()

    def leave_to_parent(self) -> None:
        """Let go after a fork. Closing our copies of the descriptors writes nothing to the parent's connections."""
        for exchange in self._under_way:
            exchange.abandon()
        self._pool.close()


def _check(path: str, headers: Mapping[str, str]) -> None:
    """Refuse what would end a line of the head early. http.client lets some of it pass, and quotes the rest."""
    fine = not _ends_path_early(path)
    for name, value in headers.items():
        fine = fine and _is_name(name) is not None and not _ends_early(value)
    if not fine:
        raise ValueError("a header or the path holds a control character")


def _read(response: BaseHTTPResponse) -> Reading:
    """Read the body up to the limit. Once there is a status it stands: a body that breaks or stalls is only cut."""
    body = b""
    truncated = False
    try:
        while len(body) <= MAX_BODY_BYTES:
            piece = response.read1(MAX_BODY_BYTES + 1 - len(body), decode_content=False)
            if not piece:
                break
            body += piece
    except (exceptions.HTTPError, OSError):
        truncated = True
    if truncated := truncated or len(body) > MAX_BODY_BYTES:
        response.close()
    headers = {name.lower(): value for name, value in response.headers.itermerged()}
    return Reading(response.status, headers, body[:MAX_BODY_BYTES], truncated)


def _reason(error: Exception, exchange: Exchange) -> tuple[str, str]:
    """Say why there is no response: what urllib3 wraps, or what kept the request from being sent whole."""
    if isinstance(error, ExchangeError):
        return error.kind, error.detail
    if isinstance(error, exceptions.ClosedPoolError):
        return "shut", "the transport was closed"
    cause = error
    is_secure = False
    while isinstance(cause, _WRAPPERS) and isinstance(cause.args[-1], Exception):
        is_secure |= isinstance(cause, exceptions.SSLError)
        cause = cause.args[-1]
    cause = exchange.unsent or cause
    if isinstance(cause, (TimeoutError, exceptions.TimeoutError)):
        return "timeout", "no response in time"
    if isinstance(cause, OSError) or is_secure or isinstance(cause, exceptions.SSLError):
        return exchange.kind, describe(cause)
    return "protocol", type(cause).__name__
