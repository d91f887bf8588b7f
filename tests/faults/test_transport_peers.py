"""Peers that break off, answer garbage or answer too much: always a response or a TransportError, never a crash."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from sluiceway.transport import Request, Response, TransportError, Urllib3Transport

from .peers import OK, Arrived, Peer, answering

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND_SECONDS = 10.0


def send(peer: Peer, body: bytes = b"{}") -> Response | TransportError:
    """Send one request over a new transport; ends far before its deadline."""
    began = time.monotonic()
    transport = Urllib3Transport(peer)
    try:
        return transport.send(Request(path="/v1/batch", headers={}, body=body, deadline=began + 60))
    except TransportError as error:
        return error
    finally:
        transport.close()
        assert time.monotonic() - began < BOUND_SECONDS


def outcome(behave: Callable[[Arrived], None], body: bytes = b"{}") -> tuple[Response | TransportError, Peer]:
    with Peer(behave) as peer:
        return send(peer, body), peer


def status_of(behave: Callable[[Arrived], None], body: bytes = b"{}") -> int:
    response, _ = outcome(behave, body)
    assert isinstance(response, Response), response
    return response.status


def error_of(behave: Callable[[Arrived], None], body: bytes = b"{}") -> TransportError:
    error, peer = outcome(behave, body)
    assert isinstance(error, TransportError), error
    assert len(peer.arrivals) == 1, "only a reused connection is replaced"
    return error


def test_a_closed_port_was_not_sent() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    peer = Peer(Arrived.stall)
    peer.close()
    sock.close()
    error = send(peer)
    assert isinstance(error, TransportError)
    assert (error.kind, error.sent, error.detail) == ("connect", "no", "ECONNREFUSED")


def test_a_name_that_does_not_exist_was_not_sent() -> None:
    class Nowhere:
        scheme, host, port = "http", "nowhere.invalid", 80

    with pytest.raises(TransportError) as caught:
        Urllib3Transport(Nowhere()).send(Request(path="/", headers={}, body=b"", deadline=time.monotonic() + 60))
    assert (caught.value.kind, caught.value.sent) == ("resolve", "no")


@pytest.mark.parametrize("count", [1, 20, 100, 140, 5_000])
def test_a_reset_inside_the_request_may_have_been_sent(count: int) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read_bytes(count)
        arrived.reset()

    error = error_of(behave, b"x" * 10_000)
    assert (error.kind, error.sent) == ("closed", "maybe")


def test_a_reset_after_the_request_may_have_been_sent() -> None:
    error = error_of(lambda arrived: (arrived.read(), arrived.reset())[1])  # type: ignore[func-returns-value]
    assert (error.kind, error.sent) == ("closed", "maybe")


def test_a_close_without_a_response_may_have_been_sent() -> None:
    error = error_of(lambda arrived: arrived.read() and None)
    assert (error.kind, error.sent) == ("closed", "maybe")


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 100\r\n\r\nhalf",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_body_that_breaks_does_not_change_the_status(status: int, rest: bytes) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(b"HTTP/1.1 %d X\r\n" % status + rest)
        arrived.reset() if status == 500 else None

    response, _ = outcome(behave)
    if status == 500 and isinstance(response, TransportError):
        # The reset may overtake the answer.
        assert response.kind == "closed"
        return
    assert isinstance(response, Response)
    assert (response.status, response.truncated) == (status, True)


@pytest.mark.parametrize(
    "length", [b"-5", b"1e3", b"4, 5", b"", b"4\r\nContent-Length: 5", b"4\r\nTransfer-Encoding: gzip, chunked"]
)
def test_a_length_that_is_no_number_hides_neither_the_status_nor_makes_us_wait_for_the_end(length: bytes) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(b"HTTP/1.1 400 X\r\nContent-Length: " + length + b"\r\n\r\nhalf")
        arrived.stall()

    assert status_of(behave) == 400


@pytest.mark.parametrize(
    "cut", [b"HTTP/1.1 2", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"]
)
def test_a_head_that_is_cut_is_no_response(cut: bytes) -> None:
    """http.client takes the end of the stream for the end of the head."""
    assert error_of(lambda arrived: (arrived.read(), arrived.send(cut))[1]).sent == "maybe"  # type: ignore[func-returns-value]


def test_a_reset_inside_the_head_is_no_response() -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(b"HTTP/1.1 200 OK\r\nContent-")
        time.sleep(0.05)
        arrived.reset()

    assert error_of(behave).sent == "maybe"


def test_a_server_that_closes_its_side_while_we_upload_is_still_heard() -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read_head_only()
        arrived.send(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
        arrived.sock.shutdown(socket.SHUT_WR)
        while arrived.sock.recv(65_536):
            pass

    assert status_of(behave, b"x" * 5_000_000) == 401


def test_a_server_that_answers_and_resets_while_we_upload_is_heard_or_gone() -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read_head_only()
        arrived.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    response, _ = outcome(behave, b"x" * 5_000_000)
    if isinstance(response, Response):
        assert response.status == 413
    else:
        assert (response.kind, response.sent) == ("closed", "maybe")


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"<html>an HTTP/0.9 answer</html>\n\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 1_048_576,
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n" + (b"A: " + b"x" * 60_000 + b"\r\n") * 90 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17 + OK,
    ],
    ids=range(14),
)
def test_what_has_no_status_is_a_protocol_error(garbage: bytes) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(garbage)
        arrived.stall()

    error = error_of(behave)
    assert (error.kind, error.sent) == ("protocol", "maybe")


@pytest.mark.parametrize(
    "line", [b"No colon here", b"A b: c", b"A: b\0c", b"A: b\rC: d", b": empty", b"\xff\xfe: x", b" folded"]
)
def test_a_line_that_is_no_header_hides_neither_the_status_nor_the_headers_before_it(line: bytes) -> None:
    answer = b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\nRetry-After: 7\r\n" + line + b"\r\nX: y\r\n\r\n"
    with Peer(answering(answer)) as peer:
        response = send(peer)
        assert isinstance(response, Response)
        assert (response.status, response.headers["retry-after"][0]) == (202, "7")


def test_a_broken_line_in_place_of_the_length_does_not_make_us_wait_for_the_end() -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(b"HTTP/1.1 202 OK\r\nbroken\r\n\r\nbody")
        arrived.stall()

    assert status_of(behave) == 202


def test_interim_responses_are_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 16
    with Peer(answering(interim + OK)) as peer:
        transport = Urllib3Transport(peer)
        for _ in range(2):
            response = transport.send(
                Request(path="/", headers={}, body=b"{}", deadline=time.monotonic() + BOUND_SECONDS)
            )
            assert (response.status, response.body, "link" in response.headers) == (200, b"ok", False)
        assert len(peer.arrivals) == 1


@pytest.mark.parametrize(
    "lenient",
    [
        b"HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 202 \r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 202 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 202 OK\r\nFolded: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 202 Ang\xc3\xa9nommen\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_odd_but_readable_responses_are_read(lenient: bytes) -> None:
    assert status_of(answering(lenient)) == 202


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 10737418240\r\n\r\n",
        b"\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n280000000\r\n",
    ],
    ids=["10 GiB", "no length", "one chunk of 10 GiB"],
)
def test_of_an_endless_body_64_kib_are_read(head: bytes) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(b"HTTP/1.1 200 OK\r\n" + head)
        while not arrived.closing.is_set():
            arrived.send(b"x" * 65_536)

    response, _ = outcome(behave)
    assert isinstance(response, Response)
    assert (response.status, len(response.body), response.truncated) == (200, 65_536, True)


def test_endless_chunks_of_one_byte_end_too() -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not arrived.closing.is_set():
            arrived.send(b"1\r\nx\r\n" * 1_000)

    response, _ = outcome(behave)
    assert isinstance(response, Response)
    assert (response.status, response.truncated) == (200, True)
    assert len(response.body) <= 65_536


def test_a_body_is_never_decompressed() -> None:
    packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    response, _ = outcome(answering(head + packed))
    assert isinstance(response, Response)
    assert response.body == packed


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_not_even_to_the_same_host(status: int) -> None:
    with Peer(answering(OK)) as elsewhere, Peer(answering(OK)) as peer:
        peer.behave = answering(
            b"HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % (status, elsewhere.port)
        )
        response = send(peer)
        assert isinstance(response, Response)
        assert response.status == status
        assert not elsewhere.arrivals
        assert peer.requests == 1
