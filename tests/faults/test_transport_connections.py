"""Connections: kept, replaced, left to the parent; and what goes over them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from typing import TYPE_CHECKING

import pytest
from sluiceway.deadline import DeadlineSocket
from sluiceway.transport import Request, Response, TransportError, Urllib3Transport

from .peers import OK, Arrived, Peer, answering

if TYPE_CHECKING:
    from collections.abc import Mapping


def request(
    body: bytes = b"{}", headers: Mapping[str, str] | None = None, path: str = "/v1/batch", later: float = 0.0
) -> Request:
    return Request(path=path, headers=headers or {}, body=body, deadline=time.monotonic() + 30 + later)


def test_a_connection_is_kept_alive_also_after_chunks_and_empty_answers() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    with Peer(answering(OK, chunked, b"HTTP/1.1 204 No Content\r\n\r\n", OK)) as peer:
        transport = Urllib3Transport(peer)
        bodies = [transport.send(request()).body for _ in range(5)]
        assert bodies == [b"ok", b"abcde", b"", b"ok", b"ok"]
        assert (len(peer.arrivals), peer.requests) == (1, 5)
        transport.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and what nobody asked for",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n",
    ],
    ids=["close", "1.0", "5xx", "left over", "two framings", "trailer"],
)
def test_a_connection_that_is_not_clearly_good_is_not_used_again(answer: bytes) -> None:
    with Peer(answering(answer)) as peer:
        transport = Urllib3Transport(peer)
        for _ in range(3):
            transport.send(request())
        assert len(peer.arrivals) == 3


def close_after_one(arrived: Arrived) -> None:
    arrived.read()
    arrived.send(OK)


def test_a_connection_closed_while_idle_is_replaced_and_the_request_sent_once_more() -> None:
    with Peer(close_after_one) as peer:
        transport = Urllib3Transport(peer)
        for _ in range(5):
            assert transport.send(request()).status == 200
        assert len(peer.arrivals) == 5


def reset_the_second(arrived: Arrived) -> None:
    arrived.read()
    arrived.send(OK)
    arrived.read()
    arrived.reset()


def test_a_reused_connection_that_is_reset_is_replaced_at_once() -> None:
    with Peer(reset_the_second) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request())
        assert transport.send(request()).status == 200
        assert [arrived.requests for arrived in peer.arrivals] == [2, 1]


def test_the_replacement_is_not_replaced_again_and_the_first_bytes_count() -> None:
    def behave(arrived: Arrived) -> None:
        if len(peer.arrivals) == 1:
            reset_the_second(arrived)
        else:
            arrived.reset()

    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request())
        with pytest.raises(TransportError) as caught:
            transport.send(request())
        assert len(peer.arrivals) == 2
        assert caught.value.sent == "maybe"


def test_a_reused_connection_that_stays_silent_is_not_replaced() -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(OK)
        arrived.read()
        arrived.stall()

    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request())
        with pytest.raises(TransportError, match="timeout"):
            transport.send(request(later=-29.7))
        assert len(peer.arrivals) == 1


def test_a_connection_idle_for_more_than_30_seconds_or_an_hour_old_is_replaced() -> None:
    moved = 0.0
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer, monotonic=lambda: time.monotonic() + moved)
        transport.send(request())
        for seconds, connections in [(29.0, 1), (31.0, 2), (29.0, 2)]:
            moved += seconds
            transport.send(request(later=moved))
            assert len(peer.arrivals) == connections
        for _ in range(130):
            moved += 29.0
            transport.send(request(later=moved))
        assert len(peer.arrivals) == 3


def test_an_idle_connection_that_the_server_closed_is_seen_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sends: list[int] = []
    real = DeadlineSocket.send
    monkeypatch.setattr(DeadlineSocket, "send", lambda self, *args: (sends.append(1), real(self, *args))[1])
    moved = 0.0
    with Peer(close_after_one) as peer:
        transport = Urllib3Transport(peer, monotonic=lambda: time.monotonic() + moved)
        transport.send(request())
        time.sleep(0.1)
        moved = 2.0
        assert transport.send(request(later=2)).status == 200
        assert len(sends) == 2


def test_the_request_is_written_as_it_should_be() -> None:
    with Peer(answering(OK)) as peer:
        Urllib3Transport(peer).send(request(b'{"a":1}', {"Authorization": "Basic x", "X-Retry-Count": "3"}))
        (head,) = peer.arrivals[0].heads
        assert head.split(b"\r\n") == [
            b"POST /v1/batch HTTP/1.1",
            b"Host: 127.0.0.1:%d" % peer.port,
            b"Accept-Encoding: identity",
            b"Content-Length: 7",
            b"Authorization: Basic x",
            b"X-Retry-Count: 3",
        ]
        assert peer.arrivals[0].bodies == [b'{"a":1}']


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 500_000, 5_000_000])
def test_bodies_of_every_size_arrive_whole(size: int) -> None:
    body = os.urandom(size)
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request(body))
        threading.Thread(target=lambda: None).start()
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
        ({"A\r\nB": "c"}, "/"),
        ({}, "/ HTTP/1.1\r\nX: y\r\n\r\nGET /"),
        ({}, "/a b"),
    ],
)
def test_a_header_cannot_end_its_line_early(headers: dict[str, str], path: str) -> None:
    with Peer(answering(OK)) as peer:
        with pytest.raises(ValueError, match="control character"):
            Urllib3Transport(peer).send(request(headers=headers, path=path))
        assert not peer.arrivals


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


# -- processes and threads


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_opens_its_own_connection_and_leaves_the_parents_alone() -> None:
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request())
        pid = os.fork()
        if pid == 0:
            try:
                fine = transport.send(request(b"child")).status == 200
                transport.close()
                os._exit(0 if fine else 1)
            except BaseException:
                os._exit(2)
        assert os.waitpid(pid, 0)[1] == 0
        assert transport.send(request(b"parent")).status == 200
        assert [arrived.bodies for arrived in peer.arrivals] == [[b"{}", b"parent"], [b"child"]]


def test_many_threads_share_a_transport() -> None:
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        outcomes: list[Response] = []
        threads = [
            threading.Thread(target=lambda: outcomes.extend(transport.send(request()) for _ in range(20)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(outcomes) == peer.requests == 160
        assert len(peer.arrivals) <= 8
        transport.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_ipv6_is_written_in_brackets() -> None:
    class Six:
        scheme, host, port = "http", "::1", 8080

    transport = Urllib3Transport(Six())
    assert b"Host: [::1]:8080\r\n" in transport._head(request(), 0, "")


def test_importing_the_transport_imports_neither_urllib3_nor_ssl() -> None:
    code = "import sys, sluiceway.transport; print([m for m in ('urllib3', 'ssl', 'http.client') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "[]"
