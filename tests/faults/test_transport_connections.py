"""Connections: kept while they are clearly good, replaced at once when they are stale, never out of step."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from sluiceway.transport import Request, TransportError, Urllib3Transport

from .peers import OK, Arrived, Peer, answering


def request(body: bytes = b"{}", later: float = 0.0) -> Request:
    return Request(path="/v1/batch", headers={}, body=body, deadline=time.monotonic() + 30 + later)


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


def test_a_connection_idle_for_more_than_30_seconds_or_five_minutes_old_is_replaced() -> None:
    moved = 0.0
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer, monotonic=lambda: time.monotonic() + moved)
        transport.send(request())
        for seconds, connections in [(29.0, 1), (31.0, 2), (29.0, 2)]:
            moved += seconds
            transport.send(request(later=moved))
            assert len(peer.arrivals) == connections
        # The second of them is 29 seconds old by now.
        for seconds, connections in [(29.0, 2)] * 9 + [(29.0, 3)]:
            moved += seconds
            transport.send(request(later=moved))
            assert len(peer.arrivals) == connections


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
