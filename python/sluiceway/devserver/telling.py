"""Which vendor a request is meant for: a prefix of the path says it, or else path, headers and body give it away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sluiceway.testing.strict.detect import VENDORS
from sluiceway.testing.strict.single import AMPLITUDE_FORMS, POSTHOG_SINGLES, SPEC_SINGLES
from sluiceway.vendors.beyond import CAPTURE_PATH

SPEC_BATCHES = frozenset({"/v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch"})
POSTHOG_BATCHES = frozenset({"/batch", "/i/v0/ai/batch", CAPTURE_PATH})
AMPLITUDE_BATCHES = frozenset({"/2/httpapi", "/batch"})

_PATHS: Mapping[str, frozenset[str]] = {
    "segment": SPEC_BATCHES | SPEC_SINGLES.keys(),
    "rudderstack": SPEC_BATCHES | SPEC_SINGLES.keys(),
    "posthog": POSTHOG_BATCHES | POSTHOG_SINGLES,
    "amplitude": AMPLITUDE_BATCHES | AMPLITUDE_FORMS,
}


class Place(msgspec.Struct, frozen=True):
    """Where a request is sent: the vendor that its prefix names, if any, and the vendor's own path behind it."""

    vendor: str | None
    path: str

    @property
    def bare(self) -> str:
        """The path without a slash at its end."""
        return self.path.rstrip("/")


def place(path: str) -> Place:
    """Read a path: `/posthog/batch/` is PostHog's `/batch/`."""
    first, slash, rest = path[1:].partition("/")
    return Place(first, slash + rest or "/") if first in VENDORS else Place(None, path)


def takes_events(where: Place) -> bool:
    """Whether a vendor (that of the prefix, or any) takes events at this path."""
    names = VENDORS if where.vendor is None else (where.vendor,)
    return any(where.bare in _PATHS[name] for name in names)


class _Envelope(msgspec.Struct, gc=False):
    batch: list[msgspec.Raw] | None = None
    events: msgspec.Raw | None = None
    write_key: Any = msgspec.field(default=None, name="writeKey")


class _Single(msgspec.Struct, gc=False):
    """Of an event, what only RudderStack's clients write, and the library's name."""

    channel: Any = None
    original: Any = msgspec.field(default=None, name="originalTimestamp")
    sent_at: Any = msgspec.field(default=None, name="sentAt")
    context: Any = None


_envelope = msgspec.json.Decoder(_Envelope).decode
_event = msgspec.json.Decoder(_Single).decode


def vendor_of(where: Place, headers: Mapping[str, str], body: bytes) -> str:
    """Return the vendor of a request that `takes_events`. `body` is unpacked JSON; anything else tells nothing."""
    if where.vendor is not None:
        return where.vendor
    path = where.bare
    if path in _PATHS["segment"]:
        return "rudderstack" if _is_rudderstack(headers, body) else "segment"
    if path == "/batch":
        # PostHog's events come under "batch", Amplitude's under "events".
        opened = _open(body)
        return "amplitude" if opened is not None and opened.events is not None else "posthog"
    return "amplitude" if path in _PATHS["amplitude"] else "posthog"


def _is_rudderstack(headers: Mapping[str, str], body: bytes) -> bool:
    """Segment and RudderStack share path and shape. RudderStack never has a key in the body, and its events say more.

    Its clients write `channel`, or the time of sending into each event, or name themselves.
    """
    if "anonymousid" in headers or "rudder" in headers.get("user-agent", "").lower():
        return True
    opened = _open(body)
    if opened is None or opened.write_key is not None:
        return False
    try:
        event = _event(opened.batch[0] if opened.batch else body)
    except msgspec.MsgspecError:
        return False
    if opened.batch is not None and (event.sent_at is not None or event.original is not None):
        return True
    library = event.context.get("library") if isinstance(event.context, dict) else None
    name = library.get("name") if isinstance(library, dict) else None
    return event.channel is not None or (isinstance(name, str) and "rudder" in name.lower())


def _open(body: bytes) -> _Envelope | None:
    try:
        return _envelope(body)
    except (msgspec.MsgspecError, RecursionError):
        return None
