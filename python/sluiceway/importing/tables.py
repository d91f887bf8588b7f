"""Rows of a CSV or TSV file, by Python's own reader: quotes, line ends in cells and byte order marks are its business.

A row that has not as many cells as the header is no row but a reject, and so is one that is not UTF-8: guessing which
cell is missing, or which letters were meant, would send wrong data that looks right.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sluiceway.importing.cells import BadCell, Cells, Kind
from sluiceway.importing.faults import Misuse, Unreadable
from sluiceway.importing.opening import BROKEN, Opened
from sluiceway.importing.rows import ROWS_A_CHUNK, BadRow, Chunk

# An opening quote that nobody closes makes one cell of the rest of the file: so much of it, and not more.
_MAX_CELL_CHARS = 8 << 20
_SHOWN_CHARS = 2_000


class Table:
    """The rows of one table, values as `Cells` reads them."""

    def __init__(
        self,
        opened: Opened,
        *,
        delimiter: str,
        names: Sequence[str] = (),
        kinds: Mapping[str, Kind],
        infers: bool,
        nulls: Iterable[str],
    ) -> None:
        """Read the header, unless ``names`` says the columns of a file that has none. Raises Misuse."""
        self._text = io.TextIOWrapper(opened.stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        opened.closes(self._text)
        csv.field_size_limit(_MAX_CELL_CHARS)
        self._reader = csv.reader(self._text, delimiter=delimiter)
        self.done = opened.done
        self.columns: list[str] = list(names) or self._header()
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise Misuse(f"two columns are named {twice[0]!r}: name them all by --columns")
        default = Cells("auto" if infers else "text", nulls)
        self._common = default.__getitem__
        self._own = [(name, at, Cells(kinds[name], nulls)) for at, name in enumerate(self.columns) if name in kinds]

    def chunks(self, skip_to: int = 0) -> Iterator[Chunk]:
        """Give the rows behind line ``skip_to``. Raises Unreadable for a cut or damaged file."""
        reader, names, width, common, own = self._reader, self.columns, len(self.columns), self._common, self._own
        lines: list[int] = []
        ends: list[int] = []
        rows: list[dict[str, Any] | BadRow] = []
        began = reader.line_num
        broken = ""
        while not broken:
            try:
                for cells in reader:
                    end = reader.line_num
                    if end <= skip_to or not cells:
                        began = end
                        continue
                    row: dict[str, Any] | BadRow
                    if len(cells) != width:
                        row = BadRow("bad_row", f"{len(cells)} cells, the header has {width}", shown(cells))
                    else:
                        row = {
                            name: value
                            for name, value in zip(names, map(common, cells), strict=True)
                            if value is not None
                        }
                        if own:
                            row = _with_own(row, cells, own)
                    lines.append(began + 1)
                    ends.append(end)
                    rows.append(row)
                    began = end
                    if len(rows) >= ROWS_A_CHUNK:
                        yield Chunk(lines, ends, rows)
                        lines, ends, rows = [], [], []
                break
            except csv.Error as error:
                if reader.line_num > skip_to:
                    lines.append(began + 1)
                    ends.append(reader.line_num)
                    rows.append(BadRow("bad_row", f"no CSV: {error}", ""))
                began = reader.line_num
            except BROKEN as error:
                broken = type(error).__name__
        if rows:
            yield Chunk(lines, ends, rows)
        if broken:
            raise Unreadable(f"after line {began:,}: {broken}")

    def _header(self) -> list[str]:
        try:
            header = next(self._reader, None)
        except (csv.Error, *BROKEN) as error:
            raise Misuse(f"the file has no header that can be read ({type(error).__name__})") from None
        if not header:
            raise Misuse("the file is empty: its first line must name the columns (or name them by --columns)")
        for at, name in enumerate(header):
            if not name.strip():
                raise Misuse(f"column {at + 1} has no name: name the columns by --columns")
        return [name.strip() for name in header]


def _with_own(
    row: dict[str, Any], cells: Sequence[str], own: Sequence[tuple[str, int, Cells]]
) -> dict[str, Any] | BadRow:
    """Put the values of the columns whose kind was declared into a row."""
    for name, at, values in own:
        try:
            value = values[cells[at]]
        except BadCell as error:
            return BadRow("bad_cell", f"column {name!r} {error}", shown(cells))
        if value is None:
            row.pop(name, None)
        else:
            row[name] = value
    return row


def shown(cells: Sequence[str]) -> str:
    """Return cells as a line that a person can read; bytes that are no UTF-8 as escapes."""
    line = ",".join(cells)[:_SHOWN_CHARS]
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
