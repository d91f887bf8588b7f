"""What a strict Segment would object to in one request: its limits, its required keys, its authentication.

The figures are Segment's own (HTTP API, "Max request size" and "Errors"): 500 KB a body, 32 KB an event, 2,500 events
a batch, 100 characters a messageId. Segment answers most of these with 200 and drops the events; here they are noted.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec

from sluiceway.testing.arriving import Arriving
from sluiceway.testing.wire import Malformed


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the receiver objects to. Bytes are those of the unpacked JSON."""

    max_body_bytes: int = 500_000
    max_event_bytes: int = 32 * 1024
    max_batch_events: int = 2_500
    max_id_chars: int = 100


class Reading(msgspec.Struct, frozen=True):
    """One batch as the receiver reads it: the id and the bytes of each event, and what is wrong with the request."""

    ids: list[str]
    events: list[msgspec.Raw]
    violations: list[str]


class _Event(msgspec.Struct, gc=False, rename="camel"):
    message_id: str


class _Ids(msgspec.Struct, gc=False):
    batch: list[_Event]


class _Envelope(msgspec.Struct, gc=False, rename="camel"):
    batch: list[msgspec.Raw]
    sent_at: Any = None
    write_key: Any = None


_read_envelope = msgspec.json.Decoder(_Envelope).decode
_read_ids = msgspec.json.Decoder(_Ids).decode
_read_any = msgspec.json.Decoder().decode

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def inspect(arriving: Arriving, limits: Limits) -> Reading:
    """Read a batch request and list its violations; never a key or a payload in them.

    Decodes twice without building the events: once for the bytes of each, once for its id.
    Raises `Malformed` when the body is not JSON in UTF-8.
    """
    body = arriving.body
    wrong: list[str] = []
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look into the strings it skips
        envelope = _read_envelope(body)
    except msgspec.ValidationError:
        return Reading([], [], ["envelope: no object with a batch of events"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed(400, "the body is not JSON in UTF-8") from None
    events = envelope.batch
    ids = _ids(body, events, wrong)
    sizes = list(map(len, events))
    if len(body) > limits.max_body_bytes:
        wrong.append(f"body: {len(body)} bytes, limit {limits.max_body_bytes}")
    if len(events) > limits.max_batch_events:
        wrong.append(f"batch: {len(events)} events, limit {limits.max_batch_events}")
    if not events:
        wrong.append("batch: empty")
    if events and max(sizes) > limits.max_event_bytes:
        wrong.extend(
            f"event {at}: {nbytes} bytes, limit {limits.max_event_bytes}"
            for at, nbytes in enumerate(sizes)
            if nbytes > limits.max_event_bytes
        )
    if ids and max(map(len, ids)) > limits.max_id_chars:
        wrong.append(f"messageId: more than {limits.max_id_chars} characters")
    if not isinstance(envelope.sent_at, str) or not _TIME.fullmatch(envelope.sent_at):
        wrong.append("envelope: sentAt is not a time")
    if not arriving.headers.get("content-type", "").startswith("application/json"):
        wrong.append("content-type: not application/json")
    wrong.extend(_authentication(arriving.headers.get("authorization"), envelope.write_key))
    return Reading(ids, events, wrong)


def _ids(body: bytes, events: list[msgspec.Raw], wrong: list[str]) -> list[str]:
    try:
        return [event.message_id for event in _read_ids(body).batch]
    except msgspec.ValidationError:
        pass  # at least one is missing or no text: find out which
    ids: list[str] = []
    for at, raw in enumerate(events):
        event = _read_any(raw)
        said = event.get("messageId") if isinstance(event, dict) else None
        if not isinstance(said, str):
            wrong.append(f"event {at}: no messageId")
            said = f"\0without an id: {at}"
        ids.append(said)
    return ids


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
    try:
        user, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "Basic is not base64 of text"
    if not user or not colon or password:
        return "Basic is not a key, a colon and an empty password"
    if body_key is not None and user != body_key:
        return "Basic and writeKey name different keys"
    return None
