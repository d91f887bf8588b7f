"""A strict PostHog: batch v0, where the first event that cannot be read costs the whole batch."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from sluiceway.testing import Answer, Limits

from .arrivals import KEY, body, event, read, told


def one(**fields: Any) -> dict[str, Any]:
    """Return one event."""
    return event("posthog", **fields)


def refused(data: bytes, **changed: Any) -> tuple[int, bytes]:
    """Return the status and the body of a refusal that the violations explain."""
    reading = read("posthog", data, **changed)
    assert reading.violations
    assert reading.refusal is not None
    assert KEY not in repr(reading.violations)
    return reading.refusal.status, reading.refusal.body or b""


def test_a_good_batch_is_ok() -> None:
    data = body("posthog", one(), one(event="$identify", **{"$set": {"a": 1}}))
    reading = read("posthog", data)
    assert (reading.violations, reading.refusal, len(reading.ids)) == ([], None, 2)
    answered = told("posthog", data, path="/batch")
    assert (answered.answer.body, answered.fates) == (b'{"status":"Ok"}', "acknowledged")


UNREADABLE = (400, b"failed to parse request: invalid type in an event")
NO_NAME = (400, b"event submitted with an empty event name")
NO_ID = (400, b"event submitted without a distinct_id")


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"uuid": "order-1"}, UNREADABLE),
        ({"uuid": 7}, UNREADABLE),
        ({"event": None}, UNREADABLE),
        ({"event": 7}, UNREADABLE),
        ({"timestamp": 1_356_998_400}, UNREADABLE),
        ({"properties": []}, UNREADABLE),
        ({"$set": []}, UNREADABLE),
        ({"$set_once": "x"}, UNREADABLE),
        ({"offset": 1.5}, UNREADABLE),
        ({"event": ""}, NO_NAME),
        ({"distinct_id": None}, NO_ID),
        ({"distinct_id": ""}, NO_ID),
    ],
)
def test_one_bad_event_costs_the_whole_batch(fields: dict[str, Any], answer: tuple[int, bytes]) -> None:
    assert refused(body("posthog", one(), one() | fields, one())) == answer


def test_the_request_is_read_before_its_events_are_looked_at() -> None:
    assert refused(body("posthog", one(event=""), one(distinct_id=None))) == NO_NAME
    assert refused(body("posthog", one(distinct_id=None), one(event=""))) == NO_ID
    assert refused(body("posthog", one(event=""), one(uuid=7))) == UNREADABLE
    assert refused(body("posthog", one(event=""), 7)) == UNREADABLE


@pytest.mark.parametrize(
    ("fields", "objection"),
    [
        ({"uuid": None}, "uuid is missing"),
        ({"timestamp": None}, "timestamp is missing"),
        ({"timestamp": "yesterday"}, "timestamp is no time of RFC 3339"),
        ({"distinct_id": {"a": 1}}, "distinct_id is no text"),
        ({"properties": {"$groups": 1}}, "properties.$groups is no object"),
        ({"event": "$create_alias"}, "properties.alias is missing"),
    ],
)
def test_what_capture_reads_leniently_is_noted_and_taken(fields: dict[str, Any], objection: str) -> None:
    reading = read("posthog", body("posthog", one() | fields))
    assert reading.violations == [f"event 0: {objection}"]
    assert reading.refusal is None


@pytest.mark.parametrize(
    "fields",
    [
        {"distinct_id": 7},
        {
            "distinct_id": None,
            "event": "$create_alias",
            "properties": {"distinct_id": "u", "alias": "b"},
        },  # posthog-node 1
        {"type": "capture", "library": "posthog-node", "library_version": "1.1.3", "offset": None, "$set": None},
    ],
)
def test_what_the_official_clients_send_is_taken(fields: dict[str, Any]) -> None:
    assert read("posthog", body("posthog", one() | fields, historical_migration=True)).violations == []


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"{", (400, b"failed to parse request: not JSON")),
        (b"[]", (400, b"failed to parse request: not JSON")),
        (body("posthog"), (400, b"request holds no event")),
        (body("posthog", api_key=None), (400, b"request holds no event")),
        (body("posthog", one(), api_key=None), (401, b"event submitted without an api_key")),
        (body("posthog", one(), api_key=""), (401, b"API key is not valid: wrong form")),
        (body("posthog", one(), api_key="phx_personal"), (401, b"API key is not valid: wrong form")),
        (body("posthog", one(), api_key="k" * 65), (401, b"API key is not valid: wrong form")),
        (body("posthog", one(), historical_migration="yes"), (400, b"failed to parse request: not JSON")),
    ],
)
def test_the_envelope_must_be_right(data: bytes, answer: tuple[int, bytes]) -> None:
    assert refused(data) == answer


@pytest.mark.parametrize("place", [{"token": KEY}, {"api_key": KEY}, {"$token": KEY}, {"properties": {"token": KEY}}])
def test_the_key_may_be_under_another_name_or_in_each_event(place: dict[str, Any]) -> None:
    assert read("posthog", body("posthog", one(), api_key=None, token=KEY)).violations == []
    assert read("posthog", body("posthog", one(**place), api_key=None)).violations == []
    assert refused(body("posthog", one(**place), one(), api_key=None))[0] == 401


def test_the_moment_of_sending_is_asked_for_and_not_insisted_on() -> None:
    reading = read("posthog", body("posthog", one(), sent_at=None))
    assert (reading.violations, reading.refusal) == (["envelope: sent_at is not a time"], None)


def test_an_event_over_kafkas_limit_and_a_body_over_the_routes_are_too_large() -> None:
    least = len(body("posthog", one(properties={"a": ""}))) - len(body("posthog")) + len("[]") - 2
    assert read("posthog", body("posthog", one(properties={"a": "x" * (1_000_000 - least)}))).violations == []
    large = body("posthog", one(), one(properties={"a": "x" * (1_000_001 - least)}))
    assert refused(large) == (413, b"maximum event size exceeded")
    assert refused(b" " * (20 * 1024 * 1024 + 1)) == (413, b"length limit exceeded")
    tight = read("posthog", body("posthog", one()), Limits(max_body_bytes=10))
    assert tight.refusal is not None
    assert tight.refusal.body == b"length limit exceeded"


def test_gzip_is_read_and_what_is_none_is_not() -> None:
    data = body("posthog", one())
    assert read("posthog", gzip.compress(data), content_encoding="gzip").violations == []
    assert refused(data, content_encoding="gzip") == (400, b"failed to decode request: invalid encoding")


def test_a_scripted_status_comes_in_plain_words() -> None:
    data = body("posthog", one(), one())
    assert told("posthog", data, Answer(429)).answer.body == b"rate limited"
    assert told("posthog", data, Answer(500)).answer.body == b""
    assert told("posthog", data, Answer(400)).fates == "open"
    assert told("posthog", body("posthog", one()), Answer(400)).fates == "refused"


def test_another_path_is_no_route() -> None:
    assert told("posthog", body("posthog", one()), path="/v1/batch").answer.status == 404
    assert told("posthog", body("posthog", one()), path="/proxy/batch/?_=1").answer.status == 200
