"""Requests: written whole, in one call, with nothing that ends a line early; compressed where the host takes it."""

from __future__ import annotations

import os
import socket
import threading
import time
import zlib
from typing import TYPE_CHECKING

import pytest

from sluiceway.transport import Request, TransportError, Urllib3Transport

from .peers import OK, Peer, answering

if TYPE_CHECKING:
    from collections.abc import Mapping


def request(body: bytes = b"{}", headers: Mapping[str, str] | None = None, path: str = "/v1/batch") -> Request:
    return Request(path=path, headers=headers or {}, body=body, deadline=time.monotonic() + 30)


@pytest.mark.parametrize("size", [0, 2, 60_000])
@pytest.mark.skipif(not hasattr(socket.socket, "sendmsg"), reason="needs sendmsg")
def test_head_and_body_leave_in_one_call(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    calls: list[str] = []
    for name in ("send", "sendall", "sendmsg"):
        real = getattr(socket.socket, name)
        monkeypatch.setattr(
            socket.socket, name, lambda self, *args, name=name, real=real: (calls.append(name), real(self, *args))[1]
        )
    with Peer(lambda arrived: arrived.read() and None) as peer, pytest.raises(TransportError, match="closed"):
        Urllib3Transport(peer).send(request(b"x" * size))
    assert calls == ["sendmsg"]
    assert peer.arrivals[0].bodies == [b"x" * size]


def test_the_request_is_written_as_it_should_be() -> None:
    headers = {"User-Agent": "sluiceway/1", "Authorization": "Basic x", "X-Retry-Count": "3"}
    with Peer(answering(OK)) as peer:
        Urllib3Transport(peer).send(request(b'{"a":1}', headers))
        (head,) = peer.arrivals[0].heads
        line, *lines = head.split(b"\r\n")
        assert line == b"POST /v1/batch HTTP/1.1"
        assert sorted(lines) == [
            b"Accept-Encoding: identity",
            b"Authorization: Basic x",
            b"Content-Length: 7",
            b"Host: 127.0.0.1:%d" % peer.port,
            b"User-Agent: sluiceway/1",
            b"X-Retry-Count: 3",
        ]
        assert peer.arrivals[0].bodies == [b'{"a":1}']


def test_repeated_headers_of_a_response_are_joined() -> None:
    with Peer(answering(b"HTTP/1.1 200 OK\r\nVia: a\r\nContent-Length: 0\r\nVIA: b\r\n\r\n")) as peer:
        assert Urllib3Transport(peer).send(request()).headers == {"via": "a, b", "content-length": "0"}


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 500_000, 5_000_000])
def test_bodies_of_every_size_arrive_whole(size: int) -> None:
    body = os.urandom(size)
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request(body))
        worker = threading.Thread(target=transport.send, args=(request(body),))
        worker.start()
        worker.join(30)
        assert peer.arrivals[0].bodies == [body, body]


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"A": "b\r\nC: d"}, "/"),
        ({"A": "b\nC: d"}, "/"),
        ({"A": "b\r"}, "/"),
        ({"A": "b\0"}, "/"),
        ({"A": "b\r\n c"}, "/"),
        ({"A": "b\x7f"}, "/"),
        ({"A": "\u20ac"}, "/"),
        ({"A\r\nB": "c"}, "/"),
        ({"A B": "c"}, "/"),
        ({"": "c"}, "/"),
        ({}, "/ HTTP/1.1\r\nX: y\r\n\r\nGET /"),
        ({}, "/a b"),
    ],
)
def test_a_header_cannot_end_its_line_early(headers: dict[str, str], path: str) -> None:
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        with pytest.raises(ValueError, match=r"^a header or the path holds a control character$"):
            transport.send(request(headers=headers, path=path))
        assert not peer.arrivals
        assert transport.send(request()).status == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_ipv6_is_written_in_brackets() -> None:
    try:
        peer = Peer(answering(OK), host="::1")
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with peer:
        assert Urllib3Transport(peer).send(request()).status == 200
        assert b"Host: [::1]:%d" % peer.port in peer.arrivals[0].heads[0].split(b"\r\n")


# -- gzip


def test_a_body_from_1_kib_on_is_compressed() -> None:
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer, gzip=True)
        for body in (b"x" * 1_023, b"x" * 1_024):
            transport.send(request(body))
        (arrived,) = peer.arrivals
        assert arrived.bodies[0] == b"x" * 1_023
        assert b"Content-Encoding" not in arrived.heads[0]
        assert zlib.decompress(arrived.bodies[1], 31) == b"x" * 1_024
        assert b"Content-Encoding: gzip" in arrived.heads[1]


def test_after_a_415_the_body_is_sent_plain_at_once_and_ever_after() -> None:
    refused = b"HTTP/1.1 415 No\r\nContent-Length: 0\r\n\r\n"
    with Peer(answering(refused, OK)) as peer:
        transport = Urllib3Transport(peer, gzip=True)
        body = b"x" * 5_000
        assert transport.send(request(body)).status == 200
        assert transport.send(request(body)).status == 200
        assert [len(each) == 5_000 for each in peer.arrivals[0].bodies] == [False, True, True]


def test_a_415_for_a_plain_body_is_an_answer() -> None:
    with Peer(answering(b"HTTP/1.1 415 No\r\nContent-Length: 0\r\n\r\n")) as peer:
        assert Urllib3Transport(peer, gzip=True).send(request()).status == 415
        assert peer.requests == 1
