"""A vendor's rules as a decoder: most batches are found good while being decoded, others are looked at event by event.

The decoder is made from the page that `faults` reads, too. It may suspect a good event, which costs time; it must not
pass a bad one, and a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from sluiceway.testing.ids import pack_uuids
from sluiceway.testing.strict.reading import decoded
from sluiceway.testing.strict.schema import Schema
from sluiceway.vendors.base import Vendor
from sluiceway.vendors.beyond import trims_ids
from sluiceway.vendors.fault import Fault
from sluiceway.vendors.rules import ENGINE_MAX_DEPTH, faults

_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{}[]")


class Look(msgspec.Struct, frozen=True):
    """The ids of a batch (for an event without one, a text that stands for it), and its events' faults by index."""

    ids: list[str]
    faults: dict[int, list[Fault]]


NO_OBJECT = Fault("wrong_type", "itself", "is no object")


class Quick:
    """Looks through the batches of one vendor. Immutable; safe to use from several threads.

    `batch_key` is where the envelope has its events. `further` and `required` are types of keys that no field has.
    `suspicious` sees the decoded events, whose attributes are the page's arguments (see `Schema`), and names those that
    are to be looked at.
    """

    def __init__(
        self,
        vendor: Vendor,
        batch_key: str,
        *,
        further: Mapping[str, Any] | None = None,
        required: Mapping[str, Any] | None = None,
        suspicious: Callable[[Sequence[Any]], Iterable[int]] | None = None,
    ) -> None:
        schema = Schema(vendor, further or {}, required or {})
        self._vendor = vendor
        self._suspicious = suspicious
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(schema.batch(batch_key)).decode
        self._either = list(map(attrgetter, schema.either))
        self._name = attrgetter(schema.name) if schema.special_names else None
        self._special_names = schema.special_names
        self._refusing = [(attrgetter(argument), texts) for argument, texts in schema.refusing.items()]
        self._trimmed = list(map(attrgetter, schema.ids)) if trims_ids(vendor) else []
        self._max_text_chars = vendor.limits.max_text_chars
        self._max_depth = vendor.limits.max_depth if vendor.limits.max_depth < ENGINE_MAX_DEPTH else 0

    def look(self, body: bytes, raws: Sequence[msgspec.Raw]) -> Look:
        """Look through a body that is known to be JSON, whose events are `raws`."""
        try:
            events = self._decode(body).events
        except msgspec.ValidationError:
            return self._closely(raws)
        ids = [event.own_id_ for event in events]
        suspects = set(self._suspects(events, ids))
        if self._max_text_chars:
            suspects.update(at for at, raw in enumerate(raws) if len(raw) > self._max_text_chars and self._is_long(raw))
        if self._max_depth and _is_deep(body, self._max_depth + 3):  # the envelope, its list and the event itself
            suspects.update(at for at, raw in enumerate(raws) if _is_deep(bytes(raw), self._max_depth + 1))
        found = {at: self.faults(decoded(raws[at])) for at in sorted(suspects)}
        return Look(ids, {at: wrong for at, wrong in found.items() if wrong})

    def faults(self, event: Any) -> list[Fault]:
        """Return what the vendor would object to in one decoded event."""
        return faults(self._vendor, event) if isinstance(event, dict) else [NO_OBJECT]

    def _closely(self, raws: Sequence[msgspec.Raw]) -> Look:
        ids: list[str] = []
        found: dict[int, list[Fault]] = {}
        for at, raw in enumerate(raws):
            event = decoded(raw)
            if wrong := self.faults(event):
                found[at] = wrong
            said = event.get(self._vendor.id_key) if isinstance(event, dict) else None
            ids.append(said if isinstance(said, str) and said else f"\0without an id: {at}")
        return Look(ids, found)

    def _suspects(self, events: Sequence[Any], ids: Sequence[str]) -> Iterator[int]:
        """What the types cannot say, asked of all events at once wherever possible."""
        if self._either and None in [event.first_ for event in events]:
            nobody = (None,) * len(self._either)
            given = zip(*(map(argument, events) for argument in self._either), strict=True)
            yield from (at for at, who in enumerate(given) if who == nobody)
        if self._name is not None and not self._special_names.isdisjoint(map(self._name, events)):
            yield from (at for at, name in enumerate(map(self._name, events)) if name in self._special_names)
        for argument, texts in self._refusing:
            if not texts.isdisjoint(map(str.lower, filter(None, set(map(argument, events))))):
                yield from (at for at, event in enumerate(events) if (argument(event) or "").lower() in texts)
        for argument in self._trimmed:
            if any(map(str.isspace, filter(None, set(map(argument, events))))):
                yield from (at for at, event in enumerate(events) if (argument(event) or "").isspace())
        if self._vendor.id_format == "uuid" and pack_uuids(ids) is None:
            yield from (at for at, event_id in enumerate(ids) if pack_uuids([event_id]) is None)
        if self._suspicious is not None:
            yield from self._suspicious(events)

    def _is_long(self, raw: msgspec.Raw) -> bool:
        """Whether a text may be too long: between two quotes there is at most one, unless it has quotes in it."""
        data = bytes(raw)
        return b"\\" in data or max(map(len, data.split(b'"'))) > self._max_text_chars


def _is_deep(data: bytes, max_depth: int) -> bool:
    """Whether maps and lists may stand deeper inside each other than that.

    Takes the innermost pairs of brackets away until none is left; each round removes one level or two. Brackets in
    texts look like depth (or, were somebody to arrange them so, might hide it).
    """
    brackets = data.translate(None, _ALL_BUT_BRACKETS)
    for _ in range(max_depth // 2):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not brackets:
            return False
    return True
