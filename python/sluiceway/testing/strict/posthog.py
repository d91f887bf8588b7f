"""A strict PostHog, batch v0: one event that it cannot read, or without a name or an id, and the batch is refused.

The words are those of capture (PostHog/posthog: rust/capture/src/api.rs). It reads leniently what older clients send;
what our page promises beyond that and an event lacks is noted, and the event is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sluiceway.testing.answers import Answer, document, plain
from sluiceway.testing.arriving import Arriving
from sluiceway.testing.strict import opening
from sluiceway.testing.strict.quick import NO_OBJECT, Look, Quick
from sluiceway.testing.strict.reading import Limits, Reading, Told, as_dict, refused_alone
from sluiceway.testing.strict.schema import Object
from sluiceway.testing.wire import Malformed
from sluiceway.vendors.fault import Fault, is_time
from sluiceway.vendors.posthog_page import POSTHOG

# 20 MiB on the wire (router.rs), five times that unpacked; an event is a message of Kafka's.
LIMITS = Limits(max_body_bytes=100 * 1024 * 1024, max_event_bytes=1_000_000)
MAX_SENT_BYTES = 20 * 1024 * 1024

EMPTY = plain(400, "request holds no event")
NO_NAME = plain(400, "event submitted with an empty event name")
NO_ID = plain(400, "event submitted without a distinct_id")
UNREADABLE = plain(400, "failed to parse request: invalid type in an event")
NOT_JSON = plain(400, "failed to parse request: not JSON")
UNDECODED = plain(400, "failed to decode request: invalid encoding")
NO_KEY = plain(401, "event submitted without an api_key")
WRONG_KEY = plain(401, "API key is not valid: wrong form")
NOT_FOUND = plain(404, "")
TOO_LARGE = plain(413, "length limit exceeded")
EVENT_TOO_LARGE = plain(413, "maximum event size exceeded")

# A value of another type in one of these, and the request cannot be read (common/types/src/event.rs, RawEvent). An id
# may be anything that can be printed.
_TYPED = frozenset({"event", "uuid", "properties", "timestamp", "$set", "$set_once", "offset"})

_WORDS = {
    401: "API key is not valid: unknown",
    413: "length limit exceeded",
    429: "rate limited",
    503: "transient error, please retry",
}


class _Envelope(msgspec.Struct, gc=False):
    batch: list[msgspec.Raw]
    api_key: Any = None
    token: Any = None
    sent_at: Any = None
    historical_migration: bool = False


_envelope = msgspec.json.Decoder(_Envelope).decode


class PostHog:
    """Reads and answers as PostHog's batch route does."""

    owner_keys = ("distinct_id", "")

    def __init__(self) -> None:
        self._quick = Quick(POSTHOG, "batch", further={"$set": Object, "$set_once": Object, "offset": int})

    def read(self, arriving: Arriving, limits: Limits) -> Reading:
        """Read a batch request; whatever is wrong with it has its answer."""
        if not opening.is_batch(opening.path_of(arriving)):
            return Reading(violations=["path: not /batch/"], refusal=NOT_FOUND)
        if arriving.body_bytes > MAX_SENT_BYTES:
            wrong = [f"body: {arriving.body_bytes} bytes as sent, limit {MAX_SENT_BYTES}"]
            return Reading(violations=wrong, refusal=TOO_LARGE)
        try:
            body = arriving.body
        except Malformed as error:
            return Reading(violations=[f"body: {error}"], refusal=UNDECODED)
        try:
            envelope = opening.opened(body, _envelope)
        except Malformed as error:
            return Reading(violations=[f"body: {error}"], refusal=NOT_JSON)
        if envelope is None:
            return Reading(violations=["envelope: no object with a batch of events"], refusal=NOT_JSON)
        look = self._quick.look(body, envelope.batch)
        large = list(opening.too_large(body, envelope.batch, limits.over(LIMITS)))
        wrong = [*large, *opening.told(look)]
        refusal = _refusal(look, envelope.batch)
        if large:
            refusal = TOO_LARGE if large[0].startswith("body:") else refusal or EVENT_TOO_LARGE
        if not envelope.batch:
            wrong.append("batch: empty")
            refusal = EMPTY
        key = envelope.token if envelope.api_key is None else envelope.api_key
        if key is None and not _all_have_tokens(envelope.batch):
            wrong.append("authentication: no api_key")
            refusal = NO_KEY
        elif key is not None and not is_token(key):
            wrong.append("authentication: api_key is no token")
            refusal = WRONG_KEY
        if not isinstance(envelope.sent_at, str) or not is_time(envelope.sent_at):
            wrong.append("envelope: sent_at is not a time")
        if not opening.is_json(arriving):
            wrong.append("content-type: not application/json")
        return Reading(look.ids, envelope.batch, wrong, refusal, faults=look.faults)

    def tell(self, answer: Answer, reading: Reading) -> Told:
        """Complete an answer in PostHog's words."""
        if answer.status < 300:
            ok = document(200, {"status": "Ok"})
            return Told(answer.saying(ok.body or b"", ok.headers), "acknowledged")
        words = plain(answer.status, _WORDS.get(answer.status, ""))
        return Told(answer.saying(words.body or b"", words.headers), refused_alone(answer.status, reading))


def is_token(key: object) -> bool:
    """Whether a key could be a project's; it is looked up much later (rust/capture/src/token.rs)."""
    if not isinstance(key, str):
        return False
    token = key.strip()
    return 1 <= len(token) <= 64 and token.isascii() and "\0" not in token and not token.startswith("phx_")


def _refusal(look: Look, events: Sequence[msgspec.Raw]) -> Answer | None:
    """The answer to the first event that cannot be taken. The whole request is read before an event is looked at."""
    found = [(at, fault) for at, faults in look.faults.items() for fault in faults]
    if any(fault == NO_OBJECT or _is_unreadable(fault, events[at]) for at, fault in found):
        return UNREADABLE
    for _, fault in found:
        if (fault.kind, fault.key) == ("missing", "event"):
            return NO_NAME
        if (fault.kind, fault.key) == ("missing", "distinct_id"):
            return NO_ID
    return None


def _is_unreadable(fault: Fault, raw: msgspec.Raw) -> bool:
    if fault.key == "event" and fault.kind == "missing":
        return (as_dict(raw) or {}).get("event") is None
    return fault.key in _TYPED and (fault.kind == "wrong_type" or (fault.kind == "invalid" and fault.key == "uuid"))


def _all_have_tokens(events: Sequence[msgspec.Raw]) -> bool:
    """Whether every event brings a key of its own, as single events may."""
    for raw in events:
        event = as_dict(raw) or {}
        inner = event.get("properties")
        places = [event.get("token"), event.get("api_key"), event.get("$token")]
        if not any(map(is_token, [*places, inner.get("token") if isinstance(inner, dict) else None])):
            return False
    return True
