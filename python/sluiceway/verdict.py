"""What a vendor says of one response: the nine verdicts, and the rules most vendors share.

A vendor's page turns a response into exactly one of these values; the sender acts on it. Nothing here knows a clock, a
socket or a log: the wall time that an HTTP-date needs is handed in.

    Delivered      every event of the request was taken
    Retry          the same events again, later
    Split          too large: in halves, down to one event
    Bisect         one of the events is at fault, the vendor does not say which
    Partial        some events are refused, the rest is resent without them
    Mixed          everything was taken, but for the events named by their ids
    Throttled      some users or devices have to wait, or are refused; the rest is resent without them
    Reject         refused for good
    Unauthorized   the key is refused: shout, fail, probe
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

from sluiceway.retry import parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping


class Delivered(msgspec.Struct, frozen=True, tag=True):
    """The vendor took every event of the request."""


class Retry(msgspec.Struct, frozen=True, tag=True):
    """Send the same events again, later.

    `after` is the server's Retry-After in seconds (a minimum; None leaves the wait to our back-off). `counted` says
    whether this retry spends one of `RetryPolicy.max_retries`. `endpoint` says whether the endpoint is at fault and not
    the batch: such retries end with the elapsed budget, not with a number, unless the user gave a number.
    """

    after: float | None = None
    counted: bool = True
    endpoint: bool = False


class Split(msgspec.Struct, frozen=True, tag=True):
    """The request is too large: resend it in halves, down to one event."""


class Bisect(msgspec.Struct, frozen=True, tag=True):
    """The request is refused because of at least one event that the vendor does not name."""


class Partial(msgspec.Struct, frozen=True, tag=True):
    """The vendor took nothing and named the events at fault by their index in the request.

    `failed` maps an index to the reason it ends under. All other events are resent at once. Indices outside the request
    are ignored; when that leaves none, the events at fault are searched for, as after a `Bisect`.
    """

    failed: dict[int, str] = {}


class Mixed(msgspec.Struct, frozen=True, tag=True):
    """The vendor took every event of the request but those that it named by their ids, compared without regard to case.

    `failed` maps an id to the reason its event ends under. The events of `again` are sent again, later; `after` is the
    server's Retry-After for them, a minimum. An id in both has failed. Ids of nobody are ignored.
    """

    failed: dict[str, str] = {}
    again: frozenset[str] = frozenset()
    after: float | None = None


class Named(msgspec.Struct, frozen=True):
    """Events that a vendor speaks of: by their index in the request, or by whose they are."""

    indices: frozenset[int] = frozenset()
    users: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()


class Throttled(msgspec.Struct, frozen=True, tag=True):
    """The vendor took nothing, because of some users or devices that send too much.

    Events of `failed` end as rejected. Those of `later` wait `seconds` in a lane (``lanes.py``), and with them every
    further event of the same users and devices; an event that is named by its index alone stands for its pair of user
    and device. All others are resent at once. Who is in both has failed. Indices outside the request, and users and
    devices that own none of its events, are ignored; when that leaves nobody, everything is sent again later.
    """

    failed: Named = Named()
    later: Named = Named()
    seconds: float = 30.0


class Reject(msgspec.Struct, frozen=True, tag=True):
    """The vendor refuses every event of the request for good; they fail under `reason`."""

    reason: str = "rejected"


class Unauthorized(msgspec.Struct, frozen=True, tag=True):
    """The credential is refused: the write key by the vendor, or those of a proxy by the proxy."""

    by: Literal["vendor", "proxy"] = "vendor"


Verdict: TypeAlias = Delivered | Retry | Split | Bisect | Partial | Mixed | Throttled | Reject | Unauthorized


class Judge(Protocol):
    """A vendor's verdict on one response. Pure: the same response at the same wall time gets the same verdict."""

    def __call__(self, status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Verdict:
        """Judge a response. `headers` has lower-case names; `body` is cut at 64 KiB; `now` is Unix time in seconds."""
        ...


# Segment answers an oversize body with 400 and a sentence ("Exceed payload limit"), not with 413
# (segment-docs, connections/sources/catalog/libraries/server/http-api, "Max request size").
_SPEAKS_OF_SIZE = re.compile(
    rb"too (?:large|big|long)|exceed|(?:size|payload|body) limit|max\w* \w*\s?size", re.IGNORECASE
)
_READ_FOR_SIZE_BYTES = 4_096
_RETRYABLE_4XX = frozenset({408, 410, 429, 460})
_FINAL_5XX = frozenset({501, 505, 511})


def judge(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Verdict:
    """Judge a response by Segment's retry rules of 2026, which the other vendors follow in the main.

    Any 2xx is a delivery whatever the body says. 408, 410, 429, 460 and 5xx but 501, 505 and 511 are retried; 429 and
    5xx are the endpoint's fault. Retry-After is honoured on every one of them and spends no attempt. A redirect is
    never followed and never success: it is retried like a 408. 413, or a 400 that speaks of size, splits; another 400
    is bisected. Source: segmentio/analytics-next, packages/node/src/plugins/segmentio/publisher.ts.
    """
    if 200 <= status <= 299:
        return Delivered()
    if status in _RETRYABLE_4XX or 300 <= status <= 399 or (500 <= status <= 599 and status not in _FINAL_5XX):
        after = parse_retry_after(headers.get("retry-after"), now)
        return Retry(after=after, counted=after is None, endpoint=status == 429 or status >= 500)
    if status == 413:
        return Split()
    if status == 400:
        return Split() if _SPEAKS_OF_SIZE.search(body, 0, _READ_FOR_SIZE_BYTES) else Bisect()
    if status in (401, 403):
        return Unauthorized()
    return Reject()
