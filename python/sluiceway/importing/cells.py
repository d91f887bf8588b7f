"""What the cell of a table says: a number, a boolean, a text, or nothing; worked out once for each text.

A cell becomes a number only where nothing is lost by it: "007" and "+49 30 1" stay texts, and so do whole numbers of
more than 15 digits, which most readers of JSON would round.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias, cast, get_args

import msgspec

from sluiceway.importing.faults import Misuse

Kind: TypeAlias = Literal["auto", "text", "int", "number", "bool", "json"]
KINDS: tuple[str, ...] = get_args(Kind)

_MAX_KEPT = 65_536
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,14})", re.ASCII)
# An exponent only as programs print it, with its sign: "12e4" is more likely the number of an article.
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,17})?(?:[eE][+-][0-9]{1,3})?", re.ASCII)
_BOOLS = {"true": True, "false": False}
_MORE_BOOLS = {**_BOOLS, "t": True, "f": False, "yes": True, "no": False, "y": True, "n": False, "1": True, "0": False}


class BadCell(ValueError):
    """A cell does not say what its column was declared to hold."""


class Cells(dict[str, Any]):
    """From a cell's text to its value. Looks like a dictionary, so that a text seen before costs a look-up only."""

    def __init__(self, kind: Kind, nulls: Iterable[str]) -> None:
        super().__init__()
        self._read = _READERS[kind]
        self._nulls = frozenset(nulls)

    def __missing__(self, cell: str) -> Any:
        """Read a text that was not seen before, or not lately. Raises BadCell."""
        value = None if cell in self._nulls else self._read(cell)
        if len(self) >= _MAX_KEPT:
            self.clear()
        self[cell] = value
        return value


def checked_kinds(types: Mapping[str, str]) -> dict[str, Kind]:
    """Return the declared kinds. Raises Misuse for a word that is none."""
    for column, kind in types.items():
        if kind not in KINDS:
            raise Misuse(f"--types {column}={kind}: must be one of {', '.join(KINDS)}")
    return cast("dict[str, Kind]", dict(types))


def _auto(cell: str) -> Any:
    if _INT.fullmatch(cell):
        return int(cell) if cell != "-0" else cell
    if _FLOAT.fullmatch(cell):
        return float(cell)
    return _BOOLS.get(cell.lower(), cell)


def _int(cell: str) -> int:
    text = cell.strip()
    if len(text) > 300 or not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        raise BadCell("is no whole number")
    return int(text)


def _number(cell: str) -> int | float:
    try:
        return _int(cell)
    except BadCell:
        pass
    try:
        number = float(cell.strip() if "_" not in cell else "no")
    except ValueError:
        raise BadCell("is no number") from None
    if not math.isfinite(number):
        raise BadCell("is no finite number")
    return number


def _bool(cell: str) -> bool:
    value = _MORE_BOOLS.get(cell.strip().lower())
    if value is None:
        raise BadCell("is neither true nor false")
    return value


def _json(cell: str) -> Any:
    try:
        return msgspec.json.decode(cell.encode("utf-8", "surrogateescape"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadCell("is no JSON") from None


_READERS: Mapping[str, Callable[[str], Any]] = {
    "auto": _auto,
    "text": lambda cell: cell,
    "int": _int,
    "number": _number,
    "bool": _bool,
    "json": _json,
}
