"""Rows 73 and 80: every call to the file system fails once, a few times, or for good, in every way it can."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from sluiceway.spool.contents import Contents
from sluiceway.spool.home import Entry
from sluiceway.spool.store import Spool
from sluiceway.spool.trouble import RETRY_SECONDS

from .batches import FakeClock, all_adopted, batch, files_in, made, spool_in
from .failing_disk import CALLS, CountingDisk, failing

ERRORS = [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE]


class Life:
    """What one process does with its spool, and what it was told meanwhile."""

    def __init__(self, directory: str, disk: CountingDisk, fsync: str) -> None:
        self.clock = FakeClock()
        self.spool = spool_in(directory, disk=disk, fsync=fsync, clock=self.clock)
        self.stored: dict[str, tuple[Entry, Contents]] = {}
        self.in_memory: list[str] = []
        self.lost: list[str] = []
        self.ended: list[str] = []

    def write(self, name: str) -> None:
        contents = batch(name)
        entry = self.spool.write(contents)
        if entry is None:
            self.in_memory.append(name)
        else:
            self.stored[name] = (entry, contents)

    def read(self, name: str) -> None:
        if name not in self.stored:
            return
        entry, contents = self.stored[name]
        found = self.spool.read(entry)
        if found is None:
            assert entry.fate in {"busy", "quarantined"}
            if entry.fate == "quarantined":
                self.lost.append(name)
                del self.stored[name]
        else:
            assert (found.events, found.layout, found.count) == (contents.events, contents.layout, contents.count)

    def remove(self, name: str) -> None:
        if name in self.stored:
            assert self.spool.remove(self.stored.pop(name)[0])
            self.ended.append(name)

    def run(self) -> None:
        """Five batches: one ends, one is noted, all that are left are read; leftovers of another process are sent."""
        self.write("first")
        self.write("second")
        if "second" in self.stored:
            self.spool.note(self.stored["second"][0], attempts=1, maybe_sent=True)
        self.remove("first")
        self.spool.adopt()
        entry = self.spool.next_adopted()
        if entry is not None:
            if self.spool.read(entry) is None and entry.fate == "busy":
                self.spool.put_back(entry)
            elif entry.fate == "":
                assert self.spool.remove(entry)
        self.clock.pass_seconds(RETRY_SECONDS)
        self.write("third")
        self.spool.sync()
        self.read("second")
        self.read("third")


def left_behind(directory: str) -> Contents:
    """A batch of an earlier process."""
    contents = batch("earlier")
    earlier = spool_in(directory)
    assert earlier.write(contents)
    earlier.close()
    return contents


def check_the_account(life: Life, directory: str, earlier: Contents) -> None:
    """Nothing is lost, nothing is made up, the gauges are what is on the disk, and the disk is used again."""
    spool = life.spool
    assert set(life.stored) | set(life.in_memory) | set(life.lost) | set(life.ended) == {"first", "second", "third"}
    life.clock.pass_seconds(RETRY_SECONDS)
    life.write("healed")
    assert "healed" in life.stored
    for name in ("second", "third", "healed"):
        life.read(name)
    assert spool.quarantined_files >= len(life.lost)
    spool.close()
    successor = spool_in(directory)
    found = [contents.events for contents in all_adopted(successor)]
    successor.close()
    for _, contents in life.stored.values():
        assert contents.events in found
    known = {batch(name).events for name in ("first", "second", "third", "healed")} | {earlier.events}
    assert set(found) <= known
    assert files_in(directory) == []


@pytest.mark.parametrize("fsync", ["batch", "interval"])
@pytest.mark.parametrize("call", CALLS)
def test_row_73_each_call_fails_once(tmp_path: Path, call: str, fsync: str) -> None:
    """At each place where the call is made, the first, the second, and so on to the last; the errors take turns."""
    places = failures = 0
    for first in range(1, 100):
        directory = made(tmp_path / str(first))
        earlier = left_behind(directory)
        disk = failing(call, ERRORS[first % len(ERRORS)], first=first)
        life = Life(directory, disk, fsync)
        life.run()
        reached = disk.calls[call] >= first
        failures += life.spool.write_errors + life.spool.unlink_errors + life.spool.quarantined_files
        disk.at = lambda name, number: None
        check_the_account(life, directory, earlier)
        if not reached:
            break
        places += 1
    assert places >= 1
    if call not in {"close", "read", "status", "status_of", "lock", "names", "open_directory", "remove_directory"}:
        assert failures > 0


@pytest.mark.parametrize("call", ["create", "write", "sync_data", "rename", "sync_directory"])
def test_row_73_a_disk_that_fails_for_good_leaves_everything_in_memory(
    tmp_path: Path, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    directory = made(tmp_path)
    disk = failing(call, errno.ENOSPC, times=10**9)
    clock = FakeClock()
    spool = spool_in(directory, disk=disk, clock=clock)
    with caplog.at_level(logging.WARNING, "sluiceway"):
        for number in range(20):
            assert spool.write(batch(f"batch{number}")) is None
            clock.pass_seconds(1.0)
    assert spool.degraded == "ENOSPC"
    assert (spool.files, spool.nbytes, spool.written) == (0, 0, 0)
    assert files_in(directory) == []
    assert disk.calls[call] <= 4 * 3  # looked at every five seconds, not every time
    assert 1 <= len(caplog.messages) <= 3
    assert all("ENOSPC" in line and "text" not in line for line in caplog.messages)
    disk.at = lambda name, number: None
    clock.pass_seconds(RETRY_SECONDS)
    assert spool.write(batch("healed")) is not None
    assert spool.degraded == ""
    spool.close()


@pytest.mark.parametrize("call", ["sync_data", "sync_directory"])
def test_row_73_after_a_failed_sync_the_batch_goes_to_a_new_file(tmp_path: Path, call: str) -> None:
    directory = made(tmp_path)
    spool = spool_in(directory)
    assert spool.write(batch("before"))
    disk = CountingDisk()
    spool._disk = disk
    disk.at = failing(call, errno.EIO).at
    entry = spool.write(batch("twice"))
    assert entry is not None  # the second file was synced
    assert len(disk.failed_syncs) == 1
    assert disk.calls["create"] == 2
    assert spool.write_errors == 1
    assert [contents.events for contents in [spool.read(entry)] if contents] == [batch("twice").events]
    assert len(files_in(directory)) == spool.files == 2
    spool.close()


def test_row_73_a_sync_that_failed_later_is_made_up_for_by_a_new_file_or_never_called_durable(tmp_path: Path) -> None:
    directory = made(tmp_path)
    disk = CountingDisk()
    clock = FakeClock()
    spool = spool_in(directory, disk=disk, fsync="off", clock=clock)
    entry = spool.write(batch("one"))
    assert entry is not None
    disk.at = failing("sync_data", errno.EIO).at
    before = disk.calls["create"]
    assert spool.sync()  # written anew, and that was synced
    assert disk.calls["create"] == before + 1
    second = spool.write(batch("two"))
    assert second is not None
    disk.at = failing("sync_data", errno.EIO, first=disk.calls["sync_data"] + 1, times=2).at
    assert not spool.sync()  # neither the file nor the new one
    before = disk.calls["create"]
    assert spool.sync()
    assert disk.calls["create"] == before + 1  # a plain second sync would have reported success for lost bytes
    assert spool.read(second) == batch("two")
    spool.close()


@pytest.mark.parametrize("error", [errno.EPERM, errno.EROFS, errno.EIO])
def test_row_80_a_batch_that_cannot_be_removed_is_not_seen_again(tmp_path: Path, error: int) -> None:
    directory = made(tmp_path)
    left_behind(directory)
    disk = failing("remove", error, times=10**9)
    spool = spool_in(directory, disk=disk)
    own = spool.write(batch("own"))
    assert own is not None
    assert spool.adopt() == (1, 3)
    adopted = spool.next_adopted()
    assert adopted is not None
    assert spool.remove(own)
    assert spool.remove(adopted)
    assert spool.unlink_errors == 2
    assert spool.degraded == errno.errorcode[error]
    assert spool.removed == 0
    assert spool.files == 2  # they take their room
    assert spool.adopt() == (0, 0)
    assert spool.next_adopted() is None
    assert spool.read(own) is None
    spool.put_back(adopted)
    assert spool.next_adopted() is None
    disk.at = lambda name, number: None
    spool.adopt()
    assert spool.degraded == ""
    assert (spool.files, spool.nbytes) == (0, 0)
    spool.close()
    assert files_in(directory) == []


def test_row_73_a_cleared_directory_is_made_anew(tmp_path: Path) -> None:
    directory = made(tmp_path)
    clock = FakeClock()
    spool = spool_in(directory, clock=clock)
    gone = spool.write(batch("gone"))
    assert gone is not None
    for path in sorted(Path(directory).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert spool.write(batch("refused")) is None
    assert spool.read(gone) is None
    assert gone.fate == "gone"
    clock.pass_seconds(RETRY_SECONDS)
    assert spool.write(batch("healed")) is not None
    assert spool.files == len(files_in(directory)) == 1
    spool.close()


def test_row_73_a_small_disk_fills_up_and_is_used_again(tmp_path: Path) -> None:
    """A real ENOSPC: a tmpfs of 256 KiB."""
    mount = tmp_path / "small"
    mount.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=256k,mode=0700 none {mount} 2>/dev/null"):
        pytest.skip("needs root and mount(2)")
    try:
        clock = FakeClock()
        spool = spool_in(made(mount), clock=clock)
        entries = []
        for number in range(20):
            entry = spool.write(batch(f"batch{number}", filler=8_000))
            if entry is None:
                break
            entries.append(entry)
        assert 3 <= len(entries) < 20
        assert spool.degraded == "ENOSPC"
        assert all(spool.read(entry) is not None for entry in entries)
        assert all(spool.remove(entry) for entry in entries)
        clock.pass_seconds(RETRY_SECONDS)
        assert spool.write(batch("healed", filler=8_000)) is not None
        assert spool.degraded == ""
        spool.close()
    finally:
        os.system(f"umount {mount}")


def test_nothing_of_an_error_is_said_but_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = made(tmp_path)
    left_behind(directory)
    spool: Spool = spool_in(directory, disk=failing("create", errno.EACCES, times=9))
    with caplog.at_level(logging.DEBUG, "sluiceway"):
        assert spool.write(batch("canary")) is None
    assert caplog.messages
    assert not any(str(tmp_path) in line or "canary" in line for line in caplog.messages)
    spool.close()
