"""For scale: the message dict built fresh at every call and turned into JSON, and nothing else.

The loops are those of `sluiceway bench`, so that a user's figure and ours stand against the same. PostHog wants the
library's name among the properties, which costs a dict of its own; the message without it, which PostHog takes too,
stands beside it here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import orjson

from sluiceway.measuring.event import Call
from sluiceway.measuring.messages import LOOPS, MESSAGE_ID, TIMESTAMP, Dumps


class Encoder:
    """A vendor's dict, and what makes JSON of it."""

    def __init__(self, vendor: str, dumps: Dumps) -> None:
        """`dumps` takes a dict; what it returns is thrown away."""
        self.vendor = vendor
        self._dumps = dumps

    def calls(self, batch: list[Call]) -> None:
        """Build and encode each message."""
        LOOPS[self.vendor](self._dumps, batch)  # type: ignore[arg-type]


class OrjsonPostHogBare:
    """PostHog's without a word about who sends it, so that the caller's properties can go in as they are."""

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


class Loop:
    """The loop alone: what every figure of this table contains besides its subject."""

    vendor = None

    def calls(self, batch: list[Call]) -> None:
        """Do nothing with each."""
        for _user, _event, _properties in batch:
            pass


LOOP = "the loop alone"
ENCODERS: dict[str, Callable[[], Any]] = {
    "dict + orjson, Segment": partial(Encoder, "segment", orjson.dumps),
    "dict + orjson, RudderStack": partial(Encoder, "rudderstack", orjson.dumps),
    "dict + orjson, PostHog": partial(Encoder, "posthog", orjson.dumps),
    "dict + orjson, PostHog without $lib": OrjsonPostHogBare,
    "dict + orjson, Amplitude": partial(Encoder, "amplitude", orjson.dumps),
    "dict + msgspec, Segment": partial(Encoder, "segment", msgspec.json.Encoder().encode),
    "dict + json, Segment": partial(Encoder, "segment", json.JSONEncoder(separators=(",", ":")).encode),
    LOOP: Loop,
}
