"""Which vendor a request is meant for: a prefix of the path says it, or else path, headers and body give it away."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sluiceway.testing.arriving import Arriving
from sluiceway.testing.strict.detect import VENDORS, is_rudderstacks
from sluiceway.testing.strict.single import AMPLITUDE_FORMS, POSTHOG_SINGLES, RUDDERSTACK_SINGLES, SPEC_SINGLES
from sluiceway.testing.wire import Malformed
from sluiceway.vendors.beyond import CAPTURE_PATH

SPEC_BATCHES = frozenset({"/v1/batch", "/v1/import", "/v1/b"})
RUDDERSTACK_BATCHES = SPEC_BATCHES | {"/beacon/v1/batch"}
POSTHOG_BATCHES = frozenset({"/batch", "/i/v0/ai/batch", CAPTURE_PATH})
AMPLITUDE_BATCHES = frozenset({"/2/httpapi", "/batch"})

_PATHS: Mapping[str, frozenset[str]] = {
    "segment": SPEC_BATCHES | SPEC_SINGLES.keys(),
    "rudderstack": RUDDERSTACK_BATCHES | SPEC_SINGLES.keys() | RUDDERSTACK_SINGLES.keys(),
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
    events: msgspec.Raw = msgspec.Raw()


_envelope = msgspec.json.Decoder(_Envelope).decode


def vendor_of(where: Place, arriving: Arriving) -> str:
    """Return the vendor of a request that `takes_events`; where nothing speaks of another, Segment or PostHog."""
    if where.vendor is not None:
        return where.vendor
    path = where.bare
    if path in _PATHS["segment"] or path in _PATHS["rudderstack"]:
        is_own = path not in _PATHS["segment"]
        return "rudderstack" if is_own or is_rudderstacks(arriving) else "segment"
    if path == "/batch":
        # PostHog's events come under "batch", Amplitude's under "events".
        return "amplitude" if _has_events(arriving) else "posthog"
    return "amplitude" if path in _PATHS["amplitude"] else "posthog"


def _has_events(arriving: Arriving) -> bool:
    try:
        return bool(bytes(_envelope(arriving.body).events))
    except (Malformed, msgspec.MsgspecError, RecursionError):
        return False
