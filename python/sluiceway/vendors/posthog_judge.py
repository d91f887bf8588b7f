"""PostHog's verdicts: what an answer of ``/batch/`` (v0) and of capture V1 means for the events of the request.

Sources: PostHog/posthog, rust/capture/src/v0_endpoint.rs and rust/capture/src/v1 (error.rs, analytics/response.rs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sluiceway.retry import parse_retry_after
from sluiceway.verdict import Bisect, Delivered, Mixed, Reject, Retry, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the shared rules know how to read: refused keys, sizes, one bad event.
_SHARED_4XX = frozenset({400, 401, 403, 413})

# Every event would meet the same answer, so none is searched for.
_REQUEST_AT_FAULT = frozenset({"missing_required_headers", "invalid_header_value"})
_QUOTA_SPENT = "billing_limit_exceeded"


def judge_v0(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Verdict:
    """Judge an answer of ``/batch/``.

    Any 2xx is a delivery, also what a project over its quota is told. 408, 429, 5xx and redirects are retried, each
    retry counted, so that ``retry_count`` bounds them all; Retry-After is a minimum. One bad event has the whole batch
    refused with 400: it is searched for. 413 splits, as does the 400 of older servers that speaks of size.
    """
    if 200 <= status <= 299:
        return Delivered()
    if status in (408, 429) or 300 <= status <= 399 or 500 <= status <= 599:
        after = parse_retry_after(headers.get("retry-after"), now)
        return Retry(after=after, counted=True, endpoint=status == 429 or status >= 500)
    if status in _SHARED_4XX:
        return judge(status, headers, body, now=now)
    return Reject()


def judge_v1(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Verdict:
    """Judge an answer of capture V1, which says of each event what became of it.

    The status decides and the body refines: one that cannot be read leaves a 200 a delivery and a 400 a search. 429 is
    retried, as in the newest Python client, unless it says that the project's quota is spent.
    """
    if 200 <= status <= 299:
        return _results(headers, body, now)
    if status == 400:
        return Reject() if _error(body) in _REQUEST_AT_FAULT else Bisect()
    if status == 429 and _error(body) == _QUOTA_SPENT:
        return Reject()
    return judge_v0(status, headers, body, now=now)


def _results(headers: Mapping[str, str], body: bytes, now: float) -> Verdict:
    """Read ``{"results": {uuid: {"result": "ok|warning|drop|retry", …}}}``; what is not named was taken."""
    results = _entry(_decoded(body), "results")
    if not isinstance(results, dict):
        return Delivered()
    failed: dict[str, str] = {}
    again = set()
    for uuid, told in results.items():
        result = _entry(told, "result")
        # The server prints a UUID in its own way, whatever the letters were that it got.
        if result == "drop":
            failed[uuid.lower()] = "rejected"
        elif result == "retry":
            again.add(uuid.lower())
    again -= failed.keys()
    if not failed and not again:
        return Delivered()
    after = parse_retry_after(headers.get("retry-after"), now) if again else None
    return Mixed(failed=failed, again=frozenset(again), after=after)


def _error(body: bytes) -> Any:
    """The tag of an error: ``{"error": <tag>, "error_description": …}``."""
    error = _entry(_decoded(body), "error")
    return error if isinstance(error, str) else None


def _entry(told: Any, key: str) -> Any:
    return told.get(key) if isinstance(told, dict) else None


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
