"""Rows as all formats give them: chunks of dictionaries, with where each stood, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

ROWS_A_CHUNK = 512
"""Few enough to stay in the processor's cache, many enough that what is done once a chunk does not count."""
BYTES_A_CHUNK = 1 << 20


class BadRow(NamedTuple):
    """What stands in the place of a row that could not be read: why, in a word and a sentence, and what was there."""

    reason: str
    message: str
    text: str


class Chunk(NamedTuple):
    """Some rows in the order of the file.

    ``lines`` are for people: where a row begins, 1 being the first line of the file (of a Parquet file, the first row).
    ``ends`` are positions to go on from: a source that skips to ``ends[i]`` gives the row behind row i next.
    """

    lines: list[int]
    ends: list[int]
    rows: list[dict[str, Any] | BadRow]


class Source(Protocol):
    """One file of rows."""

    @property
    def columns(self) -> list[str] | None:
        """The names of all columns, where the format says them beforehand."""
        ...

    def chunks(self, skip_to: int = 0) -> Iterator[Chunk]:
        """Give the rows behind a position. To be called once. Raises Unreadable when the file cannot be read on."""
        ...

    def done(self) -> float | None:
        """Which part of the file has been read, from 0 to 1; None where nobody knows."""
        ...
