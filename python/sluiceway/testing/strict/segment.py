"""A strict Segment: it answers nearly everything with 200 and drops what it does not like; here that is noted.

The figures are Segment's own (HTTP API, "Max request size" and "Errors"): 500 KB a body, 32 KB an event, 2,500 events
a batch.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sluiceway.testing.answers import Answer
from sluiceway.testing.arriving import Arriving
from sluiceway.testing.strict import opening
from sluiceway.testing.strict.quick import Quick
from sluiceway.testing.strict.reading import Limits, Reading, Told, refused_alone
from sluiceway.vendors.fault import is_time
from sluiceway.vendors.segment import SEGMENT

LIMITS = Limits(max_body_bytes=500_000, max_event_bytes=32 * 1024, max_batch_events=2_500)


class _Envelope(msgspec.Struct, gc=False, rename="camel"):
    batch: list[msgspec.Raw]
    sent_at: Any = None
    write_key: Any = None


_envelope = msgspec.json.Decoder(_Envelope).decode


class Segment:
    """Reads and answers as Segment does."""

    owner_keys = ("userId", "anonymousId")

    def __init__(self) -> None:
        self._quick = Quick(SEGMENT, "batch")

    def read(self, arriving: Arriving, limits: Limits) -> Reading:
        """Read a batch request. Raises `Malformed` when the body is not JSON in UTF-8."""
        body, envelope = opening.opened_or_mended(arriving.body, _envelope)
        if envelope is None:
            return Reading(violations=["envelope: no object with a batch of events"])
        look = self._quick.look(body, envelope.batch)
        wrong = [*opening.too_large(body, envelope.batch, limits.over(LIMITS)), *opening.told(look)]
        if not envelope.batch:
            wrong.append("batch: empty")
        if not isinstance(envelope.sent_at, str) or not is_time(envelope.sent_at):
            wrong.append("envelope: sentAt is not a time")
        if not opening.is_json(arriving):
            wrong.append("content-type: not application/json")
        wrong.extend(_authentication(arriving.headers.get("authorization"), envelope.write_key))
        return Reading(look.ids, envelope.batch, wrong, faults=look.faults)

    def tell(self, answer: Answer, reading: Reading) -> Told:
        """Complete an answer: success is said in a body, anything else in the status alone."""
        if answer.status < 300:
            return Told(answer.saying(b'{"success":true}'), "acknowledged")
        return Told(answer.saying(b""), refused_alone(answer.status, reading))


def _authentication(header: str | None, body_key: Any) -> list[str]:
    """A key in the body, or Basic with the key as the user and no password; both must name the same key."""
    wrong = None
    scheme, _, credentials = (header or "").partition(" ")
    if body_key is not None and not (isinstance(body_key, str) and body_key):
        wrong = "writeKey is not a text"
    elif header is None:
        wrong = None if body_key else "neither a writeKey nor an Authorization header"
    elif scheme == "Basic":
        wrong = _basic(credentials, body_key)
    elif scheme != "Bearer":
        wrong = "neither Basic nor Bearer"
    elif not body_key or not credentials:
        wrong = "Bearer without a token or a writeKey"
    return [] if wrong is None else [f"authentication: {wrong}"]


def _basic(credentials: str, body_key: str | None) -> str | None:
    user = opening.basic_user(f"Basic {credentials}")
    if user is None:
        return "Basic is not a key, a colon and an empty password"
    if body_key is not None and user != body_key:
        return "Basic and writeKey name different keys"
    return None
