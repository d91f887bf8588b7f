"""A strict Segment: what it would drop behind its 200 is noted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluiceway.testing import Answer, Limits
from sluiceway.testing.wire import Malformed

from .arrivals import KEY, basic, body, event, read, told


def test_a_request_within_all_limits_is_read_without_objection() -> None:
    first, second = event("segment"), event("segment", "order-é")
    reading = read("segment", body("segment", first, second))
    assert reading.ids == [first["messageId"], "order-é"]
    assert [json.loads(bytes(raw)) for raw in reading.events] == [first, second]
    assert reading.lasting is reading.events
    assert (reading.violations, reading.refusal) == ([], None)


def one(**fields: Any) -> dict[str, Any]:
    """Return one event."""
    return event("segment", "a", **fields)


LARGE = {"text": "x" * 30_000}


@pytest.mark.parametrize(
    ("data", "objections"),
    [
        (body("segment", *(event("segment", properties=LARGE) for _ in range(17))), ["body: "]),
        (body("segment", *(event("segment") for _ in range(2_501))), ["batch: 2501 events, limit 2500"]),
        (body("segment", one(), event("segment", properties=LARGE | {"more": "x" * 3_000})), ["event 1: "]),
        (body("segment"), ["batch: empty"]),
        (body("segment", one(messageId=7)), ["event 0: messageId is no text"]),
        (body("segment", one(), {"type": "track"}), ["event 1: messageId is missing"] + ["event 1: "] * 3),
        (body("segment", one(messageId="x" * 101)), ["event 0: messageId has 101 characters, limit 100"]),
        (body("segment", one(), 7), ["event 1: itself is no object"]),
        (
            body("segment", one(userId=None), one(messageId="b", event=None)),
            ["event 0: userId or ", "event 1: event is"],
        ),
        (body("segment", one(), sentAt=None), ["envelope: sentAt is not a time"]),
        (body("segment", one(), sentAt="now"), ["envelope: sentAt is not a time"]),
        (b"[]", ["envelope: no object with a batch of events"]),
        (b'{"batch":{}}', ["envelope: no object with a batch of events"]),
        (body("segment", one(), writeKey=""), ["authentication: writeKey is not a text"]),
        (body("segment", one(), writeKey=None), ["authentication: neither a writeKey nor an Authorization header"]),
    ],
)
def test_a_strict_segment_objects_and_refuses_nothing(data: bytes, objections: list[str]) -> None:
    reading = read("segment", data)
    assert [text[: len(start)] for text, start in zip(reading.violations, objections, strict=True)] == objections
    assert reading.refusal is None


def test_an_event_without_an_id_is_still_told_from_others() -> None:
    reading = read("segment", body("segment", one(messageId=None), one(), one(messageId=7)))
    assert reading.ids[1] == "a"
    assert len(set(reading.ids)) == 3


def test_each_limit_holds_to_the_byte() -> None:
    data = body("segment", one(), one())
    nbytes = len(json.dumps(one(), separators=(",", ":")))
    assert (
        read("segment", data, Limits(max_body_bytes=len(data), max_event_bytes=nbytes, max_batch_events=2)).violations
        == []
    )
    for less in (
        Limits(max_body_bytes=len(data) - 1),
        Limits(max_event_bytes=nbytes - 1),
        Limits(max_batch_events=1),
    ):
        assert read("segment", data, less).violations


@pytest.mark.parametrize("data", [b"", b"{", b'{"batch":[NaN]}', b'{"batch":[],"x":"\xff"}', b'{"batch":[}'])
def test_what_is_not_json_in_utf_8_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        read("segment", data)
    assert caught.value.status == 400


def test_another_content_type_is_noted() -> None:
    reading = read("segment", body("segment", one()), content_type="text/plain")
    assert reading.violations == ["content-type: not application/json"]


@pytest.mark.parametrize(
    ("header", "wrong"),
    [
        (basic(f"{KEY}:"), False),
        ("Bearer token", False),
        (basic(KEY), True),
        (basic(f"{KEY}:password"), True),
        (basic("other-key:"), True),
        ("Basic !", True),
        ("Digest x", True),
    ],
)
def test_both_ways_of_authentication_must_agree(header: str, wrong: bool) -> None:
    reading = read("segment", body("segment", one()), authorization=header)
    assert bool(reading.violations) is wrong
    assert KEY not in repr(reading.violations)


def test_basic_alone_is_enough_but_bearer_needs_a_key() -> None:
    without = body("segment", one(), writeKey=None)
    assert read("segment", without, authorization=basic()).violations == []
    assert read("segment", without, authorization="Bearer token").violations


def test_success_is_said_in_the_body_and_failure_in_the_status() -> None:
    data = body("segment", one(), event("segment", "b"))
    assert told("segment", data).answer.body == b'{"success":true}'
    assert told("segment", data).fates == "acknowledged"
    assert told("segment", data, Answer(201, body=b"")).answer.body == b""
    assert told("segment", data, Answer(503)).answer.body == b""
    assert told("segment", data, Answer(400)).fates == "open"


@pytest.mark.parametrize(
    ("status", "fate"), [(400, "refused"), (413, "refused"), (401, "open"), (429, "open"), (500, "open")]
)
def test_an_event_that_was_refused_alone_is_refused_for_good(status: int, fate: str) -> None:
    assert told("segment", body("segment", one()), Answer(status)).fates == fate
