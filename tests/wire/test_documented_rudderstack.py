"""What RudderStack's documents promise, row by row, in its Python form and against the strict receiver.

The documents are those of the Node SDK (rudderlabs/rudderstack-docs, sources/event-streams/sdks/rudderstack-node-sdk)
and the SDK's readme. Its options are in test_documented_rudderstack_options.py; its code samples are the files of
examples/rudderstack, which run in tests/lifecycle/test_rudderstack_examples.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from sluiceway import RetryPolicy, RudderStack, __version__
from sluiceway.testing import Answer, Receiver

KEY = "documented-write-key"
WHEN = datetime(2013, 1, 1, 5, tzinfo=timezone.utc)
STAMP = "2013-01-01T05:00:00.000Z"
SOON = RetryPolicy(base_seconds=0.001, cap_seconds=0.001)

# Rows that have no Python form of their own.
LEFT_OUT = {
    "createPersistenceQueue, queueOpts, RedisOpts, JobOpts": "beta, and of the language: Bull, a Node library on Redis",
    "_metadata.nodeVersion": "of the language",
    "DATA_PLANE_URL / v1 / batch": "a slip: unquoted, so JavaScript would divide; with spaces it is refused",
    "anonymousId: set automatically by the SDK": "a slip: no server-side SDK does; one of the two ids is required",
    "a row `20`/`20000` as the default of queueName/prefix": "a slip: those are names",
    'region="eu"': "not of this vendor: each workspace has a data plane URL of its own; region= is refused",
    "a global client": "of the language: keep the client in a module of your own",
    "fields user_id, anonymous_id on the wire (older documents, track)": "a slip: the wire has userId, anonymousId",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(vendor="rudderstack") as receiver:
        yield receiver
        assert receiver.violations == []


def at_once(receiver: Receiver, **options: Any) -> RudderStack:
    return RudderStack(KEY, receiver.url, sync=True, **options)


# -- protocols.md, section 6


@pytest.mark.parametrize("ending", ["/v1/batch", "/v1/batch/", ""])
def test_2nd_constructor_argument_data_plane_url_v1_batch(receiver: Receiver, ending: str) -> None:
    with RudderStack(KEY, receiver.url + ending, sync=True) as client:
        assert client.track("u", "E")
    assert [request.path for request in receiver.requests] == ["/v1/batch"]


def test_field_tables_name_user_id_and_anonymous_id_for_track(receiver: Receiver) -> None:
    with at_once(receiver) as client:
        assert client.track(user_id="u", anonymous_id="a", event="E")
    [event] = receiver.events
    assert (event["userId"], event["anonymousId"]) == ("u", "a")
    assert not {"user_id", "anonymous_id"} & set(event)


@pytest.mark.parametrize("call", ["page", "screen"])
def test_page_name_required_is_not_enforced(receiver: Receiver, call: str) -> None:
    with at_once(receiver) as client:
        assert getattr(client, call)("u")
    [event] = receiver.events
    assert (event["type"], "name" in event) == (call, False)


def test_alias_user_id_is_optional_if_anonymous_id_is_set(receiver: Receiver) -> None:
    with at_once(receiver) as client:
        assert client.alias("before", anonymous_id="a")
        assert client.alias("before", "after")
        assert client.alias("before", "after", anonymous_id="a")
        assert not client.alias("before")
    assert [(event.get("userId"), event.get("anonymousId")) for event in receiver.events] == [
        (None, "a"),
        ("after", None),
        ("after", "a"),
    ]


# -- the field tables of the six calls

COMMON = {
    "userId": ("user_id", "u", "u"),
    "anonymousId": ("anonymous_id", "a", "a"),
    "context": ("context", {"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}),
    "integrations": ("integrations", {"All": False, "S3": True}, {"All": False, "S3": True}),
    "timestamp": ("timestamp", WHEN, STAMP),
    "messageId": ("message_id", "m-1", "m-1"),
}
PROPERTIES = {"properties": ("properties", {"url": "https://example.com"}, {"url": "https://example.com"})}
TRAITS = {"traits": ("traits", {"name": "Alex Keener"}, {"name": "Alex Keener"})}
NAMED = {"name": ("name", "Pizza", "Pizza"), "category": ("category", "Food", "Food")}
FIELDS: dict[str, dict[str, tuple[str, Any, Any]]] = {
    "identify": {**COMMON, **TRAITS},
    "track": {**COMMON, **PROPERTIES, "event": ("event", "Item Viewed", "Item Viewed")},
    "page": {**COMMON, **PROPERTIES, **NAMED},
    "screen": {**COMMON, **PROPERTIES, **NAMED},
    "group": {**COMMON, **TRAITS, "groupId": ("group_id", "1", "1")},
    "alias": {**COMMON, **TRAITS, "previousId": ("previous_id", "old_id", "old_id")},
}
REQUIRED = {"track": {"event": "E"}, "group": {"group_id": "g"}, "alias": {"previous_id": "p"}}
OPTIONAL = [(call, key) for call, fields in FIELDS.items() for key in fields]


@pytest.mark.parametrize(("call", "key"), OPTIONAL, ids=[f"{call}-{key}" for call, key in OPTIONAL])
def test_a_documented_field_is_an_argument_and_arrives_under_its_name(receiver: Receiver, call: str, key: str) -> None:
    argument, given, arrives = FIELDS[call][key]
    with at_once(receiver) as client:
        ids = {"user_id": "someone"} if argument != "anonymous_id" else {}
        assert getattr(client, call)(**{**ids, **REQUIRED.get(call, {}), argument: given})
    [event] = receiver.events
    if (call, key) == ("identify", "traits"):
        assert event["context"]["traits"] == arrives
    elif key == "context":
        assert event["context"].items() >= arrives.items()
    else:
        assert event[key] == arrives


# -- what the SDK itself writes into each event (protocols.md 3.2)


@pytest.mark.parametrize("call", FIELDS)
def test_what_the_sdk_fills_in(receiver: Receiver, call: str) -> None:
    before = time.time()
    with at_once(receiver) as client:
        for _ in range(2):
            assert getattr(client, call)(user_id="u", **REQUIRED.get(call, {}))
    first, second = receiver.events
    assert (first["type"], first["channel"]) == (call, "server")
    assert first["context"]["library"] == {"name": "sluiceway", "version": __version__}
    assert first["integrations"] == {"All": True}
    assert first["messageId"] != second["messageId"]
    assert "timestamp" not in first
    now = datetime.fromtimestamp(before, timezone.utc)
    for key in ("originalTimestamp", "sentAt"):
        moment = datetime.strptime(first[key], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
        assert -1 < (moment - now).total_seconds() < 30
    assert first["originalTimestamp"] <= first["sentAt"] == receiver.requests[0].document["sentAt"]


def test_the_callers_own_objects_are_not_changed(receiver: Receiver) -> None:
    context, traits = {"ip": "10.0.0.1"}, {"plan": "Free"}
    with at_once(receiver) as client:
        client.identify("u", traits, context)
    assert (context, traits) == ({"ip": "10.0.0.1"}, {"plan": "Free"})


# -- what the documents say of sending


def test_how_to_ensure_that_all_my_events_in_the_queue_are_processed(receiver: Receiver) -> None:
    told: list[Any] = []
    with RudderStack(KEY, receiver.url, flush_first=False, flush_interval=3_600.0) as client:
        for number in range(7):
            client.track("u", "E", {"number": number})
        assert client.flush(30, callback=lambda error, batch: told.append((error, len(batch.ids)))).ok
        assert [event["properties"]["number"] for event in receiver.events] == list(range(7))
        assert told == [(None, 7)]
        # Nothing waits: told all the same.
        assert client.flush(30, callback=lambda error, batch: told.append(error)).ok
    assert told[1:] == [None]


def test_the_first_event_goes_at_once(receiver: Receiver) -> None:
    with RudderStack(KEY, receiver.url, flush_at=1_000, flush_interval=3_600.0) as client:
        client.track("u", "first")
        assert receiver.wait_for(events=1)


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        (Answer(400, body=b"request neither has anonymousId nor userId\n"), {"failed_by_reason": {"rejected": 1}}),
        (Answer(401, body=b"failed to read writekey from header\n"), {"failed_by_reason": {"unauthorized": 1}}),
        (Answer(404, body=b"source is disabled\n"), {"failed_by_reason": {"unauthorized": 1}}),
        (Answer(413, body=b"request size exceeds max limit\n"), {"failed_by_reason": {"rejected": 1}}),
        (Answer(429, body=b"max requests limit reached\n"), {"delivered": 1}),
        (Answer(500, body=b"failed to read body from request\n"), {"delivered": 1}),
        (Answer(503, body=b""), {"delivered": 1}),
        (Answer(504, body=b""), {"delivered": 1}),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_each_answer_of_the_server(receiver: Receiver, answer: Answer, ended: dict[str, Any]) -> None:
    receiver.answer(answer)
    with RudderStack(KEY, receiver.url, retry=SOON) as client:
        client.track("u", "E")
        client.flush(30)
        stats = client.stats()
    assert stats.pending == 0
    assert {"delivered": stats.delivered, "failed_by_reason": stats.failed_by_reason}.items() >= ended.items()


def test_one_event_that_the_server_refuses_takes_no_other_along() -> None:
    def answer(arriving: Any) -> Answer:
        if any(event["event"] == "bad" for event in arriving.batch):
            return Answer(400, body=b"event is not a valid rudder event\n")
        return Answer(200, body=b"ok")

    told: dict[str, str | None] = {}
    with Receiver(answer, vendor="rudderstack") as receiver:
        with RudderStack(KEY, receiver.url, flush_first=False, flush_at=100, flush_interval=3_600.0) as client:
            for number in range(100):
                name = "bad" if number == 61 else "good"
                client.track("u", name, message_id=f"m-{number}", callback=_keep(told, f"m-{number}"))
            client.flush(30)
            assert client.stats().failed_by_reason == {"rejected": 1}
        assert len(receiver.events) == 99
        assert {name for name, reason in told.items() if reason} == {"m-61"}
        assert len(told) == 100


def _keep(told: dict[str, str | None], name: str) -> Any:
    return lambda error, batch: told.__setitem__(name, None if error is None else error.reason)


# -- what the documents of all vendors promise


def test_sync_makes_one_request_of_each_call_and_tells_whether_it_was_delivered(receiver: Receiver) -> None:
    receiver.answer(200, Answer(400, body=b"invalid json\n"))
    with at_once(receiver) as client:
        assert [client.track("u", "E") for _ in range(3)] == [True, False, True]
    assert [len(request.batch) for request in receiver.requests] == [1, 1, 1]


def test_flush_at_0_and_flush_interval_0_send_at_once(receiver: Receiver) -> None:
    with RudderStack(KEY, receiver.url, flush_first=False, flush_at=0, flush_interval=0) as client:
        for number in range(3):
            client.track("u", "E")
            assert receiver.wait_for(events=number + 1)


def test_several_clients_keep_their_events_and_their_options_apart(receiver: Receiver) -> None:
    with (
        Receiver(vendor="rudderstack") as other,
        RudderStack("one", receiver.url, gzip=False) as first,
        RudderStack("two", other.url + "/v1/batch") as second,
    ):
        first.track("u", "first", {"fill": "x" * 2_000})
        second.track("u", "second", {"fill": "x" * 2_000})
        assert first.flush(30).ok
        assert second.flush(30).ok
        assert [event["event"] for event in receiver.events] == ["first"]
        assert [event["event"] for event in other.events] == ["second"]
        assert other.requests[0].headers["content-encoding"] == "gzip"
        assert other.violations == []


@pytest.mark.parametrize("when", [WHEN, WHEN.replace(tzinfo=None), STAMP, 1_357_016_400, 1_357_016_400_000])
def test_a_historical_timestamp_in_every_form_arrives_unchanged(receiver: Receiver, when: Any) -> None:
    with at_once(receiver) as client:
        client.track("u", "E", timestamp=when)
    [event] = receiver.events
    # The server uses this one as it is; originalTimestamp it would correct by the distance of the clocks.
    assert event["timestamp"] == STAMP


def test_a_message_id_is_fixed_at_the_call_and_sent_at_is_fresh_at_each_attempt(receiver: Receiver) -> None:
    receiver.answer(Answer(503, body=b"", delay=0.05))
    with RudderStack(KEY, receiver.url, retry=SOON) as client:
        client.track("u", "E")
        client.flush(30)
    first, second = [request.batch[0] for request in receiver.requests]
    assert first["messageId"] == second["messageId"]
    assert first["originalTimestamp"] == second["originalTimestamp"]
    assert first["sentAt"] < second["sentAt"]


def test_every_code_sample_is_an_example() -> None:
    examples = {path.stem for path in (Path(__file__).parents[2] / "examples" / "rudderstack").glob("*.py")}
    assert examples >= {"identify", "track", "page", "screen", "group", "alias", "flush", "options", "integrations"}
    assert all(LEFT_OUT.values())
