"""Whole requests of Segment's client, byte for byte: what a change of the encoder, a shape or the envelope changes.

The requests stand in golden/segment; golden.py says how to read and to renew them.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import pytest

from sluiceway import RetryPolicy, Segment

from .golden import check, names, wiretap

KEY = 'a-write-key-"quoted"-of-tests'
WHEN = datetime(2013, 1, 1, 5, 0, 0, 123_456, timezone.utc)
COMMON = {"timestamp": WHEN, "message_id": "m-1"}
STAMPED = {
    r'(?<="messageId":")[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?=")': "UUID",
    r'(?<="timestamp":")\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(?=")': "STAMPED",
}


def event(**more: Any) -> tuple[str, dict[str, Any]]:
    return "track", {"user_id": "u", "event": "E", **more}


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "identify": ("identify", {"user_id": "u", "traits": {"plan": "pro"}}),
    "track": ("track", {"user_id": "u", "event": "Signed Up"}),
    "page": ("page", {"anonymous_id": "a", "category": "Docs", "name": ""}),
    "screen": ("screen", {"user_id": "u", "anonymous_id": "a", "name": "Start"}),
    "group": ("group", {"user_id": "u", "group_id": 7, "traits": {"seats": 3}}),
    "alias": ("alias", {"previous_id": "before", "user_id": "after"}),
    "context-and-integrations": event(context={"ip": "10.0.0.1"}, integrations={"All": False}),
    "own-library": event(context={"ip": "10.0.0.1", "library": None}),
    "numbers": event(properties={"n": [0, -1, 127, 128, -(2**31), 2**53 + 1, 2**63, -(10**20)]}),
    "floats": event(properties={"f": [0.0, -0.0, 1.0, 0.1, 1e15, 123456.789, float("nan"), float("inf"), 5e-324]}),
    "texts": event(
        properties={'a"\\/\b\f\n\r\t\0\x1f\x7f': "\u00e9\u20ac\U0001f600\u2028\u2029\ufeff\ud800</script>"},
    ),
    "times-and-ids": (
        "track",
        {
            "user_id": UUID(int=255),
            "event": "E",
            "properties": {"t": WHEN, "n": datetime(2013, 1, 1), "u": UUID(int=1), "x": [None, True, {}, [], ()]},
        },
    ),
}


@pytest.mark.parametrize("checked", [False, True], ids=["native", "checked"])
@pytest.mark.parametrize("name", CALLS)
def test_a_request_has_exactly_these_bytes(name: str, checked: bool) -> None:
    method, given = CALLS[name]
    steps = [lambda event: event] if checked else None
    with wiretap() as tap, Segment(KEY, host=tap.url, middleware=steps) as client:
        assert getattr(client, method)(**given, **COMMON) is True
        assert client.flush(30).ok
    check(f"segment/{name}", tap.last)


def test_an_event_of_this_moment_has_an_id_and_a_time_of_the_clients() -> None:
    with wiretap() as tap, Segment(KEY, host=tap.url, sync=True) as client:
        assert client.track("u", "E")
    check("segment/track-now", tap.last, STAMPED)


def test_events_of_one_body_are_joined_by_bare_commas_and_packed_where_asked_for() -> None:
    options: dict[str, Any] = {"flush_first": False, "flush_at": 8, "flush_interval": 3_600.0}
    with wiretap() as tap, Segment(KEY, host=tap.url, gzip=True, **options) as client:
        for number in range(8):
            client.track("u", "E", message_id=f"m-{number}", timestamp=WHEN)
        assert client.flush(30).ok
    assert tap.last.is_packed
    check("segment/batch", tap.last)


def test_a_second_attempt_differs_in_its_time_and_its_number() -> None:
    policy = RetryPolicy(base_seconds=0.001, cap_seconds=0.001)
    with wiretap((503, b""), (200, b"{}")) as tap, Segment(KEY, host=tap.url, retry=policy) as client:
        tap.step_seconds = 61.001
        client.track("u", "E", **COMMON)
        assert client.flush(30).ok
    for number, sent in enumerate(tap.requests, start=1):
        check(f"segment/attempt-{number}", sent)
    assert len(tap.requests) == 2


def test_no_golden_file_is_left_over() -> None:
    others = {"track-now", "batch", "attempt-1", "attempt-2"}
    assert names("segment") == {f"segment/{name}" for name in {*CALLS, *others}}
