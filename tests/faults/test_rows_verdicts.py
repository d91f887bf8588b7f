"""Matrix rows 1 to 5 and 13 to 16: what a server says, and what becomes of the events it says it of."""

from __future__ import annotations

import logging
import time
from itertools import pairwise
from typing import Any

import pytest

from sluiceway import RetryPolicy, assembly

from .acts import raw, says, status
from .book import Book
from .clients import KEY, QUICK, VENDORS, client
from .laws import Resources, alive, check
from .server import FINE, FaultServer

# Nothing is sent again by itself within a test: what is, was not waited for.
PATIENT = RetryPolicy(base_seconds=3_600, cap_seconds=86_400)


@pytest.mark.parametrize("code", [500, 502, 503, 504, 529])
@pytest.mark.parametrize("vendor", VENDORS)
def test_row_1_a_failing_endpoint_is_asked_again_until_it_takes_the_events(
    vendor: str, code: int, resources: Resources
) -> None:
    with FaultServer(status(code), status(code)) as server:
        book = Book()
        one = client(server, book, vendor)
        ids = book.push(one, 10)
        assert one.flush(timeout=20).delivered == 10
        alive(one, book, server)
        stats = check(one, book, server, requests=4, retries=20)
        assert server.record.statuses == [code, code, 200, 200]
        assert all(seen.ids == ids for seen in server.record.requests[:3])
        assert (stats.attempts, stats.failed) == (4, 0)
        if vendor in ("segment", "rudderstack"):
            assert [seen.headers.get("x-retry-count") for seen in server.record.requests] == [None, "1", "2", None]


def test_row_1_the_back_off_grows_and_is_jittered(resources: Resources) -> None:
    """Twelve retries under a ceiling of 100 ms: on average half of that, and no two clients alike."""
    waits = []
    for seed in range(2):
        with FaultServer(*[status(503)] * 12) as server:
            book = Book(seed)
            one = client(server, book, retry=RetryPolicy(base_seconds=0.1, cap_seconds=0.1))
            book.push(one)
            assert one.flush(timeout=30).delivered == 1
            check(one, book, server, retries=12)
            seen = server.record.requests
            waits.append([later.arrived_seconds - earlier.answered_seconds for earlier, later in pairwise(seen)])
    # A flush cuts one back-off short; of the rest each is a draw of its own.
    assert all(sum(each) > 0.1 for each in waits)
    assert [round(wait, 3) for wait in waits[0]] != [round(wait, 3) for wait in waits[1]]


@pytest.mark.parametrize("code", [501, 505])
def test_row_2_what_the_endpoint_will_never_do_fails_on_the_first_try(code: int, resources: Resources) -> None:
    with FaultServer(status(code)) as server:
        book = Book()
        one = client(server, book)
        book.push(one, 5)
        assert one.flush(timeout=20).failed == 5
        alive(one, book, server)
        check(one, book, server, requests=2)
        assert server.record.statuses == [code, 200]
        assert book.reasons() == {("rejected", "no"): 5}


def test_row_3_a_retry_after_holds_this_destination_and_spends_no_retry(resources: Resources) -> None:
    asked = status(429, {"Retry-After": "2"})
    with FaultServer(asked, status(429, {"Retry-After": "0.05"}), status(503)) as server, FaultServer() as other:
        book, others = Book(1), Book(2)
        one = client(server, book, retry_count=1)
        two = client(other, others)
        book.push(one, 5)
        one.flush(timeout=0)
        assert server.record.wait_for(lambda record: record.requests and record.requests[0].told)
        # Neither a later event nor a flush goes before the time that was asked for.
        book.push(one, 5)
        one.flush(timeout=0)
        others.push(two, 5)
        assert two.flush(timeout=20).delivered == 5, "another destination waits, too"
        assert len(server.record.requests) == 1
        deadline = time.monotonic() + 20
        while (until := one.stats().back_off_until) is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert until - time.time() < 2.2
        assert one.flush(timeout=20).delivered == 10
        first, second = server.record.requests[:2]
        assert second.arrived_seconds - first.answered_seconds >= 2.0
        check(one, book, server, requests=4, retries=3)
        check(two, others, other)
        assert server.record.statuses[:4] == [429, 429, 503, 200]


# Retry-After -> the seconds that it makes a client wait, before some are added so that not all come at once; None: our
# own back-off.
RETRY_AFTER: dict[str, float | None] = {
    "": None,
    "abc": None,
    "0x10": None,
    "1 2": None,
    "nan": None,
    "soon, please": None,
    "9" * 5_000: None,
    "Fri, 32 Dec 2099 99:99:99 GMT": None,
    "\xff\xfe": None,
    "-5": 0,
    "-1e999": 0,
    "0": 0,
    "0.0": 0,
    "Thu, 01 Jan 1970 00:00:00 GMT": 0,
    "Sun Nov  6 08:49:37 1994": 0,
    " 7 ": 7,
    "7.5": 7.5,
    "1e1": 10,
    "1e9": 300,
    "1e999": 300,
    "9" * 60: 300,
    "Fri, 31 Dec 2999 23:59:59 GMT": 300,
    "Friday, 31-Dec-68 23:59:59 GMT": 300,
}


@pytest.mark.parametrize("value", [None, *RETRY_AFTER], ids=lambda value: repr(value)[:24])
@pytest.mark.parametrize("vendor", VENDORS)
def test_row_4_an_odd_retry_after_is_a_back_off_nothing_or_five_minutes(
    vendor: str, value: str | None, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "_jitter", lambda: 0.5)
    headers = {} if value is None else {"Retry-After": value}
    with FaultServer(status(429, headers)) as server:
        book = Book()
        one = client(server, book, vendor, retry=PATIENT, flush_at=1)
        book.push(one)
        assert server.record.wait_for(lambda record: record.requests and record.requests[0].told)
        expected = None if value is None else RETRY_AFTER[value]
        if expected == 0 and vendor != "posthog":
            one.flush(timeout=20)
            assert len(book.delivered) == 1
        else:
            # Half of the ceiling. PostHog counts each retry, and so backs off beside what was asked for.
            own = 1_800.0
            asked = 0.0 if expected is None else expected + min(expected * 0.05, 2.5)
            wait = max(asked, own) if expected is None or vendor == "posthog" else asked
            assert wait - 5 < back_off(one) <= wait
            assert len(server.record.requests) == 1
            one.close(timeout=0)
        check(one, book, server)


def back_off(one: Any) -> float:
    """Wait until the client holds back; returns for how many seconds."""
    deadline = time.monotonic() + 20
    while (until := one.stats().back_off_until) is None:
        assert time.monotonic() < deadline, one.stats()
        time.sleep(0.002)
    return float(until - time.time())


@pytest.mark.parametrize("code", [408, 410, 460])
def test_row_5_segment_s_retryable_4xx_are_retried_and_counted(code: int, resources: Resources) -> None:
    with FaultServer(status(code), status(code), status(200), then=status(code)) as server:
        book = Book()
        one = client(server, book, retry=RetryPolicy(max_retries=2, base_seconds=0.005))
        book.push(one, 3)
        assert one.flush(timeout=20).delivered == 3
        book.push(one, 3)
        assert one.flush(timeout=20).failed == 3
        alive(one, book, server)
        check(one, book, server, requests=7, retries=12)
        assert book.reasons() == {("retries_exhausted", "no"): 3}
        assert server.record.statuses == [code, code, 200, code, code, code, 200]


def test_row_13_a_count_that_does_not_match_is_delivered_counted_and_told(
    caplog: pytest.LogCaptureFixture, resources: Resources
) -> None:
    took_three = says(200, {"code": 200, "events_ingested": 3, "payload_size_bytes": 1})
    took_five = says(200, {"code": 200, "events_ingested": 5})
    with FaultServer(took_three, took_three, took_five) as server:
        book = Book()
        one = client(server, book, "amplitude")
        for _ in range(3):
            book.push(one, 5)
            assert one.flush(timeout=20).delivered == 5
        stats = check(one, book, server, requests=3)
        assert (stats.ack_mismatch, stats.ack_suspect) == (2, 0)
        warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 1
        assert "counts another number" in warnings[0].getMessage()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("vendor", VENDORS)
def test_row_14_a_redirect_is_retried_and_never_followed(vendor: str, code: int, resources: Resources) -> None:
    with FaultServer() as elsewhere:
        with FaultServer(
            status(code, {"Location": f"{elsewhere.url}/v1/batch"}),
            status(code, {"Location": "/elsewhere"}),
            status(code, {"Location": "//127.0.0.1:1/"}),
            status(code, {"Location": "file:///etc/passwd"}),
            status(code),
        ) as server:
            book = Book()
            one = client(server, book, vendor)
            book.push(one, 3)
            assert one.flush(timeout=20).delivered == 3
            alive(one, book, server)
            check(one, book, server, elsewhere, requests=7, retries=15)
            assert {seen.target for seen in server.record.requests} == {server.record.requests[0].target}
        assert elsewhere.connections == 0, "nobody else hears of the events or of the key"


def test_row_14_redirects_without_an_end_fail_within_the_budget(resources: Resources) -> None:
    with FaultServer(then=status(302, {"Location": "/"})) as server:
        book = Book()
        one = client(server, book, retry=RetryPolicy(max_retries=3, base_seconds=0.005))
        book.push(one, 3)
        assert one.flush(timeout=20).failed == 3
        alive(one, book, server)
        check(one, book, server, requests=5, retries=9)
        assert book.reasons() == {("retries_exhausted", "no"): 3}


@pytest.mark.parametrize("code", [201, 202, 203, 204, 205, 206, 226, 299])
@pytest.mark.parametrize("vendor", VENDORS)
def test_row_15_any_2xx_is_a_delivery(vendor: str, code: int, resources: Resources) -> None:
    without_body = b"HTTP/1.1 %d X\r\n\r\n" % code
    act = raw(without_body, told=code) if code == 204 else status(code)
    with FaultServer(act) as server:
        book = Book()
        one = client(server, book, vendor)
        book.push(one, 3)
        assert one.flush(timeout=20).delivered == 3
        check(one, book, server)
        assert server.record.statuses == [code]


@pytest.mark.parametrize(
    ("interim", "requests"),
    [(b"HTTP/1.1 100 Continue\r\n\r\n", 1), (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 16, 1)],
    ids=["one 100", "sixteen 103"],
)
def test_row_15_interim_responses_are_passed_over(interim: bytes, requests: int, resources: Resources) -> None:
    with FaultServer(raw(interim + FINE, told=200, ends=False)) as server:
        book = Book()
        one = client(server, book)
        book.push(one, 3)
        assert one.flush(timeout=20).delivered == 3
        stats = check(one, book, server)
        assert (stats.attempts, server.connections) == (requests, 1)


@pytest.mark.parametrize("count", [17, 5_000, 40_000])
def test_row_15_a_storm_of_interim_responses_is_no_answer(count: int, resources: Resources) -> None:
    storm = raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" * count + FINE)
    with FaultServer(storm, storm) as server:
        book = Book()
        one = client(server, book)
        book.push(one, 3)
        assert one.flush(timeout=20).delivered == 3
        alive(one, book, server)
        stats = check(one, book, server, retries=6)
        assert stats.attempts == 4


SUSPECT = {
    "html": (b"<!DOCTYPE html><title>Log in to the hotel's network</title>", "text/html; charset=utf-8"),
    "empty": (b"", "application/json"),
    "text": (b"success", "text/plain"),
    "cut": (b'{"success":tr', "application/json"),
    "list": (b"[]", "application/json"),
    "number": (b"1", "application/json"),
    "nested": (b"[" * 60_000, "application/json"),
    "not utf-8": (b'{"a":"\xff\xfe"}', "application/json"),
}


@pytest.mark.parametrize("said", SUSPECT.values(), ids=SUSPECT.keys())
@pytest.mark.parametrize("vendor", ["segment", "posthog", "amplitude"])
def test_row_16_a_200_that_reads_like_somebody_else_s_is_delivered_counted_and_told_once(
    vendor: str, said: tuple[bytes, str], resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    body, kind = said
    suspect = status(200, {"Content-Type": kind}, body)
    with FaultServer(suspect, suspect) as server:
        book = Book()
        one = client(server, book, vendor)
        for _ in range(3):
            book.push(one, 2)
            assert one.flush(timeout=20).delivered == 2
        stats = check(one, book, server, requests=3)
        assert (stats.ack_suspect, stats.ack_mismatch, stats.attempts) == (2, 0, 3)
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 1
        assert "ack_suspect" in warnings[0]
        assert len(body) < 5 or body[:5].decode("latin-1") not in warnings[0]


def test_row_16_rudderstack_s_word_is_not_doubted_but_markup_is(resources: Resources) -> None:
    said = [b"OK", b"ok\n", b'{"success":true}', b" \n<html>", b"", b"<!doctype html>"]
    with FaultServer(*(status(200, {"Content-Type": "text/plain"}, body) for body in said)) as server:
        book = Book()
        one = client(server, book, "rudderstack")
        for _ in said:
            book.push(one)
            assert one.flush(timeout=20).delivered == 1
        assert check(one, book, server, requests=6).ack_suspect == 3


@pytest.mark.parametrize("vendor", VENDORS)
def test_row_16_strict_ack_sends_again_what_only_a_portal_took(vendor: str, resources: Resources) -> None:
    portal = raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", ends=False)
    with FaultServer(portal, portal) as server:
        book = Book()
        one = client(server, book, vendor, strict_ack=True)
        book.push(one, 3)
        assert one.flush(timeout=20).delivered == 3
        stats = check(one, book, server, requests=3, retries=6)
        assert (stats.ack_suspect, stats.attempts, stats.delivered) == (2, 3, 3)


def test_row_16_with_strict_ack_a_suspect_answer_leaves_it_open_whether_the_events_arrived(
    resources: Resources,
) -> None:
    portal = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", ends=False)
    with FaultServer(then=portal) as server:
        book = Book()
        one = client(server, book, strict_ack=True, retry_count=1)
        book.push(one, 3)
        assert one.flush(timeout=20).failed == 3
        check(one, book, server, requests=2, retries=3)
        assert book.reasons() == {("retries_exhausted", "maybe"): 3}


def test_nothing_that_is_logged_of_all_this_quotes_the_key_or_an_event(
    resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    acts = [status(503), says(400, {"error": "canary-answer"}), status(401), status(302), raw(b"canary-answer")]
    with FaultServer(*acts) as server:
        book = Book()
        one = client(server, book, retry=QUICK)
        for _ in range(3):
            book.push(one, 2)
            one.flush(timeout=20)
        check(one, book, server, requests=3)
    assert len(caplog.records) >= 3
    for canary in (KEY, "canary-payload", "canary-answer", *book.offered):
        assert canary not in caplog.text
