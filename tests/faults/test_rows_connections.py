"""Matrix rows 17 and 19 to 24: connections that are refused, reset or closed, at every byte where that can happen."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from sluiceway import RetryPolicy

from .acts import (
    answer,
    close_unanswered,
    half_close,
    raw,
    reset_at,
    reset_now,
    reset_unanswered,
    status,
    take_and_close,
)
from .book import Book
from .clients import VENDORS, client
from .laws import Resources, alive, check
from .server import FINE, FaultServer, Visit

AT_ONCE = RetryPolicy(base_seconds=0.0, cap_seconds=0.0)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("vendor", VENDORS)
def test_row_17_a_refused_connection_is_retried_until_somebody_listens(vendor: str, resources: Resources) -> None:
    port = closed_port()
    book = Book()
    one = client(f"http://127.0.0.1:{port}", book, vendor)
    book.push(one, 5)
    while one.stats().last_error is None:
        assert one.flush(timeout=0.1).pending == 5
    assert one.stats().attempts >= 1
    assert one.stats().last_error == "connect: ECONNREFUSED"
    with FaultServer(port=port) as server:
        assert one.flush(timeout=20).delivered == 5
        check(one, book, server)


def test_row_17_what_met_a_closed_port_was_surely_not_sent(resources: Resources) -> None:
    book = Book()
    one = client(f"http://127.0.0.1:{closed_port()}", book, retry_count=2)
    book.push(one, 5)
    assert one.flush(timeout=20).failed == 5
    assert one.stats().attempts == 3
    assert book.reasons() == {("retries_exhausted", "no"): 5}
    check(one, book, requests=0)


def test_row_17_a_connection_that_is_reset_as_it_is_made_is_retried(resources: Resources) -> None:
    with FaultServer(at_accept=[reset_now] * 5) as server:
        book = Book()
        one = client(server, book)
        book.push(one, 5)
        assert one.flush(timeout=20).delivered == 5
        stats = check(one, book, server, retries=5)
        assert (stats.attempts, server.connections) == (6, 6)


@pytest.mark.parametrize("vendor", VENDORS)
def test_row_19_a_reset_at_every_byte_of_the_request_is_survived(vendor: str, resources: Resources) -> None:
    """One event, reset after 1, 2, 3 … bytes of its request, head and body, and then taken."""
    with FaultServer() as server:
        book = Book()
        one = client(server, book, vendor, retry=AT_ONCE, gzip=False)
        book.push(one)
        assert one.flush(timeout=20).delivered == 1
        sample = server.record.requests[0]
        length = len(sample.head) + 4 + len(sample.sent_body)
        counts = range(1, length + 1, 1 if vendor == "segment" else 7)
        server.then(*map(reset_at, counts))
        book.push(one)
        assert one.flush(timeout=60).delivered == 1
        # A connection that was in use before is replaced once without counting.
        assert one.stats().attempts in (len(counts) + 1, len(counts) + 2)
        alive(one, book, server)
        check(one, book, server, requests=length // 7, retries=len(counts))
        assert server.record.fragments == len(counts)
        assert length > 400


@pytest.mark.parametrize("count", [1, 100, 200, 300, 450])
def test_row_19_what_met_a_reset_inside_its_request_may_have_been_sent(count: int, resources: Resources) -> None:
    with FaultServer(then=reset_at(count)) as server:
        book = Book()
        one = client(server, book, retry_count=1)
        book.push(one)
        assert one.flush(timeout=20).failed == 1
        alive(one, book, server)
        check(one, book, server, requests=3, retries=2)
        assert book.reasons() == {("retries_exhausted", "maybe"): 1}


@pytest.mark.parametrize("cut", [reset_unanswered, close_unanswered])
@pytest.mark.parametrize("vendor", VENDORS)
def test_row_20_what_is_cut_before_its_answer_comes_again_with_the_same_ids(
    vendor: str, cut: Any, resources: Resources
) -> None:
    with FaultServer(cut, cut, cut) as server:
        book = Book()
        one = client(server, book, vendor)
        ids = book.push(one, 20)
        assert one.flush(timeout=20).delivered == 20
        alive(one, book, server)
        check(one, book, server, requests=5, retries=60)
        assert [seen.ids for seen in server.record.requests[:4]] == [ids] * 4, "the server holds copies, under one id"
        assert server.record.statuses == [None, None, None, 200, 200]


def test_row_20_what_was_never_answered_may_have_been_sent(resources: Resources) -> None:
    with FaultServer(reset_unanswered, status(503)) as server:
        book = Book()
        one = client(server, book, retry_count=1)
        book.push(one, 3)
        assert one.flush(timeout=20).failed == 3
        check(one, book, server, requests=2, retries=3)
        # The 503 takes back nothing of what the first request may have done.
        assert book.reasons() == {("retries_exhausted", "maybe"): 3}


ANSWER = answer(200, {"Content-Type": "application/json", "X-Request-Id": "7"}, b'{"success":true}')
HEAD_BYTES = ANSWER.index(b"\r\n\r\n") + 4


def test_row_21_at_every_byte_of_an_answer_a_whole_head_is_a_delivery_and_less_is_none(resources: Resources) -> None:
    with FaultServer() as server:
        book = Book()
        one = client(server, book, retry=AT_ONCE)
        for count in range(len(ANSWER)):
            server.then(raw(ANSWER[:count], told=200 if count >= HEAD_BYTES else None))
            (id_,) = book.push(one)
            assert one.flush(timeout=20).delivered == 1
            assert len(server.record.of(id_)) == (1 if count >= HEAD_BYTES else 2), f"cut after {count} bytes"
        stats = check(one, book, server, requests=len(ANSWER), retries=HEAD_BYTES)
        assert stats.delivered == len(ANSWER)
        assert len(ANSWER) > 100


@pytest.mark.parametrize("count", [0, 1, 12, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 5, len(ANSWER) - 1])
@pytest.mark.parametrize("vendor", VENDORS)
def test_row_21_a_reset_behind_the_head_leaves_the_delivery(vendor: str, count: int, resources: Resources) -> None:
    has_head = count >= HEAD_BYTES
    with FaultServer(raw(ANSWER[:count], told=200 if has_head else None, cut=True)) as server:
        book = Book()
        one = client(server, book, vendor)
        book.push(one, 3)
        assert one.flush(timeout=20).delivered == 3
        alive(one, book, server)
        stats = check(one, book, server, retries=0 if has_head else 3)
        assert stats.attempts == (2 if has_head else 3)


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 100\r\n\r\nhalf",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n",
        b"Content-Length: banana\r\n\r\nhalf",
        b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf",
    ],
    ids=["length", "chunk", "no chunk", "no length", "no gzip"],
)
@pytest.mark.parametrize("code", [400, 404])
def test_row_22_a_refusal_whose_body_breaks_is_still_a_refusal(code: int, rest: bytes, resources: Resources) -> None:
    with FaultServer(raw(b"HTTP/1.1 %d No\r\n" % code + rest, told=code)) as server:
        book = Book()
        one = client(server, book)
        book.push(one)
        assert one.flush(timeout=20).failed == 1
        alive(one, book, server)
        stats = check(one, book, server, requests=2)
        assert stats.attempts == 2
        assert book.reasons() == {("rejected", "no"): 1}


@pytest.mark.parametrize(("code", "reason"), [(401, "unauthorized"), (404, "rejected")])
def test_row_23_a_server_that_closes_its_side_while_we_upload_is_still_heard(
    code: int, reason: str, resources: Resources
) -> None:
    with FaultServer(then=half_close(answer(code))) as server:
        book = Book()
        one = client(server, book, "rudderstack" if code == 401 else "segment")
        book.push(one, 100, pad=4_000)
        assert one.flush(timeout=20).failed == 100
        assert book.reasons() == {(reason, "no"): 100}
        check(one, book, server)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-"], ids=range(3))
def test_row_23_one_that_closes_its_side_and_says_nothing_whole_is_asked_again(
    said: bytes, resources: Resources
) -> None:
    with FaultServer(half_close(said)) as server:
        book = Book()
        one = client(server, book)
        book.push(one, 100, pad=4_000)
        assert one.flush(timeout=20).delivered == 100
        check(one, book, server, retries=1)


def test_row_23_a_2xx_to_a_request_that_was_never_read_is_no_delivery(resources: Resources) -> None:
    """The server answers by the head alone and reads no further: it cannot have what it says it took."""

    def early(visit: Visit) -> None:
        visit.arrived.read_head_only()
        visit.end(heard=False)
        visit.send(answer(200))
        visit.stall()

    with FaultServer(early) as server:
        book = Book()
        # Too much for the buffers in between.
        one = client(server, book, "rudderstack", timeout=4.0, gzip=False, max_batch_bytes=8_000_000)
        book.push(one, 220, pad=30_000)
        assert one.flush(timeout=50).delivered == 220
        alive(one, book, server)
        check(one, book, server, requests=3, retries=1)


@pytest.mark.parametrize("vendor", VENDORS)
def test_row_24_a_connection_closed_while_idle_costs_no_retry(vendor: str, resources: Resources) -> None:
    with FaultServer(then=take_and_close) as server:
        book = Book()
        one = client(server, book, vendor, retry_count=0)
        for _ in range(10):
            book.push(one, 3)
            assert one.flush(timeout=20).delivered == 3
        stats = check(one, book, server, requests=10)
        assert (stats.attempts, stats.failed, server.connections) == (10, 0, 10)


def test_row_24_one_that_closes_at_the_very_moment_is_replaced_once_and_not_charged(resources: Resources) -> None:
    """The close meets the request on its way: the connection looked alive, and had been used before."""

    def close_now(visit: Visit) -> None:
        visit.end(heard=False)

    with FaultServer() as server:
        book = Book()
        one = client(server, book, retry_count=0)
        for _ in range(10):
            server.then(status(200), close_now)
            for _ in range(2):
                book.push(one, 3)
                assert one.flush(timeout=20).delivered == 3
            # Leave a fresh connection behind as well.
            server.then(raw(FINE, told=200))
            book.push(one)
            assert one.flush(timeout=20).delivered == 1
        stats = check(one, book, server, requests=30, retries=10)
        assert (stats.attempts, stats.failed) == (30, 0)


def test_row_24_a_fresh_connection_that_closes_is_charged(resources: Resources) -> None:
    def close_now(visit: Visit) -> None:
        visit.end(heard=False)

    with FaultServer(then=close_now) as server:
        book = Book()
        one = client(server, book, retry_count=0)
        book.push(one, 3)
        assert one.flush(timeout=20).failed == 3
        check(one, book, server)
        assert server.connections == 1
        assert book.reasons() == {("retries_exhausted", "maybe"): 3}
