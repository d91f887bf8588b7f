"""Rows of a Parquet file, by pyarrow, a few thousand at a time whatever the size of a row group."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import msgspec

from sluiceway.importing.faults import Misuse, Unreadable
from sluiceway.importing.opening import Opened
from sluiceway.importing.rows import ROWS_A_CHUNK, Chunk

_ROWS_A_BATCH = 4_096


class Parquet:
    """The rows of one Parquet file, as plain values: decimals are numbers, days and times of day ISO texts."""

    def __init__(self, opened: Opened) -> None:
        """Read the footer. A compressed file, or standard input, is copied to a temporary file first. Raises Misuse."""
        try:
            arrow: Any = import_module("pyarrow")
            parquet: Any = import_module("pyarrow.parquet")
        except ModuleNotFoundError:
            raise Misuse("a Parquet file needs pyarrow: pip install 'sluiceway[parquet]'") from None
        try:
            self._file = parquet.ParquetFile(opened.seekable())
        except (arrow.ArrowException, OSError) as error:
            raise Misuse(f"no Parquet file that can be read ({type(error).__name__})") from None
        self._broken = (arrow.ArrowException, OSError)
        schema = self._file.schema_arrow
        self.columns: list[str] = list(schema.names)
        self._plain = [(field.name, plain) for field in schema if (plain := _plain_for(field.type)) is not None]
        self._rows: int = max(1, self._file.metadata.num_rows)
        self._read = 0

    def done(self) -> float | None:
        """Which part of the rows has been read."""
        return min(1.0, self._read / self._rows)

    def chunks(self, skip_to: int = 0) -> Iterator[Chunk]:
        """Give the rows behind row ``skip_to``; whole row groups before it are not read."""
        groups, number = self._groups_from(skip_to)
        try:
            for batch in self._file.iter_batches(batch_size=_ROWS_A_BATCH, row_groups=groups, use_threads=False):
                rows: list[Any] = batch.to_pylist()
                first, number = number, number + len(rows)
                if number <= skip_to:
                    continue
                if first < skip_to:
                    rows, first = rows[skip_to - first :], skip_to
                self._make_plain(rows)
                for at in range(0, len(rows), ROWS_A_CHUNK):
                    part = rows[at : at + ROWS_A_CHUNK]
                    lines = list(range(first + at + 1, first + at + 1 + len(part)))
                    self._read = lines[-1]
                    yield Chunk(lines, lines, part)
        except self._broken as error:
            raise Unreadable(f"after row {self._read:,}: {type(error).__name__}") from None

    def _groups_from(self, skip_to: int) -> tuple[list[int], int]:
        """The row groups that hold the rows behind a position, and how many rows stand before the first of them."""
        metadata, before = self._file.metadata, 0
        for group in range(metadata.num_row_groups):
            count = metadata.row_group(group).num_rows
            if before + count > skip_to:
                return list(range(group, metadata.num_row_groups)), before
            before += count
        return [], before

    def _make_plain(self, rows: list[dict[str, Any]]) -> None:
        for name, plain in self._plain:
            for row in rows:
                value = row[name]
                if value is not None:
                    row[name] = plain(value)


def _plain_for(kind: Any) -> Callable[[Any], Any] | None:
    """What makes plain values of a column of this type; None where its values are plain as they are."""
    types: Any = import_module("pyarrow.types")
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind):
        return None
    if types.is_timestamp(kind):
        # As datetimes, which the client prints; pandas' kind of them has nanoseconds that no vendor takes.
        return _moment
    if types.is_floating(kind):
        return _finite
    if types.is_decimal(kind):
        return _decimal
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return _bytes
    return _deep


def _moment(value: Any) -> Any:
    to_datetime = getattr(value, "to_pydatetime", None)
    return value if to_datetime is None else to_datetime(warn=False)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _decimal(value: Any) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def _deep(value: Any) -> Any:
    """Lists, structs, days, times, durations: whatever is inside."""
    return msgspec.to_builtins(value, enc_hook=str, str_keys=True)
