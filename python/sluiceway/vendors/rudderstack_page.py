"""RudderStack's page: the calls, limits, envelope and verdicts of its gateway.

Sources, as of 2026: the open-source server (rudderlabs/rudder-server: gateway/handle.go, gateway/response/response.go,
middleware/uncompress.go, processor/processor.go, config/config.yaml), its newest clients (rudderlabs/rudder-sdk-node
3.0, rudderlabs/rudder-sdk-python 2.1) and the documentation (rudderlabs/rudderstack-docs, sources/event-streams/sdks).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sluiceway import verdict
from sluiceway.doubt import doubt_text
from sluiceway.retry import RetryPolicy, parse_retry_after
from sluiceway.vendors.base import LIBRARY_NAME, Call, Envelope, Field, Limits, Sending, Vendor, iso_milliseconds
from sluiceway.vendors.spec import ANONYMOUS_ID, EITHER_ID, PREVIOUS_ID, TRAITS, USER_ID, basic_headers, five_calls
from sluiceway.verdict import Bisect, Delivered, Reject, Retry, Split, Unauthorized, Verdict

# The gateway's own bound, on the decompressed body (Gateway.maxReqSizeInKB, 4000 of 1,024 bytes).
MAX_BODY_BYTES = 4_096_000

LIMITS = Limits(
    # What the documents promise to deliver. The server looks at the body alone, so a user may raise it.
    max_event_bytes=32_768,
    max_batch_bytes=MAX_BODY_BYTES,
    # The server has no such limit; this is Segment's. The server refuses a whole batch for one event and does not say
    # which: to find that one among 2,500 takes two dozen requests, and a search ends after 64.
    max_batch_events=2_500,
    # The server takes an id of any length. It is the key that duplicates are folded by, kept for days.
    max_id_chars=512,
)

_TIME_BYTES = 24


def _library(version: str) -> dict[str, Any]:
    return {"library": {"name": LIBRARY_NAME, "version": version}}


# Unlike Segment's, RudderStack's clients let no caller name another library.
_CONTEXT = Field(argument="context", key="context", kind="map", scope="context", ours=_library)
# All destinations, in the words of RudderStack's Python client.
_INTEGRATIONS = Field(argument="integrations", key="integrations", kind="map", default=b'{"All":true}')
_CHANNEL = {"channel": "server"}

CALLS = (
    # A user's traits stand in the context, as in RudderStack's Python client: every kind of event may have them there.
    *five_calls(
        _CONTEXT,
        _INTEGRATIONS,
        identify_traits=msgspec.structs.replace(TRAITS, inside="context"),
        constants=_CHANNEL,
    ),
    Call(
        name="alias",
        constants={"type": "alias", **_CHANNEL},
        # Traits only where some are given: an alias is about ids.
        fields=(
            PREVIOUS_ID,
            USER_ID,
            ANONYMOUS_ID,
            msgspec.structs.replace(TRAITS, default=b""),
            _CONTEXT,
            _INTEGRATIONS,
        ),
        one_of=EITHER_ID,
    ),
)


def envelope(_write_key: str, sending: Sending) -> Envelope:
    """The batch body around the events, and the end of every event: the moment of this very attempt.

    The server reads ``sentAt`` in each event, not around them, and corrects by it the time of an event that has no
    ``timestamp`` (processor.go, enhanceWithTimeFields): a stale one would shift the event.
    """
    sent_at = iso_milliseconds(sending.sent_at).encode()
    return Envelope(b'{"batch":[', b'],"sentAt":"%b"}' % sent_at, b'%b"}' % sent_at)


def judge(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Verdict:
    """Judge an answer of the gateway, which is a status and a few plain words (gateway/response/response.go).

    400 is the whole batch refused because of one event, whatever the words. 401 is a wrong key and 404 a source that
    is switched off: somebody has to act, and until then one probe a minute is enough. 429 and every 5xx come from the
    endpoint and are retried; 500 with "failed to read body from request" comes from a body that did not arrive whole,
    or from one that is no gzip, and is worth a few attempts but not an outage's. What is not the gateway's own (408,
    redirects) is a proxy's, and judged as for all vendors.
    """
    if 200 <= status <= 299:
        return Delivered()
    if status == 400:
        return Bisect()
    if status in (401, 403, 404):
        return Unauthorized()
    if status == 413:
        return Split()
    if status == 429 or 500 <= status <= 599:
        after = parse_retry_after(headers.get("retry-after"), now)
        unread = status == 500 and b"failed to read body from request" in body
        return Retry(after=after, counted=after is None, endpoint=not unread)
    if status == 408 or 300 <= status <= 399:
        return verdict.judge(status, headers, body, now=now)
    return Reject()


RUDDERSTACK = Vendor(
    name="rudderstack",
    calls=CALLS,
    # Each workspace has a data plane of its own, in the EU as elsewhere: there is no host to choose by name.
    hosts={},
    path="/v1/batch",
    limits=LIMITS,
    envelope=envelope,
    # Basic is the only kind that the gateway takes.
    headers=basic_headers,
    judge=judge,
    doubter=doubt_text,
    retry=RetryPolicy(),
    # Of its own server's settings; and only where its owner has switched it on.
    ids_known_seconds=3_600.0,
    # All of RudderStack's own clients send gzip; the server reads it since 1.4.
    gzip=True,
    # The time of the event by its client's clock. The server uses a `timestamp` as it is, without a correction: that is
    # right for a moment that the caller gave, and only for that.
    time_key="originalTimestamp",
    given_time_key="timestamp",
    event_tail=b',"sentAt":"%b"' % iso_milliseconds(0.0).encode(),
)
