"""What a vendor's page has to say: its calls and their wire shapes, its limits, its envelope, its verdicts.

A page is data and pure functions. It knows neither the native engine nor a socket; ``client.py`` turns a `Call` into
the engine's shape, the sender puts the envelope around a batch and asks the page's judge about the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import msgspec

from sluiceway.retry import RetryPolicy
from sluiceway.verdict import Judge

Kind: TypeAlias = Literal["id", "name", "label", "map", "any"]
"""What a field takes. id: str, int or UUID, sent as a non-empty str. name: a non-empty str. label: any str.
map: a mapping. any: whatever JSON can hold."""

LIBRARY_NAME = "sluiceway"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of an event: the argument it comes from, its key on the wire and what it takes.

    An absent argument (None) leaves the key out, unless there is a ``default``, which is JSON. ``library`` marks the
    map that carries the name and version of the library, unless the caller's own map has that key.
    """

    argument: str
    key: str
    kind: Kind
    required: bool = False
    default: bytes = b""
    library: bool = False


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One public call: its name, its type on the wire, its fields in wire order. Of ``one_of``, one must be given."""

    name: str
    type: str
    fields: tuple[Field, ...]
    one_of: tuple[str, ...] = ()

    @property
    def head(self) -> bytes:
        """The JSON before the message id: the opening brace and the type."""
        return b'{"type":' + msgspec.json.encode(self.type)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The vendor's limits. Bytes are those of the uncompressed body as sent, envelope and commas included."""

    max_event_bytes: int
    max_batch_bytes: int
    max_batch_events: int
    max_id_chars: int


Envelope: TypeAlias = Callable[[str, float], "tuple[bytes, bytes]"]
"""(write key, Unix time of this attempt) -> (head, tail) around the joined events; their length never varies."""

Headers: TypeAlias = Callable[[str, str], "dict[str, str]"]
"""(write key, version of this package) -> the headers that every request to this vendor carries."""


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor's page."""

    name: str
    calls: tuple[Call, ...]
    """In the order of the numbers that the public methods push under."""
    hosts: Mapping[str, str]
    """Host by region; the first is the default."""
    path: str
    limits: Limits
    envelope: Envelope
    headers: Headers
    judge: Judge
    retry: RetryPolicy
    gzip: bool
    """Whether the vendor's documents or its own newest clients send compressed bodies."""
    flush_first: bool = True
    """Whether the first event of a client goes at once."""
    id_key: str = "messageId"
    time_key: str = "timestamp"
    time_format: Literal["iso", "epoch_ms"] = "iso"

    def envelope_bytes(self, write_key: str) -> int:
        """How many bytes the envelope adds to a body, commas between events not included."""
        head, tail = self.envelope(write_key, 0.0)
        return len(head) + len(tail)


def library(version: str) -> bytes:
    """The JSON under which events name the library that sent them."""
    return msgspec.json.encode({"name": LIBRARY_NAME, "version": version})


def iso_milliseconds(unix_seconds: float) -> str:
    """Print a moment as the wire has it, ``2013-01-01T05:00:00.000Z``: always 24 ASCII characters.

    Milliseconds are cut, not rounded, so that a sent time never lies in the future. Moments outside the years 1 to 9999
    are printed as the nearest of them: a broken clock must not change a body's length.
    """
    milliseconds = int(min(max(unix_seconds, -62_135_596_800.0), 253_402_300_799.0) * 1000 // 1)
    moment = time.gmtime(milliseconds // 1000)
    return (
        f"{moment.tm_year:04d}-{moment.tm_mon:02d}-{moment.tm_mday:02d}"
        f"T{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}.{milliseconds % 1000:03d}Z"
    )
