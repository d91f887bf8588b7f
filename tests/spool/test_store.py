"""The store's own promises: what is written is read, noted, synced and removed, and the gauges say what is there."""

from __future__ import annotations

import os
import resource
import threading
import tracemalloc
from pathlib import Path

import pytest

from sluiceway.spool.contents import Contents
from sluiceway.spool.orphans import MAX_HOMES
from sluiceway.spool.store import BLOCK_BYTES, SYNC_SECONDS

from .batches import NEW_YEAR_2026, FakeClock, all_adopted, batch, files_in, made, many_files, spool_in
from .failing_disk import CountingDisk


def test_nothing_is_touched_before_it_is_needed(tmp_path: Path) -> None:
    directory = made(tmp_path)
    spool = spool_in(tmp_path / "nowhere")
    spool.close()
    spool = spool_in(directory)
    assert spool.next_adopted() is None
    assert spool.sync()
    assert [path.name for path in Path(directory, "v1").iterdir()] == ["quarantine"]
    spool.open()
    assert len(list(Path(directory, "v1").iterdir())) == 2
    spool.close()
    assert [path.name for path in Path(directory, "v1").iterdir()] == ["quarantine"]


def test_what_is_written_is_read_noted_and_removed(tmp_path: Path) -> None:
    directory = made(tmp_path)
    spool = spool_in(directory)
    contents = batch("one", count=40)
    entry = spool.write(contents)
    assert entry is not None
    assert spool.read(entry) == contents
    assert (spool.files, spool.nbytes, spool.written) == (1, BLOCK_BYTES, 1)
    spool.note(entry, attempts=3, maybe_sent=True)
    noted = spool.read(entry)
    assert noted is not None
    assert (noted.attempts, noted.maybe_sent, noted.events) == (3, True, contents.events)
    spool.note(entry, attempts=4, maybe_sent=False)
    noted = spool.read(entry)
    assert noted is not None
    assert (noted.attempts, noted.maybe_sent) == (4, False)
    assert spool.remove(entry)
    assert (spool.files, spool.nbytes, spool.removed) == (0, 0, 1)
    assert spool.remove(entry)
    assert spool.removed == 1
    spool.close()


def test_row_77_the_next_process_learns_that_it_may_have_been_sent(tmp_path: Path) -> None:
    """A crash between the server's accepting and the removal: the same events, marked."""
    directory = made(tmp_path)
    dead = spool_in(directory)
    entry = dead.write(batch("one"))
    assert entry is not None
    dead.note(entry, attempts=1, maybe_sent=True)
    dead.close()
    (found,) = all_adopted(spool_in(directory))
    assert found.maybe_sent
    assert found.attempts == 1
    assert (found.events, found.layout) == (batch("one").events, batch("one").layout)


def test_a_batch_that_contradicts_itself_is_the_callers_mistake(tmp_path: Path) -> None:
    spool = spool_in(made(tmp_path))
    with pytest.raises(ValueError, match="layout does not fit"):
        spool.write(Contents(events=b"{}", layout=b"", count=1, created_at=0.0))
    assert spool.files == 0


@pytest.mark.parametrize(
    ("fsync", "durable", "data", "names"),
    [
        ("batch", False, 1, 1),
        ("batch", True, 1, 1),
        ("off", False, 0, 0),
        ("off", True, 1, 1),
        ("interval", True, 1, 1),
    ],
)
def test_a_write_syncs_what_it_promises(tmp_path: Path, fsync: str, durable: bool, data: int, names: int) -> None:
    disk = CountingDisk()
    clock = FakeClock()
    spool = spool_in(made(tmp_path), disk=disk, fsync=fsync, clock=clock)
    assert spool.write(batch("first"), durable=durable)
    disk.calls.clear()
    assert spool.write(batch("second"), durable=durable)
    assert (disk.calls["sync_data"], disk.calls["sync_directory"]) == (data, names)
    spool.close()


def test_the_interval_syncs_everything_at_most_so_often(tmp_path: Path) -> None:
    disk = CountingDisk()
    clock = FakeClock()
    spool = spool_in(made(tmp_path), disk=disk, fsync="interval", clock=clock)
    assert spool.write(batch("first"))  # nothing was synced for long: due at once
    assert disk.calls["sync_data"] == 1
    assert spool.sync_due is None
    for number in range(4):
        assert spool.write(batch(f"batch{number}"))
    assert disk.calls["sync_data"] == 1
    assert spool.sync_due == clock.now + SYNC_SECONDS
    clock.pass_seconds(SYNC_SECONDS)
    entry = spool.write(batch("last"))
    assert entry is not None
    assert disk.calls["sync_data"] == 1 + 5
    assert spool.sync_due is None
    gone = spool.write(batch("gone"))
    assert gone is not None
    assert spool.remove(gone)
    assert spool.sync()
    assert disk.calls["sync_data"] == 1 + 5  # nothing to sync of what is gone
    spool.close()
    assert not spool.sync()


def test_row_76_a_full_spool_takes_no_more_until_something_has_left(tmp_path: Path) -> None:
    directory = made(tmp_path)
    spool = spool_in(directory, max_bytes=3 * BLOCK_BYTES)
    entries = [spool.write(batch(f"batch{number}")) for number in range(3)]
    assert all(entries)
    assert spool.write(batch("too many")) is None
    assert (spool.over_quota, spool.degraded, spool.files) == (1, "", 3)
    assert entries[0] is not None
    spool.remove(entries[0])
    assert spool.write(batch("fits"))
    spool.close()
    heir = spool_in(directory, max_bytes=3 * BLOCK_BYTES)
    assert heir.adopt() == (3, 9)
    assert heir.write(batch("too many")) is None  # what was adopted counts
    assert sum(path.stat().st_blocks * 512 for path in files_in(directory)) <= 3 * BLOCK_BYTES
    heir.close()


def test_row_76_a_large_backlog_is_taken_over_by_its_names_alone(tmp_path: Path) -> None:
    """20,000 files here; `make crashes` takes 100,000, 10 GB by their sizes."""
    directory = made(tmp_path)
    many_files(directory, 2, 10_000)
    disk = CountingDisk()
    spool = spool_in(directory, disk=disk)
    tracemalloc.start()
    try:
        assert spool.adopt() == (20_000, 40_000)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 20_000 * 40  # three numbers a file
    assert peak < 20_000 * 200
    assert disk.total < 100  # two descriptors each, their labels, and no file opened
    assert spool.files == 20_000
    seqs = []
    for _ in range(100):
        entry = spool.next_adopted()
        assert entry is not None
        seqs.append(entry.seq)
    assert seqs == sorted(seqs)  # the oldest of both directories
    spool.close()


def test_row_76_many_dead_processes_take_few_descriptors(tmp_path: Path) -> None:
    directory = made(tmp_path)
    many_files(directory, MAX_HOMES + 8, 1)
    spool = spool_in(directory)
    before = len(os.listdir("/proc/self/fd"))
    assert spool.adopt()[0] == MAX_HOMES
    assert len(os.listdir("/proc/self/fd")) - before <= 2 * MAX_HOMES + 3
    assert len(all_adopted(spool)) == MAX_HOMES + 8
    spool.close()
    assert [path.name for path in Path(directory, "v1").iterdir()] == ["quarantine"]


def test_the_oldest_of_all_the_dead_comes_first(tmp_path: Path) -> None:
    directory = made(tmp_path)
    clock = FakeClock()
    dead = [spool_in(directory, clock=clock) for _ in range(3)]
    for number in range(9):
        assert dead[number % 3].write(batch(f"batch{number}"))
        clock.pass_seconds(1.0)
    for spool in dead:
        spool.close()
    found = all_adopted(spool_in(directory))
    assert [contents.events for contents in found] == [batch(f"batch{number}").events for number in range(9)]


def test_what_is_put_back_is_handed_out_first(tmp_path: Path) -> None:
    directory = made(tmp_path)
    dead = spool_in(directory)
    for name in "abc":
        assert dead.write(batch(name))
    dead.close()
    spool = spool_in(directory)
    spool.adopt()
    first, second = spool.next_adopted(), spool.next_adopted()
    assert first is not None
    assert second is not None
    spool.put_back(second)
    spool.put_back(first)
    assert [spool.next_adopted(), spool.next_adopted()] == [first, second]
    third = spool.next_adopted()
    assert third is not None
    assert spool.read(third) == batch("c")
    assert spool.next_adopted() is None
    spool.close()


def test_row_79_late_events_are_counted_once(tmp_path: Path) -> None:
    directory = made(tmp_path)
    dead = spool_in(directory, clock=FakeClock())
    assert dead.write(batch("old", count=5, created_at=NEW_YEAR_2026))
    assert dead.write(batch("new", count=2, created_at=NEW_YEAR_2026 + 50_000))
    dead.close()
    clock = FakeClock()
    clock.now = 90_000.0
    spool = spool_in(directory, clock=clock, late_after=86_400.0)
    spool.adopt()
    old = spool.next_adopted()
    new = spool.next_adopted()
    assert old is not None
    assert new is not None
    assert spool.read(old) is not None
    assert spool.read(old) is not None
    assert spool.read(new) is not None
    assert spool.late == 5
    spool.close()


@pytest.mark.parametrize("time", [-5.0, 0.0, 1e300, float("inf")])
def test_row_68_whatever_the_wall_clock_says_batches_keep_their_order(tmp_path: Path, time: float) -> None:
    directory = made(tmp_path)
    clock = FakeClock()
    spool = spool_in(directory, clock=clock)
    entries = [spool.write(batch("before"))]
    clock.time = lambda: time  # type: ignore[method-assign]
    entries += [spool.write(batch(f"batch{number}")) for number in range(3)]
    seqs = [entry.seq for entry in entries if entry is not None]
    assert len(set(seqs)) == 4
    assert seqs == sorted(seqs)
    spool.close()
    assert len(all_adopted(spool_in(directory))) == 4


def test_a_closed_spool_does_nothing_and_says_so(tmp_path: Path) -> None:
    spool = spool_in(made(tmp_path))
    entry = spool.write(batch("one"))
    assert entry is not None
    spool.close()
    spool.close()
    assert spool.write(batch("two")) is None
    assert spool.read(entry) is None
    assert entry.fate == "busy"
    assert not spool.remove(entry)
    assert not spool.sync()
    assert spool.adopt() == (0, 0)
    assert spool.next_adopted() is None
    spool.note(entry, attempts=1, maybe_sent=True)
    spool.open()


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    directory = made(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        spool = spool_in(directory)
        entry = spool.write(batch(f"batch{number}"))
        assert entry is not None
        spool.read(entry)
        spool.adopt()
        adopted = spool.next_adopted()
        if adopted is not None:
            spool.remove(adopted)
        spool.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_descriptors_left_is_a_bad_moment_and_no_loss(tmp_path: Path) -> None:
    """A real EMFILE."""
    directory = made(tmp_path)
    clock = FakeClock()
    spool = spool_in(directory, clock=clock)
    entry = spool.write(batch("one"))
    assert entry is not None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))), hard))
    try:
        hogs = []
        while True:
            try:
                hogs.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        assert spool.read(entry) is None
        assert entry.fate == "busy"
        assert spool.write(batch("two")) is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for hog in hogs:
            os.close(hog)
    assert spool.degraded == "EMFILE"
    assert spool.read(entry) == batch("one")
    assert spool.quarantined_files == 0
    clock.pass_seconds(5)
    assert spool.write(batch("two"))
    spool.close()


def test_many_threads_write_read_and_remove_at_once(tmp_path: Path) -> None:
    directory = made(tmp_path)
    spool = spool_in(directory, fsync="interval")
    kept: list[str] = []
    problems: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for number in range(25):
                name = f"{thread}-{number}"
                entry = spool.write(batch(name))
                assert entry is not None
                spool.note(entry, attempts=number, maybe_sent=False)
                found = spool.read(entry)
                assert found is not None
                assert found.events == batch(name).events
                if number % 5:
                    assert spool.remove(entry)
                else:
                    kept.append(name)
                if number % 7 == 0:
                    spool.sync()
                    spool.adopt()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert spool.files == len(kept) == len(files_in(directory)) == 30
    spool.close()
    assert {found.events for found in all_adopted(spool_in(directory))} == {batch(name).events for name in kept}
