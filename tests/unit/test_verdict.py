"""The shared judge: one table of responses."""

from __future__ import annotations

import pytest

from sluiceway.verdict import Bisect, Delivered, Reject, Retry, Split, Unauthorized, Verdict, judge

NOW = 1_767_225_600.0
OUTAGE = Retry(counted=True, endpoint=True)
OWN = Retry(counted=True, endpoint=False)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *[(status, Delivered()) for status in (200, 201, 202, 204, 206, 299)],
        *[(status, OWN) for status in (300, 301, 302, 303, 304, 307, 308, 399)],
        *[(status, OWN) for status in (408, 410, 460)],
        *[(status, OUTAGE) for status in (429, 500, 502, 503, 504, 507, 520, 529, 599)],
        *[(status, Reject()) for status in (501, 505, 511)],
        *[(status, Unauthorized()) for status in (401, 403)],
        *[(status, Reject()) for status in (402, 404, 405, 411, 415, 422, 451, 499, 600, 999)],
        (413, Split()),
        (400, Bisect()),
    ],
)
def test_every_status_has_its_verdict(status: int, verdict: Verdict) -> None:
    assert judge(status, {}, b"", now=NOW) == verdict


@pytest.mark.parametrize("status", [301, 408, 410, 429, 460, 500, 503, 529])
def test_retry_after_is_honoured_on_every_retryable_status_and_spends_nothing(status: int) -> None:
    verdict = judge(status, {"retry-after": "7"}, b"", now=NOW)
    assert isinstance(verdict, Retry)
    assert (verdict.after, verdict.counted) == (7.0, False)


@pytest.mark.parametrize("status", [501, 505, 400, 413, 401, 404])
def test_retry_after_does_not_make_a_final_status_retryable(status: int) -> None:
    assert not isinstance(judge(status, {"retry-after": "7"}, b"", now=NOW), Retry)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\x00", b'{"success": false}', b"Exceed payload limit"])
def test_a_200_is_success_whatever_the_body(body: bytes) -> None:
    assert judge(200, {"content-type": "text/html"}, body, now=NOW) == Delivered()


@pytest.mark.parametrize(
    "body",
    [
        b'{"success":false,"message":"Exceed payload limit"}',
        b"Request Entity Too Large",
        b'{"error":"max batch size is 500KB"}',
        b"payload too big",
    ],
)
def test_a_400_that_speaks_of_size_splits(body: bytes) -> None:
    assert judge(400, {}, body, now=NOW) == Split()


@pytest.mark.parametrize(
    "body", [b"", b"malformed JSON", b'{"message":"invalid timestamp"}', b" " * 5_000 + b"too large"]
)
def test_another_400_is_searched(body: bytes) -> None:
    assert judge(400, {}, body, now=NOW) == Bisect()
