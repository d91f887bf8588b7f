"""Events in the vendor's own words pass through: what one receiver got, another gets again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sluiceway
from sluiceway.testing import Receiver

from .conftest import Send, rejects_of

WHEN = "2024-03-01T12:00:00Z"


def say(vendor: str, url: str) -> None:
    """Have a client say everything that it can say."""
    options: dict[str, Any] = {"host": url}
    if vendor == "posthog":
        with sluiceway.PostHog("key", **options) as client:
            client.capture("Bought", distinct_id="user-1", properties={"p": 1}, timestamp=WHEN, groups={"company": "a"})
            client.identify("user-1", {"plan": "pro"}, set_once={"first": 1}, anon_distinct_id="anon-1", timestamp=WHEN)
            client.alias(distinct_id="user-1", alias="old-1")
            client.group_identify("company", "acme", {"size": 3})
            client.set("user-1", {"a": 1})
            client.page_view("https://example.com", distinct_id="user-1")
    elif vendor == "amplitude":
        with sluiceway.Amplitude("key", **options) as client:
            client.track(
                "Bought", user_id="user-1", device_id="device-1", event_properties={"p": 1}, time=WHEN, price=9.5
            )
            client.identify("user-1", identify=sluiceway.Identify().set("plan", "pro"), platform="Web")
            client.set_group("company", "acme", user_id="user-1")
    else:
        made = sluiceway.Segment("key", **options) if vendor == "segment" else sluiceway.RudderStack("key", url)
        with made as spec:
            spec.track("user-1", "Bought", {"p": 1}, {"ip": "192.0.2.1"}, WHEN, "anon-1", {"All": False})
            spec.identify("user-1", {"plan": "pro"})
            spec.page("user-1", "Docs", "Home", {"url": "https://example.com"})
            spec.screen("user-1", None, "Main")
            spec.group("user-1", "acme", {"size": 3})
            spec.alias("old-1", "user-1")


@pytest.mark.parametrize("vendor", ["segment", "rudderstack", "posthog", "amplitude"])
def test_what_arrived_once_arrives_again_as_it_was(send_file: Send, tmp_path: Path, vendor: str) -> None:
    with Receiver(vendor=vendor) as receiver:
        say(vendor, receiver.url)
        events = receiver.events
    path = tmp_path / "export.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    with Receiver(vendor=vendor) as receiver:
        run = send_file(path, "--to", vendor, "--host", receiver.url)
        assert (run.code, receiver.violations) == (0, []), run.err + str(rejects_of(path, vendor))
        again = receiver.events
    assert len(again) == len(events) > 2
    for event in (*events, *again):
        event.pop("sentAt", None)
        if vendor == "rudderstack":
            # The moment stands twice where somebody gave it, and only once where the client did.
            event.pop("timestamp", None)
        # PostHog's server takes these from beside the properties and from among them.
        event.get("properties", {}).update({key: event.pop(key) for key in ("$set", "$set_once") if key in event})
    key = {"amplitude": "insert_id", "posthog": "uuid"}.get(vendor, "messageId")
    assert sorted(again, key=lambda event: event[key]) == sorted(events, key=lambda event: event[key])


@pytest.mark.parametrize(
    ("vendor", "event"),
    [
        ("segment", {"type": "track", "event": "E", "userId": "user-1", "writeKey": "w", "sentAt": WHEN}),
        ("posthog", {"event": "E", "properties": {"distinct_id": "user-1"}, "$set": {"a": 1}, "api_key": "w"}),
        ("amplitude", {"event_type": "E", "user_id": "user-1"}),
    ],
)
def test_an_event_without_id_and_moment_gets_the_same_ones_each_time(
    send_file: Send, tmp_path: Path, vendor: str, event: dict[str, Any]
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(event) + "\n")
    with Receiver(vendor=vendor) as receiver:
        for _ in range(2):
            run = send_file(path, "--to", vendor, "--host", receiver.url)
            assert run.code == 0
        stats = receiver.stats()
        assert (stats.events, stats.ids) == (2, 1)
        if vendor == "posthog":
            assert receiver.events[0]["properties"]["$set"] == {"a": 1}
    if vendor != "amplitude":
        assert "keys of the rows that are not sent on: " in run.err


@pytest.mark.parametrize(
    ("vendor", "event", "reason"),
    [
        ("segment", {"event": "E", "userId": "user-1"}, "not_an_event"),
        ("segment", {"type": "purchase", "userId": "user-1"}, "not_an_event"),
        ("segment", {"type": ["track"], "userId": "user-1"}, "not_an_event"),
        ("segment", {"type": "track", "event": "E"}, "invalid"),
        ("segment", {"type": "track", "event": "E", "userId": "u", "properties": [1]}, "invalid"),
        ("segment", {"type": "track", "event": "E", "userId": "u", "messageId": 7}, "bad_id"),
        ("segment", {"type": "track", "event": "E", "userId": "u", "timestamp": "soon"}, "bad_timestamp"),
        ("posthog", {"distinct_id": "u"}, "not_an_event"),
        ("posthog", {"event": "E"}, "missing_id"),
        ("posthog", {"event": "E", "distinct_id": "u", "properties": "x"}, "invalid"),
        ("amplitude", {"user_id": "user-1"}, "not_an_event"),
        ("amplitude", {"event_type": "E"}, "invalid"),
        ("amplitude", {"event_type": "E", "user_id": "u"}, "invalid"),
    ],
)
def test_what_is_no_event_of_the_vendor_is_rejected(
    send_file: Send, tmp_path: Path, vendor: str, event: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(event) + "\n")
    run = send_file(path, "--to", vendor, "--host", "http://127.0.0.1:9")
    assert run.code == 1
    [reject] = rejects_of(path, vendor)
    assert (reject["reason"], reject["row"]) == (reason, event) or reject["text"]
    assert reject["reason"] == reason
