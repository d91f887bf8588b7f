"""Matrix rows 25 to 30: servers that drip, stall, flood or answer something that is no HTTP.

The total deadline is 0.5 s here; a bound is many times that, because other work shares the machine.
"""

from __future__ import annotations

import time
import zlib
from functools import cache
from typing import Any

import pytest
import urllib3

from .acts import drip, raw, read_slowly, silent
from .book import Book
from .clients import VENDORS, client
from .laws import Resources, alive, check
from .server import FINE, FaultServer, Visit

DEADLINE_SECONDS = 0.5
BOUND_SECONDS = 10.0


def timed_out(one: Any, book: Book, server: FaultServer, count: int = 3, *, pad: int = 0) -> None:
    """Offer events to a server that never comes to an end with an answer; each request ends by the deadline."""
    book.push(one, count, pad=pad)
    began = time.monotonic()
    one.flush(timeout=0)
    assert time.monotonic() - began < BOUND_SECONDS, "flush waits for the sender"
    while one.stats().last_error is None:
        assert time.monotonic() - began < BOUND_SECONDS, "the sender is not freed"
        time.sleep(0.01)
    assert time.monotonic() - began > DEADLINE_SECONDS * 0.8
    assert str(one.stats().last_error).startswith("timeout")
    before = time.monotonic()
    alive(one, book, server)
    assert len(book.delivered) == count + 1
    assert time.monotonic() - before < BOUND_SECONDS


DRIPPED_HEADS = {
    "status line": FINE,
    "endless reason": b"HTTP/1.1 200 " + b"K" * 100_000,
    "header line": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000,
    "header lines": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000,
    "interim responses": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
}


@pytest.mark.parametrize("dripped", DRIPPED_HEADS.values(), ids=DRIPPED_HEADS.keys())
def test_row_25_the_total_deadline_ends_a_head_that_drips(dripped: bytes, resources: Resources) -> None:
    """Each byte is in time, so that a timeout for each receive would never end."""
    with FaultServer(then=drip(dripped, DEADLINE_SECONDS / 10)) as server:
        book = Book()
        one = client(server, book, timeout=DEADLINE_SECONDS)
        timed_out(one, book, server)
        check(one, book, server, requests=3, retries=3)


@pytest.mark.parametrize("vendor", VENDORS)
def test_row_25_an_answer_that_never_comes_ends_by_the_deadline(vendor: str, resources: Resources) -> None:
    with FaultServer(then=silent) as server:
        book = Book()
        one = client(server, book, vendor, timeout=DEADLINE_SECONDS)
        timed_out(one, book, server)
        check(one, book, server, requests=3, retries=3)


def test_row_25_what_timed_out_may_have_been_sent(resources: Resources) -> None:
    with FaultServer(then=drip(FINE, DEADLINE_SECONDS / 10)) as server:
        book = Book()
        one = client(server, book, timeout=DEADLINE_SECONDS, retry_count=0)
        book.push(one, 3)
        assert one.flush(timeout=BOUND_SECONDS).failed == 3
        check(one, book, server)
        assert book.reasons() == {("retries_exhausted", "maybe"): 3}


BODIES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
    "to the end": b"HTTP/1.1 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("head", BODIES.values(), ids=BODIES.keys())
def test_row_26_of_a_body_that_drips_the_status_is_the_verdict(head: bytes, resources: Resources) -> None:
    with FaultServer(drip(b"x" * 1_000, DEADLINE_SECONDS / 10, before=head, told=200)) as server:
        book = Book()
        one = client(server, book, timeout=DEADLINE_SECONDS)
        book.push(one, 3)
        assert one.flush(timeout=BOUND_SECONDS).delivered == 3
        alive(one, book, server)
        stats = check(one, book, server, requests=2)
        assert (stats.attempts, server.connections) == (2, 2), "a connection in mid-answer is not used again"


ENDLESS = {
    "10 GiB": (b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n", b"x" * 65_536),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"ffff\r\n" + b"x" * 65_535 + b"\r\n"),
    "chunks of a byte": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1_000),
    "no length": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536),
}


@pytest.mark.parametrize(("head", "piece"), ENDLESS.values(), ids=ENDLESS.keys())
@pytest.mark.parametrize("code", [200, 404])
def test_row_26_of_an_endless_body_64_kib_are_read_and_the_connection_is_closed(
    code: int, head: bytes, piece: bytes, resources: Resources
) -> None:
    sent = 0

    def endless(visit: Visit) -> None:
        nonlocal sent
        if visit.read() is None:
            return
        visit.told(code)
        visit.send(head.replace(b"200", b"%d" % code))
        while not visit.arrived.closing.is_set():
            visit.send(piece)
            sent += len(piece)

    with FaultServer(endless) as server:
        book = Book()
        # The deadline is not what ends it.
        one = client(server, book, timeout=600.0)
        book.push(one, 3)
        began = time.monotonic()
        result = one.flush(timeout=BOUND_SECONDS)
        assert (result.delivered, result.failed) == ((3, 0) if code == 200 else (0, 3))
        assert time.monotonic() - began < BOUND_SECONDS
        alive(one, book, server)
        assert check(one, book, server, requests=2).attempts == 2
        # What is in the kernel's buffers was sent as well, and never read.
        assert sent < 64 * 1024 * 1024
        assert server.connections == 2


@pytest.mark.parametrize("vendor", ["segment", "rudderstack"])
def test_row_27_a_server_that_reads_a_byte_at_a_time_meets_the_same_deadline(vendor: str, resources: Resources) -> None:
    with FaultServer(then=read_slowly(DEADLINE_SECONDS / 10)) as server:
        book = Book()
        # More than the kernel's buffers take.
        one = client(
            server, book, vendor, timeout=DEADLINE_SECONDS, gzip=False, max_batch_bytes=8_000_000, retry_count=0
        )
        book.push(one, 220, pad=30_000)
        began = time.monotonic()
        assert one.flush(timeout=BOUND_SECONDS).failed == 220
        assert DEADLINE_SECONDS * 0.8 < time.monotonic() - began < BOUND_SECONDS
        assert one.stats().last_error.startswith("timeout")
        assert book.reasons() == {("retries_exhausted", "maybe"): 220}
        alive(one, book, server)
        check(one, book, server, requests=2)


@cache
def bomb(layers: int) -> bytes:
    """Gzip in gzip: 32 MiB of zeros once unpacked."""
    data = b"\0" * 33_554_432
    for _ in range(layers):
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        data = packer.compress(data) + packer.flush()
    return data


@pytest.mark.parametrize(
    ("layers", "encoding"), [(1, "gzip"), (2, "gzip, gzip"), (5, "gzip"), (1, "deflate"), (1, "br"), (2, "x-gzip")]
)
def test_row_28_an_answer_that_is_packed_is_not_unpacked(
    layers: int, encoding: str, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bomb(layers)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    unpackers: list[str] = []
    real = urllib3.response._get_decoder
    monkeypatch.setattr(urllib3.response, "_get_decoder", lambda mode: (unpackers.append(mode), real(mode))[1])
    with FaultServer(raw(head + body, told=200, ends=False)) as server:
        book = Book()
        one = client(server, book, timeout=600.0)
        book.push(one, 3)
        assert one.flush(timeout=BOUND_SECONDS).delivered == 3
        stats = check(one, book, server)
        assert unpackers == []
        assert stats.ack_suspect == 1
        assert [seen.headers["accept-encoding"] for seen in server.record.requests] == ["identity"]


FLOODS = {
    "20,000 headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    "a line of 1 MiB": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 1_048_576 + b"\r\n\r\n",
    "a reason of 1 MiB": b"HTTP/1.1 200 " + b"x" * 1_048_576 + b"\r\n\r\n",
    "100 lines of 60,000": b"HTTP/1.1 200 OK\r\n" + (b"A: " + b"x" * 60_000 + b"\r\n") * 99 + b"\r\n",
    "NUL in the status": b"HTTP/1.1 2\x0000 OK\r\n\r\n",
    "bare CR for a line": b"HTTP/1.1 200 OK\rContent-Length: 0\r\r",
}
GARBAGE = {
    "text": b"hello\r\n\r\n",
    "html": b"<html><body>HTTP/0.9 speaks without a status</body></html>",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2 settings": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00d",
    "HTTP/2 status": b"HTTP/2 200\r\n\r\n",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SMTP": b"220 mail.example.com ESMTP\r\n",
    "RTSP": b"RTSP/1.0 200 OK\r\n\r\n",
    "zeros": b"\x00" * 100_000,
    "ones": b"\xff" * 100_000,
    "new lines": b"\r\n" * 50_000,
    "status 20": b"HTTP/1.1 20 OK\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status -200": b"HTTP/1.1 -200 OK\r\n\r\n",
    "status 000": b"HTTP/1.1 000 OK\r\n\r\n",
    "status in Arabic": "HTTP/1.1 ٢٠٠ OK\r\n\r\n".encode(),
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "a request": b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("said", FLOODS.values(), ids=FLOODS.keys())
def test_row_29_a_flooded_or_broken_head_is_no_answer(said: bytes, resources: Resources) -> None:
    with FaultServer(raw(said), raw(said)) as server:
        book = Book()
        one = client(server, book)
        book.push(one, 3)
        assert one.flush(timeout=BOUND_SECONDS).delivered == 3
        alive(one, book, server)
        stats = check(one, book, server, requests=4, retries=6)
        assert stats.attempts == 4


@pytest.mark.parametrize(
    "line", [b"A: b\0c", b"A: b\rC: d", b"\0: x", b"No colon", b"\xff\xfe: x", b": empty", b" folded"]
)
def test_row_29_behind_a_whole_status_line_a_broken_header_does_not_undo_the_verdict(
    line: bytes, resources: Resources
) -> None:
    """The status line was read, and that is the verdict: sending again what was taken would be a duplicate."""
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + line + b"\r\n\r\n"
    with FaultServer(raw(said, told=200)) as server:
        book = Book()
        one = client(server, book)
        book.push(one, 3)
        assert one.flush(timeout=BOUND_SECONDS).delivered == 3
        alive(one, book, server)
        assert check(one, book, server, requests=2).attempts == 2


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("vendor", ["segment", "amplitude"])
def test_row_30_what_is_no_http_is_no_answer(vendor: str, said: bytes, resources: Resources) -> None:
    with FaultServer(raw(said), raw(said)) as server:
        book = Book()
        one = client(server, book, vendor)
        book.push(one, 3)
        assert one.flush(timeout=BOUND_SECONDS).delivered == 3
        alive(one, book, server)
        stats = check(one, book, server, requests=4, retries=6)
        assert stats.attempts == 4
