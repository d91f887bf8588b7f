"""A strict PostHog, capture V1: headers that must be there, one result for each event, a few faults fatal for all.

After PostHog/posthog: rust/capture/src/v1 (context.rs, error.rs, analytics/process.rs).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sluiceway.testing.answers import Answer, posthog_error, posthog_result
from sluiceway.testing.arriving import Arriving, unpacked
from sluiceway.testing.strict import opening
from sluiceway.testing.strict.posthog import is_token
from sluiceway.testing.strict.quick import Look, Quick
from sluiceway.testing.strict.reading import Fate, Limits, Reading, Told, as_dict, refused_alone
from sluiceway.testing.wire import Malformed
from sluiceway.vendors.beyond import MAX_CAPTURE_BYTES
from sluiceway.vendors.fault import Fault, is_time, is_uuid
from sluiceway.vendors.posthog_page import POSTHOG_V1

LIMITS = Limits(max_body_bytes=50 * 1024 * 1024, max_event_bytes=1_000_000)
MAX_SENT_BYTES = 10 * 1024 * 1024

_REQUIRED_HEADERS = (
    *("content-type", "user-agent", "posthog-sdk-info"),
    *("posthog-attempt", "posthog-request-id", "posthog-request-timestamp"),
)
_ENCODINGS = ("gzip", "deflate", "zstd")

_TAGS = {
    401: "invalid_api_token",
    402: "billing_limit_exceeded",
    408: "request_timeout",
    413: "payload_too_large",
    415: "unsupported_content_type",
    429: "rate_limited",
    500: "internal_error",
    503: "service_unavailable",
    504: "gateway_timeout",
}
_ASKS_TO_WAIT = (429, 500, 503)

# What costs one event, by the fault: the kind, the key, and the server's word for it, in the order it looks.
_DROPS: Mapping[tuple[str, str], str] = {
    ("missing", "event"): "missing_event_name",
    ("too_long", "event"): "event_name_too_long",
    ("missing", "distinct_id"): "missing_distinct_id",
    ("too_long", "distinct_id"): "distinct_id_too_large",
    ("invalid", "timestamp"): "invalid_event_timestamp",
    ("wrong_type", "properties"): "malformed_event_properties",
    ("wrong_type", "options"): "invalid_options",
    ("invalid", "options.cookieless_mode"): "invalid_options",
    ("invalid", "options.disable_skew_correction"): "invalid_options",
    ("invalid", "options.process_person_profile"): "invalid_options",
    ("invalid", "options.product_tour_id"): "invalid_options",
}
# Texts that an event must have, be they empty; without them the request cannot be read.
_TEXTS = ("event", "uuid", "distinct_id", "timestamp")
_OPTIONAL_TEXTS = ("session_id", "window_id")


class _Envelope(msgspec.Struct, gc=False):
    batch: list[msgspec.Raw]
    created_at: str
    historical_migration: bool = False


_envelope = msgspec.json.Decoder(_Envelope).decode
_OK = posthog_result("ok")


class Capture:
    """Reads and answers as PostHog's capture V1 does."""

    owner_keys = ("distinct_id", "")

    def __init__(self) -> None:
        self._quick = Quick(POSTHOG_V1, "batch", suspicious=_long_or_with_options)

    def read(self, arriving: Arriving, limits: Limits) -> Reading:
        """Read a batch request; whatever is wrong with it has its answer."""
        tag, wrong = _head(arriving)
        if not tag and arriving.body_bytes > MAX_SENT_BYTES:
            tag, wrong = "payload_too_large", f"body: {arriving.body_bytes} bytes as sent, limit {MAX_SENT_BYTES}"
        if tag:
            return _refused(tag, wrong)
        try:
            body = self._unpacked(arriving)
        except Malformed as error:
            tag = "unsupported_encoding" if error.status == 415 else "request_decoding_error"
            return _refused(tag, f"body: {error}")
        try:
            envelope = opening.opened(body, _envelope)
        except Malformed as error:
            return _refused("request_parsing_error", f"body: {error}")
        if envelope is None:
            return _refused("request_parsing_error", "envelope: no object with created_at and a batch of events")
        if not envelope.batch:
            return _refused("empty_batch", "batch: empty")
        look = self._quick.look(body, envelope.batch)
        large = list(opening.too_large(body, envelope.batch, limits.over(LIMITS)))
        reading = Reading(look.ids, envelope.batch, [*large, *opening.told(look)], faults=look.faults)
        tag = _fatal(look, envelope.batch)
        if not is_time(envelope.created_at):
            tag = "invalid_batch"
            reading.violations.append("envelope: created_at is not a time")
        if repeated := [at for at, count in Counter(map(str.lower, look.ids)).items() if count > 1]:
            tag = tag or "duplicate_event_uuid"
            reading.violations.append(f"batch: {len(repeated)} uuids come twice")
        if large and large[0].startswith("body:"):
            tag = "payload_too_large"
        if tag:
            reading.refusal = _error(tag)
        else:
            most = limits.over(LIMITS).max_event_bytes or 0
            big = {at: "event_too_big" for at, raw in enumerate(envelope.batch) if len(raw) > most}
            reading.dropped = big | _dropped(look)
        return reading

    def _unpacked(self, arriving: Arriving) -> bytes:
        """The body; besides gzip, PostHog's Python client offers deflate and zstd (v1/util.rs, decompress_payload)."""
        if arriving.encoding in ("identity", "gzip"):
            return arriving.body
        return unpacked(arriving.sent_body, arriving.encoding)

    def tell(self, answer: Answer, reading: Reading) -> Told:
        """Complete an answer: a result for each event, or an error with its tag."""
        if answer.status >= 300:
            error = posthog_error(answer.status, _TAGS.get(answer.status, "request_parsing_error"))
            wait = {"Retry-After": "1"} if answer.status in _ASKS_TO_WAIT else {}
            return Told(answer.saying(error.body or b"", error.headers | wait), refused_alone(answer.status, reading))
        if answer.body is not None:
            return Told(answer, _fates(answer.body, reading.ids))
        results = dict.fromkeys(reading.ids, _OK)
        results |= {reading.ids[at]: posthog_result("drop", detail) for at, detail in reading.dropped.items()}
        said = answer.saying(msgspec.json.encode({"results": results}), {"Content-Type": "application/json"})
        if not reading.dropped:
            return Told(said, "acknowledged")
        return Told(said, ["refused" if at in reading.dropped else "acknowledged" for at in range(len(reading.ids))])


def _head(arriving: Arriving) -> tuple[str, str]:
    """The tag of the first thing that is wrong with the headers, and what is wrong; both empty if nothing is."""
    headers = arriving.headers
    if "authorization" not in headers:
        return "missing_authorization", "authentication: no Authorization header"
    if missing := [name for name in _REQUIRED_HEADERS if name not in headers]:
        return "missing_required_headers", f"headers: {', '.join(missing)} missing"
    scheme, _, token = headers["authorization"].partition(" ")
    if scheme.lower() != "bearer":
        return "invalid_header_value", "authentication: not Bearer"
    if not is_token(token):
        return "invalid_api_token", "authentication: no token"
    if not opening.is_json(arriving):
        return "unsupported_content_type", "content-type: not application/json"
    if headers.get("content-encoding", "gzip").lower() not in _ENCODINGS:
        # The server reads br as well; no client of PostHog's sends it, and Python has no reader for it.
        return "unsupported_encoding", f"content-encoding: none of {', '.join(_ENCODINGS)}"
    attempt = headers["posthog-attempt"]
    if not (attempt.isascii() and attempt.isdigit() and int(attempt) >= 1):
        return "invalid_header_value", "headers: posthog-attempt is no number from 1"
    if not is_uuid(headers["posthog-request-id"]):
        return "invalid_header_value", "headers: posthog-request-id is no UUID"
    if not is_time(headers["posthog-request-timestamp"]):
        return "invalid_header_value", "headers: posthog-request-timestamp is no time"
    return "", ""


_STATUSES = {
    "missing_authorization": 401,
    "invalid_api_token": 401,
    "payload_too_large": 413,
    "unsupported_content_type": 415,
    "unsupported_encoding": 415,
}


def _error(tag: str) -> Answer:
    return posthog_error(_STATUSES.get(tag, 400), tag)


def _refused(tag: str, wrong: str) -> Reading:
    return Reading(violations=[wrong], refusal=_error(tag))


def _fatal(look: Look, events: Sequence[msgspec.Raw]) -> str:
    """The tag of what has the whole batch refused because of single events; empty if nothing has."""
    for at in look.faults:
        event = as_dict(events[at]) or {}
        unreadable = not all(isinstance(event.get(key), str) for key in _TEXTS)
        unreadable |= not all(isinstance(event.get(key, ""), (str, type(None))) for key in _OPTIONAL_TEXTS)
        if unreadable:
            return "request_parsing_error"
    keys = {(fault.kind, fault.key) for faults in look.faults.values() for fault in faults}
    if ("missing", "uuid") in keys:
        return "missing_event_uuid"
    return "invalid_event_uuid" if ("invalid", "uuid") in keys else ""


def _dropped(look: Look) -> dict[int, str]:
    return {at: detail for at, faults in look.faults.items() if (detail := _detail(faults))}


def _detail(faults: Sequence[Fault]) -> str:
    found = {(fault.kind, fault.key) for fault in faults}
    return next((detail for fault, detail in _DROPS.items() if fault in found), "")


def _fates(body: bytes, ids: Sequence[str]) -> Fate | list[Fate]:
    """What the results say of each event, whoever wrote them; what is not named was taken."""
    try:
        results = msgspec.json.decode(body, type=dict[str, Any]).get("results")
    except msgspec.MsgspecError:
        return "acknowledged"
    if not isinstance(results, dict):
        return "acknowledged"
    said = {uuid.lower(): told.get("result") for uuid, told in results.items() if isinstance(told, dict)}
    fates: dict[Any, Fate] = {"drop": "refused", "retry": "open"}
    return [fates.get(said.get(event_id.lower()), "acknowledged") for event_id in ids]


def _long_or_with_options(events: Sequence[Any]) -> list[int]:
    """What the page counts in characters and the server in bytes; and options, whose entries have their own types."""
    return [
        at
        for at, event in enumerate(events)
        if event.options is not None or max(len(event.event), len(event.distinct_id)) > MAX_CAPTURE_BYTES // 4
    ]
