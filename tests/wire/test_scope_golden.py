"""What each vendor's calls send from inside a scope, byte for byte; the same by the short cut and by the long way."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from sluiceway import Amplitude, Identify, PostHog, Revenue, RudderStack, Segment, scope

from .golden import Sent, check, names, wiretap

STAMP = datetime(2013, 1, 1, 5, 0, 0, 123_456, timezone.utc)
ID = "0190b3f2-7e1c-7abc-8def-000000000001"
SPEC = {"message_id": ID, "timestamp": STAMP}
POSTHOG = {"uuid": ID, "timestamp": STAMP}
AMPLITUDE: dict[str, Any] = {"insert_id": ID, "time": STAMP}

SCOPE: dict[str, Any] = {
    "user_id": "user-1",
    "anonymous_id": "anon-1",
    "context": {"ip": "203.0.113.7", "session_id": 1_357_016_400_000, "page": {"path": "/cart"}, "plan": "pro"},
    "groups": {"company": "c-5", "team": 7},
}

CLIENTS: dict[str, Callable[..., Any]] = {
    "segment": lambda url, **more: Segment("key", host=url, **more),
    "rudderstack": lambda url, **more: RudderStack("key", url, gzip=False, **more),
    "posthog": lambda url, **more: PostHog("phc_key", host=url, gzip=False, **more),
    "capture": lambda url, **more: PostHog("phc_key", host=url, gzip=False, capture_mode="v1", **more),
    "amplitude": lambda url, **more: Amplitude("key", server_url=f"{url}/2/httpapi", **more),
}


def _spec() -> dict[str, Callable[[Any], bool]]:
    return {
        "track": lambda client: client.track(event="Item Purchased", properties={"revenue": 39.95}, **SPEC),
        "track-own": lambda client: client.track(
            "user-2", "E", context={"ip": "own", "groupId": "own"}, anonymous_id=None, **SPEC
        ),
        "page": lambda client: client.page(name="Cart", **SPEC),
        "screen": lambda client: client.screen(name="Cart", context={}, **SPEC),
        "identify": lambda client: client.identify(traits={"plan": "pro"}, **SPEC),
        "group": lambda client: client.group(group_id="c-5", **SPEC),
        "alias": lambda client: client.alias("anon-1", "user-1", **SPEC),
    }


def _posthog() -> dict[str, Callable[[Any], bool]]:
    return {
        "capture": lambda client: client.capture("movie played", properties={"plan": "own", "n": 1}, **POSTHOG),
        "capture-own": lambda client: client.capture(
            "E", distinct_id="user-2", groups={"company": "own", "city": "b"}, **POSTHOG
        ),
        "capture-groups-among-properties": lambda client: client.capture(
            "E", properties={"$groups": {"company": "own"}}, **POSTHOG
        ),
        "capture-identify": lambda client: client.capture("$identify", distinct_id="user-2", **POSTHOG),
        "page_view": lambda client: client.page_view("https://example.com/cart", **POSTHOG),
        "identify": lambda client: client.identify("user-2", {"plan": "pro"}, **POSTHOG),
        "set": lambda client: client.set("user-2", {"plan": "pro"}, **POSTHOG),
        "alias": lambda client: client.alias(distinct_id="user-2", alias="anon-2", **POSTHOG),
        "group_identify": lambda client: client.group_identify("company", "c-5", {"name": "C"}, **POSTHOG),
    }


CALLS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "segment": _spec(),
    "rudderstack": _spec(),
    "posthog": _posthog(),
    "capture": _posthog(),
    "amplitude": {
        "track": lambda client: client.track("Play Song", event_properties={"plan": "own", "n": 1}, **AMPLITUDE),
        "track-own": lambda client: client.track(
            "E", user_id="user-2", ip="own", groups={"company": ["own", "b"]}, **AMPLITUDE
        ),
        "log_event": lambda client: client.log_event({"event_type": "E", "event_properties": {"n": 1}, **AMPLITUDE}),
        "revenue": lambda client: client.revenue(Revenue(price=3.99, product_id="p"), **AMPLITUDE),
        "identify": lambda client: client.identify(identify=Identify().set("plan", "pro"), **AMPLITUDE),
        "set_group": lambda client: client.set_group("sport", "soccer", **AMPLITUDE),
        "group_identify": lambda client: client.group_identify(
            "company", "c-5", Identify().set("plan", "pro"), device_id="device", **AMPLITUDE
        ),
    },
}
ROWS = [(vendor, name) for vendor, calls in CALLS.items() for name in calls]


def fixed(sent: Sent) -> Sent:
    """The request but for the id that each request of capture V1 has."""
    head = re.sub(r"(?<=PostHog-Request-Id: )[0-9a-f-]{36}", "REQUEST-ID", sent.head)
    return sent._replace(head=head)


@pytest.mark.parametrize("way", ["short", "long"])
@pytest.mark.parametrize(("vendor", "name"), ROWS)
def test_a_call_in_a_scope_sends_exactly_this(vendor: str, name: str, way: str) -> None:
    with wiretap() as tap, CLIENTS[vendor](tap.url, sync=way == "long") as client:
        with scope(**SCOPE):
            assert CALLS[vendor][name](client) is True
        assert client.flush(30).ok
    check(f"scope/{vendor}-{name}", fixed(tap.last))


def test_no_golden_file_is_left_over() -> None:
    assert names("scope") == {f"scope/{vendor}-{name}" for vendor, name in ROWS}
