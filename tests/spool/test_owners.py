"""Row 75: a directory has one owner, by its lock; a dead owner's batches are adopted exactly once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import IO, ClassVar

from sluiceway.spool.disk import REAL_DISK, RealDisk
from sluiceway.spool.home import LOCK

from .batches import all_adopted, batch, files_in, made, spool_in

SCRIPT = Path(__file__).with_name("owners.py")


def owner(directory: Path | str, *words: str) -> subprocess.Popen[str]:
    """A process of `owners.py`."""
    return subprocess.Popen(
        [sys.executable, "-B", SCRIPT, directory, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], say: str = "") -> str:
    """Let a process go on to its end; what it printed."""
    said, problems = process.communicate(say, timeout=50)
    assert problems == ""
    return said


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_row_75_a_living_process_keeps_its_batches_and_a_dead_ones_are_adopted_once(tmp_path: Path) -> None:
    directory = made(tmp_path)
    process = owner(directory, "hold", "theirs")
    assert line_of(process) == "stored"
    ours = spool_in(directory)
    assert ours.write(batch("ours"))
    assert ours.adopt() == (0, 0)
    process.kill()
    process.wait()
    assert ours.adopt() == (1, 3)
    assert spool_in(directory).adopt() == (0, 0)  # the lock is ours now
    entry = ours.next_adopted()
    assert entry is not None
    assert ours.read(entry) == batch("theirs")
    assert ours.next_adopted() is None
    ours.close()
    found = {contents.events for contents in all_adopted(spool_in(directory))}
    assert found == {batch("theirs").events, batch("ours").events}
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


def test_row_75_of_many_processes_that_adopt_at_once_each_batch_falls_to_one(tmp_path: Path) -> None:
    directory = made(tmp_path)
    for number in range(6):
        dead = spool_in(directory)
        for index in range(5):
            assert dead.write(batch(f"{number}-{index}"))
        dead.close()
    processes = [owner(directory, "adopt") for _ in range(4)]
    for process in processes:
        assert line_of(process) == "ready"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = Counter(line for process in processes for line in ended(process).split())
    assert found == Counter(f"{number}-{index}" for number in range(6) for index in range(5))
    assert [path.name for path in Path(directory, "v1").iterdir()] == ["quarantine"]


def test_row_75_threads_that_open_and_close_and_adopt_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    """Directories are made, taken for a dead one's, removed and adopted all the time."""
    directory = made(tmp_path)
    found: Counter[bytes] = Counter()
    written: list[bytes] = []
    problems: list[BaseException] = []
    slow = SlowDisk()

    def work(thread: int) -> None:
        try:
            for number in range(15):
                spool = spool_in(directory, fsync="off", disk=slow)
                contents = batch(f"{thread}-{number}", count=1)
                if spool.write(contents) is not None:
                    written.append(contents.events)
                else:
                    assert spool.degraded
                spool.adopt()
                while (entry := spool.next_adopted()) is not None:
                    read = spool.read(entry)
                    assert read is not None
                    found[read.events] += 1
                    assert spool.remove(entry)
                spool.close()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    for contents in all_adopted(spool_in(directory)):
        found[contents.events] += 1
    assert len(written) > 60
    assert found == Counter(written)
    assert [path.name for path in Path(directory, "v1").iterdir()] == ["quarantine"]


class SlowDisk(RealDisk):
    """Lets others in between any two calls that make, lock or remove a directory."""

    def __init__(self) -> None:
        self.chance = random.Random(75)

    def create(self, name: str, at: int) -> int:
        self._wait()
        return super().create(name, at)

    def lock(self, descriptor: int) -> bool:
        self._wait()
        return super().lock(descriptor)

    def remove_directory(self, name: str, at: int) -> None:
        self._wait()
        super().remove_directory(name, at)

    def status_of(self, name: str, at: int):  # type: ignore[no-untyped-def]
        self._wait()
        return super().status_of(name, at)

    def _wait(self) -> None:
        threading.Event().wait(self.chance.choice([0, 0, 0.001]))


def test_who_opened_the_lock_file_before_it_was_replaced_does_not_own_the_directory(tmp_path: Path) -> None:
    """An adopter that was overtaken between opening and locking: another made a lock file of its own meanwhile."""
    directory = made(tmp_path)
    dead = spool_in(directory)
    assert dead.write(batch("one"))
    dead.close()
    lock = files_in(directory)[0].with_name(LOCK)

    class Overtaken(RealDisk):
        others: ClassVar[list[IO[bytes]]] = []

        def lock(self, descriptor: int) -> bool:
            if not self.others:
                lock.unlink()
                self.others.append(lock.open("xb"))
                assert super().lock(self.others[0].fileno())
            return super().lock(descriptor)

    late = spool_in(directory, disk=Overtaken())
    assert late.adopt() == (0, 0)
    assert late.adopt() == (0, 0)  # the new lock is the other's
    Overtaken.others[0].close()
    assert late.adopt() == (1, 3)
    late.close()


def test_an_empty_directory_that_is_only_being_made_may_be_taken_away_and_is_made_again(tmp_path: Path) -> None:
    directory = made(tmp_path)

    class Robbed(RealDisk):
        robberies = 0

        def open_directory(self, name: str, at: int | None) -> int:
            if name[0].isdigit() and self.robberies < 3:
                self.robberies += 1
                spool_in(directory).adopt()  # another process sees an empty directory without a lock
            return super().open_directory(name, at)

    disk = Robbed()
    spool = spool_in(directory, disk=disk)
    assert spool.write(batch("one"))
    assert disk.robberies == 3
    assert len(files_in(directory)) == 1
    spool.close()


def test_row_75_a_forked_child_closes_the_lock_and_does_not_unlock_it(tmp_path: Path) -> None:
    directory = made(tmp_path)
    assert ended(owner(directory, "fork")).split() == [
        "child-keeps-nothing",
        "child-is-dead",
        "parent-still-owns",
        "orphans-lock-is-free",
    ]


def test_row_37_a_child_of_a_thread_in_the_middle_of_a_write_does_not_wait_for_it(tmp_path: Path) -> None:
    directory = made(tmp_path)
    assert ended(owner(directory, "fork-inside")).split() == ["child-went-on", "parent-went-on"]


def test_the_real_disk_is_what_the_spool_uses(tmp_path: Path) -> None:
    spool = spool_in(made(tmp_path))
    assert spool._disk is REAL_DISK
    assert os.path.isdir(tmp_path / "spool")
