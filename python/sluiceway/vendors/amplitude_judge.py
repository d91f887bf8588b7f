"""What Amplitude says of one response. Pure: no clock, no socket, no log.

Sources: http-v2-api and batch-event-upload-api of Amplitude's developer centre, "Response format" and "Responses"; the
Python and TypeScript clients for ``events_with_invalid_id_lengths`` and for what a bad key is told.

The body's own ``code`` counts before the HTTP status, as in all of Amplitude's clients; what cannot be read as a JSON
object leaves the status. Nothing in a body is trusted to have the documented form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from sluiceway.retry import parse_retry_after
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

# http-v2-api, "429 response": pause a throttled user or device for 30 seconds.
THROTTLE_SECONDS = 30.0

# "Invalid API key: …": its exact end is not documented.
_INVALID_KEY = "invalid api key"
# Documented errors of a 400 that are not about the events: searching for a guilty one would find none.
_ABOUT_THE_REQUEST = frozenset({"invalid request path", "missing request body"})

# Each maps fields to the indices of events; HTTP V2 names the first of them only.
_BY_FIELD = ("events_with_invalid_fields", "events_with_missing_fields", "events_with_invalid_id_lengths")


def judge(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Verdict:
    """Judge a response by Amplitude's documents.

    2xx is a delivery. 408 and 5xx are retried, a redirect as well. 413 splits. 401, 403 and a 400 about the key are the
    key's fault. A 400 ends the events that it names and leaves the others; one that names a field missing from the
    whole request ends all; one that says nothing is searched for the event at fault. 429 ends the events of users and
    devices over their daily quota, delays those of the throttled ones, and leaves the others; one that names nobody is
    retried as a whole. Everything else is refused for good.
    """
    answer = _read(body)
    code = answer.get("code")
    if type(code) is int and 200 <= code <= 599:
        status = code
    if 200 <= status <= 299:
        return Delivered()
    after = parse_retry_after(headers.get("retry-after"), now)
    if status == 429:
        return _throttled(answer, after) or Retry(after=after, counted=after is None, endpoint=True)
    if status == 408 or 300 <= status <= 399 or 500 <= status <= 599:
        return Retry(after=after, counted=after is None, endpoint=status >= 500)
    if status == 413:
        return Split()
    if status == 400:
        return _invalid(answer, after)
    if status in (401, 403):
        return Unauthorized()
    return Reject()


def refused_indices(body: bytes) -> frozenset[int]:
    """The indices of the events that a 400 names as refused. Never raises."""
    return frozenset(_refused(_read(body)))


def refuses_all(status: int, body: bytes) -> bool:
    """Whether a response refuses the request as a whole, whatever events it holds."""
    return isinstance(judge(status, {}, body, now=0.0), Reject)


def _invalid(answer: dict[str, Any], after: float | None) -> Verdict:
    error = answer.get("error")
    error = error.strip().lower() if isinstance(error, str) else ""
    if error.startswith(_INVALID_KEY):
        return Unauthorized()
    if answer.get("missing_field") and isinstance(answer["missing_field"], str):
        return Reject()
    # An answer about silenced devices names the throttled ones as well.
    throttled = _throttled(answer, after)
    if throttled is not None:
        return throttled
    refused = _refused(answer)
    if refused:
        return Partial(failed=dict.fromkeys(sorted(refused), "rejected"))
    return Reject() if error in _ABOUT_THE_REQUEST else Bisect()


def _throttled(answer: dict[str, Any], after: float | None) -> Verdict | None:
    """Who has to wait and who is over the daily quota; None when the answer names nobody of either kind."""
    failed = Named(
        indices=frozenset(_refused(answer)),
        users=_names(answer.get("exceeded_daily_quota_users")),
        devices=_names(answer.get("exceeded_daily_quota_devices")),
    )
    later = Named(
        indices=frozenset(_indices(answer.get("throttled_events"))),
        users=_names(answer.get("throttled_users")),
        devices=_names(answer.get("throttled_devices")),
    )
    if later == Named() and not failed.users and not failed.devices:
        return None
    return Throttled(failed=failed, later=later, seconds=max(THROTTLE_SECONDS, after or 0.0))


def _refused(answer: dict[str, Any]) -> set[int]:
    refused = set(_indices(answer.get("silenced_events")))
    for key in _BY_FIELD:
        fields = answer.get(key)
        if isinstance(fields, dict):
            for indices in fields.values():
                refused.update(_indices(indices))
    return refused


def _indices(value: object) -> Iterator[int]:
    if isinstance(value, list):
        yield from (index for index in value if type(index) is int and index >= 0)


def _names(value: object) -> frozenset[str]:
    """The keys of a map from ids to rates, or the entries of a list of ids: the documents have both."""
    if isinstance(value, (dict, list)):
        return frozenset(name for name in value if isinstance(name, str) and name)
    return frozenset()


def _read(body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
