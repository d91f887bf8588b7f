"""Amplitude's judge: every documented status and body, and whatever else a body may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.vendors.amplitude_judge import judge
from sluiceway.verdict import (
    Bisect,
    Delivered,
    Named,
    Partial,
    Reject,
    Retry,
    Split,
    Throttled,
    Unauthorized,
    Verdict,
)

NOW = 1_767_225_600.0
OUTAGE = Retry(counted=True, endpoint=True)
OWN = Retry(counted=True, endpoint=False)

SUCCESS = {"code": 200, "events_ingested": 50, "payload_size_bytes": 50, "server_upload_time": 1_396_381_378_123}
TOO_LARGE = {"code": 413, "error": "Payload too large"}


def answer(**entries: Any) -> bytes:
    return json.dumps(entries).encode()


def judged(status: int, body: bytes = b"", **headers: str) -> Verdict:
    return judge(status, headers, body, now=NOW)


def invalid(*indices: int) -> Partial:
    return Partial(failed=dict.fromkeys(indices, "rejected"))


def named(*indices: int, users: tuple[str, ...] = (), devices: tuple[str, ...] = ()) -> Named:
    return Named(frozenset(indices), frozenset(users), frozenset(devices))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *[(status, Delivered()) for status in (200, 201, 202, 204, 299)],
        *[(status, OWN) for status in (301, 302, 307, 308, 408)],
        *[(status, OUTAGE) for status in (429, 500, 501, 502, 503, 504, 505, 511, 520, 599)],
        *[(status, Unauthorized()) for status in (401, 403)],
        *[(status, Reject()) for status in (402, 404, 405, 410, 415, 422, 460, 499, 0, 100, 600, 999)],
        (413, Split()),
        (400, Bisect()),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"code":true}', b'{"code":"200"}', b"\xff{"])
def test_every_status_has_its_verdict_when_the_body_says_nothing(status: int, verdict: Verdict, body: bytes) -> None:
    assert judged(status, body) == verdict


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, SUCCESS, Delivered()),
        (500, SUCCESS, Delivered()),
        (200, {"code": 400, "events_with_invalid_fields": {"time": [0]}}, invalid(0)),
        (200, TOO_LARGE, Split()),
        (400, TOO_LARGE, Split()),
        (200, {"code": 429}, OUTAGE),
        (200, {"code": 503}, OUTAGE),
        (400, {"code": 500}, OUTAGE),
        # What is no status leaves the one that came over HTTP.
        (200, {"code": 0}, Delivered()),
        (200, {"code": 100}, Delivered()),
        (200, {"code": 4000}, Delivered()),
        (503, {"code": -1}, OUTAGE),
        (503, {"code": 200.0}, OUTAGE),
        (503, {"code": None}, OUTAGE),
    ],
)
def test_the_code_of_the_body_counts_before_the_status(status: int, body: dict[str, Any], verdict: Verdict) -> None:
    assert judged(status, json.dumps(body).encode()) == verdict


def test_a_code_that_no_integer_holds_is_none() -> None:
    assert judged(200, b'{"code":' + b"9" * 400 + b"}") == Delivered()


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        # http-v2-api and batch-event-upload-api, "400 response InvalidRequestError"
        (
            {"error": "Request missing required field", "missing_field": "api_key", "events_with_missing_fields": {}},
            Reject(),
        ),
        ({"missing_field": "events", "events_with_missing_fields": {"event_type": [3]}}, Reject()),
        ({"missing_field": None, "events_with_missing_fields": {"event_type": [3]}}, invalid(3)),
        ({"missing_field": "", "events_with_missing_fields": {"event_type": [3]}}, invalid(3)),
        ({"events_with_invalid_fields": {"time": [3, 4, 7]}}, invalid(3, 4, 7)),
        (
            {"events_with_invalid_fields": {"time": [0, 4]}, "events_with_missing_fields": {"event_type": [7, 4]}},
            invalid(0, 4, 7),
        ),
        ({"events_with_invalid_id_lengths": {"user_id": [1], "device_id": [2]}}, invalid(1, 2)),
        ({"silenced_events": [5, 6], "silenced_devices": ["one", "two"], "throttled_events": []}, invalid(5, 6)),
        # Beyond the request, twice, or none at all: the sender knows how many there are.
        ({"events_with_invalid_fields": {"time": [9_999_999, 1, 1], "ip": [1]}}, invalid(1, 9_999_999)),
        ({"events_with_invalid_fields": {"time": [-1]}}, Bisect()),
        ({"events_with_invalid_fields": {"time": []}, "events_with_missing_fields": {}}, Bisect()),
        ({"events_with_invalid_fields": {"time": [True, "1", 1.0, None, [2], {"3": 3}]}}, Bisect()),
        ({"events_with_invalid_fields": [1], "silenced_events": {"1": 1}}, Bisect()),
        ({"error": "Invalid event JSON"}, Bisect()),
        ({"error": "Invalid JSON request body"}, Bisect()),
        ({"error": "Invalid field values on some events"}, Bisect()),
        ({"error": 7, "missing_field": ["api_key"]}, Bisect()),
        # No event is at fault.
        ({"error": "Invalid request path"}, Reject()),
        ({"error": "Missing request body"}, Reject()),
        # AP and AT: the text goes on behind the colon.
        ({"error": "Invalid API key: abc"}, Unauthorized()),
        ({"error": "invalid api key"}, Unauthorized()),
        ({"error": "Invalid API key: abc", "events_with_invalid_fields": {"time": [0]}}, Unauthorized()),
    ],
)
def test_a_400_says_what_is_wrong(body: dict[str, Any], verdict: Verdict) -> None:
    assert judged(400, answer(code=400, **body)) == verdict
    assert judged(400, answer(**body)) == verdict


def test_an_answer_about_silenced_devices_delays_the_throttled_ones() -> None:
    """http-v2-api, "Silenced devices example"."""
    body = answer(
        code=400,
        eps_threshold=100,
        error="Events silenced for device_id",
        exceeded_daily_quota_devices={},
        silenced_devices=["silenced_device_id_1", "silenced_device_id_2"],
        silenced_events=[5, 6],
        throttled_devices={"throttled_device_id_1": 0, "throttled_device_id_2": 100},
        throttled_events=[3, 4],
    )
    later = named(3, 4, devices=("throttled_device_id_1", "throttled_device_id_2"))
    assert judged(400, body) == Throttled(failed=named(5, 6), later=later, seconds=30.0)


def test_a_429_ends_who_is_over_the_quota_and_delays_who_is_throttled() -> None:
    """batch-event-upload-api, "TooManyRequestsForDeviceError"."""
    body = answer(
        code=429,
        error="Too many requests for some devices and users",
        eps_threshold=1000,
        throttled_devices={"C8F9E604": 4000},
        throttled_users={"datamonster@amplitude.com": 4000},
        exceeded_daily_quota_users={"datanom@amplitude.com": 500200},
        exceeded_daily_quota_devices={"A1A1A000": 500900},
        throttled_events=[3, 4, 7],
    )
    failed = named(users=("datanom@amplitude.com",), devices=("A1A1A000",))
    later = named(3, 4, 7, users=("datamonster@amplitude.com",), devices=("C8F9E604",))
    assert judged(429, body) == Throttled(failed=failed, later=later, seconds=30.0)


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ({"throttled_events": [0]}, Throttled(later=named(0))),
        ({"throttled_users": {"u": 31}}, Throttled(later=named(users=("u",)))),
        ({"throttled_devices": {"d": 31}}, Throttled(later=named(devices=("d",)))),
        ({"exceeded_daily_quota_users": {"u": 1}}, Throttled(failed=named(users=("u",)))),
        ({"exceeded_daily_quota_devices": ["d"]}, Throttled(failed=named(devices=("d",)))),
        # Nobody is named: the whole request, later.
        ({"throttled_events": [], "throttled_users": {}, "throttled_devices": {}}, OUTAGE),
        ({"throttled_users": {"": 3}, "throttled_events": [-1, True, "0", 0.5]}, OUTAGE),
        ({"throttled_users": 5, "throttled_devices": "d", "throttled_events": {"0": 0}}, OUTAGE),
        ({"error": "Too many requests"}, OUTAGE),
    ],
)
def test_a_429_names_some_or_nobody(body: dict[str, Any], verdict: Verdict) -> None:
    assert judged(429, answer(code=429, **body)) == verdict


@pytest.mark.parametrize(("said", "seconds"), [("7", 30.0), ("90", 90.0), ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0)])
def test_a_throttled_user_waits_thirty_seconds_or_as_long_as_the_server_says(said: str, seconds: float) -> None:
    body = answer(code=429, throttled_users={"u": 31})
    assert judge(429, {"retry-after": said}, body, now=NOW) == Throttled(later=named(users=("u",)), seconds=seconds)


@pytest.mark.parametrize("status", [301, 408, 429, 500, 503])
def test_retry_after_is_a_minimum_that_spends_no_retry(status: int) -> None:
    verdict = judge(status, {"retry-after": "7"}, b"", now=NOW)
    assert verdict == Retry(after=7.0, counted=False, endpoint=status == 429 or status >= 500)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        "code",
        "error",
        "missing_field",
        "events_with_invalid_fields",
        "events_with_missing_fields",
        "events_with_invalid_id_lengths",
        "silenced_events",
        "silenced_devices",
        "throttled_events",
        "throttled_users",
        "throttled_devices",
        "exceeded_daily_quota_users",
        "exceeded_daily_quota_devices",
    ]
)
STATUS = st.sampled_from([200, 400, 413, 429, 500]) | st.integers(-1, 1_000)


@given(STATUS, st.dictionaries(KEYS, JSON | st.sampled_from([200, 400, 413, 429, 500])), st.booleans())
def test_no_json_is_too_odd(status: int, body: dict[str, Any], cut: bool) -> None:
    text = json.dumps(body).encode()
    verdict = judged(status, text[:-1] if cut else text)
    assert isinstance(verdict, Verdict)
    if isinstance(verdict, Partial):
        assert verdict.failed
        assert all(type(index) is int and index >= 0 for index in verdict.failed)
    if isinstance(verdict, Throttled):
        assert Throttled(failed=verdict.failed, later=verdict.later) != Throttled()
        assert verdict.seconds >= 30.0


@given(STATUS, st.binary(max_size=64))
def test_no_bytes_are_too_odd(status: int, body: bytes) -> None:
    assert isinstance(judged(status, body), Verdict)


def test_a_body_nested_without_end_is_no_body() -> None:
    assert judged(400, b'{"a":' * 20_000) == Bisect()
    assert judged(503, b"[" * 100_000) == OUTAGE
