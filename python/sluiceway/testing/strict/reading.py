"""One request as a strict vendor reads it: its events, what is wrong with them, and what the vendor would answer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from sluiceway.testing.answers import Answer
from sluiceway.testing.arriving import Arriving
from sluiceway.vendors.fault import Fault

Fate: TypeAlias = Literal["open", "acknowledged", "refused", "later"]
"""What an answer says of one event: nothing that lasts, taken, refused for good, or to be sent again after a wait."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the receiver objects to, where it is not to be the vendor's own limit (None). Bytes are of unpacked JSON."""

    max_body_bytes: int | None = None
    max_event_bytes: int | None = None
    max_batch_events: int | None = None

    def over(self, own: Limits) -> Limits:
        """Return these limits with a vendor's own in the gaps."""
        return own if self == _NONE else Limits(**(msgspec.structs.asdict(own) | _given(self)))


def _given(limits: Limits) -> dict[str, int]:
    return {name: limit for name, limit in msgspec.structs.asdict(limits).items() if limit is not None}


_NONE = Limits()

# Python reads no longer integers from a text.
_MOST_DIGITS = 4_000


class Reading(msgspec.Struct):
    """One batch as the receiver reads it: the id and the bytes of each event, and what is wrong with the request."""

    ids: list[str] = []
    events: list[msgspec.Raw] = []
    violations: list[str] = []
    refusal: Answer | None = None
    """What the vendor answers if the script does not refuse the request anyway."""
    stable: Sequence[bytes | msgspec.Raw] | None = None
    """The bytes of each event that must be the same whenever it is sent, if those are not all of them."""
    body_bytes: int = 0
    dropped: Mapping[int, str] = {}
    """Events that the vendor refuses one by one in an answer of success, and its word for the reason."""
    faults: Mapping[int, Sequence[Fault]] = {}
    """What the vendor objects to in each event, by index; what it does about that is in the answer."""

    @property
    def lasting(self) -> Sequence[bytes | msgspec.Raw]:
        """The bytes of each event that must be the same whenever it is sent."""
        return self.events if self.stable is None else self.stable


class Told(msgspec.Struct, frozen=True):
    """What goes back to the client, and what that means for the events: one fate for all, or one for each."""

    answer: Answer
    fates: Fate | Sequence[Fate] = "open"


class Strict(Protocol):
    """How one vendor reads a request and answers it."""

    @property
    def owner_keys(self) -> tuple[str, str]:
        """The keys under which an event names its user and its device; empty where the vendor knows none."""
        ...

    def read(self, arriving: Arriving, limits: Limits) -> Reading:
        """Read a batch request and list its violations; never a key or a payload in them.

        Raises `Malformed` for a body that is no JSON in UTF-8, unless the vendor has its own words for that.
        """
        ...

    def tell(self, answer: Answer, reading: Reading) -> Told:
        """Complete an answer that does not say its body, and tell what a whole answer means for each event."""
        ...


def refused_alone(status: int, reading: Reading) -> Fate:
    """The fate under an answer that names no event: it names the one that came alone."""
    return "refused" if status in (400, 413) and len(reading.ids) == 1 else "open"


def decoded(raw: msgspec.Raw) -> Any:
    """Decode one event, which is known to be JSON, whatever numbers it has."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:  # a number that has no place in 64 bits
        return json.loads(bytes(raw), parse_int=lambda digits: int(digits) if len(digits) < _MOST_DIGITS else math.inf)


def as_dict(raw: msgspec.Raw) -> dict[str, Any] | None:
    """Decode one event; None when it is no object."""
    event = decoded(raw)
    return event if isinstance(event, dict) else None
