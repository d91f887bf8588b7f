"""For scale: the message dict built fresh at every call and turned into JSON, and nothing else.

No queue, no identifier, no clock, no validation, and the text is thrown away: the least that a program of one's own
could do with the words of a `track` call.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson

from events import CONTEXT, INTEGRATIONS, MESSAGE_ID, TIMESTAMP, Call


class Orjson:
    """A dict and `orjson.dumps`: the 1.00 of the performance budget."""

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


class Msgspec:
    """A dict and msgspec's JSON encoder."""

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
    """A dict and the standard library's encoder, without spaces."""

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

    def calls(self, batch: list[Call]) -> None:
        """Do nothing with each."""
        for _user, _event, _properties in batch:
            pass


ENCODERS: dict[str, Any] = {"orjson": Orjson, "msgspec": Msgspec, "json": Json, "loop": Loop}
