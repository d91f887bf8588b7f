"""What all vendors' requests have in common: a JSON envelope with events in it, sizes, credentials."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from sluiceway.testing.arriving import Arriving
from sluiceway.testing.strict.quick import Look
from sluiceway.testing.strict.reading import Limits
from sluiceway.testing.wire import Malformed

Envelope = TypeVar("Envelope")


def opened(body: bytes, decode: Callable[[bytes], Envelope]) -> Envelope | None:
    """Return the envelope of a body, its events undecoded; None for JSON that is no envelope of this vendor.

    Raises `Malformed` when the body is not JSON in UTF-8.
    """
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look into the strings it skips
        return decode(body)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed(400, "the body is not JSON in UTF-8") from None


def opened_or_mended(body: bytes, decode: Callable[[bytes], Envelope]) -> tuple[bytes, Envelope | None]:
    """Return the body and its envelope, as `opened` does; escaped halves of surrogate pairs become U+FFFD.

    RFC 8259 (section 8.2) leaves it to the reader what half of a pair means, and a program that cuts a text in the
    middle of an emoji writes one. JavaScript, Java and Go read it; Rust, which is PostHog, does not.
    """
    try:
        return body, opened(body, decode)
    except Malformed:
        mended = _ESCAPE.sub(_whole, body)
        if mended == body:
            raise
        return mended, opened(mended, decode)


# Every escape, so that a backslash that is escaped itself is never taken for the start of one.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u[\da-fA-F]{4}|.)", re.DOTALL)
_HALF = re.compile(rb"\\u[dD][89a-fA-F]..")


def _whole(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if _HALF.fullmatch(escape[0]) else escape[0]


def too_large(body: bytes, events: Sequence[msgspec.Raw], limits: Limits) -> Iterator[str]:
    """Yield what exceeds the limits, of those that are set."""
    if limits.max_body_bytes is not None and len(body) > limits.max_body_bytes:
        yield f"body: {len(body)} bytes, limit {limits.max_body_bytes}"
    if limits.max_batch_events is not None and len(events) > limits.max_batch_events:
        yield f"batch: {len(events)} events, limit {limits.max_batch_events}"
    most = limits.max_event_bytes
    if most is not None and events and max(map(len, events)) > most:
        for at, nbytes in enumerate(map(len, events)):
            if nbytes > most:
                yield f"event {at}: {nbytes} bytes, limit {most}"


def told(look: Look) -> Iterator[str]:
    """Yield a line for each fault."""
    for at, faults in look.faults.items():
        yield from (f"event {at}: {fault}" for fault in faults)


def path_of(arriving: Arriving) -> str:
    """Return the path without its query and without a slash at its end."""
    return arriving.path.partition("?")[0].rstrip("/")


def is_batch(path: str) -> bool:
    """Whether a path is that of PostHog's batch route, and of Amplitude's; `/v1/batch` is others'."""
    return path.endswith("/batch") and not path.endswith("/v1/batch")


def is_json(arriving: Arriving) -> bool:
    """Whether the request says that its body is JSON."""
    return arriving.headers.get("content-type", "").lower().startswith("application/json")


def basic_user(header: str | None) -> str | None:
    """Return the user of a Basic credential without a password; None for anything else."""
    scheme, _, credentials = (header or "").partition(" ")
    try:
        user, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if scheme == "Basic" and user and colon and not password else None
