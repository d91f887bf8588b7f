"""Rows of a JSONL file: one object a line, read line by line, so that a broken line costs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from sluiceway.importing.faults import Misuse, Unreadable
from sluiceway.importing.opening import BROKEN, Opened
from sluiceway.importing.rows import BYTES_A_CHUNK, ROWS_A_CHUNK, BadRow, Chunk

# No vendor takes an event of a tenth of it; a file without line ends must not become one line in memory.
_MAX_LINE_BYTES = 16 << 20
_SHOWN_BYTES = 2_000
_BOM = b"\xef\xbb\xbf"


class JsonLines:
    """The lines of one file. Empty lines are no rows."""

    columns = None

    def __init__(self, opened: Opened) -> None:
        self._stream = opened.stream
        self.done = opened.done

    def chunks(self, skip_to: int = 0) -> Iterator[Chunk]:
        """Give the rows behind line ``skip_to``. Raises Unreadable for a damaged file, Misuse for a JSON list."""
        number = 0
        lines: list[int] = []
        rows: list[dict[str, Any] | BadRow] = []
        nbytes = 0
        broken = ""
        try:
            for line in self._lines():
                number += 1
                if number <= skip_to:
                    continue
                if number == 1 and line.removeprefix(_BOM).lstrip().startswith(b"["):
                    raise Misuse(
                        "the file is one JSON list; one object a line is wanted: jq -c '.[]' FILE > FILE.jsonl"
                    )
                row = _row(line, number)
                if row is None:
                    continue
                lines.append(number)
                rows.append(row)
                nbytes += len(line)
                if len(rows) >= ROWS_A_CHUNK or nbytes >= BYTES_A_CHUNK:
                    yield Chunk(lines, lines, rows)
                    lines, rows, nbytes = [], [], 0
        except BROKEN as error:
            broken = type(error).__name__
        if rows:
            yield Chunk(lines, lines, rows)
        if broken:
            raise Unreadable(f"after line {number:,}: {broken}")

    def _lines(self) -> Iterator[bytes]:
        """Give line by line, each cut at the bound; what is behind it is read and forgotten."""
        read = self._stream.readline
        while line := read(_MAX_LINE_BYTES):
            if len(line) == _MAX_LINE_BYTES and not line.endswith(b"\n"):
                while (rest := read(_MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
            yield line


def _row(line: bytes, number: int) -> dict[str, Any] | BadRow | None:
    """One line as a row; None where there is nothing on it."""
    try:
        row = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if number == 1 and line.startswith(_BOM):
            return _row(line[len(_BOM) :], 0)
        if not line.strip():
            return None
        if len(line) == _MAX_LINE_BYTES:
            return BadRow("bad_json", f"the line is longer than {_MAX_LINE_BYTES:,} bytes", _shown(line))
        if isinstance(error, UnicodeDecodeError):
            return BadRow("bad_utf8", "the line is not UTF-8", _shown(line))
        said = "nested too deep" if isinstance(error, RecursionError) else str(error)
        return BadRow("bad_json", f"no JSON: {said}", _shown(line))
    if not isinstance(row, dict):
        return BadRow("bad_json", f"a {_KINDS[type(row)]}, not an object", _shown(line))
    return row


_decode = msgspec.json.Decoder().decode
_KINDS = {list: "list", str: "text", int: "number", float: "number", bool: "boolean", type(None): "null"}


def _shown(line: bytes) -> str:
    return line[:_SHOWN_BYTES].decode("utf-8", "backslashreplace").rstrip("\r\n")
