"""One request as its vendor reads it: the strict readers do it, this room hands them what they can read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sluiceway.testing.answers import Answer
from sluiceway.testing.arriving import Arriving
from sluiceway.testing.strict.detect import strict_for
from sluiceway.testing.strict.reading import Limits, Reading, Strict
from sluiceway.testing.strict.single import as_batch
from sluiceway.testing.wire import Malformed

# "500KB" may be read as 500,000 or as 512,000: what lies between is taken, and told of.
SEGMENT_MAX_BODY_BYTES = 512_000

_LIMITS = Limits()


class Read(msgspec.Struct):
    """A request that was read: by whom, as which batch, with what result."""

    strict: Strict
    batch: Arriving
    reading: Reading


def arriving_of(
    number: int, method: str, path: str, headers: Mapping[str, str], body: bytes, connection: int = 0
) -> Arriving:
    """Return a request whose body is here already."""
    return Arriving(
        number=number,
        connection=connection,
        method=method,
        path=path,
        headers=headers,
        body_bytes=len(body),
        read=lambda _nbytes: body,
    )


def read(arriving: Arriving, vendor: str) -> Read:
    """Read a request as this vendor would; what it refuses as a whole is in the reading. Raises nothing."""
    try:
        batch = as_batch(arriving, vendor)
    except Malformed as wrong:
        return Read(strict_for(arriving, vendor), arriving, _unread(wrong))
    strict = strict_for(batch, vendor)
    try:
        reading = strict.read(batch, _LIMITS)
    except Malformed as wrong:
        return Read(strict, batch, _unread(wrong))
    if vendor == "segment":
        _refuse_as_segment(batch, reading)
    return Read(strict, batch, reading)


def _unread(wrong: Malformed) -> Reading:
    return Reading(violations=[f"body: {wrong}"], refusal=Answer(wrong.status))


def _refuse_as_segment(batch: Arriving, reading: Reading) -> None:
    """Segment answers 400 to what is no batch, and to what is too large (HTTP API, "Errors"), and 200 to all else."""
    if (not reading.events and any(text.startswith("envelope: no object") for text in reading.violations)) or len(
        batch.body
    ) > SEGMENT_MAX_BODY_BYTES:
        reading.refusal = Answer(400)
