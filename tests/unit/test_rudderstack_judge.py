"""RudderStack's verdicts: every documented status and body of its gateway, and what a proxy in front of it may say."""

from __future__ import annotations

import pytest

from sluiceway.vendors.rudderstack_page import RUDDERSTACK, judge
from sluiceway.verdict import Bisect, Delivered, Reject, Retry, Split, Unauthorized, Verdict

NOW = 1_767_225_600.0
OUTAGE = Retry(counted=True, endpoint=True)
OWN = Retry(counted=True, endpoint=False)

# protocols of the gateway: gateway/response/response.go and the handlers that use it. http.Error ends its text by a
# line feed.
GATEWAY: list[tuple[int, bytes, Verdict]] = [
    (200, b"ok", Delivered()),
    (200, b"OK", Delivered()),
    (400, b"request body is nil\n", Bisect()),
    (400, b"invalid json\n", Bisect()),
    (400, b"empty batch payload\n", Bisect()),
    (400, b"event is not a valid rudder event\n", Bisect()),
    (400, b"request neither has anonymousId nor userId\n", Bisect()),
    (401, b"failed to read writekey from header\n", Unauthorized()),
    (401, b"invalid write key\n", Unauthorized()),
    (404, b"source is disabled\n", Unauthorized()),
    (413, b"request size exceeds max limit\n", Split()),
    (429, b"max requests limit reached\n", OUTAGE),
    (500, b"failed to read body from request\n", OWN),
    (500, b"failed to store event\n", OUTAGE),
    (503, b"service unavailable\n", OUTAGE),
    (504, b"gateway timeout\n", OUTAGE),
]


@pytest.mark.parametrize(("status", "body", "verdict"), GATEWAY)
def test_every_documented_answer_has_its_verdict(status: int, body: bytes, verdict: Verdict) -> None:
    assert judge(status, {"content-type": "text/plain; charset=utf-8"}, body, now=NOW) == verdict
    assert RUDDERSTACK.judge is judge


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\x00", b'{"success":false}', b"invalid json"])
@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_a_2xx_is_a_delivery_whatever_the_body(status: int, body: bytes) -> None:
    assert judge(status, {}, body, now=NOW) == Delivered()


def test_a_400_that_speaks_of_size_is_searched_all_the_same() -> None:
    assert judge(400, {}, b"payload too large", now=NOW) == Bisect()


@pytest.mark.parametrize("status", range(500, 600))
def test_every_5xx_is_the_endpoints_fault_and_retried(status: int) -> None:
    assert judge(status, {}, b"<html>bad gateway</html>", now=NOW) == OUTAGE


@pytest.mark.parametrize("status", [501, 502, 503])
def test_the_words_about_an_unread_body_count_with_500_only(status: int) -> None:
    assert judge(status, {}, b"failed to read body from request\n", now=NOW) == OUTAGE


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (403, Unauthorized()),
        (408, OWN),
        *[(status, OWN) for status in (300, 301, 302, 307, 308, 399)],
        # 410 and 460 are retried by Segment's clients and by none of RudderStack's.
        *[(status, Reject()) for status in (402, 405, 410, 411, 415, 422, 451, 460, 499, 600)],
    ],
)
def test_what_is_not_the_gateways_own_is_a_proxys(status: int, verdict: Verdict) -> None:
    assert judge(status, {}, b"", now=NOW) == verdict


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_retry_after_is_honoured_and_spends_no_attempt(status: int) -> None:
    verdict = judge(status, {"retry-after": "7"}, b"", now=NOW)
    assert isinstance(verdict, Retry)
    assert (verdict.after, verdict.counted) == (7.0, False)


def test_a_retry_after_does_not_make_an_unread_body_the_endpoints_fault() -> None:
    verdict = judge(500, {"retry-after": "7"}, b"failed to read body from request", now=NOW)
    assert verdict == Retry(after=7.0, counted=False, endpoint=False)
