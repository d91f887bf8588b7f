"""A strict RudderStack: one event without an id, or one that is no object, and nothing of the batch is stored.

It answers in the plain words of the open-source gateway (rudder-server: gateway/response/response.go). The gateway asks
for an id and nothing else; what else our page promises and an event lacks is noted, and the event is taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from sluiceway.testing.answers import Answer, plain
from sluiceway.testing.arriving import Arriving
from sluiceway.testing.strict import opening
from sluiceway.testing.strict.quick import NO_OBJECT, Look, Quick
from sluiceway.testing.strict.reading import Limits, Reading, Told, refused_alone
from sluiceway.testing.strict.schema import MOMENT
from sluiceway.testing.wire import Malformed
from sluiceway.vendors.beyond import IDENTITY
from sluiceway.vendors.rudderstack_page import RUDDERSTACK

# Gateway.maxReqSizeInKB, of the decompressed body. It counts no events and measures none.
LIMITS = Limits(max_body_bytes=4_096_000)

NO_KEY = plain(401, "failed to read writekey from header\n")
NOT_JSON = plain(400, "invalid json\n")
EMPTY = plain(400, "empty batch payload\n")
NOT_AN_EVENT = plain(400, "event is not a valid rudder event\n")
NO_ID = plain(400, "request neither has anonymousId nor userId\n")
UNREAD = plain(500, "failed to read body from request\n")
TOO_LARGE = plain(413, "request size exceeds max limit\n")
NOT_FOUND = plain(404, "404 page not found\n")

_WORDS = {
    200: "ok",
    401: "invalid write key\n",
    404: "source is disabled\n",
    413: "request size exceeds max limit\n",
    429: "max requests limit reached\n",
}

# The end of an event as our own clients write it; anything else is searched for.
_TAIL_BYTES = len(',"sentAt":"2013-01-01T10:15:00.000Z"}')
_SENT_AT = re.compile(rb',?"sentAt":\s*"[^"]*"')


class _Envelope(msgspec.Struct, gc=False):
    batch: list[msgspec.Raw]


_envelope = msgspec.json.Decoder(_Envelope).decode


class RudderStack:
    """Reads and answers as RudderStack's gateway does."""

    owner_keys = ("userId", "anonymousId")

    def __init__(self) -> None:
        # `sentAt` is no field of the page: the envelope writes it into the end of each event.
        self._quick = Quick(RUDDERSTACK, "batch", required={"sentAt": MOMENT})

    def read(self, arriving: Arriving, limits: Limits) -> Reading:
        """Read a batch request; whatever is wrong with it has its answer."""
        if not opening.path_of(arriving).endswith(RUDDERSTACK.path):
            return Reading(violations=["path: not /v1/batch"], refusal=NOT_FOUND)
        if opening.basic_user(arriving.headers.get("authorization")) is None:
            wrong = ["authentication: not Basic with a key, a colon and an empty password"]
            return Reading(violations=wrong, refusal=NO_KEY)
        try:
            body = self._unpacked(arriving)
        except Malformed as error:
            return Reading(violations=[f"body: {error}"], refusal=UNREAD)
        try:
            body, envelope = opening.opened_or_mended(body, _envelope)
        except Malformed as error:
            return Reading(violations=[f"body: {error}"], refusal=NOT_JSON)
        if envelope is None:
            return Reading(violations=["envelope: no object with a batch of events"], refusal=NOT_JSON)
        look = self._quick.look(body, envelope.batch)
        wrong = [*opening.too_large(body, envelope.batch, limits.over(LIMITS)), *opening.told(look)]
        refusal = TOO_LARGE if wrong and wrong[0].startswith("body:") else None
        if not envelope.batch:
            wrong.append("batch: empty")
            refusal = EMPTY
        stable = _without_sent_at(envelope.batch)
        return Reading(look.ids, envelope.batch, wrong, _refusal(look) or refusal, stable, faults=look.faults)

    def _unpacked(self, arriving: Arriving) -> bytes:
        """The body; an encoding that is not exactly `gzip` is passed through (middleware/uncompress.go)."""
        packed = arriving.headers.get("content-encoding") == "gzip"
        return arriving.body if packed else arriving.sent_body

    def tell(self, answer: Answer, reading: Reading) -> Told:
        """Complete an answer with the gateway's words for its status."""
        answer = answer.saying(_WORDS.get(answer.status, "").encode(), {"Content-Type": "text/plain; charset=utf-8"})
        return Told(answer, "acknowledged" if answer.status < 300 else refused_alone(answer.status, reading))


def _refusal(look: Look) -> Answer | None:
    """The gateway's answer to the first event that it cannot take."""
    for faults in look.faults.values():
        for fault in faults:
            if fault == NO_OBJECT:
                return NOT_AN_EVENT
            if (fault.kind, fault.key) == ("missing", IDENTITY):
                return NO_ID
    return None


def _without_sent_at(events: Sequence[msgspec.Raw]) -> list[bytes]:
    """Each event without its moment of sending, which is another one in each attempt."""
    return [
        data[:-_TAIL_BYTES] if data[-_TAIL_BYTES:].startswith(b',"sentAt":"') else _SENT_AT.sub(b"", data)
        for data in map(bytes, events)
    ]
