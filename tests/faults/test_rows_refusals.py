"""Matrix rows 6 to 12: a server that refuses something of a request, and what becomes of the rest of it."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

import pytest

from sluiceway import standing
from sluiceway.vendors import amplitude_judge

from .acts import answer, refuse_if, refuse_larger, refuse_marked, says, status
from .book import Book
from .clients import KEY, VENDORS, client
from .laws import Resources, alive, check
from .server import FINE, FaultServer, Visit

BAD = {"bad": "poison-5c2"}
MARK = b"poison-5c2"


@pytest.mark.parametrize("place", [0, 17, 49])
@pytest.mark.parametrize("vendor", VENDORS)
def test_row_6_one_bad_event_fails_alone(vendor: str, place: int, resources: Resources) -> None:
    with FaultServer(then=refuse_marked(MARK)) as server:
        book = Book()
        one = client(server, book, vendor)
        book.push(one, place)
        (bad,) = book.push(one, **BAD)
        book.push(one, 49 - place)
        one.flush(timeout=20)
        assert set(book.failed) == {bad}
        alive(one, book, server)
        check(one, book, server, requests=7, retries=49)
        assert book.reasons() == {("rejected", "no"): 1}
        assert book.failed[bad].status == 400
        # The fresh event's request is not part of the search.
        assert len(server.record.requests) - 2 <= 2 * math.ceil(math.log2(50))


def test_row_6_of_several_bad_events_each_fails_alone(resources: Resources) -> None:
    with FaultServer(then=refuse_marked(MARK)) as server:
        book = Book()
        one = client(server, book)
        bad = set()
        for number in range(300):
            ids = book.push(one, **(BAD if number % 150 == 7 else {}))
            bad.update(ids if number % 150 == 7 else ())
        one.flush(timeout=20)
        assert set(book.failed) == bad
        assert len(bad) == 2
        check(one, book, server, requests=20, retries=299)


@pytest.mark.parametrize("count", [2, 10, 31])
@pytest.mark.parametrize("vendor", VENDORS)
def test_row_7_when_every_body_is_refused_the_search_ends_and_the_next_batch_is_not_searched(
    vendor: str, count: int, resources: Resources
) -> None:
    with FaultServer(then=status(400)) as server:
        book = Book()
        one = client(server, book, vendor)
        book.push(one, count)
        assert one.flush(timeout=20).failed == count
        searched = len(server.record.requests)
        assert count < searched <= 2 * count - 1
        for _ in range(3):
            book.push(one, count)
            assert one.flush(timeout=20).failed == count
        assert len(server.record.requests) == searched + 3, "the breaker is open"
        alive(one, book, server)
        # And closed again: one bad event is searched for.
        server.then(then=refuse_marked(MARK))
        book.push(one, 5)
        (bad,) = book.push(one, **BAD)
        assert one.flush(timeout=20).delivered == 5
        assert bad in book.failed
        check(one, book, server, requests=10, retries=count)
        assert book.reasons() == {("rejected", "no"): 4 * count + 1}


def test_row_7_a_search_is_bounded_however_many_events_there_are(resources: Resources) -> None:
    with FaultServer(then=status(400)) as server:
        book = Book()
        one = client(server, book)
        book.push(one, 1_000)
        assert one.flush(timeout=30).failed == 1_000
        assert len(server.record.requests) <= 65
        alive(one, book, server)
        check(one, book, server, requests=60, retries=1_000)
        assert book.reasons() == {("rejected", "no"): 1_000}


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize("vendor", VENDORS)
def test_row_8_a_refused_key_fails_loudly_once_and_is_probed(
    vendor: str,
    code: int,
    resources: Resources,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standing, "PROBE_SECONDS", 1_000.0)
    with FaultServer(then=status(code)) as server:
        book = Book()
        one = client(server, book, vendor)
        for _ in range(4):
            book.push(one, 5)
            assert one.flush(timeout=20).failed == 5
        assert len(server.record.requests) == 1, "while the key is refused nothing is sent"
        errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
        assert len(errors) == 1
        assert str(code) in errors[0]
        assert "the write key was refused" in errors[0]
        check(one, book, server)
        assert book.reasons() == {("unauthorized", "no"): 20}
        assert KEY not in caplog.text + "".join(map(str, book.failed.values()))


def test_row_8_a_probe_finds_the_key_accepted_again(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "PROBE_SECONDS", 0.2)
    with FaultServer(status(401), status(401)) as server:
        book = Book()
        one = client(server, book)
        book.push(one, 5)
        assert one.flush(timeout=20).failed == 5
        time.sleep(0.25)
        book.push(one, 5)
        assert one.flush(timeout=20).failed == 5
        assert server.record.statuses == [401, 401]
        time.sleep(0.25)
        alive(one, book, server)
        book.push(one, 5)
        assert one.flush(timeout=20).delivered == 5
        check(one, book, server, requests=4)


@pytest.mark.parametrize(
    ("vendor", "code", "said"),
    [
        *((vendor, 413, b"") for vendor in VENDORS),
        ("segment", 400, b"Exceed payload limit"),
        ("posthog", 400, b"Request body too large"),
    ],
)
def test_row_9_what_is_too_large_is_halved_and_the_size_is_remembered(
    vendor: str, code: int, said: bytes, resources: Resources
) -> None:
    refuse = refuse_larger(100_000, code, said)
    with FaultServer(then=refuse) as server:
        book = Book()
        one = client(server, book, vendor)
        for _ in range(200):
            book.push(one, pad=1_000)
        assert one.flush(timeout=20).delivered == 200
        first = server.record.statuses.count(code)
        assert 1 <= first <= 3
        for _ in range(200):
            book.push(one, pad=1_000)
        assert one.flush(timeout=20).delivered == 200
        assert server.record.statuses.count(code) == first, "the same refusal was bought again"
        check(one, book, server, requests=6, retries=200)


@pytest.mark.parametrize("vendor", VENDORS)
def test_row_9_one_event_that_is_too_large_fails_alone(vendor: str, resources: Resources) -> None:
    with FaultServer(then=refuse_larger(6_000)) as server:
        book = Book()
        one = client(server, book, vendor)
        book.push(one, 5)
        # In many texts, because Amplitude's are cut at 1,024 characters.
        (large,) = book.push(one, **{f"text{number}": "x" * 900 for number in range(9)})
        book.push(one, 5)
        one.flush(timeout=20)
        assert set(book.failed) == {large}
        alive(one, book, server)
        check(one, book, server, requests=4, retries=10)
        assert book.reasons() == {("rejected", "no"): 1}
        assert book.failed[large].status == 413


@pytest.mark.parametrize("vendor", VENDORS)
def test_row_10_a_server_that_does_not_unpack_is_sent_plain_bodies_from_then_on(
    vendor: str, resources: Resources
) -> None:
    def refuse_gzip(visit: Visit) -> None:
        seen = visit.read()
        if seen is not None:
            code = 415 if "content-encoding" in seen.headers else 200
            visit.told(code)
            visit.send(answer(code) if code == 415 else FINE)

    with FaultServer(then=refuse_gzip) as server:
        book = Book()
        one = client(server, book, vendor, gzip=True, retry_count=0)
        for _ in range(3):
            book.push(one, 20)
            assert one.flush(timeout=20).delivered == 20
        check(one, book, server, requests=4, retries=20)
        assert server.record.statuses == [415, 200, 200, 200]
        assert [seen.headers.get("content-encoding") for seen in server.record.requests] == ["gzip", None, None, None]


def test_row_10_a_415_on_a_plain_body_is_final(resources: Resources) -> None:
    with FaultServer(status(415), status(415)) as server:
        book = Book()
        one = client(server, book, gzip=True)
        book.push(one, 20)
        assert one.flush(timeout=20).failed == 20
        alive(one, book, server)
        check(one, book, server, requests=3, retries=20)
        assert book.reasons() == {("rejected", "no"): 20}


INVALID: dict[str, tuple[dict[str, Any], set[int]]] = {
    "named by field": (
        {"events_with_invalid_fields": {"time": [3, 4]}, "events_with_missing_fields": {"x": [7]}},
        {3, 4, 7},
    ),
    "silenced": ({"silenced_events": [0, 9], "silenced_devices": ["d"]}, {0, 9}),
    "id lengths": ({"events_with_invalid_id_lengths": {"user_id": [5]}}, {5}),
    "twice and out of range": (
        {"events_with_invalid_fields": {"a": [2, 2, 10, 99, -1, 2**70], "b": [2]}, "silenced_events": [2, -7]},
        {2},
    ),
    "of another type": ({"events_with_invalid_fields": {"a": [1, "2", 3.0, None, True, [4]], "b": 5, "c": None}}, {1}),
}


@pytest.mark.parametrize(("said", "bad"), INVALID.values(), ids=INVALID.keys())
def test_row_11_events_named_by_index_fail_and_the_rest_goes_once_without_them(
    said: dict[str, Any], bad: set[int], resources: Resources
) -> None:
    with FaultServer(says(400, {"code": 400, "error": "Request has invalid fields", **said})) as server:
        book = Book()
        one = client(server, book, "amplitude")
        ids = book.push(one, 10)
        one.flush(timeout=20)
        assert set(book.failed) == {ids[index] for index in bad}
        alive(one, book, server)
        check(one, book, server, requests=3, retries=10 - len(bad))
        assert server.record.requests[1].ids == [id_ for index, id_ in enumerate(ids) if index not in bad]
        assert book.reasons() == {("rejected", "no"): len(bad)}


@pytest.mark.parametrize(
    "said",
    [
        {"events_with_invalid_fields": {"a": [10, 99]}},
        {"silenced_events": "0123"},
        {"events_with_missing_fields": []},
        {},
        [],
        None,
    ],
    ids=range(6),
)
def test_row_11_where_no_event_is_named_the_bad_one_is_searched_for(said: Any, resources: Resources) -> None:
    document = {"code": 400, "error": "Request has invalid fields", **said} if isinstance(said, dict) else said
    with FaultServer(says(400, document), then=refuse_marked(MARK)) as server:
        book = Book()
        one = client(server, book, "amplitude")
        book.push(one, 6)
        (bad,) = book.push(one, **BAD)
        one.flush(timeout=20)
        assert set(book.failed) == {bad}
        check(one, book, server, requests=4, retries=6)


def test_row_12_over_the_quota_fails_throttled_waits_and_others_go_on(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amplitude_judge, "THROTTLE_SECONDS", 2.0)
    throttled = {
        "code": 429,
        "error": "Too many requests for some devices and users",
        "exceeded_daily_quota_users": {"user-1": 500_000},
        "throttled_users": {"user-2": 33},
        "throttled_devices": {},
        "throttled_events": [2, 99],
        "eps_threshold": 30,
    }
    with FaultServer(says(429, throttled)) as server:
        book = Book()
        one = client(server, book, "amplitude")
        # Seven users in turn, two events each.
        ids = book.push(one, 14)
        one.flush(timeout=0)
        assert server.record.wait_for(lambda record: len(record.taken) == 10)
        assert set(book.failed) <= {ids[1], ids[8]}
        first, others = server.record.requests[:2]
        assert set(others.ids) == set(ids) - {ids[1], ids[2], ids[8], ids[9]}
        one.flush(timeout=20)
        later = server.record.requests[2]
        assert set(later.ids) == {ids[2], ids[9]}
        assert later.arrived_seconds - first.answered_seconds >= 2.0
        assert others.arrived_seconds - first.answered_seconds < 2.0
        check(one, book, server, requests=3, retries=12)
        assert set(book.failed) == {ids[1], ids[8]}
        assert book.reasons() == {("rejected", "no"): 2}


def test_a_refusal_that_comes_for_half_of_the_requests_loses_nothing(resources: Resources) -> None:
    """Rows 1, 6 and 9 at once: whatever is refused, one bad event is all that fails."""
    turns = iter(range(10**6))

    def moody(seen: Any) -> bool:
        return next(turns) % 2 == 0 or MARK in seen.body

    with FaultServer(then=refuse_if(moody, 413)) as server:
        book = Book()
        one = client(server, book)
        book.push(one, 64)
        one.flush(timeout=20)
        check(one, book, server, requests=10, retries=60)
        assert len(book.delivered) + len(book.failed) == 64
        # Only a single event can fail for its size, and only when it was refused alone.
        alone = [seen for seen in server.record.requests if len(seen.ids) == 1 and seen.told == 413]
        assert set(book.failed) == {seen.ids[0] for seen in alone}
