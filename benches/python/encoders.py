"""For scale: the message dict built fresh at every call and turned into JSON, and nothing else.

No queue, no identifier, no clock, no validation, and the text is thrown away: the least that a program of one's own
could do with the words of a call. Each vendor's message is the one that our client sends, with constants for what the
caller does not say. PostHog wants the library's name among the properties, which costs a dict of its own; the message
without it, which PostHog takes too, stands beside it.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson

from events import CONTEXT, INTEGRATIONS, LIBRARY, MESSAGE_ID, MILLISECONDS, POSTHOG_LIBRARY, TIMESTAMP, Call


class OrjsonSegment:
    """A dict and `orjson.dumps`: the 1.00 of the performance budget."""

    vendor = "segment"

    def calls(self, batch: list[Call]) -> None:
        """Build and encode each message."""
        dumps = orjson.dumps
        for user, event, properties in batch:
            dumps(
                {
                    "type": "track",
                    "messageId": MESSAGE_ID,
                    "timestamp": TIMESTAMP,
                    "userId": user,
                    "event": event,
                    "properties": properties,
                    "context": CONTEXT,
                    "integrations": INTEGRATIONS,
                }
            )


class OrjsonRudderStack:
    """The same for RudderStack."""

    vendor = "rudderstack"

    def calls(self, batch: list[Call]) -> None:
        """Build and encode each message."""
        dumps = orjson.dumps
        for user, event, properties in batch:
            dumps(
                {
                    "type": "track",
                    "channel": "server",
                    "messageId": MESSAGE_ID,
                    "originalTimestamp": TIMESTAMP,
                    "userId": user,
                    "event": event,
                    "properties": properties,
                    "context": CONTEXT,
                    "integrations": INTEGRATIONS,
                    "sentAt": TIMESTAMP,
                }
            )


class OrjsonPostHog:
    """The same for PostHog."""

    vendor = "posthog"

    def calls(self, batch: list[Call]) -> None:
        """Build and encode each message."""
        dumps = orjson.dumps
        for user, event, properties in batch:
            dumps(
                {
                    "uuid": MESSAGE_ID,
                    "timestamp": TIMESTAMP,
                    "event": event,
                    "distinct_id": user,
                    "properties": {**properties, **POSTHOG_LIBRARY},
                }
            )


class OrjsonPostHogBare:
    """The same without a word about who sends it, so that the caller's properties can go in as they are."""

    vendor = "posthog"

    def calls(self, batch: list[Call]) -> None:
        """Build and encode each message."""
        dumps = orjson.dumps
        for user, event, properties in batch:
            dumps(
                {
                    "uuid": MESSAGE_ID,
                    "timestamp": TIMESTAMP,
                    "event": event,
                    "distinct_id": user,
                    "properties": properties,
                }
            )


class OrjsonAmplitude:
    """The same for Amplitude."""

    vendor = "amplitude"

    def calls(self, batch: list[Call]) -> None:
        """Build and encode each message."""
        dumps = orjson.dumps
        for user, event, properties in batch:
            dumps(
                {
                    "insert_id": MESSAGE_ID,
                    "time": MILLISECONDS,
                    "event_type": event,
                    "user_id": user,
                    "event_properties": properties,
                    "library": LIBRARY,
                }
            )


class Msgspec:
    """Segment's dict and msgspec's JSON encoder."""

    vendor = "segment"

    def calls(self, batch: list[Call]) -> None:
        """Build and encode each message."""
        dumps = msgspec.json.Encoder().encode
        for user, event, properties in batch:
            dumps(
                {
                    "type": "track",
                    "messageId": MESSAGE_ID,
                    "timestamp": TIMESTAMP,
                    "userId": user,
                    "event": event,
                    "properties": properties,
                    "context": CONTEXT,
                    "integrations": INTEGRATIONS,
                }
            )


class Json:
    """Segment's dict and the standard library's encoder, without spaces."""

    vendor = "segment"

    def calls(self, batch: list[Call]) -> None:
        """Build and encode each message."""
        dumps = json.JSONEncoder(separators=(",", ":")).encode
        for user, event, properties in batch:
            dumps(
                {
                    "type": "track",
                    "messageId": MESSAGE_ID,
                    "timestamp": TIMESTAMP,
                    "userId": user,
                    "event": event,
                    "properties": properties,
                    "context": CONTEXT,
                    "integrations": INTEGRATIONS,
                }
            )


class Loop:
    """The loop alone: what every figure of this table contains besides its subject."""

    vendor = None

    def calls(self, batch: list[Call]) -> None:
        """Do nothing with each."""
        for _user, _event, _properties in batch:
            pass


LOOP = "the loop alone"
ENCODERS: dict[str, Any] = {
    "dict + orjson, Segment": OrjsonSegment,
    "dict + orjson, RudderStack": OrjsonRudderStack,
    "dict + orjson, PostHog": OrjsonPostHog,
    "dict + orjson, PostHog without $lib": OrjsonPostHogBare,
    "dict + orjson, Amplitude": OrjsonAmplitude,
    "dict + msgspec, Segment": Msgspec,
    "dict + json, Segment": Json,
    LOOP: Loop,
}
