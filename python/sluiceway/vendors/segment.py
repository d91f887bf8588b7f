"""Segment: its page of wire facts, and its client.

Sources, as of 2026: the HTTP API reference (segment.com/docs, connections/sources/catalog/libraries/server/http-api),
the Spec's common fields (connections/spec/common) and Segment's newest clients (segmentio/analytics-next,
packages/node; segmentio/analytics-python 2.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from sluiceway.delivery import Callback
from sluiceway.events import Id, Timestamp
from sluiceway.retry import RetryPolicy
from sluiceway.vendors.base import Call, Envelope, Field, Limits, Sending, Vendor, iso_milliseconds
from sluiceway.vendors.spec import ALIAS, PREVIOUS_ID, USER_ID, basic_headers, five_calls
from sluiceway.vendors.spec_client import SpecClient
from sluiceway.verdict import judge

# http-api, "Max request size" (32 KB an event, 500 KB a batch, read as decimal for the batch, where both readings are
# safe) and "Errors" (2,500 events a batch: beyond that the answer is 200 and the rest is lost). guides/duplicate-data:
# a messageId of more than 100 characters is not kept.
LIMITS = Limits(max_event_bytes=32_768, max_batch_bytes=500_000, max_batch_events=2_500, max_id_chars=100)

# The regional addresses (_includes/content/regional-config). The wrong region takes events and loses them, silently.
HOSTS = {"us": "https://api.segment.io", "eu": "https://events.eu1.segmentapis.com"}

# Every event says which library sent it, as the Spec asks; a caller's own context.library wins.
_CONTEXT = Field(argument="context", key="context", kind="map", scope="context", library=True)
_INTEGRATIONS = Field(argument="integrations", key="integrations", kind="map", default=b"{}")

CALLS = (
    *five_calls(_CONTEXT, _INTEGRATIONS),
    Call(
        name="alias",
        constants={"type": "alias"},
        fields=(PREVIOUS_ID, msgspec.structs.replace(USER_ID, required=True), _CONTEXT, _INTEGRATIONS),
    ),
)


def envelope(write_key: str, sending: Sending) -> Envelope:
    """The batch body around the events, with the key in it, as Segment's newest clients send it.

    ``sentAt`` is the time of this very attempt: the server corrects every event's timestamp by its distance from the
    arrival (spec/common, "Timestamps"), so a stale one would shift the events.
    """
    sent_at = iso_milliseconds(sending.sent_at).encode()
    return Envelope(b'{"batch":[', b'],"sentAt":"%b","writeKey":%b}' % (sent_at, msgspec.json.encode(write_key)))


SEGMENT = Vendor(
    name="segment",
    calls=CALLS,
    hosts=HOSTS,
    path="/v1/batch",
    limits=LIMITS,
    envelope=envelope,
    # http-api, "Authentication"; the key stands in the body as well, as in the newest clients.
    headers=basic_headers,
    # The shared judge is Segment's own contract of 2026: 2xx is delivery whatever the body, 408, 410, 429, 460 and 5xx
    # but 501, 505 and 511 are retried, Retry-After spends no attempt.
    judge=judge,
    retry=RetryPolicy(),
    # The Python client offers it, the Node client and the documents are silent: off unless asked for.
    gzip=False,
)


class Segment(SpecClient):
    """A Segment source. ``Segment("WRITE_KEY")``, or with ``region="eu"`` for a workspace in the EU.

    Every call answers True when the event was accepted and False when it was refused, which ``stats()`` counts by
    reason. No call does I/O, waits or raises, unless asked to (``on_full``, ``strict``, ``sync``). Arguments come in
    the order of Segment's official Python client. None means absent.

    Ids may be str, int or UUID and are sent as text. ``timestamp`` is when it happened, if not now: a datetime (a naive
    one is read as UTC), ISO 8601 text, or a Unix time in seconds or milliseconds. ``message_id`` is what Segment folds
    duplicates by, across all of Segment: 1 to 100 characters; by default a fresh UUID. ``callback(error, batch)`` is
    told once what became of the event, on a thread of its own; error is None when it was delivered.

    ``context.library`` names sluiceway unless your own ``context`` has a ``library``.
    """

    __slots__ = ()
    vendor = SEGMENT

    def alias(
        self,
        previous_id: Id | None = None,
        user_id: Id | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        callback: Callback | None = None,
    ) -> bool:
        """Tell that ``previous_id`` is the user now known as ``user_id``. Needs both."""
        return self._send(ALIAS, callback, message_id, timestamp, (previous_id, user_id, context, integrations))
