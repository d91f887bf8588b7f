"""PostHog's requests, byte for byte: every call in batch v0 and in capture V1, and what options change around them."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import pytest

from sluiceway import PostHog, RetryPolicy

from .golden import NOW, Sent, check, names, wiretap

KEY = "phc_golden-project-key"
OWN_ID = "0190b3f2-7e1c-7abc-8def-00000000000{}"
STAMPS: dict[str, Any] = {
    "uuid": OWN_ID.format(1),
    "timestamp": datetime(2013, 1, 1, 5, 0, 0, 123_456, timezone.utc),
}
MODES = pytest.mark.parametrize("mode", ["v0", "v1"])
SOON = RetryPolicy(retry_count=3, base_seconds=0.001, cap_seconds=0.001)

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "capture": (
        "capture",
        {"event": "movie played", "distinct_id": "user:123", "properties": {"movie_id": "123", "category": "romcom"}},
    ),
    "capture-least": ("capture", {"event": "E", "distinct_id": 7}),
    "capture-everything": (
        "capture",
        {
            "event": "é\u20ac\U0001f600",
            "distinct_id": UUID(int=255),
            "properties": {
                "$set": {"plan": "pro"},
                "$set_once": {"first": True},
                "$lib": "of the caller's",
                "n": [0, -1, 0.5, None],
                "$process_person_profile": "true",
                "$ignore_sent_at": 0,
                "$cookieless_mode": False,
                "$product_tour_id": "tour-1",
                "$session_id": "session-1",
                "$window_id": "window-1",
            },
            "groups": {"company": "id:5", "team": 7},
            "disable_geoip": False,
        },
    ),
    "capture-groups": ("capture", {"event": "E", "distinct_id": "u", "groups": {"company": "id:5"}}),
    "identify": (
        "identify",
        {"distinct_id": "user:123", "properties": {"email": "john@doe.com", "proUser": False}},
    ),
    "identify-everything": (
        "identify",
        {
            "distinct_id": "user:123",
            "properties": {"$set": {"plan": "pro"}, "email": "john@doe.com"},
            "set_once": {"first_login": "2013-01-01"},
            "anon_distinct_id": "anon-1",
            "disable_geoip": False,
        },
    ),
    "identify-least": ("identify", {"distinct_id": "user:123"}),
    "alias": ("alias", {"distinct_id": "user:123", "alias": "user:12345"}),
    "group_identify": (
        "group_identify",
        {
            "group_type": "company",
            "group_key": "id:5",
            "properties": {"company_name": "Awesome Inc", "employees": 11},
        },
    ),
    "group_identify-least": ("group_identify", {"group_type": "company", "group_key": 5, "distinct_id": "u"}),
    "set": ("set", {"distinct_id": "u", "properties": {"plan": "pro"}}),
    "set_once": ("set_once", {"distinct_id": "u", "properties": {"first_url": "/start"}}),
    "page_view": (
        "page_view",
        {"url": "https://example.com", "distinct_id": "u", "properties": {"$referrer": "x"}, "groups": {"company": 5}},
    ),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "historical_migration": {"historical_migration": True},
    "disable_geoip": {"disable_geoip": False},
    "super_properties": {"super_properties": {"service": "api", "$is_server": True, "$process_person_profile": False}},
}
PERSONLESS = ("capture-personless", "page_view-personless")
RETRIED = ("retried-1", "retried-2")
BATCHES = ("batch", "packed")


def fixed(sent: Sent) -> Sent:
    """Put a word for the id of a request, which is fresh for each."""
    head, count = re.subn(
        r"(?<=PostHog-Request-Id: )[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\r\n)", "ID", sent.head
    )
    assert count == ("PostHog-" in sent.head)
    return sent._replace(head=head)


@pytest.mark.parametrize("sync", [False, True], ids=["native", "checked"])
@pytest.mark.parametrize("name", CALLS)
@MODES
def test_a_call_sends_exactly_this(mode: str, name: str, sync: bool) -> None:
    method, arguments = CALLS[name]
    with wiretap() as tap, PostHog(KEY, host=tap.url, sync=sync, capture_mode=mode) as client:
        assert getattr(client, method)(**arguments, **STAMPS) is True
        assert client.flush(30).ok
    check(f"posthog/{mode}-{name}", fixed(tap.last))


@pytest.mark.parametrize("name", CALLS)
@MODES
def test_an_event_that_middleware_only_looked_at_says_the_same(mode: str, name: str) -> None:
    method, arguments = CALLS[name]
    for middleware in (None, [lambda event: event]):
        with (
            wiretap() as tap,
            PostHog(KEY, host=tap.url, sync=True, capture_mode=mode, middleware=middleware) as client,
        ):
            assert getattr(client, method)(**arguments, **STAMPS) is True
        # Maps may come back in another order.
        said = json.loads(tap.last.body)
        if middleware is None:
            plain = said
    assert said == plain


@pytest.mark.parametrize("name", PERSONLESS)
@MODES
def test_an_event_of_nobody_sends_exactly_this(mode: str, name: str) -> None:
    with wiretap() as tap, PostHog(KEY, host=tap.url, sync=True, capture_mode=mode) as client:
        if name.startswith("capture"):
            assert client.capture("E", properties={"a": 1}, **STAMPS)
        else:
            assert client.page_view("https://example.com", **STAMPS)
    check(f"posthog/{mode}-{name}", fixed(tap.last), {r'(?<="distinct_id":")[0-9a-f-]{36}(?=")': "FRESH"})


@pytest.mark.parametrize("name", OPTIONS)
@MODES
def test_an_option_changes_exactly_this(mode: str, name: str) -> None:
    options: dict[str, Any] = OPTIONS[name]
    with wiretap() as tap, PostHog(KEY, host=tap.url, sync=True, capture_mode=mode, **options) as client:
        assert client.capture("E", distinct_id="u", properties={"service": "own", "a": 1}, **STAMPS)
    check(f"posthog/{mode}-{name}", fixed(tap.last))


@MODES
def test_a_second_attempt_is_the_first_but_for_its_number(mode: str) -> None:
    with (
        wiretap((503, b""), (200, b"{}")) as tap,
        PostHog(KEY, host=tap.url, sync=True, capture_mode=mode, retry=SOON) as client,
    ):
        assert client.capture("E", distinct_id="u", **STAMPS)
    ids = {re.findall(r"PostHog-Request-Id: (.+)\r", sent.head)[0] for sent in tap.requests if mode == "v1"}
    assert len(ids) == (mode == "v1")
    for name, sent in zip(RETRIED, tap.requests, strict=True):
        check(f"posthog/{mode}-{name}", fixed(sent))


@MODES
def test_a_batch_is_its_events_joined_by_commas(mode: str) -> None:
    options: dict[str, Any] = {"flush_first": False, "flush_at": 3, "flush_interval": 3_600.0}
    with wiretap() as tap, PostHog(KEY, host=tap.url, capture_mode=mode, **options) as client:
        for number in range(3):
            client.capture("E", distinct_id="u", **STAMPS | {"uuid": OWN_ID.format(number)})
        assert client.flush(30).ok
    check(f"posthog/{mode}-batch", fixed(tap.last))


@MODES
def test_a_body_of_some_size_goes_packed(mode: str) -> None:
    with wiretap() as tap, PostHog(KEY, host=tap.url, sync=True, capture_mode=mode) as client:
        assert client.capture("E", distinct_id="u", properties={"text": "x" * 2_000}, **STAMPS)
    assert tap.last.is_packed
    assert tap.last.sent_bytes < 1_000
    check(f"posthog/{mode}-packed", fixed(tap.last))


def test_no_golden_file_is_left_over() -> None:
    kinds = (*CALLS, *PERSONLESS, *OPTIONS, *RETRIED, *BATCHES)
    assert names("posthog") == {f"posthog/{mode}-{kind}" for mode in ("v0", "v1") for kind in kinds}
    assert NOW == "2026-01-02T03:04:05.678Z"
