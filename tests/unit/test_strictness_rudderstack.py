"""A strict RudderStack: the gateway's plain words, one bad event for the whole batch."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from sluiceway.testing import Answer, Limits

from .arrivals import KEY, basic, body, event, read, told


def one(**fields: Any) -> dict[str, Any]:
    """Return one event."""
    return event("rudderstack", **fields)


def refused(data: bytes, **changed: Any) -> tuple[int, bytes]:
    """Return the status and the body of a refusal that the violations explain."""
    reading = read("rudderstack", data, **changed)
    assert reading.violations
    assert reading.refusal is not None
    assert KEY not in repr(reading.violations)
    return reading.refusal.status, (reading.refusal.body or b"").strip()


def test_a_good_batch_is_answered_with_ok() -> None:
    data = body("rudderstack", one(), one(userId=None, anonymousId="a"))
    reading = read("rudderstack", data)
    assert (reading.violations, reading.refusal) == ([], None)
    answered = told("rudderstack", data)
    assert (answered.answer.body, answered.fates) == (b"ok", "acknowledged")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", b"invalid json"),
        (b"{", b"invalid json"),
        (b"[]", b"invalid json"),
        (body("rudderstack"), b"empty batch payload"),
        (body("rudderstack", one(), 7), b"event is not a valid rudder event"),
        (body("rudderstack", one(), one(userId=None)), b"request neither has anonymousId nor userId"),
        (body("rudderstack", one(userId=" ", anonymousId="")), b"request neither has anonymousId nor userId"),
        (body("rudderstack", one(type="merge", userId=None)), b"request neither has anonymousId nor userId"),
        (body("rudderstack", one(userId=None), 7), b"request neither has anonymousId nor userId"),
    ],
)
def test_one_bad_event_costs_the_whole_batch(data: bytes, words: bytes) -> None:
    assert refused(data) == (400, words)


@pytest.mark.parametrize(
    ("fields", "objection"),
    [
        ({"event": None}, "event is missing"),
        ({"sentAt": None}, "sentAt is missing"),
        ({"sentAt": "now"}, "sentAt is no time of RFC 3339"),
        ({"originalTimestamp": None}, "originalTimestamp is missing"),
        ({"messageId": 7}, "messageId is no text"),
        ({"type": "merge"}, "type names no call of this vendor"),
        ({"event": 7}, "event is no text"),
    ],
)
def test_what_the_gateway_does_not_look_at_is_noted_and_taken(fields: dict[str, Any], objection: str) -> None:
    reading = read("rudderstack", body("rudderstack", one(), one(**fields) | fields))
    assert reading.violations == [f"event 1: {objection}"]
    assert reading.refusal is None


@pytest.mark.parametrize(
    "fields",
    [
        {"userId": None, "anonymousId": "a"},  # explicitly null, as the Python client has it
        {"userId": 7},
        # A time of its own is taken as it is: the Python client sends neither of those that correct it.
        {"timestamp": "2013-01-01T10:15:00.123456+00:00", "originalTimestamp": None, "sentAt": None},
        {"channel": None, "_metadata": {"nodeVersion": "18"}, "timestamp": "2013-01-01T10:15:00.123456+00:00"},
    ],
)
def test_what_the_official_clients_send_is_taken(fields: dict[str, Any]) -> None:
    assert read("rudderstack", body("rudderstack", one() | fields, timestamp="now")).violations == []


def test_a_time_that_is_none_does_not_stand_in_for_the_others() -> None:
    untimed = one(originalTimestamp=None, sentAt=None)
    for given in (None, 7):
        wrong = read("rudderstack", body("rudderstack", untimed | {"timestamp": given})).violations
        assert {"event 0: originalTimestamp is missing", "event 0: sentAt is missing"} <= set(wrong)


def test_the_key_must_come_as_basic() -> None:
    data = body("rudderstack", one(), writeKey=KEY)
    for header in (None, basic(KEY), f"Bearer {KEY}"):
        assert refused(data, authorization=header) == (401, b"failed to read writekey from header")


def test_the_path_ends_in_v1_batch() -> None:
    data = body("rudderstack", one())
    assert told("rudderstack", data, path="/rudder/v1/batch").answer.status == 200
    assert told("rudderstack", data, path="/v1/track").answer.status == 404


def test_gzip_is_read_under_exactly_that_name() -> None:
    packed = gzip.compress(body("rudderstack", one()))
    assert read("rudderstack", packed, content_encoding="gzip").violations == []
    assert refused(packed, content_encoding="GZIP") == (400, b"invalid json")
    assert refused(packed) == (400, b"invalid json")
    assert refused(packed[:-3], content_encoding="gzip") == (500, b"failed to read body from request")
    assert read("rudderstack", body("rudderstack", one()), content_encoding="br").violations == []


def test_a_body_may_have_4_096_000_bytes() -> None:
    text = "x" * (4_096_000 - len(body("rudderstack", one(properties={"text": ""}))))
    data = body("rudderstack", one(properties={"text": text}))
    assert len(data) == 4_096_000
    assert read("rudderstack", data).violations == []
    assert refused(body("rudderstack", one(properties={"text": text + "x"}))) == (
        413,
        b"request size exceeds max limit",
    )
    reading = read("rudderstack", data, Limits(max_body_bytes=100))
    assert reading.refusal is not None


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, b"invalid write key\n"),
        (404, b"source is disabled\n"),
        (413, b"request size exceeds max limit\n"),
        (429, b"max requests limit reached\n"),
        (503, b""),
    ],
)
def test_a_scripted_status_comes_in_the_gateways_words(status: int, words: bytes) -> None:
    answered = told("rudderstack", body("rudderstack", one(), one()), Answer(status))
    assert (answered.answer.body, answered.fates) == (words, "open")
    assert told("rudderstack", body("rudderstack", one()), Answer(status, body=b"mine")).answer.body == b"mine"


def test_what_stays_the_same_between_attempts_leaves_the_moment_of_sending_out() -> None:
    def lasting(told_event: dict[str, Any], **separators: Any) -> bytes:
        data = json.dumps({"batch": [told_event]}, **separators).encode()
        return bytes(read("rudderstack", data).lasting[0])

    tight = {"separators": (",", ":")}
    for form in (tight, {}):
        first, again = one(messageId="a"), one(messageId="a") | {"sentAt": "2013-01-01T10:15:07.000Z"}
        other = one(messageId="a", event="Other")
        assert lasting(first, **form) == lasting(again, **form)
        assert lasting(first, **form) != lasting(other, **form)
        moved = {"sentAt": "2013-01-01T10:15:07.000Z"} | {key: first[key] for key in first if key != "sentAt"}
        assert b"sentAt" not in lasting(moved, **form)
