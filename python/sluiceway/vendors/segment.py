"""Segment: its page of wire facts, and its client.

Sources, as of 2026: the HTTP API reference (segment.com/docs, connections/sources/catalog/libraries/server/http-api),
the Spec's common fields (connections/spec/common) and Segment's newest clients (segmentio/analytics-next,
packages/node; segmentio/analytics-python 2.4).
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from sluiceway.client import Client
from sluiceway.delivery import Callback
from sluiceway.events import Id, Timestamp
from sluiceway.retry import RetryPolicy
from sluiceway.vendors.base import Call, Envelope, Field, Limits, Sending, Vendor, iso_milliseconds
from sluiceway.verdict import judge

IDENTIFY, TRACK, PAGE, SCREEN, GROUP, ALIAS = range(6)

# http-api, "Max request size" (32 KB an event, 500 KB a batch, read as decimal for the batch, where both readings are
# safe) and "Errors" (2,500 events a batch: beyond that the answer is 200 and the rest is lost). guides/duplicate-data:
# a messageId of more than 100 characters is not kept.
LIMITS = Limits(max_event_bytes=32_768, max_batch_bytes=500_000, max_batch_events=2_500, max_id_chars=100)

# The regional addresses (_includes/content/regional-config). The wrong region takes events and loses them, silently.
HOSTS = {"us": "https://api.segment.io", "eu": "https://events.eu1.segmentapis.com"}

_USER_ID = Field(argument="user_id", key="userId", kind="id")
_ANONYMOUS_ID = Field(argument="anonymous_id", key="anonymousId", kind="id")
_TRAITS = Field(argument="traits", key="traits", kind="map", default=b"{}")
_PROPERTIES = Field(argument="properties", key="properties", kind="map", default=b"{}")
_NAME = Field(argument="name", key="name", kind="label")
_CATEGORY = Field(argument="category", key="category", kind="label")
# Every event says which library sent it, as the Spec asks; a caller's own context.library wins.
_CONTEXT = Field(argument="context", key="context", kind="map", library=True)
_INTEGRATIONS = Field(argument="integrations", key="integrations", kind="map", default=b"{}")
_EITHER_ID = ("user_id", "anonymous_id")


def _required(field: Field) -> Field:
    return msgspec.structs.replace(field, required=True)


def _page_or_screen(name: str) -> Call:
    fields = (_USER_ID, _ANONYMOUS_ID, _CATEGORY, _NAME, _PROPERTIES, _CONTEXT, _INTEGRATIONS)
    return Call(name=name, constants={"type": name}, fields=fields, one_of=_EITHER_ID)


CALLS = (
    Call(
        name="identify",
        constants={"type": "identify"},
        fields=(_USER_ID, _ANONYMOUS_ID, _TRAITS, _CONTEXT, _INTEGRATIONS),
        one_of=_EITHER_ID,
    ),
    Call(
        name="track",
        constants={"type": "track"},
        fields=(
            _USER_ID,
            _ANONYMOUS_ID,
            Field(argument="event", key="event", kind="name", required=True),
            _PROPERTIES,
            _CONTEXT,
            _INTEGRATIONS,
        ),
        one_of=_EITHER_ID,
    ),
    _page_or_screen("page"),
    _page_or_screen("screen"),
    Call(
        name="group",
        constants={"type": "group"},
        fields=(
            _USER_ID,
            _ANONYMOUS_ID,
            Field(argument="group_id", key="groupId", kind="id", required=True),
            _TRAITS,
            _CONTEXT,
            _INTEGRATIONS,
        ),
        one_of=_EITHER_ID,
    ),
    Call(
        name="alias",
        constants={"type": "alias"},
        fields=(
            Field(argument="previous_id", key="previousId", kind="id", required=True),
            _required(_USER_ID),
            _CONTEXT,
            _INTEGRATIONS,
        ),
    ),
)


def envelope(write_key: str, sending: Sending) -> Envelope:
    """The batch body around the events, with the key in it, as Segment's newest clients send it.

    ``sentAt`` is the time of this very attempt: the server corrects every event's timestamp by its distance from the
    arrival (spec/common, "Timestamps"), so a stale one would shift the events.
    """
    sent_at = iso_milliseconds(sending.sent_at).encode()
    return Envelope(b'{"batch":[', b'],"sentAt":"%b","writeKey":%b}' % (sent_at, msgspec.json.encode(write_key)))


def headers(write_key: str, version: str) -> dict[str, str]:
    """Basic authentication with the key as user name and no password (http-api, "Authentication"), and who we are."""
    credential = binascii.b2a_base64(f"{write_key}:".encode(), newline=False).decode("ascii")
    return {
        "Authorization": f"Basic {credential}",
        "Content-Type": "application/json",
        "User-Agent": f"sluiceway/{version}",
    }


SEGMENT = Vendor(
    name="segment",
    calls=CALLS,
    hosts=HOSTS,
    path="/v1/batch",
    limits=LIMITS,
    envelope=envelope,
    headers=headers,
    # The shared judge is Segment's own contract of 2026: 2xx is delivery whatever the body, 408, 410, 429, 460 and 5xx
    # but 501, 505 and 511 are retried, Retry-After spends no attempt.
    judge=judge,
    retry=RetryPolicy(),
    # The Python client offers it, the Node client and the documents are silent: off unless asked for.
    gzip=False,
)


class Segment(Client):
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

    def identify(
        self,
        user_id: Id | None = None,
        traits: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        callback: Callback | None = None,
    ) -> bool:
        """Tie a user to their traits. Needs ``user_id`` or ``anonymous_id``."""
        outcome = self._push(
            IDENTIFY, callback, message_id, timestamp, user_id, anonymous_id, traits, context, integrations
        )
        if outcome is True:
            return True
        return self._submit(
            outcome, IDENTIFY, callback, message_id, timestamp, (user_id, anonymous_id, traits, context, integrations)
        )

    def track(
        self,
        user_id: Id | None = None,
        event: str | None = None,
        properties: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        callback: Callback | None = None,
    ) -> bool:
        """Record what a user did. Needs ``event``, and ``user_id`` or ``anonymous_id``."""
        outcome = self._push(
            TRACK, callback, message_id, timestamp, user_id, anonymous_id, event, properties, context, integrations
        )
        if outcome is True:
            return True
        return self._submit(
            outcome,
            TRACK,
            callback,
            message_id,
            timestamp,
            (user_id, anonymous_id, event, properties, context, integrations),
        )

    def page(
        self,
        user_id: Id | None = None,
        category: str | None = None,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        callback: Callback | None = None,
    ) -> bool:
        """Record that a user saw a page of a website. Needs ``user_id`` or ``anonymous_id``."""
        outcome = self._push(
            PAGE,
            callback,
            message_id,
            timestamp,
            user_id,
            anonymous_id,
            category,
            name,
            properties,
            context,
            integrations,
        )
        if outcome is True:
            return True
        return self._submit(
            outcome,
            PAGE,
            callback,
            message_id,
            timestamp,
            (user_id, anonymous_id, category, name, properties, context, integrations),
        )

    def screen(
        self,
        user_id: Id | None = None,
        category: str | None = None,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        callback: Callback | None = None,
    ) -> bool:
        """Record that a user saw a screen of an app. Needs ``user_id`` or ``anonymous_id``."""
        outcome = self._push(
            SCREEN,
            callback,
            message_id,
            timestamp,
            user_id,
            anonymous_id,
            category,
            name,
            properties,
            context,
            integrations,
        )
        if outcome is True:
            return True
        return self._submit(
            outcome,
            SCREEN,
            callback,
            message_id,
            timestamp,
            (user_id, anonymous_id, category, name, properties, context, integrations),
        )

    def group(
        self,
        user_id: Id | None = None,
        group_id: Id | None = None,
        traits: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        callback: Callback | None = None,
    ) -> bool:
        """Put a user into a group, with the group's traits. Needs ``group_id``, and ``user_id`` or ``anonymous_id``."""
        outcome = self._push(
            GROUP, callback, message_id, timestamp, user_id, anonymous_id, group_id, traits, context, integrations
        )
        if outcome is True:
            return True
        return self._submit(
            outcome,
            GROUP,
            callback,
            message_id,
            timestamp,
            (user_id, anonymous_id, group_id, traits, context, integrations),
        )

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
        outcome = self._push(ALIAS, callback, message_id, timestamp, previous_id, user_id, context, integrations)
        if outcome is True:
            return True
        return self._submit(
            outcome, ALIAS, callback, message_id, timestamp, (previous_id, user_id, context, integrations)
        )
