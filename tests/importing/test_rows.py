"""Odd tables and broken lines: what can be read is read, and what cannot is a reject with its reason."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sluiceway.importing.files import Files
from sluiceway.importing.mapping import Mapping
from sluiceway.importing.rows import BadRow

Row = tuple[int, Any]


def rows_of(path: Path, *, skip_to: int = 0, delimiter: str | None = None, **mapping: Any) -> list[Row]:
    """Line and row; of a bad row its reason."""
    files = Files([str(path)], Mapping(event_name="E", **mapping), vendor="segment", delimiter=delimiter)
    try:
        return [
            (line, row.reason if isinstance(row, BadRow) else row)
            for chunk in files.open(0).chunks(skip_to)
            for line, row in zip(chunk.lines, chunk.rows, strict=True)
        ]
    finally:
        files.close()


def table(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a,b\n1,2\n", [(2, {"a": 1, "b": 2})]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", [(2, {"a": 1, "b": 2})]),
        (b"a,b\n1,2", [(2, {"a": 1, "b": 2})]),
        (b"a,b\n\n1,2\n\n\n3,4\n", [(3, {"a": 1, "b": 2}), (6, {"a": 3, "b": 4})]),
        (b'a,b\n"x, ""y""","two\nlines"\nz,w\n', [(2, {"a": 'x, "y"', "b": "two\nlines"}), (4, {"a": "z", "b": "w"})]),
        (b"a,b\n,2\n1,\n,\n", [(2, {"b": 2}), (3, {"a": 1}), (4, {})]),
        (b"a,b\n1\n1,2,3\n3,4\n", [(2, "bad_row"), (3, "bad_row"), (4, {"a": 3, "b": 4})]),
        ("a,ü\nö,\u20ac\n".encode(), [(2, {"a": "ö", "ü": "\u20ac"})]),
        (b'a,b\n"never closed,2\n3,4\n', [(2, "bad_row")]),
        (b"a, b \n1,2\n", [(2, {"a": 1, "b": 2})]),
    ],
)
def test_a_table_is_read_as_it_was_meant(tmp_path: Path, content: bytes, rows: list[Row]) -> None:
    assert rows_of(table(tmp_path, content)) == rows


def test_a_cell_beyond_all_bounds_costs_its_row_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluiceway.importing.tables._MAX_CELL_CHARS", 1_000)
    before = csv.field_size_limit()
    try:
        rows = rows_of(table(tmp_path, b"a,b\n1,2\n" + b"x" * 2_000 + b",2\n3,4\n"))
    finally:
        csv.field_size_limit(before)
    assert rows == [(2, {"a": 1, "b": 2}), (3, "bad_row"), (4, {"a": 3, "b": 4})]


def test_another_delimiter_no_header_and_words_for_nothing(tmp_path: Path) -> None:
    path = table(tmp_path, b"a;b;c\n1;NA;null\n")
    assert rows_of(path, delimiter=";", null=("NA", "null")) == [(2, {"a": 1})]
    files = Files([str(path)], Mapping(event_name="E"), vendor="segment", delimiter=";", names=["x", "y", "z"])
    [chunk] = files.open(0).chunks()
    files.close()
    assert chunk.rows == [{"x": "a", "y": "b", "z": "c"}, {"x": 1, "y": "NA", "z": "null"}]


@pytest.mark.parametrize("skip_to", range(1, 9))
def test_a_table_goes_on_behind_any_row(tmp_path: Path, skip_to: int) -> None:
    path = table(tmp_path, b'a,b\n1,"x\ny"\n\nbad\n3,4\n5,"p\nq\nr"\n7,8\n')
    everything = rows_of(path)
    ends = [3, 5, 6, 9, 10]
    assert len(everything) == len(ends)
    assert rows_of(path, skip_to=skip_to) == [row for row, end in zip(everything, ends, strict=True) if end > skip_to]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0", 0), ("-5", -5), ("12.50", 12.5), ("1e-05", 1e-05), ("1.5e+10", 1.5e10), ("true", True), ("FALSE", False),
        # What a number would lose.
        ("007", "007"), ("-0", "-0"), ("+49301", "+49301"), ("1_000", "1_000"), ("12e4", "12e4"), ("1.", "1."),
        ("1234567890123456", "1234567890123456"), ("nan", "nan"), ("Infinity", "Infinity"), ("0x10", "0x10"),
        (" 5", " 5"), (".5", ".5"),
        ("\u0663", "\u0663"), ("yes", "yes"), ("NULL", "NULL"),
    ],
)  # fmt: skip
def test_a_cell_becomes_a_number_only_where_nothing_is_lost(tmp_path: Path, cell: str, value: Any) -> None:
    path = table(tmp_path, f"a,b\n{cell},x\n".encode())
    [(_, row)] = rows_of(path)
    assert row == {"a": value, "b": "x"}
    assert type(row["a"]) is type(value)
    assert rows_of(path, infer=False) == [(2, {"a": cell, "b": "x"})]


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("text", "12", "12"), ("int", "0012", 12), ("int", "1.5", "bad_cell"), ("int", "9" * 30, int("9" * 30)),
        ("number", "1.50", 1.5), ("number", "12", 12), ("number", "nan", "bad_cell"), ("number", "1_0", "bad_cell"),
        ("bool", "yes", True), ("bool", "0", False), ("bool", "maybe", "bad_cell"),
        ("json", '"{""x"":[1]}"', {"x": [1]}),
        ("json", "{", "bad_cell"), ("auto", "12", 12),
    ],
)  # fmt: skip
def test_a_declared_column_holds_what_was_declared(tmp_path: Path, kind: str, cell: str, value: Any) -> None:
    rows = rows_of(table(tmp_path, f"a,b\n{cell},x\n".encode()), types={"a": kind}, infer=False)
    assert rows == [(2, value if value == "bad_cell" else {"a": value, "b": "x"})]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b'{"a":1}\n{"a":2}', [(1, {"a": 1}), (2, {"a": 2})]),
        (b'\xef\xbb\xbf{"a":1}\r\n\r\n  \n{"a":2}\r\n', [(1, {"a": 1}), (4, {"a": 2})]),
        (b'{"a":1\n{"a":2}\n', [(1, "bad_json"), (2, {"a": 2})]),
        (b'{"a":1}{"a":2}\n[1]\n"x"\n3\nnull\ntrue\n', [(n, "bad_json") for n in range(1, 7)]),
        (b'{"a":"\xff"}\n{"a":1}\n', [(1, "bad_utf8"), (2, {"a": 1})]),
        (b'{"a":NaN}\nnot json\n', [(1, "bad_json"), (2, "bad_json")]),
        (b"[" * 9 + b"\n" + b'{"a":' * 100_000 + b"\n", "a list"),
        (b'{"b":1}\n' + b'{"a":' * 100_000 + b"\n", [(1, {"b": 1}), (2, "bad_json")]),
        (b"", []),
    ],
)
def test_a_broken_line_costs_nothing_but_itself(tmp_path: Path, content: bytes, rows: Any) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    if rows == "a list":
        with pytest.raises(Exception, match="one JSON list"):
            rows_of(path)
    else:
        assert rows_of(path) == rows
        for skip_to in range(3):
            assert rows_of(path, skip_to=skip_to) == [row for row in rows if row[0] > skip_to]


def test_a_line_beyond_all_bounds_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluiceway.importing.jsonl._MAX_LINE_BYTES", 100)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":"' + b"x" * 1_000 + b'"}\n{"a":2}\n')
    assert rows_of(path) == [(1, {"a": 1}), (2, "bad_json"), (3, {"a": 2})]


def test_parquet_gives_plain_values_and_goes_on_behind_any_row(tmp_path: Path) -> None:
    import datetime as dt
    from decimal import Decimal

    import pyarrow
    from pyarrow import parquet

    moment = dt.datetime(2024, 5, 6, 7, 8, 9, 123456)
    columns = {
        "int": pyarrow.array([1, None]),
        "float": pyarrow.array([1.5, float("nan")]),
        "decimal": pyarrow.array([Decimal("12.50"), Decimal("7.00")]),
        "day": pyarrow.array([dt.date(2024, 1, 2), None]),
        "time": pyarrow.array([dt.time(1, 2, 3), None]),
        "moment": pyarrow.array([moment, None], pyarrow.timestamp("ns", tz="Europe/Berlin")),
        "bytes": pyarrow.array([b"text", b"\xff\xfe"]),
        "list": pyarrow.array([[1, 2], []]),
        "struct": pyarrow.array([{"a": dt.date(2024, 1, 1), "b": [b"x"]}, None]),
        "words": pyarrow.array(["a", "b"]).dictionary_encode(),
    }
    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table(columns), path, row_group_size=1)
    [(_, first), (_, second)] = rows_of(path)
    printed = msgspec.json.decode(msgspec.json.encode({k: v for k, v in first.items() if k != "struct"}))
    assert printed == {
        "int": 1, "float": 1.5, "decimal": 12.5, "day": "2024-01-02", "time": "01:02:03", "bytes": "text",
        "moment": "2024-05-06T09:08:09.123456+02:00", "list": [1, 2], "words": "a",
    }  # fmt: skip
    assert first["struct"]["a"] == "2024-01-01"
    assert {name: value for name, value in second.items() if value is not None} == {
        "decimal": 7, "bytes": "//4=", "list": [], "words": "b"
    }  # fmt: skip
    many = tmp_path / "many.parquet"
    parquet.write_table(pyarrow.table({"n": list(range(5_000))}), many, row_group_size=700)
    for skip_to in (0, 1, 699, 700, 701, 4_095, 4_096, 4_999, 5_000):
        rows = rows_of(many, skip_to=skip_to)
        assert rows == [(n + 1, {"n": n}) for n in range(skip_to, 5_000)]
