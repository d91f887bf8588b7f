"""Closing, whatever is under way: nothing hangs, nothing is closed below somebody's hands, nothing stays locked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sluiceway.spool.disk import Listed, RealDisk
from sluiceway.spool.store import Spool

from .batches import all_adopted, batch, files_in, made, spool_in


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


class Held(RealDisk):
    """Stays inside one kind of call until told to go on."""

    def __init__(self, call: str) -> None:
        self.call = call
        self.inside = threading.Event()
        self.go_on = threading.Event()

    def _hold(self, call: str) -> None:
        if call == self.call and not self.go_on.is_set():
            self.inside.set()
            assert self.go_on.wait(30)

    def sync_data(self, descriptor: int) -> None:
        self._hold("sync_data")
        super().sync_data(descriptor)

    def names(self, descriptor: int) -> Iterator[Listed]:
        self._hold("names")
        return super().names(descriptor)


def test_a_disk_that_hangs_does_not_hold_close_for_long(tmp_path: Path) -> None:
    disk = Held("sync_data")
    directory = made(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    spool = spool_in(directory, disk=disk)
    writer = threading.Thread(target=spool.write, args=(batch("one"),))
    writer.start()
    assert disk.inside.wait(30)
    since = time.monotonic()
    spool.close()
    assert time.monotonic() - since < 10  # it waits for one second
    assert writer.is_alive()
    disk.go_on.set()
    writer.join()
    assert len(os.listdir("/proc/self/fd")) == before  # the last to leave has closed
    assert [found.events for found in all_adopted(spool_in(directory))] == [batch("one").events]


def test_close_does_not_wait_for_a_long_list_and_does_not_pull_the_directory_away(tmp_path: Path) -> None:
    directory = made(tmp_path)
    dead = spool_in(directory)
    assert dead.write(batch("one"))
    dead.close()
    disk = Held("names")
    before = len(os.listdir("/proc/self/fd"))
    spool = spool_in(directory, disk=disk)
    looking = threading.Thread(target=spool.adopt)
    looking.start()
    assert disk.inside.wait(30)
    assert spool.adopt() == (0, 0)  # somebody is looking already
    spool.close()
    assert looking.is_alive()
    disk.go_on.set()
    looking.join()
    until(lambda: len(os.listdir("/proc/self/fd")) == before)
    assert len(all_adopted(spool_in(directory))) == 1  # no lock is left behind


@pytest.mark.parametrize("call", ["create", "write", "sync_data", "rename", "sync_directory", "close"])
def test_a_signal_handler_may_close_in_the_middle_of_anything(tmp_path: Path, call: str) -> None:
    directory = made(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    spool: Spool

    class Interrupted(RealDisk):
        pass

    def interrupted(self: RealDisk, *args: object) -> object:
        spool.close()  # on the same thread, which has the turn
        return getattr(RealDisk, call)(self, *args)

    setattr(Interrupted, call, interrupted)
    spool = spool_in(directory, disk=Interrupted())
    entry = spool.write(batch("one"))
    assert spool.write(batch("two")) is None
    assert len(os.listdir("/proc/self/fd")) == before
    left = [found.events for found in all_adopted(spool_in(directory))]
    assert left == ([batch("one").events] if entry is not None else [])
    assert files_in(directory) == []


def test_a_childs_descriptor_that_is_another_files_by_now_is_left_open(tmp_path: Path) -> None:
    """Numbers are used again: what was closed before the fork may be something of the program's."""
    spool = spool_in(made(tmp_path))
    assert spool.write(batch("one"))
    number = next(iter(spool._kept._kept))
    with open("/dev/null", "rb") as other:
        os.dup2(other.fileno(), number)
        spool.after_fork()
        os.fstat(number)  # raises when it is closed
        os.close(number)


def test_row_74_a_directory_that_others_may_write_to_is_not_adopted(tmp_path: Path) -> None:
    directory = made(tmp_path)
    dead = spool_in(directory)
    assert dead.write(batch("one"))
    dead.close()
    home = files_in(directory)[0].parent
    home.chmod(0o777)
    spool = spool_in(directory)
    assert spool.adopt() == (0, 0)
    assert spool.foreign_files == 1
    home.chmod(0o700)
    assert spool.adopt() == (1, 3)
    assert spool.foreign_files == 0
    spool.close()
