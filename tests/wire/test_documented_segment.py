"""What Segment's documents promise, row by row, in its Python form and against the strict receiver.

The documents are those of the Node library (segmentio/segment-docs, connections/sources/catalog/libraries/server/node,
classic.md). Its options are in test_documented_segment_options.py; its code samples are the files of examples/, which
run in tests/lifecycle/test_examples.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from sluiceway import Segment, __version__
from sluiceway.testing import Answer, Receiver

KEY = "documented-write-key"
WHEN = datetime(2013, 1, 1, 5, tzinfo=timezone.utc)
STAMP = "2013-01-01T05:00:00.000Z"
NEVER: dict[str, Any] = {"flush_first": False, "flush_at": 1_000, "flush_interval": 3_600.0}

# Rows without a Python form of their own.
LEFT_OUT = {
    "_metadata.nodeVersion": "of the language",
    "arbitrary top-level keys of a message": "undocumented, dropped by the newest client; middleware may add fields",
    "process.on('beforeExit', 'uncaughtException', …)": "of the language: the exit hook flushes within exit_timeout",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver
        assert receiver.violations == []


def at_once(receiver: Receiver, **options: Any) -> Segment:
    return Segment(KEY, host=receiver.url, sync=True, **options)


# -- protocols.md, section 6


def test_first_message_flushes_immediately_once_per_client(receiver: Receiver) -> None:
    with Segment(KEY, host=receiver.url, flush_at=1_000, flush_interval=3_600.0) as client:
        client.track("u", "first")
        assert receiver.wait_for(events=1)
        client.track("u", "second")
        assert not receiver.wait_for(events=2, timeout=0.2)


def test_flushed_true_suppresses_that(receiver: Receiver) -> None:
    with Segment(KEY, host=receiver.url, flush_first=False, flush_interval=3_600.0) as client:
        client.track("u", "E")
        assert not receiver.wait_for(events=1, timeout=0.2)
        assert client.flush(30).delivered == 1


def test_flush_every_20(receiver: Receiver) -> None:
    with Segment(KEY, host=receiver.url, flush_first=False, flush_interval=3_600.0) as client:
        for _ in range(19):
            client.track("u", "E")
        assert not receiver.wait_for(events=1, timeout=0.2)
        client.track("u", "E")
        assert receiver.wait_for(events=20)
    assert [len(request.batch) for request in receiver.requests] == [20]


def test_flush_every_10_s_since_the_last_flush(receiver: Receiver) -> None:
    with Segment(KEY, host=receiver.url, flush_interval=0.3) as client:
        client.track("u", "first")
        assert receiver.wait_for(events=1)
        client.track("u", "second")
        client.track("u", "third")
        assert receiver.wait_for(events=3)
        assert [len(request.batch) for request in receiver.requests] == [1, 2]
    first, second = receiver.requests
    assert second.arrived_seconds - first.arrived_seconds < 3.0


def test_callback_err_batch(receiver: Receiver) -> None:
    told: list[Any] = []
    with Segment(KEY, host=receiver.url, **NEVER) as client:
        client.track("u", "Ultimate Played", message_id="m-1", callback=lambda *given: told.append(given))
        client.track("u", "E", message_id="m-2")
        client.flush(30, callback=lambda *given: told.append(given))
    assert len(told) == 2
    for error, batch in told:
        assert error is None
        assert batch.ids == ["m-1", "m-2"]
        assert batch.events == receiver.events
        assert (batch.status, batch.attempts) == (200, 1)


def test_callback_err_batch_when_it_failed() -> None:
    told: list[Any] = []
    with Receiver(default=Answer(400)) as receiver, Segment(KEY, host=receiver.url, **NEVER) as client:
        client.track("u", "E", message_id="m-1", callback=lambda *given: told.append(given))
        client.flush(30, callback=lambda *given: told.append(given))
    assert [(error.reason, error.status, batch.ids) for error, batch in told] == [("rejected", 400, ["m-1"])] * 2


def test_enable_false_validates_and_calls_back(receiver: Receiver) -> None:
    told: list[Any] = []
    with Segment(KEY, host=receiver.url, enable=False) as client:
        assert client.track("u", "E", callback=lambda error, batch: told.append(error))
        assert not client.track("u", callback=lambda error, batch: told.append(error.reason))
        assert client.flush(30).pending == 0
        assert client.stats().dropped_by_reason == {"disabled": 1}
    assert told == [None, "invalid"]
    assert receiver.requests == []


def test_error_handler_is_told_and_nothing_is_raised_with_or_without_one() -> None:
    told: list[Any] = []
    with Receiver(default=Answer(400)) as receiver:
        with Segment(
            KEY, host=receiver.url, on_error=lambda error, batch: told.append((error.status, len(batch)))
        ) as one:
            one.track("user id", "event name")
            one.flush(30)
        with Segment(KEY, host=receiver.url) as other:
            other.track("user id", "event name")
            other.flush(30)
            assert other.stats().failed_by_reason == {"rejected": 1}
    assert told == [(400, 1)]


def test_await_flush_at_exit_sends_everything_and_waits_for_what_is_under_way() -> None:
    # The Node library sends at most flushAt messages, and resolves at once while a request is under way.
    with Receiver(default=Answer(200, delay=0.3)) as receiver:
        with Segment(KEY, host=receiver.url, flush_interval=3_600.0) as client:
            for _ in range(70):
                client.track("u", "E")
            assert client.flush(30).ok
            assert receiver.stats().events == 70
        assert receiver.violations == []


def test_500_kb_a_batch_and_32_kb_an_event(receiver: Receiver) -> None:
    with Segment(KEY, host=receiver.url, **NEVER) as client:
        for _ in range(40):
            assert client.track("u", "E", {"fill": "x" * 32_000})
        assert not client.track("u", "E", {"fill": "x" * 32_768})
        assert client.flush(30).ok
        assert client.stats().refused == {"event_too_large": 1}
    sizes = [len(request.body) for request in receiver.requests]
    assert max(sizes) <= 500_000
    assert len(sizes) == 3


# -- the fields of the six calls (protocols.md 2.2)

COMMON = {
    "userId": ("user_id", "u", "u"),
    "anonymousId": ("anonymous_id", "a", "a"),
    "context": ("context", {"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}),
    "integrations": ("integrations", {"All": False, "Vero": True}, {"All": False, "Vero": True}),
    "timestamp": ("timestamp", WHEN, STAMP),
    "messageId": ("message_id", "m-1", "m-1"),
}
PROPERTIES = {"properties": ("properties", {"revenue": 39.95}, {"revenue": 39.95})}
TRAITS = {"traits": ("traits", {"friends": 42}, {"friends": 42})}
NAMED = {"name": ("name", "Home", "Home"), "category": ("category", "Docs", "Docs")}
FIELDS: dict[str, dict[str, tuple[str, Any, Any]]] = {
    "identify": {**COMMON, **TRAITS},
    "track": {**COMMON, **PROPERTIES, "event": ("event", "Item Purchased", "Item Purchased")},
    "page": {**COMMON, **PROPERTIES, **NAMED},
    "screen": {**COMMON, **PROPERTIES, **NAMED},
    "group": {**COMMON, **TRAITS, "groupId": ("group_id", "56", "56")},
    "alias": {
        **{key: row for key, row in COMMON.items() if key != "anonymousId"},
        "previousId": ("previous_id", "old_id", "old_id"),
    },
}
REQUIRED = {
    "track": {"event": "E"},
    "group": {"group_id": "g"},
    "alias": {"previous_id": "p"},
}
ROWS = [(call, key) for call, fields in FIELDS.items() for key in fields]


@pytest.mark.parametrize(("call", "key"), ROWS, ids=[f"{call}-{key}" for call, key in ROWS])
def test_a_documented_field_is_an_argument_and_arrives_under_its_name(receiver: Receiver, call: str, key: str) -> None:
    argument, given, arrives = FIELDS[call][key]
    with at_once(receiver) as client:
        ids = {} if argument == "anonymous_id" else {"user_id": "someone"}
        assert getattr(client, call)(**{**ids, **REQUIRED.get(call, {}), argument: given})
    [event] = receiver.events
    assert event["type"] == call
    if key == "context":
        assert event[key].items() >= arrives.items()
    else:
        assert event[key] == arrives


@pytest.mark.parametrize("call", FIELDS)
def test_what_the_library_fills_in(receiver: Receiver, call: str) -> None:
    with at_once(receiver) as client:
        for _ in range(2):
            assert getattr(client, call)(user_id="u", **REQUIRED.get(call, {}))
    first, second = receiver.events
    assert first["context"] == {"library": {"name": "sluiceway", "version": __version__}}
    assert first["integrations"] == {}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["timestamp"])
    assert first["messageId"] != second["messageId"]
    assert None not in first.values()
    document = receiver.requests[0].document
    assert list(document) == ["batch", "sentAt", "writeKey"]
    assert first["timestamp"] <= document["sentAt"]


@pytest.mark.parametrize(("given", "sent"), [(10, "10"), ("10", "10")])
def test_ids_that_are_numbers_become_texts(receiver: Receiver, given: Any, sent: str) -> None:
    with at_once(receiver) as client:
        client.track(given, "E", anonymous_id=given)
    assert [(event["userId"], event["anonymousId"]) for event in receiver.events] == [(sent, sent)]


def test_a_callers_own_library_wins_and_its_objects_stay_as_they_were(receiver: Receiver) -> None:
    context = {"library": {"name": "theirs"}}
    with at_once(receiver) as client:
        client.track("u", "E", context=context)
    assert receiver.events[0]["context"] == {"library": {"name": "theirs"}} == context


# -- the code samples

SAMPLES = {
    "Identify: anonymous, and identified": "identify.py",
    "Track: identified": "track.py",
    "Page": "page.py",
    "Group": "group.py",
    "Alias": "alias.py",
    "Alias: a full example": "anonymous_to_identified.py",
    "Configuration": "options.py",
    "Error handling": "error_handler.py",
    "Development, and batching turned off": "development.py",
    "Selecting destinations": "integrations.py",
    "Historical import": "historical_import.py",
    "Batching: a callback": "callback.py",
    "Batching: flush": "flush.py",
    "Long running process": "long_running.py",
    "Short lived process": "short_lived.py",
    "Multiple clients": "several_clients.py",
}


def test_every_code_sample_is_an_example() -> None:
    examples = Path(__file__).parents[2] / "examples"
    assert {name for name in SAMPLES.values() if not (examples / name).exists()} == set()
    assert all(LEFT_OUT.values())


def test_sample_track_anonymous(receiver: Receiver) -> None:
    with at_once(receiver) as client:
        client.track(
            anonymous_id="48d213bb-95c3-4f8d-af97-86b2b404dcfe",
            event="Item Purchased",
            properties={"revenue": 39.95, "shippingMethod": "2-day"},
        )
    [event] = receiver.events
    assert "userId" not in event
    assert event["anonymousId"] == "48d213bb-95c3-4f8d-af97-86b2b404dcfe"
    assert event["properties"] == {"revenue": 39.95, "shippingMethod": "2-day"}


def test_sample_regional_configuration() -> None:
    urls = [
        Segment(KEY, host="https://events.eu1.segmentapis.com")._options.endpoint.url,
        Segment(KEY, host="events.eu1.segmentapis.com/v1/")._options.endpoint.url,
        Segment(KEY, region="eu")._options.endpoint.url,
    ]
    assert urls == ["https://events.eu1.segmentapis.com/v1/batch"] * 3
    assert Segment(KEY, host="api.segment.io/v1")._options.endpoint == Segment(KEY)._options.endpoint
