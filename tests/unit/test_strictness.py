"""What a strict Segment would object to, decided from one request alone: no socket, no thread."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest

from sluiceway.testing import Arriving
from sluiceway.testing.strictness import Limits, Reading, inspect
from sluiceway.testing.wire import Malformed

KEY = "test-write-key"


def event(message_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return one event as it stands in a batch."""
    return {"type": "track", "messageId": message_id or str(uuid.uuid4()), "userId": "u", "event": "E"} | fields


def body(*events: Any, **envelope: Any) -> bytes:
    """Return a request body around these events."""
    sent = {"batch": list(events), "writeKey": KEY, "sentAt": "2013-01-01T10:15:00.000Z"} | envelope
    return json.dumps(sent, separators=(",", ":")).encode()


def read(data: bytes, limits: Limits | None = None, **headers: str) -> Reading:
    """Inspect a body as if it had arrived."""
    arriving = Arriving(
        number=0,
        connection=0,
        method="POST",
        path="/v1/batch",
        headers={"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()},
        body_bytes=len(data),
        read=lambda _nbytes: data,
    )
    return inspect(arriving, limits or Limits())


def test_a_request_within_all_limits_is_read_without_objection() -> None:
    first, second = event(), event("order-é")
    reading = read(body(first, second))
    assert reading.ids == [first["messageId"], "order-é"]
    assert [json.loads(bytes(raw)) for raw in reading.events] == [first, second]
    assert reading.violations == []


BIG = {"properties": {"text": "x" * 33_000}}


@pytest.mark.parametrize(
    ("data", "objection"),
    [
        (body(*(event(properties={"text": "x" * 30_000}) for _ in range(17))), "body: "),
        (body(*(event() for _ in range(2_501))), "batch: 2501 events, limit 2500"),
        (body(event(), event("big", **BIG)), "event 1: "),
        (body(), "batch: empty"),
        (body(event(messageId=7)), "event 0: no messageId"),
        (body(event(), {"type": "track"}), "event 1: no messageId"),
        (body(event("x" * 101)), "messageId: more than 100 characters"),
        (body(event(), sentAt=None), "envelope: sentAt is not a time"),
        (body(event(), sentAt="now"), "envelope: sentAt is not a time"),
        (b"[]", "envelope: no object with a batch of events"),
        (b'{"batch":{}}', "envelope: no object with a batch of events"),
        (body(event(), writeKey=""), "authentication: writeKey is not a text"),
        (body(event(), writeKey=None), "authentication: neither a writeKey nor an Authorization header"),
    ],
)
def test_a_strict_segment_objects(data: bytes, objection: str) -> None:
    (violation,) = read(data).violations
    assert violation.startswith(objection)


def test_each_limit_holds_to_the_byte() -> None:
    one = event("a")
    data = body(one, one)
    nbytes = len(json.dumps(one, separators=(",", ":")))
    exact = Limits(max_body_bytes=len(data), max_event_bytes=nbytes, max_batch_events=2, max_id_chars=1)
    assert read(data, exact).violations == []
    for less in (
        Limits(max_body_bytes=len(data) - 1),
        Limits(max_event_bytes=nbytes - 1),
        Limits(max_batch_events=1),
        Limits(max_id_chars=0),
    ):
        assert read(data, less).violations


@pytest.mark.parametrize("data", [b"", b"{", b'{"batch":[NaN]}', b'{"batch":[],"x":"\xff"}', b'{"batch":[}'])
def test_what_is_not_json_in_utf_8_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        read(data)
    assert caught.value.status == 400


def test_another_content_type_is_noted() -> None:
    assert read(body(event()), content_type="text/plain").violations == ["content-type: not application/json"]


def basic(text: str) -> str:
    """Return the value of an Authorization header."""
    return "Basic " + base64.b64encode(text.encode()).decode()


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
    reading = read(body(event()), authorization=header)
    assert bool(reading.violations) is wrong
    assert KEY not in repr(reading.violations)


def test_basic_alone_is_enough_but_bearer_needs_a_key() -> None:
    assert read(body(event(), writeKey=None), authorization=basic(f"{KEY}:")).violations == []
    assert read(body(event(), writeKey=None), authorization="Bearer token").violations
