"""Events as they stand on each vendor's wire, and the requests around them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

KEY = "key-of-a-test-0123456789"
VENDORS = ("segment", "rudderstack", "posthog", "capture", "amplitude")

PATHS = {
    "segment": "/segment/v1/batch",
    "rudderstack": "/rudderstack/v1/batch",
    "posthog": "/posthog/batch/",
    "capture": "/posthog/i/v1/analytics/events",
    "amplitude": "/amplitude/2/httpapi",
}


def now(**shift: float) -> str:
    """A moment near this one, as the wire has it."""
    return (datetime.now(timezone.utc) + timedelta(**shift)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def event(vendor: str, **fields: Any) -> dict[str, Any]:
    """Return a good event; a field of None is left out."""
    one_id = str(uuid.uuid4())
    made: dict[str, Any]
    if vendor in ("segment", "rudderstack"):
        made = {"type": "track", "messageId": one_id, "timestamp": now(), "userId": "user-1", "event": "Bought"}
        made |= {"properties": {}, "context": {}}
        if vendor == "rudderstack":
            made |= {"originalTimestamp": now(), "sentAt": now(), "channel": "server"}
    elif vendor == "amplitude":
        made = {"event_type": "Bought", "user_id": "user-1", "insert_id": one_id}
        made["time"] = int(datetime.now(timezone.utc).timestamp() * 1000)
    else:
        made = {"event": "Bought", "distinct_id": "user-1", "uuid": one_id, "timestamp": now(), "properties": {}}
        if vendor == "capture":
            made["options"] = {}
    made |= fields
    return {name: value for name, value in made.items() if value is not None}


def envelope(vendor: str, *events: Any, sent_at: str | None = None) -> dict[str, Any]:
    """Return a body around events."""
    sent_at = sent_at or now()
    if vendor == "amplitude":
        return {"api_key": KEY, "events": list(events)}
    if vendor == "posthog":
        return {"api_key": KEY, "batch": list(events), "sent_at": sent_at}
    if vendor == "capture":
        return {"created_at": sent_at, "batch": list(events)}
    if vendor == "segment":
        return {"writeKey": KEY, "batch": list(events), "sentAt": sent_at}
    return {"batch": list(events), "sentAt": sent_at}


def headers(vendor: str, sent_at: str | None = None) -> dict[str, str]:
    """Return what a request of this vendor needs beside a content type."""
    if vendor == "rudderstack":
        from base64 import b64encode

        return {"Authorization": "Basic " + b64encode(f"{KEY}:".encode()).decode()}
    if vendor != "capture":
        return {}
    return {
        "Authorization": f"Bearer {KEY}",
        "User-Agent": "test/1",
        "PostHog-Sdk-Info": "test/1",
        "PostHog-Attempt": "1",
        "PostHog-Request-Id": str(uuid.uuid4()),
        "PostHog-Request-Timestamp": sent_at or now(),
    }
