"""Connections: kept, replaced, left to the parent; and what goes over them."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest

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
        b"HTTP/1.1 200 OK\r\nNo colon here\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["close", "1.0", "5xx", "left over", "two framings", "broken head"],
)
def test_a_connection_that_is_not_clearly_good_is_not_used_again(answer: bytes) -> None:
    with Peer(answering(answer)) as peer:
        transport = Urllib3Transport(peer)
        for _ in range(3):
            transport.send(request())
        assert len(peer.arrivals) == 3


SECOND = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"


@pytest.mark.parametrize("split", [0, 1, 20, len(SECOND)])
def test_what_follows_an_answer_is_never_taken_for_the_next_one(split: int) -> None:
    """A part of it has been read with the first answer, the rest waits in the kernel or comes a little later."""

    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(OK + SECOND[:split])
        time.sleep(0.03)
        arrived.send(SECOND[split:])
        came.set()
        arrived.stall()

    came = threading.Event()
    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        assert transport.send(request()).body == b"ok"
        came.wait(5)
        time.sleep(0.02)
        peer.behave = answering(b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nmine")
        assert transport.send(request()).body == b"mine"
        assert [arrived.requests for arrived in peer.arrivals] == [1, 1]


def test_what_came_before_a_send_that_failed_is_not_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment between the look at the connection and the send, made long by closing the eye that looks."""

    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(OK)
        time.sleep(0.02)
        arrived.send(SECOND)
        time.sleep(0.02)
        arrived.reset()

    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request())
        peer.threads[-1].join(5)
        time.sleep(0.02)
        monkeypatch.setattr("urllib3.connection.wait_for_read", lambda *_, **__: False)
        peer.behave = answering(b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nmine")
        assert transport.send(request()).body == b"mine"


def test_trailers_are_read_and_the_connection_is_kept() -> None:
    with Peer(
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nTrailer: x\r\n\r\n", OK)
    ) as peer:
        transport = Urllib3Transport(peer)
        assert [transport.send(request()).body for _ in range(3)] == [b"x", b"ok", b"ok"]
        assert len(peer.arrivals) == 1


def test_a_request_that_was_answered_before_it_was_sent_leaves_a_connection_that_is_not_used_again() -> None:
    """The server would take the rest of the body for the next request."""

    def behave(arrived: Arrived) -> None:
        arrived.read_head_only()
        arrived.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        arrived.stall()

    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        assert transport.send(request(b"x" * 50_000_000, later=-29.7)).status == 413
        peer.behave = answering(OK)
        assert transport.send(request()).status == 200
        assert [arrived.requests for arrived in peer.arrivals] == [0, 1]


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


def test_a_reused_connection_that_breaks_inside_an_answer_is_not_replaced() -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(OK)
        arrived.read()
        arrived.send(b"HTTP/1.1 20")
        time.sleep(0.05)
        arrived.reset()

    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request())
        with pytest.raises(TransportError, match="closed"):
            transport.send(request())
        assert len(peer.arrivals) == 1


@pytest.mark.parametrize("length", [65_536, 70_000, 200_000])
def test_a_connection_whose_answer_was_cut_is_not_used_again(length: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length
    with Peer(answering(head + b"x" * length)) as peer:
        transport = Urllib3Transport(peer)
        for _ in range(2):
            response = transport.send(request())
            assert (len(response.body), response.truncated) == (65_536, length > 65_536)
            if response.truncated:
                peer.threads[-1].join(5)
                assert not peer.threads[-1].is_alive(), "what is left must not wait in a connection that is kept"
        assert len(peer.arrivals) == (2 if length > 65_536 else 1)


def test_the_replacement_is_a_new_connection_though_another_idle_one_is_there() -> None:
    """After a restart of the server all of them are stale, and there is one more attempt only."""

    def behave(arrived: Arrived) -> None:
        arrived.read()
        if len(peer.arrivals) == 3:
            arrived.send(OK)
            return
        both.wait(5)
        arrived.send(OK)
        arrived.read()
        arrived.reset()

    both = threading.Barrier(2)
    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        threads = [threading.Thread(target=transport.send, args=(request(),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert transport.send(request()).status == 200
        assert sorted(arrived.requests for arrived in peer.arrivals) == [1, 1, 2]


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
    real = socket.socket.sendmsg
    monkeypatch.setattr(socket.socket, "sendmsg", lambda self, *args: (sends.append(1), real(self, *args))[1])
    with Peer(close_after_one) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request())
        time.sleep(0.05)
        assert transport.send(request()).status == 200
        assert len(sends) == 2


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_a_thread_sends_closes_its_copy_of_that_connection_and_sends_its_own() -> None:
    def behave(arrived: Arrived) -> None:
        if len(peer.arrivals) == 1:
            arrived.read()
            gone.append(arrived.sock.recv(1))
        else:
            answering(OK)(arrived)

    def send_slowly() -> None:
        with pytest.raises(TransportError, match="timeout"):
            transport.send(request(later=-29.5))

    gone: list[bytes] = []
    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        thread = threading.Thread(target=send_slowly)
        thread.start()
        while not peer.requests:
            time.sleep(0.005)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(writer, b"%d" % transport.send(request(b"child")).status)
                time.sleep(20)
            finally:
                os._exit(0)
        assert os.read(reader, 3) == b"200"
        assert not gone
        thread.join(5)
        peer.threads[1].join(2)
        assert gone == [b""], "the child holds the connection open"
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_closed_transport_stays_closed_in_a_child() -> None:
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        transport.close()
        pid = os.fork()
        if pid == 0:
            try:
                transport.send(request())
            except TransportError as error:
                os._exit(0 if (error.kind, error.sent) == ("shut", "no") else 2)
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        assert not peer.arrivals


def test_the_idle_connections_are_kept_without_a_lock() -> None:
    """A fork while another thread holds a lock would leave it locked in the child. Fails if urllib3 drops QueueCls."""
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request())
        queue: Any = transport._exchanges[os.getpid()]._pool.pool
        with queue.mutex:
            assert transport.send(request()).status == 200
            assert len(peer.arrivals) == 1
            transport.close()


def test_many_threads_share_a_transport(caplog: pytest.LogCaptureFixture) -> None:
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
        assert not caplog.records, "urllib3 warns when a connection finds no room in the pool"


def test_an_answer_of_5xx_closes_its_own_connection_only() -> None:
    """Also when another thread takes the next connection at the very moment at which the answer has been read."""
    answers = iter([b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", OK] * 200)

    def behave(arrived: Arrived) -> None:
        while arrived.read():
            arrived.send(next(answers))

    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.extend(transport.send(request()).status for _ in range(50)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(statuses) == [200] * 100 + [503] * 100
        assert peer.requests == 200
        transport.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_ipv6_is_written_in_brackets() -> None:
    try:
        peer = Peer(answering(OK), host="::1")
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with peer:
        assert Urllib3Transport(peer).send(request()).status == 200
        assert b"Host: [::1]:%d" % peer.port in peer.arrivals[0].heads[0].split(b"\r\n")


# -- what is loaded and what is logged


@pytest.mark.parametrize("code", ["import sluiceway.transport", "from sluiceway import Segment; Segment('k')"])
def test_urllib3_is_not_imported_before_the_first_request(code: str) -> None:
    if "Segment" in code and importlib.util.find_spec("sluiceway._native") is None:
        pytest.skip("the native engine is not built for this Python")
    code += "; import sys; print([m for m in ('urllib3', 'ssl', 'http.client') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 307 Go\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncanary\r\nContent-Length: 6\r\n\r\ncanary",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ncanary\r\n0\r\n\r\n",
        b"HTTP/1.1 canary\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: canary\r\n\r\n",
        b"",
    ],
    ids=["ok", "5xx", "redirect", "broken head", "two framings", "garbage", "bad length", "closed"],
)
def test_no_log_line_and_no_error_quotes_a_key_or_a_body(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    def behave(arrived: Arrived) -> None:
        while arrived.read():
            arrived.send(answer)
            if not answer:
                return

    said: list[str] = []
    with caplog.at_level(logging.DEBUG), Peer(behave) as peer:
        transport = Urllib3Transport(peer, gzip=True)
        for _ in range(2):
            try:
                transport.send(request(b"canary" * 500, {"Authorization": "Basic canary"}))
            except TransportError as error:
                said.append(repr(error))
        transport.close()
    assert "canary" not in f"{said} {caplog.text}"
    assert all(record.levelno == logging.DEBUG for record in caplog.records)
