"""Requests that are no batch (one event, a form, a list without an envelope), read as the batch they stand for.

After Segment's HTTP API (`/v1/track` and the other calls), RudderStack's gateway, which has the same, PostHog's capture
(rust/capture/src/v0_request.rs: `/e/`, `/capture/`, `/track/`, `/engage/`, `/i/v0/e/`) and Amplitude's Identify API.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from sluiceway.testing.arriving import Arriving
from sluiceway.testing.packing import from_base64, unpack_legacy
from sluiceway.testing.strict.opening import path_of
from sluiceway.testing.wire import Malformed
from sluiceway.vendors.base import iso_milliseconds

SPEC_SINGLES: Mapping[str, str] = {
    "/v1/track": "track",
    "/v1/identify": "identify",
    "/v1/page": "page",
    "/v1/screen": "screen",
    "/v1/group": "group",
    "/v1/alias": "alias",
    # What their JavaScript clients write.
    "/v1/t": "track",
    "/v1/i": "identify",
    "/v1/p": "page",
    "/v1/s": "screen",
    "/v1/g": "group",
    "/v1/a": "alias",
}
RUDDERSTACK_SINGLES: Mapping[str, str] = {"/v1/merge": "merge"}
POSTHOG_SINGLES = frozenset({"/e", "/capture", "/track", "/engage", "/i/v0/e", "/i/v0/ai"})
AMPLITUDE_FORMS = frozenset({"/identify", "/groupidentify", "/httpapi"})


def as_batch(arriving: Arriving, vendor: str) -> Arriving:
    """Return the request as the batch that it stands for; itself if it is one already.

    Blocks for the body unless the request is a batch by its path and its packing. Raises `Malformed` for a body that
    cannot be read: what the vendor would answer to that is a 400 for each of them.
    """
    path = path_of(arriving)
    if vendor in ("segment", "rudderstack"):
        if path.endswith(("/v1/batch", "/v1/import", "/v1/b")):
            return arriving if path.endswith("/v1/batch") and "/beacon/" not in path else _of_other_path(arriving)
        singles = {**SPEC_SINGLES, **(RUDDERSTACK_SINGLES if vendor == "rudderstack" else {})}
        call = next((call for ending, call in singles.items() if path.endswith(ending)), "")
        return _spec(arriving, vendor, call) if call else arriving
    if vendor == "posthog" and not path.endswith("/i/v1/analytics/events"):
        return _posthog(arriving, path)
    if vendor == "amplitude" and not path.endswith("/2/httpapi") and path.endswith(tuple(AMPLITUDE_FORMS)):
        return _amplitude(arriving, path)
    return arriving


def _of_other_path(arriving: Arriving) -> Arriving:
    """A batch in all but its path: a client's import, or a page that is being left, which has its key in the query."""
    headers = dict(arriving.headers)
    key = _query(arriving, "writeKey")
    if key and "authorization" not in headers:
        headers["authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
    headers.setdefault("content-type", "application/json")
    return _with(arriving, "/v1/batch", arriving.sent_body, headers)


def _spec(arriving: Arriving, vendor: str, call: str) -> Arriving:
    event = _object(arriving.body)
    event["type"] = msgspec.Raw(msgspec.json.encode(call))
    key = event.pop("writeKey", None) if vendor == "segment" else None
    now = msgspec.Raw(b'"%b"' % iso_milliseconds(time.time()).encode())
    envelope = {"batch": [event], "sentAt": event.get("sentAt") or now}
    if key is not None:
        envelope["writeKey"] = key
    return _json(arriving, "/v1/batch", envelope)


def _posthog(arriving: Arriving, path: str) -> Arriving:
    is_batch = path.endswith("/batch")
    if not is_batch and not path.endswith(tuple(POSTHOG_SINGLES)):
        return arriving
    hint = _query(arriving, "compression")
    if is_batch and "content-encoding" in arriving.headers:
        return arriving
    body = arriving.body if "content-encoding" in arriving.headers else arriving.sent_body
    if arriving.headers.get("content-type", "").startswith("application/x-www-form-urlencoded") and body[:1] != b"{":
        form = _form(body)
        hint = (form.get("compression") or [hint])[0]
        body = _first(form, "data")
        body = body if hint or body[:1] in (b"{", b"[") else from_base64(body)
    unpacked = unpack_legacy(body, hint)
    if is_batch and unpacked is arriving.sent_body:
        return arriving
    if unpacked[:1] not in (b"{", b"["):
        unpacked = from_base64(unpacked)
    sent_at = _query(arriving, "_")
    now = iso_milliseconds(int(sent_at) / 1000 if sent_at.isdigit() and len(sent_at) == 13 else time.time())
    said: Any
    try:
        if unpacked.lstrip()[:1] == b"[":
            said = {"batch": msgspec.Raw(unpacked), "sent_at": now}
        else:
            event = _object(unpacked)
            if "batch" in event:
                said = event
            else:
                key = event.get("api_key", event.get("token"))
                said = {"batch": [event], "sent_at": event.get("sent_at", now)}
                if key is not None:
                    said["api_key"] = key
    except Malformed:
        return _with(arriving, "/batch/", unpacked, _plain(arriving))
    return _json(arriving, "/batch/", said)


def _amplitude(arriving: Arriving, path: str) -> Arriving:
    """Form fields `api_key` and `identification` (or `event`): an object or a list of them, as JSON."""
    form = _form(arriving.body)
    events_json = _first(form, "event" if path.endswith("/httpapi") else "identification")
    key = _first(form, "api_key").decode()
    try:
        events = msgspec.json.decode(events_json or b"[]")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _with(arriving, "/2/httpapi", events_json, _plain(arriving))
    events = events if isinstance(events, list) else [events]
    kind = {"/identify": "$identify", "/groupidentify": "$groupidentify"}.get("/" + path.rpartition("/")[2])
    if kind is not None:
        events = [_identification(event, kind) if isinstance(event, dict) else event for event in events]
    return _json(arriving, "/2/httpapi", {"api_key": key, "events": events} if key else {"events": events})


def _identification(event: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind == "$identify":
        return {"event_type": kind, **event}
    told = {"groups": {str(event.get("group_type")): event.get("group_value")}}
    return {"event_type": kind, "group_properties": event.get("group_properties", {}), **told}


def _object(body: bytes) -> dict[str, Any]:
    """The entries of a JSON object, undecoded."""
    try:
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Malformed(400, "the body is no JSON object") from None


def _form(body: bytes) -> dict[str, list[str]]:
    """The fields of a form; bytes that are no UTF-8 stay what they are, escaped or not. Raises `Malformed`."""
    try:
        text = body.decode("utf-8", "surrogateescape")
        return parse_qs(text, max_num_fields=_MOST_FIELDS, errors="surrogateescape")
    except ValueError:
        raise Malformed(400, "the form has more fields than any client sends") from None


_MOST_FIELDS = 50


def _first(form: Mapping[str, list[str]], name: str) -> bytes:
    return (form.get(name) or [""])[0].encode("utf-8", "surrogateescape")


def _query(arriving: Arriving, name: str) -> str:
    return (_form(arriving.path.partition("?")[2].encode("latin-1", "replace")).get(name) or [""])[0]


def _plain(arriving: Arriving) -> dict[str, str]:
    headers = {name: value for name, value in arriving.headers.items() if name != "content-encoding"}
    return {**headers, "content-type": "application/json"}


def _json(arriving: Arriving, path: str, envelope: Mapping[str, Any]) -> Arriving:
    return _with(arriving, path, msgspec.json.encode(envelope), _plain(arriving))


def _with(arriving: Arriving, path: str, body: bytes, headers: Mapping[str, str]) -> Arriving:
    return Arriving(
        number=arriving.number,
        connection=arriving.connection,
        method=arriving.method,
        path=path,
        headers=headers,
        body_bytes=len(body),
        read=lambda nbytes: body[:nbytes],
    )
