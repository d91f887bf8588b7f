"""What guarantees.md section 6 asks of HTTP, and of secrets on their way to it. TLS and proxies are in their rows."""

from __future__ import annotations

import io
import logging
import os
import pickle
import time
import traceback

import pytest

from sluiceway import Segment
from sluiceway.transport import Request, Urllib3Transport

from .acts import raw, reset_unanswered, says, silent, status
from .book import CANARY, Book
from .clients import KEY, VENDORS, client
from .laws import Resources, check
from .server import FaultServer


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_key_and_the_payload_are_in_requests_and_nowhere_else(
    vendor: str, resources: Resources, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Through every fault at the lowest log level, urllib3's own lines included: 0 hits in all that can be read."""
    caplog.set_level(logging.DEBUG)
    acts = [
        status(500, body=b"echo " + KEY.encode()),
        raw(b"garbage " + KEY.encode()),
        raw(b"HTTP/1.1 200 OK\r\nbroken " + KEY.encode() + b"\r\n"),
        reset_unanswered,
        says(400, {"error": KEY, "code": 400}),
        status(302, {"Location": f"http://{KEY}/"}),
        status(413),
        status(401, body=KEY.encode()),
    ]
    with FaultServer(*acts) as server:
        book = Book()
        one = (
            client(server, book, vendor, log_level="verbose") if vendor == "amplitude" else client(server, book, vendor)
        )
        for _ in range(4):
            book.push(one, 4)
            one.flush(timeout=20)
        stats = check(one, book, server, requests=8, retries=4)
        sent = b"".join(seen.head + seen.body for seen in server.record.requests)
    # The canaries are what they should be: the server has seen both.
    assert CANARY.encode() in sent
    assert vendor in ("rudderstack", "segment") or KEY.encode() in sent
    readable = [caplog.text, repr(one), str(one), repr(stats), repr(vars(type(one))), *capfd.readouterr()]
    for error, report in book.reports:
        readable += [repr(error), str(error), repr(report), str(report)]
        readable += [repr(getattr(error, "args", ())), "".join(traceback.format_exception(error)) if error else ""]
    assert len(caplog.records) >= 5
    for text in readable:
        assert KEY not in text
        assert CANARY not in text


def test_a_traceback_that_prints_local_variables_has_no_key() -> None:
    with pytest.raises(ValueError, match="flush_at") as caught:
        Segment(KEY, flush_at="many")  # type: ignore[arg-type]
    ours = [entry.frame.f_locals for entry in caught.traceback if "python/sluiceway" in str(entry.path)]
    assert len(ours) >= 3
    assert KEY not in repr(ours)


def test_a_pickle_of_the_options_has_no_key() -> None:
    one = Segment(KEY)
    assert KEY.encode() not in pickle.dumps(one._options.write_key)
    one.close(timeout=0)


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_request_asks_for_no_packing_and_is_one_post_to_one_path(vendor: str, resources: Resources) -> None:
    with FaultServer(status(307, {"Location": "/other"}), status(503)) as server:
        book = Book()
        one = client(server, book, vendor)
        book.push(one, 3)
        assert one.flush(timeout=20).delivered == 3
        check(one, book, server, requests=3)
        assert {(seen.method, seen.headers["accept-encoding"]) for seen in server.record.requests} == {
            ("POST", "identity")
        }
        assert len({seen.target for seen in server.record.requests}) == 1


@pytest.mark.parametrize("name", ["X Y", "X:Y", "", "X\r\nY", "X\0", "é", "X\n "])
def test_a_header_name_that_is_none_is_refused_before_anything_is_sent(name: str) -> None:
    with FaultServer() as server:
        transport = Urllib3Transport(server)
        with pytest.raises(ValueError, match="control character"):
            transport.send(Request(path="/", headers={name: "x"}, body=b"", deadline=1e12))
        transport.close()
        assert server.connections == 0


@pytest.mark.parametrize("code", [*range(32), 127])
def test_no_header_value_may_hold_a_control_character(code: int) -> None:
    """Also the folded line ("\\r\\n ") that http.client lets pass."""
    with FaultServer() as server:
        transport = Urllib3Transport(server)
        for value in (f"a{chr(code)}b", f"a{chr(code)}", f"{chr(code)} b", f"a\r{chr(code)} b"):
            with pytest.raises(ValueError, match="control character"):
                transport.send(Request(path="/", headers={"X": value}, body=b"", deadline=1e12))
        transport.close()
        assert server.connections == 0


@pytest.mark.parametrize("host", ["https://user:canary@api.segment.io", "https://canary@api.segment.io"])
def test_a_host_with_credentials_in_it_is_refused_and_not_repeated(host: str) -> None:
    with pytest.raises(ValueError, match="user name or a password") as caught:
        Segment("key", host=host)
    assert "canary" not in str(caught.value)


def test_a_child_of_a_fork_opens_a_pool_of_its_own(resources: Resources) -> None:
    """The child's request comes over a connection of its own, and the parent's connection stays as it was."""
    with FaultServer() as server:
        transport = Urllib3Transport(server)

        def post() -> int:
            deadline = time.monotonic() + 20
            return transport.send(Request(path="/", headers={}, body=b'{"batch":[]}', deadline=deadline)).status

        assert post() == 200
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if post() == 200 else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert post() == 200
        transport.close()
        assert [seen.connection for seen in server.record.requests] == [0, 1, 0]


def test_close_cuts_a_request_that_would_wait_for_ever(resources: Resources) -> None:
    with FaultServer(then=silent) as server:
        book = Book()
        one = client(server, book, timeout=600.0)
        book.push(one, 3)
        one.flush(timeout=0)
        assert server.record.wait_for(lambda record: record.requests)
        one.close(timeout=0.2)
        check(one, book, server)
        assert book.reasons() == {("shutdown", "maybe"): 3}


def test_a_log_handler_that_formats_exceptions_finds_none_of_the_payload(resources: Resources) -> None:
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    logger = logging.getLogger()
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        with FaultServer(status(400, body=CANARY.encode())) as server:
            book = Book()
            one = client(server, book)
            book.push(one)
            one.flush(timeout=20)
            check(one, book, server)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert "gave up events" in heard.getvalue()
    assert CANARY not in heard.getvalue()
    assert KEY not in heard.getvalue()
