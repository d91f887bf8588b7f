"""PostHog's two judges: one table of documented answers each, and whatever a body may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.vendors.posthog_judge import judge_v0, judge_v1
from sluiceway.verdict import Bisect, Delivered, Judge, Mixed, Reject, Retry, Split, Unauthorized, Verdict

NOW = 1_767_225_600.0
OUTAGE = Retry(counted=True, endpoint=True)
OWN = Retry(counted=True, endpoint=False)
A = "0190b3f2-7e1c-7000-8000-00000000000a"
B = "0190b3f2-7e1c-7000-8000-00000000000b"
BOTH = pytest.mark.parametrize("judge", [judge_v0, judge_v1])


def error(tag: str) -> bytes:
    """A V1 error as the server words it."""
    uri = "https://posthog.com/docs/api"
    return json.dumps({"error": tag, "error_description": f"request: {tag}", "error_uri": uri}).encode()


def results(**told: Any) -> bytes:
    return json.dumps({"results": {{"a": A, "b": B}.get(name, name): entry for name, entry in told.items()}}).encode()


@BOTH
@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *[(status, Delivered()) for status in (200, 201, 202, 204, 299)],
        *[(status, OWN) for status in (301, 302, 307, 308, 408)],
        *[(status, OUTAGE) for status in (429, 500, 501, 502, 503, 504, 505, 511, 520, 599)],
        *[(status, Unauthorized()) for status in (401, 403)],
        *[(status, Reject()) for status in (402, 404, 405, 410, 411, 415, 422, 451, 460, 499, 100, 600, 999)],
        (413, Split()),
        (400, Bisect()),
    ],
)
def test_every_status_has_its_verdict(judge: Judge, status: int, verdict: Verdict) -> None:
    assert judge(status, {}, b"", now=NOW) == verdict


@BOTH
@pytest.mark.parametrize("status", [301, 408, 429, 500, 503, 504])
@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0), ("0", 0.0)])
def test_retry_after_is_a_minimum_and_the_retry_still_counts(
    judge: Judge, status: int, said: str, seconds: float
) -> None:
    verdict = judge(status, {"retry-after": said}, b"", now=NOW)
    assert verdict == Retry(after=seconds, counted=True, endpoint=status == 429 or status >= 500)


@BOTH
@pytest.mark.parametrize("status", [200, 400, 401, 404, 413])
def test_retry_after_makes_no_other_status_retryable(judge: Judge, status: int) -> None:
    assert judge(status, {"retry-after": "7"}, b"", now=NOW) == judge(status, {}, b"", now=NOW)


V0_DOCUMENTED = {
    "taken": (200, b'{"status":"Ok"}', Delivered()),
    "taken by the older server": (200, b'{"status":1}', Delivered()),
    "over the billing quota": (200, b'{"status":"Ok","quota_limited":["events"]}', Delivered()),
    "beacon": (204, b"", Delivered()),
    "no body": (400, b"failed to decode request: no data", Bisect()),
    "no JSON": (400, b"failed to parse request: expected value at line 1 column 1", Bisect()),
    "no events": (400, b"event submitted with an empty event batch", Bisect()),
    "no event name": (400, b"event submitted without an event name", Bisect()),
    "no distinct_id": (400, b"event submitted without a distinct_id", Bisect()),
    "invalid cookieless": (400, b"invalid cookieless mode", Bisect()),
    "too big for an older server": (400, b"event submitted is too big", Split()),
    "no token": (401, b"event submitted without an api_key", Unauthorized()),
    "two tokens": (401, b"events submitted with inconsistent or missing api_key", Unauthorized()),
    "personal token": (401, b"API key is not valid: personal_api_key", Unauthorized()),
    "too big": (413, b"maximum event size exceeded: 1048576", Split()),
    "stalled body": (408, b"request timed out", OWN),
    "rate limited": (429, b"rate limited", OUTAGE),
    "transient": (503, b"transient error, please retry", OUTAGE),
}


@pytest.mark.parametrize(("status", "body", "verdict"), V0_DOCUMENTED.values(), ids=V0_DOCUMENTED)
def test_v0_every_documented_answer(status: int, body: bytes, verdict: Verdict) -> None:
    assert judge_v0(status, {"content-type": "text/plain"}, body, now=NOW) == verdict


V1_DOCUMENTED = {
    "empty body": (400, "empty_body", Bisect()),
    "empty batch": (400, "empty_batch", Bisect()),
    "created_at": (400, "invalid_batch", Bisect()),
    "uuid missing": (400, "missing_event_uuid", Bisect()),
    "uuid invalid": (400, "invalid_event_uuid", Bisect()),
    "uuid twice": (400, "duplicate_event_uuid", Bisect()),
    "a type in the JSON": (400, "request_parsing_error", Bisect()),
    "no gzip": (400, "request_decoding_error", Bisect()),
    "header missing": (400, "missing_required_headers", Reject()),
    "header invalid": (400, "invalid_header_value", Reject()),
    "key": (401, "invalid_api_token", Unauthorized()),
    "stalled body": (408, "body_read_timeout", OWN),
    "too big": (413, "payload_too_large", Split()),
    "content type": (415, "unsupported_content_type", Reject()),
    "content encoding": (415, "unsupported_encoding", Reject()),
    "quota": (429, "billing_limit_exceeded", Reject()),
    "rate": (429, "rate_limited", OUTAGE),
    "broken": (500, "internal_error", OUTAGE),
    "overloaded": (503, "service_unavailable", OUTAGE),
    "slow": (504, "gateway_timeout", OUTAGE),
}


@pytest.mark.parametrize(("status", "tag", "verdict"), V1_DOCUMENTED.values(), ids=V1_DOCUMENTED)
def test_v1_every_documented_error(status: int, tag: str, verdict: Verdict) -> None:
    assert judge_v1(status, {}, error(tag), now=NOW) == verdict


DROPS = (
    "billing_limit_exceeded",
    "event_name_too_long",
    "missing_event_name",
    "missing_distinct_id",
    "distinct_id_too_large",
    "invalid_event_timestamp",
    "malformed_event_properties",
    "invalid_options",
    "event_restriction_drop",
    "event_too_big",
    "serialization_failed",
    "rejected",
)


@pytest.mark.parametrize("details", DROPS)
def test_v1_a_dropped_event_fails_and_its_neighbour_does_not(details: str) -> None:
    body = results(a={"result": "ok"}, b={"result": "drop", "details": details})
    assert judge_v1(200, {}, body, now=NOW) == Mixed(failed={B: "rejected"})


def test_v1_a_warning_is_a_delivery() -> None:
    body = results(a={"result": "warning", "details": "person_processing_disabled"}, b={"result": "ok"})
    assert judge_v1(200, {}, body, now=NOW) == Delivered()


def test_v1_only_what_was_not_persisted_is_sent_again_and_not_before_it_may() -> None:
    body = results(a={"result": "retry", "details": "not_persisted"}, b={"result": "ok"})
    assert judge_v1(200, {"retry-after": "1"}, body, now=NOW) == Mixed(again=frozenset({A}), after=1.0)
    assert judge_v1(200, {}, body, now=NOW) == Mixed(again=frozenset({A}))


def test_v1_all_four_results_of_one_answer() -> None:
    told = {
        "a": {"result": "drop", "details": "event_too_big"},
        "b": {"result": "retry", "details": "not_persisted"},
        "c": {"result": "ok"},
        "d": {"result": "warning"},
    }
    verdict = judge_v1(200, {"retry-after": "1"}, results(**told), now=NOW)
    assert verdict == Mixed(failed={A: "rejected"}, again=frozenset({B}), after=1.0)


def test_v1_unknown_uuids_are_named_in_the_verdict_and_harm_nobody() -> None:
    body = results(stranger={"result": "drop"}, b={"result": "retry"})
    assert judge_v1(200, {}, body, now=NOW) == Mixed(failed={"stranger": "rejected"}, again=frozenset({B}))


def test_v1_a_uuid_is_told_in_lower_case_whatever_the_answer_has() -> None:
    body = json.dumps({"results": {A.upper(): {"result": "drop"}, B.upper(): {"result": "retry"}}}).encode()
    assert judge_v1(200, {}, body, now=NOW) == Mixed(failed={A: "rejected"}, again=frozenset({B}))


def test_v1_an_event_that_is_dropped_and_wanted_again_is_dropped() -> None:
    body = json.dumps({"results": {A: {"result": "retry"}, A.upper(): {"result": "drop"}}}).encode()
    assert judge_v1(200, {"retry-after": "9"}, body, now=NOW) == Mixed(failed={A: "rejected"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"ok",
        b"<html>",
        b"\xff\x00",
        b"null",
        b"[]",
        b"7",
        b'"results"',
        b"{}",
        b'{"results":null}',
        b'{"results":[]}',
        b'{"results":"drop"}',
        b'{"results":7}',
        results(a=None),
        results(a="drop"),
        results(a=["drop"]),
        results(a={}),
        results(a={"result": None}),
        results(a={"result": ["drop"]}),
        results(a={"result": {"drop": 1}}),
        results(a={"result": "DROP"}),
        results(a={"result": "new word"}),
        results(a={"result": "drop"})[:-3],
        b'{"results":' * 5_000,
        b"[" * 100_000,
    ],
)
def test_v1_a_200_stays_a_delivery_whatever_the_body_holds(body: bytes) -> None:
    assert judge_v1(200, {}, body, now=NOW) == Delivered()


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"error":["missing_required_headers"]}', b'{"error":null}'])
@pytest.mark.parametrize("status", [400, 401, 413, 429, 503])
def test_v1_a_broken_body_does_not_change_the_class_of_a_status(status: int, body: bytes) -> None:
    assert judge_v1(status, {}, body, now=NOW) == judge_v1(status, {}, b"", now=NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["drop", "retry", "ok"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["results", "result", "error", A, B]), inner),
    max_leaves=20,
)


@given(status=st.integers(100, 599), body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_v1_every_answer_has_a_verdict_of_the_class_of_its_status(status: int, body: bytes) -> None:
    verdict = judge_v1(status, {"retry-after": "soon"}, body, now=NOW)
    if 200 <= status <= 299:
        assert isinstance(verdict, (Delivered, Mixed))
        named = verdict.failed.keys() | verdict.again if isinstance(verdict, Mixed) else set()
        assert {name for name in named if name.encode() not in body.lower()} == set()
    else:
        assert not isinstance(verdict, (Delivered, Mixed))
