"""What RudderStack's client sends, byte for byte: each call, and what every event and every attempt has around it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeAlias

import pytest

from sluiceway import RudderStack
from sluiceway.retry import RetryPolicy

from .golden import check, names, wiretap

KEY = "a-write-key-of-tests"
WHEN = datetime(2013, 1, 1, 5, 0, 0, 123_456, timezone.utc)
OK = (200, b"ok")

Calls: TypeAlias = Callable[[RudderStack, dict[str, Any]], bool]

CALLS: dict[str, Calls] = {
    "identify": lambda client, common: client.identify("u", {"plan": "pro", "friends": 21}, **common),
    "identify-anonymous": lambda client, common: client.identify(anonymous_id="a", **common),
    # What the caller's context says stays, but for the library, which is ours, and traits, where the argument wins.
    "identify-context": lambda client, common: client.identify(
        "u",
        {"plan": "pro"},
        {"traits": {"plan": "free", "friends": 21}, "library": {"name": "theirs"}, "ip": "10.0.0.1"},
        **common,
    ),
    "track": lambda client, common: client.track("u", "Item Viewed", {"revenue": 19.95, "tags": ["a", None]}, **common),
    "track-context": lambda client, common: client.track(
        "u", "E", None, {"ip": "10.0.0.1", "traits": {"plan": "pro"}}, integrations={"All": False, "S3": True}, **common
    ),
    "page": lambda client, common: client.page("u", "Food", "Pizza", {"title": "Pizza"}, **common),
    "page-nameless": lambda client, common: client.page(anonymous_id="a", **common),
    "screen": lambda client, common: client.screen("u", "Food", "Pizza", {"screenSize": 10}, **common),
    "group": lambda client, common: client.group("u", 1, {"name": "Company"}, **common),
    "alias": lambda client, common: client.alias("old_id", "new_id", **common),
    "alias-anonymous": lambda client, common: client.alias("old_id", anonymous_id="a", traits={"a": 1}, **common),
}
# `same`: through the closer look of Python, which must write what the engine writes by itself.
WAYS = {"native": None, "checked": [lambda event: event]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CALLS)
def test_a_call_sends_this_request(name: str, way: str) -> None:
    with wiretap(OK) as tap, RudderStack(KEY, tap.url, middleware=WAYS[way]) as client:
        assert CALLS[name](client, {"timestamp": WHEN, "message_id": "m-1"})
        assert client.flush(30).ok
    check(f"rudderstack/{name}", tap.last)


def test_an_event_of_this_moment_has_no_timestamp_so_that_the_server_corrects_its_clock() -> None:
    with wiretap(OK) as tap, RudderStack(KEY, tap.url, sync=True) as client:
        assert client.track("u", "E")
    check(
        "rudderstack/track-now",
        tap.last,
        {
            r'(?<="messageId":")[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?=")': "UUID",
            r'(?<="originalTimestamp":")\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(?=")': "STAMPED",
        },
    )


def test_a_body_of_a_kibibyte_is_packed_and_events_are_joined_by_commas() -> None:
    with wiretap(OK) as tap, RudderStack(KEY, tap.url, flush_first=False, flush_at=4, flush_interval=600.0) as client:
        for number in range(4):
            client.track("u", "E", message_id=f"m-{number}", timestamp=WHEN)
        assert client.flush(30).ok
    assert tap.last.is_packed
    check("rudderstack/batch", tap.last)


def test_a_second_attempt_says_when_it_was_made_in_every_event_and_changes_nothing_else() -> None:
    policy = RetryPolicy(base_seconds=0.001, cap_seconds=0.001)
    with (
        wiretap((500, b"failed to store"), OK) as tap,
        RudderStack(KEY, tap.url, flush_first=False, flush_at=2, flush_interval=600.0, retry=policy) as client,
    ):
        tap.step_seconds = 61.001
        for number in range(2):
            client.track("u", "E", message_id=f"m-{number}", timestamp=WHEN)
        assert client.flush(30).ok
    first, second = tap.requests
    check("rudderstack/attempt-1", first)
    check("rudderstack/attempt-2", second)
    assert len(first.body) == len(second.body)


def test_no_golden_file_is_left_over() -> None:
    others = {"track-now", "batch", "attempt-1", "attempt-2"}
    assert names("rudderstack") == {f"rudderstack/{name}" for name in {*CALLS, *others}}
