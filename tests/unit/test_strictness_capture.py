"""A strict PostHog: capture V1, with its headers, its batch-fatal faults and one result for each event."""

from __future__ import annotations

import gzip
import json
import sys
import uuid
import zlib
from typing import Any

import pytest

from sluiceway.testing import Answer, Limits, answers
from sluiceway.testing import arriving as arriving_room

from .arrivals import KEY, TIME, arriving, body, event, read, told


def one(**fields: Any) -> dict[str, Any]:
    """Return one event."""
    return event("capture", **fields)


def refused(data: bytes, **changed: Any) -> tuple[int, str]:
    """Return the status and the tag of a refusal that the violations explain."""
    reading = read("capture", data, **changed)
    assert reading.violations
    assert reading.refusal is not None
    assert KEY not in repr(reading.violations)
    said = json.loads(reading.refusal.body or b"")
    assert said.keys() == {"error", "error_description", "error_uri"}
    return reading.refusal.status, said["error"]


def test_each_event_of_a_good_batch_is_ok() -> None:
    first, second = one(), one(session_id="s", options={"process_person_profile": False})
    data = body("capture", first, second)
    assert read("capture", data).violations == []
    answered = told("capture", data)
    assert answered.fates == "acknowledged"
    assert answered.answer.headers["Content-Type"] == "application/json"
    assert json.loads(answered.answer.body or b"") == {
        "results": {first["uuid"]: {"result": "ok"}, second["uuid"]: {"result": "ok"}}
    }


@pytest.mark.parametrize(
    ("header", "value", "answer"),
    [
        ("authorization", None, (401, "missing_authorization")),
        ("authorization", f"Basic {KEY}", (400, "invalid_header_value")),
        ("authorization", "Bearer phx_personal", (401, "invalid_api_token")),
        ("authorization", "Bearer ", (401, "invalid_api_token")),
        ("content_type", None, (400, "missing_required_headers")),
        ("content_type", "text/plain", (415, "unsupported_content_type")),
        ("content_encoding", "br", (415, "unsupported_encoding")),
        ("user_agent", None, (400, "missing_required_headers")),
        ("posthog_sdk_info", None, (400, "missing_required_headers")),
        ("posthog_attempt", None, (400, "missing_required_headers")),
        ("posthog_attempt", "0", (400, "invalid_header_value")),
        ("posthog_attempt", "one", (400, "invalid_header_value")),
        ("posthog_request_id", None, (400, "missing_required_headers")),
        ("posthog_request_id", "7", (400, "invalid_header_value")),
        ("posthog_request_timestamp", None, (400, "missing_required_headers")),
        ("posthog_request_timestamp", "now", (400, "invalid_header_value")),
    ],
)
def test_each_header_must_be_there_and_be_right(header: str, value: str | None, answer: tuple[int, str]) -> None:
    assert refused(body("capture", one()), **{header: value}) == answer


def test_the_scheme_may_be_in_any_case_and_the_type_have_a_charset() -> None:
    data = body("capture", one())
    assert read("capture", data, authorization=f"BEARER  {KEY} ").violations == []
    assert read("capture", data, content_type="Application/JSON; charset=utf-8").violations == []


def test_the_attempt_is_read_from_its_header() -> None:
    assert arriving("capture", b"", changed={"posthog-attempt": "3"}).attempt == 2
    assert arriving("capture", b"").attempt == 0
    assert arriving("capture", b"", changed={"posthog-attempt": "x"}).attempt == 0


ID = str(uuid.uuid4())


@pytest.mark.parametrize(
    ("data", "tag"),
    [
        (b"{", "request_parsing_error"),
        (b"[]", "request_parsing_error"),
        (body("capture", one(), created_at=None), "request_parsing_error"),
        (body("capture"), "empty_batch"),
        (body("capture", one(), created_at="2013-01-01"), "invalid_batch"),
        (body("capture", one(), one(uuid=None)), "request_parsing_error"),
        (body("capture", one(), one() | {"uuid": ""}), "missing_event_uuid"),
        (body("capture", one(), one(uuid="order-1")), "invalid_event_uuid"),
        (body("capture", one(uuid=ID), one(uuid=ID.upper())), "duplicate_event_uuid"),
        (body("capture", one(), one(distinct_id=7)), "request_parsing_error"),
        (body("capture", one(), one(event=None)), "request_parsing_error"),
        (body("capture", one(), one(timestamp=7)), "request_parsing_error"),
        (body("capture", one(), one(session_id=7)), "request_parsing_error"),
        (body("capture", one(), 7), "request_parsing_error"),
    ],
)
def test_some_faults_cost_the_whole_batch(data: bytes, tag: str) -> None:
    assert refused(data) == (400, tag)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"event": ""}, "missing_event_name"),
        ({"event": "x" * 201}, "event_name_too_long"),
        ({"event": "é" * 101}, "event_name_too_long"),
        ({"distinct_id": " "}, "missing_distinct_id"),
        ({"distinct_id": "é" * 101}, "distinct_id_too_large"),
        ({"timestamp": "2013-01-01T10:15:00"}, "invalid_event_timestamp"),
        ({"properties": [1]}, "malformed_event_properties"),
        ({"options": "none"}, "invalid_options"),
        ({"options": {"cookieless_mode": "perhaps"}}, "invalid_options"),
        ({"event": "", "properties": [1]}, "missing_event_name"),
        ({"properties": {"a": "x" * 1_000_000}}, "event_too_big"),
    ],
)
def test_others_cost_that_event_alone(fields: dict[str, Any], detail: str) -> None:
    good, bad = one(), one() | fields
    data = body("capture", good, bad)
    reading = read("capture", data)
    assert len(reading.violations) >= 1
    assert reading.refusal is None
    answered = told("capture", data)
    assert answered.fates == ["acknowledged", "refused"]
    results = json.loads(answered.answer.body or b"")["results"]
    assert results == {good["uuid"]: {"result": "ok"}, bad["uuid"]: {"result": "drop", "details": detail}}


def test_sizes_are_answered_with_413() -> None:
    assert refused(b" " * (10 * 1024 * 1024 + 1)) == (413, "payload_too_large")
    reading = read("capture", body("capture", one()), Limits(max_body_bytes=10))
    assert reading.refusal is not None
    assert reading.refusal.status == 413
    bomb = gzip.compress(body("capture", *(one(properties={"a": "x" * 900_000}) for _ in range(60))))
    assert refused(bomb, content_encoding="gzip") == (413, "payload_too_large")


def test_scripted_results_are_what_the_events_come_to() -> None:
    events = [one() for _ in range(5)]
    data = body("capture", *events)
    scripted = answers.posthog_results(
        {0: "retry", 1: "drop", 2: ("drop", "billing_limit_exceeded"), events[3]["uuid"]: "warning"}
    )
    assert callable(scripted)
    answer = scripted(arriving("capture", data))
    assert isinstance(answer, Answer)
    answered = told("capture", data, answer)
    assert answered.answer is answer
    assert answered.fates == ["open", "refused", "refused", "acknowledged", "acknowledged"]
    assert answer.headers["Retry-After"] == "1"
    assert [said.get("details") for said in json.loads(answer.body or b"")["results"].values()] == [
        "not_persisted",
        "rejected",
        "billing_limit_exceeded",
        "person_processing_disabled",
        None,
    ]


def test_what_a_200_does_not_name_was_taken() -> None:
    first, second = one(uuid=ID.upper()), one()
    data = body("capture", first, second)
    for said in (b"", b"{}", b"[]", b'{"results":7}'):
        assert told("capture", data, Answer(200, body=said)).fates == "acknowledged"
    partly = json.dumps({"results": {ID: {"result": "drop"}, "unknown": {"result": "retry"}, second["uuid"]: 7}})
    assert told("capture", data, Answer(200, body=partly.encode())).fates == ["refused", "acknowledged"]


@pytest.mark.parametrize(
    ("status", "tag", "wait"),
    [(401, "invalid_api_token", None), (429, "rate_limited", "1"), (503, "service_unavailable", "1")],
)
def test_a_scripted_status_comes_with_its_tag(status: int, tag: str, wait: str | None) -> None:
    answer = told("capture", body("capture", one(), one()), Answer(status)).answer
    assert json.loads(answer.body or b"")["error"] == tag
    assert answer.headers.get("Retry-After") == wait


def test_a_time_may_have_an_offset() -> None:
    assert read("capture", body("capture", one(timestamp=TIME.replace("Z", "+02:00")))).violations == []


def test_a_body_may_be_packed_in_each_way_that_the_official_python_client_offers() -> None:
    data = body("capture", one())
    bare = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    zstandard = pytest.importorskip("zstandard")
    for encoding, packed in (
        ("gzip", gzip.compress(data)),
        ("deflate", zlib.compress(data)),
        ("deflate", bare.compress(data) + bare.flush()),
        ("zstd", zstandard.compress(data)),
    ):
        assert read("capture", packed, content_encoding=encoding).violations == []
        assert refused(packed[:-3], content_encoding=encoding) == (400, "request_decoding_error")
        assert refused(b"not packed", content_encoding=encoding) == (400, "request_decoding_error")
    assert refused(zlib.compress(data), content_encoding="br") == (415, "unsupported_encoding")


def test_without_its_package_zstd_is_an_encoding_that_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert refused(b"anything", content_encoding="zstd") == (415, "unsupported_encoding")


def test_a_small_body_does_not_become_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving_room, "MAX_UNPACKED_BYTES", 100_000)
    large = bytes(200_000)
    zstandard = pytest.importorskip("zstandard")
    for encoding, packed in (("deflate", zlib.compress(large)), ("zstd", zstandard.compress(large))):
        assert refused(packed, content_encoding=encoding) == (400, "request_decoding_error")
