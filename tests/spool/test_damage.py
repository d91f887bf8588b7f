"""Row 72: damaged, duplicate and foreign files go to the quarantine or are left alone; the rest is sent."""

from __future__ import annotations

import os
import shutil
import struct
import tracemalloc
from pathlib import Path
from zlib import crc32

import pytest

from sluiceway.spool import quarantine
from sluiceway.spool.format import HEADER_BYTES, PROGRESS_OFFSET
from sluiceway.spool.store import Spool

from .batches import OURS, THEIRS, all_adopted, batch, files_in, made, spool_in
from .failing_disk import CountingDisk


def left(directory: str, *names: str, whose: bytes | None = None) -> list[Path]:
    """Batches that a dead process left, in the order in which it wrote them."""
    dead = spool_in(directory, fsync="off", whose=whose or OURS)
    for name in names:
        assert dead.write(batch(name, count=2))
    dead.close()
    return files_in(directory)


def survivors(directory: str) -> tuple[Spool, list[bytes]]:
    spool = spool_in(directory)
    return spool, [contents.events for contents in all_adopted(spool)]


def test_row_72_a_file_cut_at_any_byte_is_set_aside_and_its_neighbours_are_sent(tmp_path: Path) -> None:
    directory = made(tmp_path)
    whole = left(directory, "cut")[0].read_bytes()
    files_in(directory)[0].unlink()
    for length in range(len(whole)):
        _, middle, _ = left(directory, "first", "cut", "last")
        middle.write_bytes(whole[:length])
        spool, found = survivors(directory)
        assert found == [batch("first", count=2).events, batch("last", count=2).events]
        assert (spool.quarantined_files, spool.quarantined_events, spool.files) == (1, 2, 0)
        spool.close()
        assert files_in(directory) == []
    kept = list(Path(directory, "v1", "quarantine").iterdir())
    assert len(kept) == min(len(whole), quarantine.MAX_FILES)


def test_row_72_a_file_that_goes_on_after_its_end_is_set_aside(tmp_path: Path) -> None:
    directory = made(tmp_path)
    path = left(directory, "long")[0]
    path.write_bytes(path.read_bytes() + b"\0")
    spool, found = survivors(directory)
    assert found == []
    assert spool.quarantined_events == 2
    spool.close()


def test_nothing_is_allocated_for_a_length_that_the_file_does_not_have(tmp_path: Path) -> None:
    """A header whose checksum is right, and whose length is not."""
    directory = made(tmp_path)
    path = left(directory, "liar")[0]
    data = bytearray(path.read_bytes())
    data[44:48] = struct.pack("<I", 60 * 2**20)
    data[52:56] = struct.pack("<I", crc32(bytes(data[:52])))
    path.write_bytes(data)
    tracemalloc.start()
    try:
        spool, found = survivors(directory)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == []
    assert spool.quarantined_files == 1
    assert peak < 2**20
    spool.close()


def test_row_72_any_flipped_bit_never_changes_an_event(tmp_path: Path) -> None:
    """Every byte of the file, one bit each; `test_format` flips every bit."""
    directory = made(tmp_path)
    size = left(directory, "flip")[0].stat().st_size
    files_in(directory)[0].unlink()
    for place in range(size):
        path = left(directory, "flip")[0]
        data = bytearray(path.read_bytes())
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        spool, found = survivors(directory)
        if PROGRESS_OFFSET <= place < HEADER_BYTES:
            assert found == [batch("flip", count=2).events]
        else:
            assert found == []
            assert spool.quarantined_events == 2
        spool.close()


def test_row_72_a_copy_under_another_number_is_not_sent_twice(tmp_path: Path) -> None:
    directory = made(tmp_path)
    path = left(directory, "once")[0]
    shutil.copy(path, path.with_name(f"{1:020}.2.b"))
    spool, found = survivors(directory)
    assert found == [batch("once", count=2).events]
    assert spool.quarantined_files == 1
    spool.close()


def test_row_72_what_does_not_belong_there_is_left_alone_and_counted(tmp_path: Path) -> None:
    directory = made(tmp_path)
    home = left(directory, "good")[0].parent
    (home / "notes.txt").write_text("not ours")
    (home / f"{1:020}.2.b").mkdir()
    (home / f"{2:020}.2.b").symlink_to(home / "notes.txt")
    os.mkfifo(home / f"{3:020}.2.b")
    (Path(directory) / "v1" / "README").write_text("not ours")
    (Path(directory) / "v1" / "other").mkdir()
    spool, found = survivors(directory)
    assert found == [batch("good", count=2).events]
    assert spool.foreign_files == 6
    assert spool.quarantined_files == 0
    spool.close()
    assert (home / "notes.txt").read_text() == "not ours"


def test_row_72_a_file_that_turns_into_something_else_before_it_is_read_is_set_aside(tmp_path: Path) -> None:
    directory = made(tmp_path)
    for make in (Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/passwd")):
        path = left(directory, "swapped")[0]
        spool = spool_in(directory)
        assert spool.adopt() == (1, 2)
        path.unlink()
        make(path)
        entry = spool.next_adopted()
        assert entry is not None
        assert spool.read(entry) is None
        assert entry.fate == "quarantined"
        assert spool.write(batch("goes on"))
        spool.close()
        assert len(all_adopted(spool_in(directory))) == 1


def test_unfinished_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    directory = made(tmp_path)
    home = left(directory, "good")[0].parent
    (home / f"{9:020}.tmp").write_bytes(b"half")
    spool, found = survivors(directory)
    assert len(found) == 1
    spool.close()
    assert not home.exists()


def test_row_78_another_destinations_batches_are_neither_read_nor_touched(tmp_path: Path) -> None:
    directory = made(tmp_path)
    path = left(directory, "theirs", whose=THEIRS)[0]
    before = path.read_bytes()
    disk = CountingDisk()
    spool = spool_in(directory, disk=disk)
    assert all_adopted(spool) == []
    assert disk.calls["lock"] == 0  # nor locked, for a moment in which its heir would look in vain
    assert spool.foreign_files == 1
    assert spool.quarantined_files == 0
    spool.close()
    assert path.read_bytes() == before
    theirs = spool_in(directory, whose=THEIRS)
    assert theirs.adopt() == (1, 2)
    theirs.close()


def test_row_78_another_destinations_file_in_a_directory_of_ours_is_set_aside(tmp_path: Path) -> None:
    directory = made(tmp_path)
    theirs = left(directory, "theirs", whose=THEIRS)[0]
    stolen = theirs.read_bytes()
    shutil.rmtree(theirs.parent)
    ours = left(directory, "ours")[0]
    ours.with_name(theirs.name).write_bytes(stolen)
    spool, found = survivors(directory)
    assert found == [batch("ours", count=2).events]
    assert spool.quarantined_files == 1
    spool.close()


def test_row_78_another_version_is_left_alone(tmp_path: Path) -> None:
    directory = made(tmp_path)
    path = left(directory, "future")[0]
    lock = path.with_name("lock")
    later = Path(directory) / "v2"
    shutil.copytree(path.parent, later / path.parent.name)
    lock.write_bytes(lock.read_bytes().replace(b"spool 1", b"spool 2"))
    path.write_bytes(path.read_bytes().replace(b"sluice\x00\x01", b"sluice\x00\x02"))
    spool, found = survivors(directory)
    assert found == []
    assert spool.quarantined_files == 1
    spool.close()
    assert len(list(later.rglob("*.b"))) == 1


@pytest.mark.parametrize("label", [b"", b"sluiceway spool 1 ", b"\0" * 60])
def test_without_a_readable_label_the_files_say_whose_they_are(tmp_path: Path, label: bytes) -> None:
    directory = made(tmp_path)
    theirs = left(directory, "theirs", whose=THEIRS)[0]
    theirs.with_name("lock").write_bytes(label)
    spool, found = survivors(directory)
    assert found == []
    spool.close()
    assert theirs.exists()
    spool = spool_in(directory, whose=THEIRS)
    assert [contents.events for contents in all_adopted(spool)] == [batch("theirs", count=2).events]
    spool.close()


def test_without_a_lock_file_the_batches_are_adopted_all_the_same(tmp_path: Path) -> None:
    directory = made(tmp_path)
    left(directory, "ours")[0].with_name("lock").unlink()
    spool, found = survivors(directory)
    assert found == [batch("ours", count=2).events]
    spool.close()
    assert [path.name for path in Path(directory, "v1").iterdir()] == ["quarantine"]


def test_the_quarantine_keeps_the_newest_within_its_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MAX_FILES", 4)
    directory = made(tmp_path)
    held = Path(directory, "v1", "quarantine")
    for number in range(10):
        left(directory, f"bad{number}")[0].write_bytes(b"bad%d" % number)
        spool, _ = survivors(directory)
        spool.close()
    assert sorted(path.read_bytes() for path in held.iterdir()) == [b"bad6", b"bad7", b"bad8", b"bad9"]
    monkeypatch.setattr(quarantine, "MAX_BYTES", 9)
    left(directory, "bad")[0].write_bytes(b"bad10")
    spool, _ = survivors(directory)
    spool.close()
    assert sorted(path.read_bytes() for path in held.iterdir()) == [b"bad10", b"bad9"]
