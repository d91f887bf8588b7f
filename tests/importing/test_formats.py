"""The same rows in every format and compression are the same events, with the same ids."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import zstandard
from pyarrow import parquet

from sluiceway.testing import Receiver

from .campaign import KEYS
from .conftest import Send

MAPPED = ("--event", "event", "--user-id", "user", "--timestamp", "at")
ROWS: list[dict[str, Any]] = [
    {
        "event": "Bought" if number % 3 else "Seen",
        "user": f"user-{number % 7}",
        "at": f"2024-02-{number % 28 + 1:02d}T10:00:00Z",
        "price": number + 0.25,
        "count": number,
        "new": number % 2 == 0,
        "note": f'a "quoted", über\nlong {number}',
    }
    for number in range(40)
]


def as_jsonl() -> bytes:
    # The order of the keys means nothing.
    return b"".join(json.dumps(dict(reversed(row.items()))).encode() + b"\n" for row in ROWS)


def as_table(delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(ROWS[0]), delimiter=delimiter)
    writer.writeheader()
    # As databases print them.
    writer.writerows(
        {**row, "new": str(row["new"]).upper(), "at": row["at"].replace("T", " ").rstrip("Z")} for row in ROWS
    )
    return text.getvalue().encode()


def as_parquet() -> bytes:
    columns: dict[str, Any] = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    moments = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in columns["at"]]
    columns["at"] = pyarrow.array(moments, pyarrow.timestamp("us", tz="UTC"))
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file, row_group_size=16)
    return file.getvalue()


FORMATS = {
    "jsonl": as_jsonl,
    "csv": as_table,
    "tsv": lambda: as_table("\t"),
    "parquet": as_parquet,
}
PACKED = {"": lambda data: data, ".gz": gzip.compress, ".zst": lambda data: zstandard.ZstdCompressor().compress(data)}


def comparable(receiver: Receiver) -> list[tuple[Any, ...]]:
    return [
        (event["messageId"], event["event"], event["userId"], event["timestamp"], event["properties"])
        for event in receiver.events
    ]


@pytest.fixture(scope="module")
def as_they_are(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    path = tmp_path_factory.mktemp("plain") / "rows.jsonl"
    path.write_bytes(as_jsonl())
    with Receiver(vendor="segment") as receiver:
        done = subprocess.run(
            [*(sys.executable, "-m", "sluiceway", "send", path, "--to", "segment", "--host", receiver.url), *MAPPED],
            env={**KEYS, "PYTHONHASHSEED": "7"}, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return comparable(receiver)


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("form", FORMATS)
def test_a_row_is_the_same_event_with_the_same_id_in_every_format(
    send_file: Send, tmp_path: Path, form: str, packed: str, as_they_are: list[tuple[Any, ...]]
) -> None:
    path = tmp_path / f"rows.{form}{packed}"
    path.write_bytes(PACKED[packed](FORMATS[form]()))
    with Receiver(vendor="segment") as receiver:
        sent = send_file(path, "--to", "segment", "--host", receiver.url, *MAPPED)
        assert sent.code == 0, sent.err
        assert sent.last.startswith("40 rows = 40 sent + 0 rejected; 40 sent = 40 delivered + 0 failed")
        assert comparable(receiver) == as_they_are
    assert as_they_are[1][1:] == ("Bought", "user-1", "2024-02-02T10:00:00.000Z", {
        "price": 1.25, "count": 1, "new": False, "note": 'a "quoted", über\nlong 1'
    })  # fmt: skip


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("form", FORMATS)
def test_standard_input_is_a_file_like_any_other(
    send_file: Send, form: str, packed: str, as_they_are: list[tuple[Any, ...]]
) -> None:
    with Receiver(vendor="segment") as receiver:
        sent = send_file(
            *("-", "--format", form, "--to", "segment", "--host", receiver.url), *MAPPED,
            stdin=PACKED[packed](FORMATS[form]()),
        )  # fmt: skip
        assert sent.code == 0, sent.err
        assert comparable(receiver) == as_they_are


def test_several_files_are_one_import(send_file: Send, tmp_path: Path, receiver: Receiver) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.csv.gz"
    first.write_bytes(as_jsonl())
    second.write_bytes(gzip.compress(as_table() + b"Bought,,2024-01-01,1,1,true,nobody\n"))
    sent = send_file(first, second, "--to", "segment", "--host", receiver.url, *MAPPED, "--json")
    assert (sent.code, sent.told["rows"], sent.told["rejected"]) == (1, 81, 1)
    assert receiver.stats().events == 80
    # Equal rows are one event, wherever they stand.
    assert receiver.ids == 40
    [reject] = [json.loads(line) for line in (tmp_path / "a.jsonl.segment.rejects.jsonl").read_text().splitlines()]
    assert (reject["file"], reject["reason"]) == (str(second), "invalid")


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize("packed", [".gz", ".zst"])
def test_a_cut_file_is_sent_as_far_as_it_goes(send_file: Send, tmp_path: Path, form: str, packed: str) -> None:
    path = tmp_path / f"rows.{form}{packed}"
    draw = random.Random(1)
    rows = [(f"user-{number}", draw.getrandbits(256)) for number in range(9_000)]
    if form == "csv":
        data = "event,user,at,x\n" + "".join(f"Bought,{user},2024-01-01,x{x}\n" for user, x in rows)
    else:
        data = "".join(json.dumps({"event": "Bought", "user": user, "x": f"x{x}"}) + "\n" for user, x in rows)
    path.write_bytes(PACKED[packed](data.encode())[:-200_000])
    with Receiver(vendor="segment", keep="ids") as receiver:
        sent = send_file(path, "--to", "segment", "--host", receiver.url, *MAPPED, "--json")
        assert sent.code == 1
        assert "cannot be read further: after line" in sent.err
        assert sent.told["is_complete"] is False
        assert 1_000 < sent.told["delivered"] < 9_000
        assert sent.told["delivered"] == receiver.ids


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize("packed", [".gz", ".zst"])
def test_a_broken_file_is_sent_as_far_as_it_goes(send_file: Send, tmp_path: Path, form: str, packed: str) -> None:
    path = tmp_path / f"rows.{form}{packed}"
    draw = random.Random(1)
    numbers = [draw.getrandbits(128) for _ in range(15_000)]
    if form == "csv":
        data = "event,user,at\n" + "".join(f"Bought,{x:032x},2024-01-01\n" for x in numbers)
    else:
        data = "".join(json.dumps({"event": "Bought", "user": f"{x:032x}"}) + "\n" for x in numbers)
    whole = PACKED[packed](data.encode())
    # Behind the first member's end one begins that is none: a head as it should be, and then what no reader knows.
    path.write_bytes(whole + whole[:10] + b"\xff" * 5_000)
    with Receiver(vendor="segment", keep="ids") as receiver:
        sent = send_file(path, "--to", "segment", "--host", receiver.url, *MAPPED, "--id-from", "@line", "--json")
        assert sent.code == 1
        assert "cannot be read further: after line" in sent.err
        assert "Traceback" not in sent.err
        assert sent.told["delivered"] == receiver.ids > 500


@pytest.mark.parametrize("packed", [".gz", ".zst"])
def test_packed_files_that_were_joined_are_one_file(
    send_file: Send, tmp_path: Path, receiver: Receiver, packed: str
) -> None:
    lines = as_jsonl().splitlines(keepends=True)
    path = tmp_path / f"rows.jsonl{packed}"
    path.write_bytes(PACKED[packed](b"".join(lines[:20])) + PACKED[packed](b"".join(lines[20:])))
    assert send_file(path, "--to", "segment", "--host", receiver.url, *MAPPED).code == 0
    assert receiver.ids == 40


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"event,,user\n", "column 2 has no name"),
        ("a.csv", b"event,user,user\n", "two columns are named 'user'"),
        ("a.csv", b"event,person\na,b\n", "has no column 'at'; it has event, person"),
        ("a.parquet", b"PAR1 it is not", "no Parquet file"),
        ("a.jsonl", b'[{"event": 1}]', "one JSON list"),
        ("a.txt", b"", "does not tell the format"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_of(
    send_file: Send, tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    sent = send_file(tmp_path / name, "--to", "segment", "--host", "http://127.0.0.1:9", *MAPPED)
    assert sent.code == 2
    assert said in sent.err


def test_no_file_and_a_folder_are_told_of(send_file: Send, tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "none.csv", "No such file")):
        sent = send_file(path, "--to", "segment", "--format", "csv", "--event", "a")
        assert (sent.code, said in sent.err) == (2, True)


def test_the_ids_are_what_they_always_were() -> None:
    """Fixed: another version of the package must not count an old import again."""
    from sluiceway.importing.identifiers import Ids

    row = {"a": 1, "b": "ü"}
    raw = '{"a":1,"b":"ü"}'.encode()
    assert Ids("key", ["@row"], "f.csv").of("track", "Bought", row, raw, 3) == "7b9ac516-9108-846c-89f8-8332c5f06866"
    assert (
        Ids("key", ["a", "@line"], "f.csv").of("track", "Bought", row, raw, 3) == "32ce791d-2fd1-8a18-9ca0-484c1d861777"
    )
