"""Positive controls: each law of laws.py is broken once, by a planted fault, and must say so."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from sluiceway import Segment
from sluiceway.transport import Request, Response, Transport, TransportError, Urllib3Transport

from . import laws
from .acts import close_unanswered, reset_unanswered, status
from .book import Book
from .server import FaultServer

Lie = Callable[[Transport, Request], Response]


class Lying:
    """A transport that does something else with a request than it says."""

    def __init__(self, endpoint: Any, lie: Lie) -> None:
        self._honest = Urllib3Transport(endpoint)
        self._lie = lie

    def send(self, request: Request) -> Response:
        return self._lie(self._honest, request)

    def close(self) -> None:
        self._honest.close()


def figures(server: FaultServer, lie: Lie, count: int = 5, **options: Any) -> tuple[Book, Any]:
    book = Book()
    client = Segment("key", host=server.url, transport=Lying(server, lie), flush_first=False, **options, **book.asks)
    book.push(client, count)
    client.close(timeout=10)
    return book, client.stats()


def honest(transport: Transport, request: Request) -> Response:
    return transport.send(request)


def claims_success(transport: Transport, request: Request) -> Response:
    try:
        return transport.send(request)
    except TransportError:
        return Response(status=200)


def sends_twice(transport: Transport, request: Request) -> Response:
    transport.send(request)
    return transport.send(request)


def changes_a_payload(transport: Transport, request: Request) -> Response:
    return transport.send(msgspec.structs.replace(request, body=request.body.replace(b'"n":3', b'"n":4')))


def changes_an_id(transport: Transport, request: Request) -> Response:
    at = request.body.index(b'"messageId":"') + 13
    return transport.send(msgspec.structs.replace(request, body=request.body[:at] + b"0000" + request.body[at + 4 :]))


def denies_having_sent(transport: Transport, request: Request) -> Response:
    try:
        return transport.send(request)
    except TransportError as error:
        raise TransportError(error.kind, "no") from None


def test_an_honest_client_breaks_no_law() -> None:
    with FaultServer(status(503), reset_unanswered) as server:
        book, stats = figures(server, honest)
        assert laws.broken(book, stats, server.record) == []
        assert server.record.statuses == [503, None, 200]


@pytest.mark.parametrize(
    ("law", "lie", "script", "options"),
    [
        ("L", claims_success, [close_unanswered], {}),
        ("D", sends_twice, [], {}),
        ("I", changes_a_payload, [], {}),
        ("I", changes_an_id, [], {}),
        ("S", denies_having_sent, [close_unanswered], {"retry_count": 0}),
    ],
    ids=["L: claims success", "D: sends twice", "I: changes a payload", "I: changes an id", "S: denies it"],
)
def test_a_planted_lie_is_found_by_its_law(law: str, lie: Lie, script: list[Any], options: dict[str, Any]) -> None:
    with FaultServer(*script) as server:
        book, stats = figures(server, lie, **options)
        wrong = laws.broken(book, stats, server.record)
        assert wrong
        assert law in {line[0] for line in wrong}, wrong


@pytest.mark.parametrize(
    "planted",
    [
        lambda book, stats: (book.delivered.popitem(), stats)[1],
        lambda book, stats: msgspec.structs.replace(stats, delivered=stats.delivered - 1),
        lambda book, stats: msgspec.structs.replace(stats, accepted=stats.accepted + 1, pending=1),
        lambda book, stats: msgspec.structs.replace(stats, offered=stats.offered + 1),
        lambda book, stats: msgspec.structs.replace(stats, failed=1, delivered=stats.delivered - 1),
        lambda book, stats: (book.told_twice.append(next(iter(book.offered))), stats)[1],
        lambda book, stats: msgspec.structs.replace(stats, reserved_bytes=1),
    ],
    ids=["untold", "uncounted", "pending", "offered", "failed", "told twice", "reserved"],
)
def test_a_figure_that_is_off_by_one_breaks_conservation(planted: Callable[[Book, Any], Any]) -> None:
    with FaultServer() as server:
        book, stats = figures(server, honest)
        wrong = laws.broken(book, planted(book, stats), server.record)
        assert wrong
        assert {line[0] for line in wrong} == {"C"}, wrong


def test_a_client_that_gave_up_for_good_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(transport: Transport, request: Request) -> Response:
        raise TransportError("connect", "no")

    with FaultServer() as server:
        book = Book()
        client = Segment("key", host=server.url, transport=Lying(server, lie), **book.asks)
        with pytest.raises(AssertionError, match="V: a fresh event is not delivered"):
            laws.alive(client, book, server, timeout=0.3)
        client.close(timeout=0)


def test_too_little_traffic_is_no_proof() -> None:
    with FaultServer() as server:
        book = Book()
        client = Segment("key", host=server.url, **book.asks)
        book.push(client)
        with pytest.raises(AssertionError, match="too few retries"):
            laws.check(client, book, server, retries=1)


def test_a_thread_and_a_descriptor_left_behind_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laws, "PATIENCE_SECONDS", 0.2)
    before = laws.Resources()
    stop = threading.Event()
    # More of both than earlier tests can still be about to give back.
    threads = [threading.Thread(target=stop.wait) for _ in range(20)]
    for thread in threads:
        thread.start()
    with pytest.raises(AssertionError, match="R: "):
        before.check()
    stop.set()
    for thread in threads:
        thread.join()
    with contextlib.ExitStack() as held:
        for _ in range(20):
            held.enter_context(open("/dev/null", "rb"))
        with pytest.raises(AssertionError, match="R: "):
            before.check()
    before.check()


def test_an_act_counts_bytes_exactly() -> None:
    """The server reads as many bytes as its script says, and the kernel has the rest."""
    import socket

    from .acts import reset_at

    with FaultServer(reset_at(10)) as server, socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"P" * 10)
        sock.settimeout(10)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
        assert server.arrivals[0].received == b"P" * 10
        assert server.record.wait_for(lambda record: record.fragments == 1)
