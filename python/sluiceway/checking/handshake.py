"""One connection as the client makes it, up to TLS: through the proxy if there is one, verified as the client verifies.

A certificate that is refused is fetched once more without verification, to say whose it is. Over that connection
nothing is sent.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from sluiceway import tunnel
from sluiceway.checking import issuers
from sluiceway.checking.certificate import Certificate, read
from sluiceway.checking.deadlines import Deadline
from sluiceway.checking.finding import Finding, fail, ok, skipped, warn
from sluiceway.checking.target import Target
from sluiceway.connection import describe, verifying_context

_SOON_DAYS = 14

# OpenSSL's X509_V_ERR_…
_NOT_YET, _EXPIRED, _SELF_SIGNED, _SELF_SIGNED_ABOVE, _NO_ISSUER, _NO_LEAF_ISSUER = 9, 10, 18, 19, 20, 21
_OTHER_NAME = frozenset({62, 64})
_TOO_OLD = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION", "VERSION_TOO_LOW"})
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})


class NoWay(Exception):
    """The connection ended before TLS; holds what is to be said of it."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.seen)
        self.finding = finding


def look(target: Target, found: Sequence[Any], deadline: Deadline) -> Iterator[Finding]:
    """Ask the proxy for a tunnel, if there is a proxy, and shake hands. Blocks until the deadline at most."""
    try:
        sock, said = _opened(target, found, deadline)
    except NoWay as error:
        yield error.finding
        if error.finding.check != "tls":
            yield skipped("tls", "there is no tunnel")
        return
    with sock:
        yield from said
        context = target.options.ssl_context or verifying_context()
        try:
            with _wrapped(context, sock, target.options.endpoint.host, deadline) as secure:
                der = secure.getpeercert(binary_form=True)
                version = secure.version() or "TLS"
        except ssl.SSLCertVerificationError as error:
            yield _refused(error, target, _presented(target, found, deadline))
            return
        except OSError as error:
            yield _broken(error)
            return
    yield _verified(version, read(der or b""), target)


def in_clear(target: Target) -> Iterator[Finding]:
    """Say how a proxy is used for an endpoint in clear: it is handed each request, and asked nothing before."""
    proxy = target.options.proxy
    if proxy is not None:
        yield ok("proxy", f"{proxy.host}:{proxy.port} is handed requests in clear, as they are")


def _opened(target: Target, found: Sequence[Any], deadline: Deadline) -> tuple[socket.socket, list[Finding]]:
    """Connect, and have the proxy open a tunnel. Raises NoWay."""
    until = deadline.share()
    failure: OSError = TimeoutError()
    for index, (family, _, _, _, address) in enumerate(found):
        left = (until - deadline.monotonic()) / (len(found) - index)
        if left <= 0:
            break
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(left)
            sock.connect(address)
            return sock, _through_proxy(target, sock, deadline)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    check = "tls" if target.options.proxy is None else "proxy"
    raise NoWay(fail(check, f"the connection was lost again: {_word(failure)}", "Try again: it comes and goes."))


def _through_proxy(target: Target, sock: socket.socket, deadline: Deadline) -> list[Finding]:
    proxy, endpoint = target.options.proxy, target.options.endpoint
    if proxy is None:
        return []
    where = f"{proxy.host}:{proxy.port}"
    try:
        status = tunnel.ask(sock, endpoint.host, endpoint.port, proxy.headers, deadline.share(), deadline.monotonic)
    except TimeoutError:
        raise NoWay(
            fail("proxy", f"{where} does not answer CONNECT", "Is it an HTTP proxy, and the right port?")
        ) from None
    except tunnel.NoTunnel as error:
        raise NoWay(fail("proxy", f"{where} answers CONNECT with no HTTP: {error}", _NO_PROXY)) from None
    except OSError as error:
        raise NoWay(fail("proxy", f"{where} broke the connection: {_word(error)}", _NO_PROXY)) from None
    if 200 <= status <= 299:
        return [ok("proxy", f"{where} opens a tunnel to {endpoint.host}:{endpoint.port}")]
    raise NoWay(fail("proxy", f"{where} answers CONNECT with status {status}", _DENIED.get(status, _DENIED[0])))


_NO_PROXY = "It must be an HTTP proxy that is spoken to in clear; TLS and SOCKS proxies are not supported."
_DENIED = {
    0: "Ask whoever runs the proxy to let this host and port through.",
    403: "The proxy forbids this host: ask whoever runs it to let it through.",
    405: "It knows no CONNECT: this is a web server, not a proxy, or one for http only.",
    407: "It wants a user and a password, or others: http://user:password@host:port in HTTPS_PROXY, with --trust-env.",
    502: "The proxy does not reach the vendor: it may have no name server, or no way out of its own.",
    503: "The proxy does not reach the vendor now.",
    504: "The proxy does not reach the vendor: no answer in its time.",
}


def _wrapped(context: ssl.SSLContext, sock: socket.socket, host: str, deadline: Deadline) -> ssl.SSLSocket:
    # One timeout bounds a whole handshake: the loop around OpenSSL in CPython keeps a deadline.
    sock.settimeout(max(0.001, deadline.share() - deadline.monotonic()))
    secure: ssl.SSLSocket = context.wrap_socket(sock, server_hostname=host)
    return secure


def _presented(target: Target, found: Sequence[Any], deadline: Deadline) -> Certificate | None:
    """Fetch the certificate that was refused. Nothing is sent over this connection, which verifies nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(OSError, NoWay):
        sock, _ = _opened(target, found, deadline)
        with sock, _wrapped(context, sock, target.options.endpoint.host, deadline) as secure:
            return read(secure.getpeercert(binary_form=True) or b"")
    return None


def _verified(version: str, certificate: Certificate | None, target: Target) -> Finding:
    if certificate is None:
        return ok("tls", f"{version}, verified")
    host = target.options.endpoint.host
    days = (certificate.ends - datetime.now(timezone.utc)).days
    seen = f"{version}, certificate for {host} from {certificate.issuer}, verified, {days} more days"
    interceptor = issuers.interceptor(certificate.issuer)
    if interceptor or (target.is_public and not issuers.is_public(certificate.issuer)):
        who = interceptor or certificate.issuer
        return warn(
            "tls",
            f"{seen}: {who} stands between this machine and the vendor, and reads every request",
            "If that is your company's, it is as it should be. Otherwise find out who can read the key.",
        )
    if days < _SOON_DAYS:
        return warn("tls", seen, "Whoever runs the host must renew the certificate.")
    return ok("tls", seen)


def _refused(error: ssl.SSLCertVerificationError, target: Target, presented: Certificate | None) -> Finding:
    """Say which certificate was refused, and why."""
    host, code = target.options.endpoint.host, error.verify_code
    if presented is None:
        return fail("tls", f"the certificate was refused: {error.verify_message}")
    whose = f"the certificate of {presented.subject}, from {presented.issuer}"
    if code == _EXPIRED:
        return fail(
            "tls",
            f"{whose}, expired on {presented.ends:%Y-%m-%d}",
            "If the date of this machine is right, whoever runs the host must renew it.",
        )
    if code == _NOT_YET:
        return fail("tls", f"{whose}, begins on {presented.begins:%Y-%m-%d}", "Look at the clock of this machine.")
    if code in _OTHER_NAME:
        names = ", ".join(presented.names[:5]) or presented.subject
        return fail("tls", f"the certificate is for {names}, not for {host}", "Correct the host, or the certificate.")
    interceptor = issuers.interceptor(presented.issuer)
    if interceptor:
        return fail("tls", f"{whose}: {interceptor} inspects TLS here, and is not trusted", _TRUST_IT)
    if code == _SELF_SIGNED:
        return fail(
            "tls", f"{whose}, signed by itself", "If it is your own server: give the client ca_certs, and --ca-certs."
        )
    if code in (_SELF_SIGNED_ABOVE, _NO_ISSUER, _NO_LEAF_ISSUER):
        todo = _NO_BUNDLE if issuers.is_public(presented.issuer) else _TRUST_IT
        return fail("tls", f"{whose}: that authority is not trusted here", todo)
    return fail("tls", f"{whose}, was refused: {error.verify_message}")


_TRUST_IT = (
    "If it is your company's proxy or your own authority: get its certificate as a PEM file, and give the client "
    "ca_certs=FILE, or set SSL_CERT_FILE. Otherwise somebody listens."
)
_NO_BUNDLE = (
    "This machine lacks the public authorities: install ca-certificates, or set SSL_CERT_FILE to certifi's. If other "
    "hosts work, the server leaves out the certificate between."
)


def _broken(error: OSError) -> Finding:
    if isinstance(error, TimeoutError):
        return fail("tls", "the handshake does not end", "A firewall may let connections through, and no TLS.")
    reason = getattr(error, "reason", None) or ""
    if reason in _NO_TLS:
        return fail("tls", "what answers there speaks no TLS", "Is it the right port? A host in clear is http://….")
    if reason in _TOO_OLD:
        return fail("tls", "the other side knows no TLS 1.2", "It must learn it; older versions are not spoken.")
    return fail(
        "tls",
        f"the handshake broke: {_word(error)}",
        "A firewall that reads the name in the handshake ends it so: have the host let through.",
    )


def _word(error: OSError) -> str:
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return "no answer in time"
    return describe(error)
