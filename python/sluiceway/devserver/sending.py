"""When a request says that it was sent: in its envelope, in its events, in a header or in a query, by vendor."""

from __future__ import annotations

from typing import Any

import msgspec

from sluiceway.devserver.timing import seconds_of
from sluiceway.testing.arriving import Arriving
from sluiceway.testing.strict.reading import Reading


class _Sent(msgspec.Struct, gc=False):
    camel: Any = msgspec.field(default=None, name="sentAt")
    snake: Any = msgspec.field(default=None, name="sent_at")
    upload: Any = msgspec.field(default=None, name="client_upload_time")


_envelope = msgspec.json.Decoder(_Sent).decode


def sent_at(vendor: str, batch: Arriving, body: bytes, reading: Reading) -> float | None:
    """Return the moment in seconds since 1970; None where the request does not say or nobody can read it."""
    header = batch.headers.get("posthog-request-timestamp")
    if header is not None and vendor == "posthog":
        return seconds_of(header)
    # RudderStack goes by each event; those of one request are sent together.
    where = reading.events[0] if vendor == "rudderstack" and reading.events else body
    try:
        said = _envelope(where)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return seconds_of({"posthog": said.snake, "amplitude": said.upload}.get(vendor, said.camel))
