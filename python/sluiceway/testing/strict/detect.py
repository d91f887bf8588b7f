"""Which vendor a request is meant for: the one that the receiver was told, or what its path and body speak of."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from sluiceway.testing.arriving import Arriving
from sluiceway.testing.strict.opening import is_batch, path_of
from sluiceway.testing.strict.reading import Strict
from sluiceway.testing.strict.single import AMPLITUDE_FORMS, POSTHOG_SINGLES, SPEC_SINGLES
from sluiceway.testing.wire import Malformed
from sluiceway.vendors.base import Vendor
from sluiceway.vendors.beyond import CAPTURE_PATH

VENDORS = ("segment", "rudderstack", "posthog", "amplitude")


def vendor_name(vendor: Vendor | str | None) -> str | None:
    """Return the name of a vendor given by its page or its name. Raises ValueError for one that nobody knows."""
    name = vendor.name if isinstance(vendor, Vendor) else vendor
    if name is not None and name not in VENDORS:
        raise ValueError(f"vendor must be one of {', '.join(VENDORS)}, or None")
    return name


def prepare(name: str | None) -> None:
    """Load what will read the first request, so that it is not the one that waits for that."""
    _strict(name or "segment")


def strict_for(arriving: Arriving, name: str | None) -> Strict:
    """Return who reads this request. Blocks for its body where the path alone does not tell."""
    name = name or spoken_of(arriving)
    return _strict("capture" if name == "posthog" and path_of(arriving).endswith(CAPTURE_PATH) else name)


def spoken_of(arriving: Arriving) -> str:
    """Return the vendor that a request speaks of; Segment where it speaks of none. May block for its body."""
    path = path_of(arriving)
    if path.endswith(tuple(SPEC_SINGLES)):
        return "rudderstack" if is_rudderstacks(arriving) else "segment"
    if path.endswith(("/2/httpapi", *AMPLITUDE_FORMS)):
        return "amplitude"
    if path.endswith((CAPTURE_PATH, *POSTHOG_SINGLES)):
        return "posthog"
    if is_batch(path):
        # PostHog's events come under "batch", Amplitude's under "events".
        try:
            has_events = isinstance(arriving.document, dict) and "events" in arriving.document
        except Malformed:
            return "posthog"
        return "amplitude" if has_events else "posthog"
    return "rudderstack" if is_rudderstacks(arriving) else "segment"


class _Spec(msgspec.Struct, gc=False, rename="camel"):
    batch: list[msgspec.Raw] | None = None
    write_key: Any = None


class _Message(msgspec.Struct, gc=False, rename="camel"):
    channel: Any = None
    original_timestamp: Any = None
    sent_at: Any = None


_spec = msgspec.json.Decoder(_Spec).decode
_message = msgspec.json.Decoder(_Message).decode

# What a message of RudderStack's clients has at its root, and none of Segment's in a batch.
_TELLING = (b'"channel"', b'"originalTimestamp"', b'"sentAt"')


def is_rudderstacks(arriving: Arriving) -> bool:
    """Whether a body of the spec that both share is RudderStack's: its clients name a channel, and no key in it."""
    if "anonymousid" in arriving.headers or "rudder" in arriving.headers.get("user-agent", "").lower():
        return True
    try:
        body = arriving.body
        if not any(word in body for word in _TELLING):
            return False
        envelope = _spec(body)
        if envelope.write_key is not None or envelope.batch == []:
            return False
        message = _message(body if envelope.batch is None else envelope.batch[0])
    except (Malformed, msgspec.MsgspecError, RecursionError):
        return False
    in_batch = envelope.batch is not None
    return (
        message.channel is not None
        or message.original_timestamp is not None
        or (in_batch and message.sent_at is not None)
    )


@cache
def _strict(name: str) -> Strict:
    """A receiver for one vendor needs no other's room, and no other's page."""
    if name == "rudderstack":
        from sluiceway.testing.strict.rudderstack import RudderStack

        return RudderStack()
    if name == "posthog":
        from sluiceway.testing.strict.posthog import PostHog

        return PostHog()
    if name == "capture":
        from sluiceway.testing.strict.capture import Capture

        return Capture()
    if name == "amplitude":
        from sluiceway.testing.strict.amplitude import Amplitude

        return Amplitude()
    from sluiceway.testing.strict.segment import Segment

    return Segment()
