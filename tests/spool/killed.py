"""Processes that are killed at a chosen call, and what is found afterwards. `make crashes` runs it as a campaign.

The script: five batches, one noted, two removed, and one adopted from an earlier process. It says on a pipe what it was
told; the pipe outlives it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.spool.settings import checked_directory

if TYPE_CHECKING or __package__:
    from .batches import all_adopted, batch, files_in, spool_in
    from .failing_disk import CountingDisk, deadly
else:
    from batches import all_adopted, batch, files_in, spool_in
    from failing_disk import CountingDisk, deadly

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.spool.disk import Disk

NAMES = [f"batch{number}" for number in range(5)]


def script(directory: str, say: Callable[[str], None], disk: Disk, fsync: str = "batch") -> None:
    """What the process does until it is killed."""
    spool = spool_in(directory, disk=disk, fsync=fsync)
    spool.adopt()
    adopted = spool.next_adopted()
    entries = []
    for number, name in enumerate(NAMES):
        entry = spool.write(batch(name, count=number + 1))
        assert entry is not None
        say(f"stored {name}")
        entries.append(entry)
        if number == 1:
            spool.note(entry, attempts=1, maybe_sent=True)
        if number in {2, 4}:
            say(f"ending {NAMES[number - 2]}")
            assert spool.remove(entries[number - 2])
    if adopted is not None:
        assert spool.read(adopted) == batch("earlier", count=2)
        say("ending earlier")
        assert spool.remove(adopted)
    spool.close()
    say("finished")


def leave_one_behind(directory: str) -> None:
    """An earlier process's batch."""
    earlier = spool_in(directory)
    assert earlier.write(batch("earlier", count=2))
    earlier.close()


def what_is_wrong(directory: str, told: list[str], *, unlinked: bool = True) -> list[str]:
    """Compare what is found with what the process was told before it was killed."""
    wrong = []
    for path in files_in(directory):
        if path.stat().st_size == 0:
            wrong.append(f"{path.name} has its name and no contents")
    stored = {line.split()[1] for line in told if line.startswith("stored")} | {"earlier"}
    ending = {line.split()[1] for line in told if line.startswith("ending")}
    by_events = {batch(name, count=number + 1).events: name for number, name in enumerate(NAMES)}
    by_events[batch("earlier", count=2).events] = "earlier"
    spool = spool_in(directory)
    names = [by_events.get(contents.events, "made up") for contents in all_adopted(spool)]
    if spool.quarantined_files or spool.degraded or spool.files:
        wrong.append(f"quarantined {spool.quarantined_files}, {spool.degraded}, left {spool.files}")
    spool.close()
    if len(set(names)) != len(names) or "made up" in names:
        wrong.append(f"read {names}")
    if not stored - ending <= set(names):
        wrong.append(f"lost {stored - ending - set(names)}")
    if unlinked and [path.name for path in Path(directory, "v1").iterdir()] != ["quarantine"]:
        wrong.append("something is left in the directory")
    return wrong


def killed_at(directory: str, total: int, fsync: str = "batch") -> tuple[bool, list[str]]:
    """Fork, run the script, be killed at a call; return whether it was, and what the process was told."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            script(directory, lambda line: os.write(writer, f"{line}\n".encode()) and None, deadly(total), fsync)
            os._exit(0)
        except BaseException as problem:
            os.write(2, f"{type(problem).__name__}: {problem}\n".encode())
            os._exit(1)
    os.close(writer)
    with open(reader, encoding="ascii") as pipe:
        told = pipe.read().splitlines()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the script itself failed"
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, told


def campaign(place: str, fsync: str) -> tuple[int, list[str]]:
    """Kill it at every call, from the first to the last."""
    wrong = []
    for total in range(1, 10_000):
        directory = checked_directory(f"{place}/{fsync}")
        leave_one_behind(directory)
        was_killed, told = killed_at(directory, total, fsync)
        wrong += [f"call {total}: {line}" for line in what_is_wrong(directory, told)]
        shutil.rmtree(directory)
        if not was_killed:
            assert told[-1] == "finished"
            return total - 1, wrong
    raise AssertionError("never finished")


def main() -> int:
    """`killed.py campaign <place> <fsync>...`, or `killed.py script <directory>` for strace."""
    if sys.argv[1] == "script":
        script(sys.argv[2], lambda line: print(line, flush=True), CountingDisk())
        return 0
    for fsync in sys.argv[3:]:
        points, wrong = campaign(sys.argv[2], fsync)
        print(f"{fsync} {points} {len(wrong)}", *wrong, sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
