"""Requests as the four vendors want them, made by hand: what the receiver's tests bend and break."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from typing import Any

from sluiceway.testing import Answer, Arriving, Limits
from sluiceway.testing.strict.detect import strict_for
from sluiceway.testing.strict.reading import Reading, Told

KEY = "test-write-key"
TIME = "2013-01-01T10:15:00.000Z"
VENDORS = ("segment", "rudderstack", "posthog", "capture", "amplitude")
"""As in the receiver, and `capture` for PostHog's capture V1."""

PATHS = {
    "segment": "/v1/batch",
    "rudderstack": "/v1/batch",
    "posthog": "/batch/",
    "capture": "/i/v1/analytics/events",
    "amplitude": "/2/httpapi",
}
ID_KEYS = {
    "segment": "messageId",
    "rudderstack": "messageId",
    "posthog": "uuid",
    "capture": "uuid",
    "amplitude": "insert_id",
}


def basic(text: str = f"{KEY}:") -> str:
    """Return the value of an Authorization header."""
    return "Basic " + base64.b64encode(text.encode()).decode()


def event(vendor: str, event_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return one good event; a field of None is left out."""
    event_id = event_id or str(uuid.uuid4())
    plain: dict[str, Any]
    if vendor == "segment":
        plain = {"type": "track", "messageId": event_id, "timestamp": TIME, "userId": "user-1", "event": "E"}
    elif vendor == "rudderstack":
        plain = {"type": "track", "messageId": event_id, "originalTimestamp": TIME, "userId": "user-1", "event": "E"}
        fields = {"channel": "server", "sentAt": TIME} | fields
    elif vendor == "amplitude":
        plain = {"event_type": "E", "insert_id": event_id, "time": 1_356_998_400_000, "user_id": "user-1"}
    else:
        plain = {"uuid": event_id, "event": "E", "distinct_id": "user-1", "timestamp": TIME, "properties": {}}
    return {key: value for key, value in (plain | fields).items() if value is not None}


def envelope(vendor: str) -> dict[str, Any]:
    """Return what stands around the events."""
    envelopes: dict[str, dict[str, Any]] = {
        "segment": {"writeKey": KEY, "sentAt": TIME},
        "rudderstack": {"sentAt": TIME},
        "posthog": {"api_key": KEY, "sent_at": TIME},
        "capture": {"created_at": TIME},
        "amplitude": {"api_key": KEY},
    }
    return envelopes[vendor]


def body(vendor: str, *events: Any, **around: Any) -> bytes:
    """Return a request body around these events; an entry of the envelope that is None is left out."""
    said = {"events" if vendor == "amplitude" else "batch": list(events)} | envelope(vendor) | around
    return json.dumps({key: value for key, value in said.items() if value is not None}, separators=(",", ":")).encode()


def headers(vendor: str) -> dict[str, str]:
    """Return the headers of a good request, in lower case."""
    plain = {"content-type": "application/json", "user-agent": "test/1"}
    if vendor == "rudderstack":
        return plain | {"authorization": basic()}
    if vendor == "capture":
        return plain | {
            "authorization": f"Bearer {KEY}",
            "posthog-sdk-info": "test/1",
            "posthog-attempt": "1",
            "posthog-request-id": str(uuid.uuid4()),
            "posthog-request-timestamp": TIME,
        }
    return plain


def arriving(
    vendor: str, data: bytes, *, path: str | None = None, changed: Mapping[str, str | None] | None = None
) -> Arriving:
    """Return a body as if it had arrived; a changed header of None is left out."""
    sent = {name: text for name, text in (headers(vendor) | dict(changed or {})).items() if text is not None}
    return Arriving(
        number=0,
        connection=0,
        method="POST",
        path=PATHS[vendor] if path is None else path,
        headers=sent,
        body_bytes=len(data),
        read=lambda _nbytes: data,
    )


def name(vendor: str) -> str:
    """Return what the receiver calls the vendor."""
    return "posthog" if vendor == "capture" else vendor


def read(vendor: str, data: bytes, limits: Limits | None = None, **changed: str | None) -> Reading:
    """Read a body as the vendor does; `changed` are headers, with underscores for hyphens."""
    request = arriving(vendor, data, changed={name.replace("_", "-"): text for name, text in changed.items()})
    return strict_for(request, name(vendor)).read(request, limits or Limits())


def told(vendor: str, data: bytes, answer: Answer | None = None, path: str | None = None) -> Told:
    """Return what the vendor tells the sender of this body, if the script says `answer`."""
    request = arriving(vendor, data, path=path)
    strict = strict_for(request, name(vendor))
    reading = strict.read(request, Limits())
    answer = answer or Answer()
    if reading.refusal is not None and answer.status < 300:
        answer = answer.instead(reading.refusal)
    return strict.tell(answer, reading)
