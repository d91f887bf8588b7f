"""The total deadline is real: whatever the peer does, and on whichever thread, `send` ends in time.

Bounds are fifteen times what is expected, because other work shares the machine.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sluiceway.transport import Request, Response, TransportError, Urllib3Transport

from .peers import OK, Arrived, Peer, answering

DEADLINE_SECONDS = 0.2
BOUND_SECONDS = 3.0


def request(body: bytes = b"{}", seconds: float = DEADLINE_SECONDS) -> Request:
    return Request(path="/v1/batch", headers={}, body=body, deadline=time.monotonic() + seconds)


@pytest.fixture(params=["on a thread", "on the main thread"])
def run(request: pytest.FixtureRequest) -> Any:
    """Run on a thread, where the kernel keeps the deadline, and on the main one, where Python does."""
    if request.param == "on the main thread":
        yield lambda function, *args: function(*args)
        return
    with ThreadPoolExecutor(1) as pool:
        yield lambda function, *args: pool.submit(function, *args).result()


Run = Callable[..., Any]


def ends_in_time(run: Run, transport: Urllib3Transport, asked: Request) -> Response | TransportError:
    began = time.monotonic()
    try:
        outcome: Response | TransportError = run(transport.send, asked)
    except TransportError as error:
        outcome = error
    assert DEADLINE_SECONDS * 0.9 <= time.monotonic() - began < BOUND_SECONDS
    return outcome


@pytest.mark.parametrize(
    "dripped", [OK, b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000], ids=["status line", "header line"]
)
def test_a_head_dripped_a_byte_at_a_time_is_cut_off(run: Run, dripped: bytes) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.drip(dripped, 0.05)

    with Peer(behave) as peer:
        outcome = ends_in_time(run, Urllib3Transport(peer), request())
    assert isinstance(outcome, TransportError)
    assert (outcome.kind, outcome.sent) == ("timeout", "maybe")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["length", "chunked", "to the end"],
)
def test_of_a_dripped_body_the_status_stands(run: Run, head: bytes) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(head)
        arrived.drip(b"x" * 1_000, 0.05)

    with Peer(behave) as peer:
        outcome = ends_in_time(run, Urllib3Transport(peer), request())
    assert isinstance(outcome, Response)
    assert outcome.status == 200
    assert outcome.truncated


def test_a_peer_that_accepts_and_stays_silent(run: Run) -> None:
    with Peer(lambda arrived: (arrived.read(), arrived.stall())[1]) as peer:  # type: ignore[func-returns-value]
        outcome = ends_in_time(run, Urllib3Transport(peer), request())
    assert isinstance(outcome, TransportError)
    assert (outcome.kind, outcome.sent) == ("timeout", "maybe")


def test_a_peer_that_never_reads(run: Run) -> None:
    with Peer(Arrived.stall) as peer:
        outcome = ends_in_time(run, Urllib3Transport(peer), request(b"x" * 50_000_000))
    assert isinstance(outcome, TransportError)
    assert (outcome.kind, outcome.sent) == ("timeout", "maybe")


def test_a_peer_that_reads_a_byte_at_a_time(run: Run) -> None:
    def behave(arrived: Arrived) -> None:
        while not arrived.closing.wait(0.01):
            arrived.sock.recv(1)

    with Peer(behave) as peer:
        outcome = ends_in_time(run, Urllib3Transport(peer), request(b"x" * 50_000_000))
    assert isinstance(outcome, TransportError)
    assert outcome.kind == "timeout"


def test_an_answer_that_came_without_the_body_being_read_is_still_read(run: Run) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read_head_only()
        arrived.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        arrived.stall()

    with Peer(behave) as peer:
        outcome = ends_in_time(run, Urllib3Transport(peer), request(b"x" * 50_000_000))
    assert isinstance(outcome, Response)
    assert outcome.status == 413


def black_hole() -> tuple[socket.socket, list[socket.socket]]:
    """A listener whose backlog is full ignores SYN, which is what a black hole looks like."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    time.sleep(0.05)
    return listener, fillers


def test_a_peer_that_drops_the_first_packet(run: Run) -> None:
    listener, fillers = black_hole()

    class Hole:
        scheme, host, port = "http", "127.0.0.1", listener.getsockname()[1]

    try:
        outcome = ends_in_time(run, Urllib3Transport(Hole()), request())
    finally:
        for sock in [*fillers, listener]:
            sock.close()
    assert isinstance(outcome, TransportError)
    assert (outcome.kind, outcome.sent) == ("timeout", "no")


def test_the_time_to_connect_is_bounded_by_itself(run: Run) -> None:
    with Peer(Arrived.stall) as peer:
        peer.scheme = "https"  # waits for a handshake that never comes
        transport = Urllib3Transport(peer, connect_seconds=DEADLINE_SECONDS)
        outcome = ends_in_time(run, transport, request(seconds=60))
    assert isinstance(outcome, TransportError)
    assert (outcome.kind, outcome.sent) == ("timeout", "no")


def test_looking_a_name_up_is_not_charged_to_the_deadline(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: (time.sleep(0.4), real(*args))[1])
    with Peer(lambda arrived: (arrived.read(), arrived.send(OK))[1]) as peer:  # type: ignore[func-returns-value]
        assert run(Urllib3Transport(peer).send, request()).status == 200


def test_the_second_address_gets_its_share_when_the_first_is_a_black_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    listener, fillers = black_hole()
    with Peer(lambda arrived: (arrived.read(), arrived.send(OK))[1]) as peer:  # type: ignore[func-returns-value]
        addresses = [listener.getsockname(), ("127.0.0.1", peer.port)]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in addresses]
        )
        transport = Urllib3Transport(peer, connect_seconds=1.0)
        assert transport.send(request(seconds=10)).status == 200
    for sock in [*fillers, listener]:
        sock.close()


def test_a_body_of_which_a_part_came_in_time_keeps_that_part(run: Run) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read()
        arrived.send(b"HTTP/1.1 400 No\r\nContent-Length: 1000\r\n\r\nwhat was wrong")
        arrived.stall()

    with Peer(behave) as peer:
        outcome = ends_in_time(run, Urllib3Transport(peer), request())
    assert isinstance(outcome, Response)
    assert (outcome.status, outcome.body, outcome.truncated) == (400, b"what was wrong", True)


def test_a_time_that_is_over_before_the_request_leaves_sends_nothing(run: Run) -> None:
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        for fresh in (True, False):
            with pytest.raises(TransportError) as caught:
                run(transport.send, request(seconds=-1))
            assert (caught.value.kind, caught.value.sent) == ("timeout", "no")
            assert transport.send(request(seconds=30)).status == 200
            assert peer.requests == (1 if fresh else 2)


HEADS = {
    "the answer": b"",
    "the body": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    "the body of the last answer": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    "a reused connection": b"",
}


@pytest.mark.parametrize("waits_for", HEADS)
def test_closing_the_transport_ends_a_request_of_another_thread(waits_for: str) -> None:
    def behave(arrived: Arrived) -> None:
        if waits_for == "a reused connection":
            arrived.read()
            arrived.send(OK)
        arrived.read()
        arrived.send(HEADS[waits_for])
        arrived.stall()

    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        outcomes: list[Any] = []
        if waits_for == "a reused connection":
            transport.send(request(seconds=30))

        def send() -> None:
            try:
                outcomes.append(transport.send(request(seconds=30)).status)
            except TransportError as error:
                outcomes.append((error.kind, error.sent))

        before = peer.requests
        thread = threading.Thread(target=send)
        thread.start()
        while peer.requests == before:
            time.sleep(0.005)
        time.sleep(0.05)
        began = time.monotonic()
        transport.close()
        thread.join(BOUND_SECONDS)
        assert outcomes in ([200], [("closed", "maybe")], [("shut", "maybe")])
        assert (outcomes == [200]) == bool(HEADS[waits_for])
        assert time.monotonic() - began < BOUND_SECONDS
        assert peer.requests == before + 1
        with pytest.raises(TransportError, match="shut"):
            transport.send(request())


def test_closing_the_transport_while_the_name_is_looked_up_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: (transport.close(), real(*args))[1])
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        with pytest.raises(TransportError) as caught:
            transport.send(request())
        assert (caught.value.kind, caught.value.sent) == ("shut", "no")
        assert not peer.arrivals


def test_closing_the_transport_ends_connecting() -> None:
    listener, fillers = black_hole()

    class Hole:
        scheme, host, port = "http", "127.0.0.1", listener.getsockname()[1]

    transport = Urllib3Transport(Hole(), connect_seconds=30)
    outcomes: list[Any] = []

    def send() -> None:
        try:
            transport.send(request(seconds=30))
        except TransportError as error:
            outcomes.append(error.sent)

    thread = threading.Thread(target=send)
    thread.start()
    time.sleep(0.3)
    transport.close()
    thread.join(BOUND_SECONDS)
    assert outcomes == ["no"]
    for sock in [*fillers, listener]:
        sock.close()
