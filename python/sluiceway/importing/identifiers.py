"""The id of an event, made from its row: the same row gives the same id today, tomorrow and on another machine.

That is what makes a repeated import harmless: the vendors count events of one id once. The id is a UUID of version 8
(RFC 9562, the one for hashes) over the destination, the kind and name of the event, and the values it is to be told by.
The destination is in it because Segment folds equal ids of different sources, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from sluiceway.importing.faults import Unfit

ROW, LINE = "@row", "@line"
_encode = msgspec.json.Encoder().encode
# The two bits that say "variant of RFC 9562", at the top of the 17th digit.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Ids:
    """Makes the ids of one file."""

    def __init__(self, namespace: str, parts: Sequence[str], file: str) -> None:
        """``parts`` are columns, `@row` for the whole row and `@line` for the place: the file's name and the line."""
        self._parts = tuple(parts)
        self._is_row = self._parts == (ROW,)
        self._file = file
        self._start = hashlib.sha256(b"sluiceway send 1\0" + namespace.encode())
        self._starts: dict[tuple[str, str], Any] = {}

    def of(self, kind: str, name: str, row: Mapping[str, Any], raw: bytes, line: int) -> str:
        """Return the id. ``raw`` is the row as JSON with sorted keys. Raises Unfit where no value is there."""
        start = self._starts.get((kind, name))
        if start is None:
            if len(self._starts) >= 1_024:
                self._starts.clear()
            start = self._start.copy()
            start.update(b"\0%b\0%b\0" % (kind.encode(), name.encode("utf-8", "surrogatepass")))
            self._starts[kind, name] = start
        digest = start.copy()
        digest.update(raw if self._is_row else self._told(row, raw, line))
        return _printed(digest.hexdigest())

    def of_text(self, text: str) -> str:
        """Return an id in the form of a UUID for one that is none."""
        return _printed(hashlib.sha256(self._start.digest() + text.encode("utf-8", "surrogatepass")).hexdigest())

    def _told(self, row: Mapping[str, Any], raw: bytes, line: int) -> bytes:
        values: list[Any] = []
        has_any = False
        for part in self._parts:
            if part == ROW:
                values.append(msgspec.Raw(raw))
            elif part == LINE:
                values.append([self._file, line])
            else:
                values.append(value := row.get(part))
                has_any = has_any or value is not None
                continue
            has_any = True
        if not has_any:
            raise Unfit("no_id", f"nothing in {', '.join(self._parts)}, which the id is to be made from")
        return _encode(values)


def _printed(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"


def as_uuid(text: str) -> str | None:
    """Return a UUID as it is commonly printed; None for a text that is none."""
    try:
        return str(UUID(text))
    except ValueError:
        return None
