"""TLS: verified always, and not a byte of a request to anybody else."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from sluiceway.connection import verifying_context
from sluiceway.transport import Request, TransportError, Urllib3Transport

from .peers import OK, Arrived, Peer, answering

if TYPE_CHECKING:
    from collections.abc import Iterator


def request(body: bytes = b"{}", seconds: float = 30.0) -> Request:
    return Request(path="/", headers={"Authorization": "Basic x"}, body=body, deadline=time.monotonic() + seconds)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_side(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """The context of a transport as it is by default, which also trusts the authority of this test."""
    context = verifying_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def peer(authority: trustme.CA) -> Iterator[Peer]:
    with Peer(answering(OK), tls=server_side(authority.issue_cert("127.0.0.1"))) as peer:
        yield peer


@pytest.mark.parametrize("size", [2, 16_000, 500_000, 5_000_000])
def test_requests_go_over_one_verified_connection(peer: Peer, trusting: ssl.SSLContext, size: int) -> None:
    transport = Urllib3Transport(peer, ssl_context=trusting)
    body = b"x" * size
    assert transport.send(request(body)).status == 200
    worker = threading.Thread(target=transport.send, args=(request(body),))
    worker.start()
    worker.join(30)
    assert len(peer.arrivals) == 1
    assert peer.arrivals[0].bodies == [body, body]
    transport.close()


def refused(peer: Peer, context: ssl.SSLContext | None) -> TransportError:
    transport = Urllib3Transport(peer, ssl_context=context)
    with pytest.raises(TransportError) as caught:
        transport.send(request())
    assert caught.value.sent == "no"
    assert peer.requests == 0
    return caught.value


def test_an_unknown_authority_is_refused_by_default(peer: Peer) -> None:
    error = refused(peer, None)
    assert error.kind == "tls"
    assert error.detail.startswith("certificate refused: ")


def test_another_hosts_certificate_is_refused(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    with Peer(answering(OK), tls=server_side(authority.issue_cert("example.org"))) as peer:
        assert refused(peer, trusting).kind == "tls"


def test_old_tls_is_refused(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    context = server_side(authority.issue_cert("127.0.0.1"))
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Peer(answering(OK), tls=context) as peer:
        assert refused(peer, trusting).kind == "tls"


def test_a_server_that_speaks_no_tls_is_refused_and_gets_no_request(trusting: ssl.SSLContext) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read_bytes(1)
        arrived.send(b"HTTP/1.1 400 This is plain HTTP\r\n\r\n")

    with Peer(behave) as peer:
        peer.scheme = "https"
        assert refused(peer, trusting).kind == "tls"


def test_a_reset_inside_the_handshake_is_not_sent(trusting: ssl.SSLContext) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read_bytes(10)
        arrived.reset()

    with Peer(behave) as peer:
        peer.scheme = "https"
        assert refused(peer, trusting).kind == "tls"


def test_a_stale_tls_connection_is_replaced(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(OK)

    with Peer(behave, tls=server_side(authority.issue_cert("127.0.0.1"))) as peer:
        transport = Urllib3Transport(peer, ssl_context=trusting)
        for _ in range(3):
            assert transport.send(request()).status == 200


def test_a_fresh_tls_connection_that_breaks_is_not_tried_again(trusting: ssl.SSLContext, authority: trustme.CA) -> None:
    with Peer(lambda arrived: arrived.read() and None, tls=server_side(authority.issue_cert("127.0.0.1"))) as peer:
        with pytest.raises(TransportError) as caught:
            Urllib3Transport(peer, ssl_context=trusting).send(request())
        assert (caught.value.kind, caught.value.sent) == ("closed", "maybe")
        assert len(peer.arrivals) == 1


@pytest.mark.parametrize("split", [0, len(OK) - 2])
def test_what_follows_an_answer_in_its_record_is_not_taken_for_the_next_one(
    authority: trustme.CA, trusting: ssl.SSLContext, split: int
) -> None:
    """Behind a body that comes alone it waits inside OpenSSL: no more is asked for than the answer's length."""

    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(OK[:split])
        time.sleep(0.02)
        arrived.send(OK[split:] + OK)
        arrived.stall()

    with Peer(behave, tls=server_side(authority.issue_cert("127.0.0.1"))) as peer:
        transport = Urllib3Transport(peer, ssl_context=trusting)
        for _ in range(3):
            assert transport.send(request()).body == b"ok"
        assert [arrived.requests for arrived in peer.arrivals] == [1, 1, 1]


@pytest.mark.parametrize("on_a_thread", [True, False])
@pytest.mark.parametrize("how", ["drips the handshake", "drips the answer", "never reads", "drips the body"])
def test_the_deadline_holds_over_tls_too(
    authority: trustme.CA, trusting: ssl.SSLContext, how: str, on_a_thread: bool
) -> None:
    def behave(arrived: Arrived) -> None:
        if how == "drips the handshake":
            arrived.read_bytes(10)
            arrived.drip(b"\x16\x03\x03\x10\x00\x02\x00\x0f\xfc\x03\x03" + b"x" * 1_000, 0.05)
        elif how == "never reads":
            arrived.stall()
        arrived.read()
        if how == "drips the body":
            arrived.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        arrived.drip(b"HTTP/1.1 200 OK\r\n" * 100, 0.05)

    context = None if how == "drips the handshake" else server_side(authority.issue_cert("127.0.0.1"))
    with Peer(behave, tls=context) as peer, ThreadPoolExecutor(1) as threads:
        peer.scheme = "https"
        transport = Urllib3Transport(peer, ssl_context=trusting)
        asked = request(b"x" * (50_000_000 if how == "never reads" else 2), seconds=0.3)
        began = time.monotonic()
        outcome: Any
        try:
            outcome = threads.submit(transport.send, asked).result() if on_a_thread else transport.send(asked)
            outcome = (outcome.status, outcome.truncated)
        except TransportError as error:
            outcome = (error.kind, error.sent)
        assert 0.25 < time.monotonic() - began < 5
    if how == "drips the body":
        assert outcome == (200, True)
    else:
        assert outcome == ("timeout", "no" if how == "drips the handshake" else "maybe")


def test_an_answer_before_the_body_was_read_is_heard_over_tls(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read_head_only()
        arrived.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        arrived.stall()

    with Peer(behave, tls=server_side(authority.issue_cert("127.0.0.1"))) as peer:
        transport = Urllib3Transport(peer, ssl_context=trusting)
        began = time.monotonic()
        assert transport.send(request(b"x" * 50_000_000, seconds=0.5)).status == 413
        assert time.monotonic() - began < 5


def test_nothing_but_debug_lines_is_logged(
    peer: Peer, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        Urllib3Transport(peer, ssl_context=trusting).send(request(b"canary"))
    assert all(record.levelno == logging.DEBUG for record in caplog.records)
    assert "Basic" not in caplog.text
    assert "canary" not in caplog.text
