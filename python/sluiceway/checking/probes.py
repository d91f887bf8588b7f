"""What `--probe` sends: for each vendor the most harmless request that says something about the key.

- Segment answers 200 to nearly everything, whatever the key (http-api, "Errors"), so only an event that is seen to
  arrive proves one: one track event, which is kept from all destinations by its `integrations`.
- RudderStack looks at the key before the body (gateway/handle_http_auth.go), so an empty batch says all: 401 for a
  wrong key, 404 for a source that is switched off, 400 "empty batch payload" for a right one. Nothing is stored.
- PostHog's capture takes any key that looks like one (rust/capture/src/token.rs). Its flags service looks it up: 401
  for one of no project; with `disable_flags` it evaluates and bills nothing (rust/feature-flags/src/handler). A server
  of one's own may lack it. What capture does with gzip is asked with an empty batch, which is refused.
- Amplitude's documents have no request without an event: one event, whose constant `insert_id` and `device_id` make it
  one event a week however often it is sent (http-v2-api, "Event deduplication").

The requests are built by the vendor's page, as the client's are.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import msgspec

from sluiceway.checking.target import Target
from sluiceway.client import VERSION
from sluiceway.secret import Secret
from sluiceway.transport import Request
from sluiceway.vendors.base import LIBRARY_NAME, Sending, iso_milliseconds

EVENT = "sluiceway doctor"
NOBODY = "sluiceway-doctor"
FLAGS_PATH = "/flags/?v=2"


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One request: what it is for, what it does at the vendor's, and how it is made. Printing it shows no key."""

    name: str
    """"permission", "plain" or "gzip"."""
    does: str
    method: str
    url: str
    shown_headers: dict[str, str]
    shown_body: str
    """Both with the key masked: they were built with the mask in its place, not searched for it."""
    build: Callable[[float], Request]
    """Make the request, given when it has to be over, in the seconds of `time.monotonic()`."""

    def described(self) -> dict[str, Any]:
        """Return what can be shown."""
        return {
            "for": self.name,
            "does": self.does,
            "method": self.method,
            "url": self.url,
            "headers": self.shown_headers,
            "body": self.shown_body,
        }


class _Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a request, for one key: the real one, or the mask."""

    path: str
    headers: dict[str, str]
    body: bytes


def plan(target: Target, key: Secret, *, now: float, uuid: str) -> list[Probe]:
    """Return the requests of this vendor, in their order. `now` is Unix seconds; `uuid` names event and attempt."""
    sending = Sending(sent_at=now, created_at=now, attempt=1, request_id=uuid)
    probes: dict[str, tuple[str, Callable[[str], _Draft]]] = {}

    def batch(*events: dict[str, Any]) -> Callable[[str], _Draft]:
        return lambda text: _batch(target, text, sending, list(events))

    name = target.page.name
    if name == "segment":
        probes["permission"] = (
            f"one event named {EVENT!r}, which Segment shows in the source's debugger and sends to no destination",
            batch(_segment_event(now, uuid)),
        )
    elif name == "amplitude":
        probes["permission"] = (
            f"one event named {EVENT!r} of the device {NOBODY!r}, which Amplitude keeps once in seven days",
            batch(_amplitude_event(now)),
        )
    elif name == "rudderstack":
        probes["permission"] = ("an empty batch, of which RudderStack keeps nothing", batch())
    else:
        probes["permission"] = (
            "a question to the flags service that asks for no flags: no event, nothing billed",
            lambda text: _flags(target, text),
        )
        probes["plain"] = ("an empty batch, of which PostHog keeps nothing", batch())
    if name in ("rudderstack", "posthog"):
        probes["gzip"] = ("the same empty batch, compressed as the client compresses", _packed(batch()))
    return [_probe(target, key, name, does, draft) for name, (does, draft) in probes.items()]


def _probe(target: Target, key: Secret, name: str, does: str, draft: Callable[[str], _Draft]) -> Probe:
    shown = draft(repr(key))
    headers = dict(shown.headers)
    if "Authorization" in headers:
        headers["Authorization"] = headers["Authorization"].partition(" ")[0] + " (the key)"
    packed = headers.get("Content-Encoding") == "gzip"
    body = gzip.decompress(shown.body) if packed else shown.body

    def build(deadline: float) -> Request:
        real = draft(key.reveal())
        return Request(path=real.path, headers=real.headers, body=real.body, deadline=deadline, until=deadline)

    return Probe(
        name=name,
        does=does,
        method="POST",
        url=msgspec.structs.replace(target.options.endpoint, path=shown.path).url,
        shown_headers=headers,
        shown_body=body.decode(),
        build=build,
    )


def _batch(target: Target, key: str, sending: Sending, events: list[dict[str, Any]]) -> _Draft:
    page = target.page
    envelope = page.envelope(key, sending)
    body = envelope.head + b",".join(map(msgspec.json.encode, events)) + envelope.tail
    headers = {**page.headers(key, VERSION), **page.attempt_headers(sending)}
    return _Draft(path=target.options.endpoint.path, headers=headers, body=body)


def _packed(plain: Callable[[str], _Draft]) -> Callable[[str], _Draft]:
    def packed(key: str) -> _Draft:
        draft = plain(key)
        return _Draft(
            path=draft.path,
            headers={**draft.headers, "Content-Encoding": "gzip"},
            body=gzip.compress(draft.body, compresslevel=1, mtime=0),
        )

    return packed


def _segment_event(now: float, uuid: str) -> dict[str, Any]:
    return {
        "type": "track",
        "messageId": uuid,
        "timestamp": iso_milliseconds(now),
        "anonymousId": NOBODY,
        "event": EVENT,
        "properties": {},
        "context": {"library": {"name": LIBRARY_NAME, "version": VERSION}},
        "integrations": {"All": False},
    }


def _amplitude_event(now: float) -> dict[str, Any]:
    return {
        "insert_id": NOBODY,
        "time": int(now * 1000),
        "event_type": EVENT,
        "device_id": NOBODY,
        "library": f"{LIBRARY_NAME}/{VERSION}",
    }


def _flags(target: Target, key: str) -> _Draft:
    headers = {"Content-Type": "application/json", "User-Agent": f"{LIBRARY_NAME}/{VERSION}"}
    body = msgspec.json.encode({"api_key": key, "distinct_id": NOBODY, "disable_flags": True})
    return _Draft(path=target.prefix + FLAGS_PATH, headers=headers, body=body)
