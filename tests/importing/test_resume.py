"""Going on where an import was stopped: what it promises, and with what it does not go on."""

from __future__ import annotations

import json
import os
import random
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sluiceway.importing import checkpoint as checkpoints
from sluiceway.importing.checkpoint import Checkpoint, Counts, Lock
from sluiceway.importing.faults import Misuse
from sluiceway.importing.rejects import Reject, Rejects
from sluiceway.testing import Receiver

from .conftest import Send, rejects_of

MAPPED = ("--to", "segment", "--event", "what", "--user-id", "who")


def made(place: Path, rows: int = 100, form: str = "jsonl") -> Path:
    """A file of rows, every tenth of which is no event."""
    path = place / f"rows.{form}"
    found: list[Any] = [("Bought", "" if n % 10 == 9 else f"user-{n}", n) for n in range(rows)]
    if form == "jsonl":
        path.write_text("".join(json.dumps(dict(zip(("what", "who", "n"), row, strict=True))) + "\n" for row in found))
    elif form == "csv":
        path.write_text("what,who,n\n" + "".join(",".join(map(str, row)) + "\n" for row in found))
    else:
        import pyarrow
        from pyarrow import parquet

        columns = zip(*found, strict=True)
        parquet.write_table(
            pyarrow.table(dict(zip(("what", "who", "n"), map(list, columns), strict=True))), path, row_group_size=17
        )
    return path


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_parts_are_the_whole(send_file: Send, tmp_path: Path, receiver: Receiver, form: str) -> None:
    path = made(tmp_path, form=form)
    draw = random.Random(form)
    rows = 0
    while rows < 100:
        part = draw.randrange(1, 30)
        run = send_file(path, *MAPPED, "--host", receiver.url, "--resume", "--limit", part, "--json")
        rows = min(100, rows + part)
        assert (run.told["rows"], run.told["is_balanced"], run.told["left"]) == (rows, True, 0)
    run = send_file(path, *MAPPED, "--host", receiver.url, "--resume", "--json")
    assert (run.code, run.told["is_complete"]) == (1, True)
    assert {key: run.told[key] for key in ("rows", "sent", "rejected", "delivered", "failed")} == {
        "rows": 100, "sent": 90, "rejected": 10, "delivered": 90, "failed": 0
    }  # fmt: skip
    # Not one was sent twice, and none is missing.
    assert (receiver.stats().events, receiver.ids) == (90, 90)
    assert [reject["row"]["n"] for reject in rejects_of(path)] == list(range(9, 100, 10))


def test_a_second_import_sends_the_same_ids_and_a_complete_one_has_nothing_to_resume(
    send_file: Send, tmp_path: Path, receiver: Receiver
) -> None:
    path = made(tmp_path)
    for events in (90, 180):
        assert send_file(path, *MAPPED, "--host", receiver.url).code == 1
        assert (receiver.stats().events, receiver.ids, receiver.stats().mismatches) == (events, 90, 0)
        assert len(rejects_of(path)) == 10
    run = send_file(path, *MAPPED, "--host", receiver.url, "--resume")
    assert run.code == 1
    assert "this import is complete" in run.err
    assert run.last == "100 rows = 90 sent + 10 rejected; 90 sent = 90 delivered + 0 failed + 0 left"
    assert receiver.stats().events == 180


def test_an_interrupted_import_is_neither_gone_on_with_nor_begun_anew_unasked(
    send_file: Send, tmp_path: Path, receiver: Receiver
) -> None:
    path = made(tmp_path)
    host = ("--host", receiver.url)
    assert "--resume" in send_file(path, *MAPPED, *host, "--limit", 50).err
    run = send_file(path, *MAPPED, *host)
    assert run.code == 2
    assert "was interrupted after 50 rows" in run.err
    run = send_file(path, *MAPPED, *host, "--restart", "--json")
    assert (run.code, run.told["rows"], receiver.stats().events) == (1, 100, 45 + 90)


def changed_content(path: Path) -> tuple[str, ...]:
    path.write_text(path.read_text().replace("Bought", "Sold", 1))
    return ()


def changed_size(path: Path) -> tuple[str, ...]:
    with path.open("a") as file:
        file.write("{}\n")
    return ()


def changed_time(path: Path) -> tuple[str, ...]:
    os.utime(path, ns=(1, 1))
    return ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed_content, "begins otherwise"),
        (changed_size, "has another size"),
        (changed_time, "was changed"),
        (lambda _: ("--drop", "n"), "another mapping"),
        (lambda _: ("--id-from", "n"), "another mapping"),
        (lambda _: ("--namespace", "x"), "another mapping"),
        (lambda _: ("--host", "http://127.0.0.1:9"), "another destination"),
        (lambda path: (str(path),), "of 1 files, not 2"),
    ],
)
def test_nothing_else_is_gone_on_with(
    send_file: Send, tmp_path: Path, receiver: Receiver, change: Any, said: str
) -> None:
    # Longer than what is looked at of its head.
    path = made(tmp_path, 3_000)
    assert path.stat().st_size > 65_536
    send_file(path, *MAPPED, "--host", receiver.url, "--limit", 10)
    more = change(path)
    run = send_file(path, *MAPPED, "--host", receiver.url, "--resume", *more)
    assert run.code == 2
    assert said in run.err
    assert "--restart" in run.err
    assert receiver.stats().events == 9


def test_another_key_is_another_destination(send_file: Send, tmp_path: Path, receiver: Receiver) -> None:
    path = made(tmp_path)
    send_file(path, *MAPPED, "--host", receiver.url, "--limit", 10)
    run = send_file(path, *MAPPED, "--host", receiver.url, "--resume", SEGMENT_WRITE_KEY="other")
    assert (run.code, "another destination" in run.err) == (2, True)


def test_standard_input_goes_on_with_a_checkpoint(send_file: Send, tmp_path: Path, receiver: Receiver) -> None:
    data = made(tmp_path).read_bytes()
    options = ("-", "--format", "jsonl", *MAPPED, "--host", receiver.url)
    kept = ("--checkpoint", tmp_path / "import.checkpoint", "--rejects", tmp_path / "bad.jsonl")
    assert send_file(*options, "--resume", stdin=data).code == 2
    send_file(*options, *kept, "--limit", 50, stdin=data)
    run = send_file(*options, *kept, "--resume", stdin=b"{}\n" + data)
    assert (run.code, "begins otherwise" in run.err) == (2, True)
    run = send_file(*options, *kept, "--resume", "--json", stdin=data)
    assert (run.told["rows"], receiver.stats().events) == (100, 90)
    assert len((tmp_path / "bad.jsonl").read_text().splitlines()) == 10


def test_what_a_crash_left_behind_the_checkpoint_in_the_rejects_is_cut_off(
    send_file: Send, tmp_path: Path, receiver: Receiver
) -> None:
    path = made(tmp_path)
    send_file(path, *MAPPED, "--host", receiver.url, "--limit", 50)
    rejects = path.with_name("rows.jsonl.segment.rejects.jsonl")
    with rejects.open("a") as file:
        file.write('{"line":60,"reason":"invalid","message":"x","row":{}}\n{"line":70,"rea')
    send_file(path, *MAPPED, "--host", receiver.url, "--resume")
    assert [reject["line"] for reject in rejects_of(path)] == list(range(10, 101, 10))


@pytest.mark.parametrize("which", ["--checkpoint", "--rejects"])
def test_a_file_of_somebody_elses_is_not_written_over(send_file: Send, tmp_path: Path, which: str) -> None:
    path, precious = made(tmp_path), tmp_path / "precious.json"
    precious.write_text('{"mine": 1}\n')
    run = send_file(path, *MAPPED, "--host", "http://127.0.0.1:9", which, precious)
    assert run.code == 2
    assert precious.read_text() == '{"mine": 1}\n'


def test_two_imports_do_not_share_a_checkpoint(send_file: Send, tmp_path: Path) -> None:
    path = made(tmp_path)
    lock = Lock(path.with_name("rows.jsonl.segment.checkpoint"))
    try:
        run = send_file(path, *MAPPED, "--host", "http://127.0.0.1:9")
        assert (run.code, "another import is at work" in run.err) == (2, True)
    finally:
        lock.release()
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]


def test_only_the_owner_may_read_checkpoint_and_rejects(send_file: Send, tmp_path: Path, receiver: Receiver) -> None:
    path = made(tmp_path)
    send_file(path, *MAPPED, "--host", receiver.url)
    for beside in ("checkpoint", "rejects.jsonl"):
        assert stat.S_IMODE(path.with_name(f"rows.jsonl.segment.{beside}").stat().st_mode) == 0o600


def checkpoint(**changed: Any) -> Checkpoint:
    whole = Checkpoint(vendor="segment", destination="d", mapping="m", sources=[], began=1.0)
    return msgspec.structs.replace(whole, **changed)


def test_a_checkpoint_is_the_old_one_or_the_new_one_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c"
    checkpoints.write(path, checkpoint(position=1))
    for name in ("write", "fsync", "replace"):
        with monkeypatch.context() as broken:
            broken.setattr(os, name, _no_space)
            with pytest.raises(OSError, match="no space"):
                checkpoints.write(path, checkpoint(position=2))
        assert checkpoints.read(path) == checkpoint(position=1)
    checkpoints.write(path, checkpoint(position=2, counts=Counts(rows=2, sent=2)))
    assert checkpoints.read(path) == checkpoint(position=2, counts=Counts(rows=2, sent=2))


def _no_space(*_: object) -> None:
    raise OSError("no space")


def test_a_checkpoint_of_another_version_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(msgspec.json.encode(checkpoint(sluiceway_checkpoint=9)))
    with pytest.raises(Misuse, match="another version"):
        checkpoints.read(path)


def test_rejects_wait_for_the_checkpoint_that_covers_them(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    rejects = Rejects(path)
    rejects.begin(None)
    for entry, line in ((0, 1), (2, 9), (1, 5)):
        rejects.add(Reject(entry, "", line, "invalid", "x", b"{}", was_sent=line == 5))
    assert rejects.write(0) == (0, 0)
    assert not path.exists()
    first, failed = rejects.write(2)
    assert [json.loads(line)["line"] for line in path.read_text().splitlines()] == [1, 5]
    assert (first, failed, rejects.waiting) == (path.stat().st_size, 1, 1)
    rejects.write(3)
    again = Rejects(path)
    again.begin(first)
    assert path.stat().st_size == first
    again.add(Reject(0, "f", 9, "bad_json", "x", b"", "{"))
    again.write(1)
    assert json.loads(path.read_text().splitlines()[-1]) == {
        "file": "f", "line": 9, "reason": "bad_json", "message": "x", "text": "{"
    }  # fmt: skip
