"""Kill a process that spools at every boundary there is: before each call of the spool's, and at each system call.

The first part forks and kills itself (`spool/killed.py`); the second has strace deliver the signal at the n-th system
call of each kind, n = 1, 2, 3, … until the process ends by itself. What is found afterwards is compared with what the
process had been told. In between, the start with a backlog of 10 GB.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from spool.batches import made, many_files, spool_in
from spool.failing_disk import CountingDisk
from spool.killed import campaign, leave_one_behind, what_is_wrong
from spool.memory_disk import MemoryDisk
from spool.power import losses, script

SCRIPT = Path(__file__).parent / "spool" / "killed.py"

# Those that change or look at the disk. The process makes others of the first two before it comes to the spool, too:
# killed there, it has written nothing.
CALLS = ["openat", "write", "read", "close", "newfstatat", "getdents64", "fchmod", "fchmodat", "mkdirat", "flock"]
CALLS += ["fdatasync", "fsync", "rename", "unlinkat", "pwrite64"]


def at_each(call: str, place: Path, program: list[str]) -> tuple[int, int, list[str]]:
    """Kill at the first, second, … of these calls inside the spool; return how many those were, and what was wrong."""
    kills = 0
    wrong: list[str] = []
    names = f"/^{call}(at|at2)?$"
    first = calls_before_the_spool(names, place, program)
    for number in range(first + 1, first + 1_000):
        directory = made(place / f"{call}-{number}")
        leave_one_behind(directory)
        done = traced([*program, directory], f"{directory}.log", "-e", f"inject={names}:signal=KILL:when={number}")
        wrong += [f"{call} {number}: {line}" for line in what_is_wrong(directory, done.stdout.splitlines())]
        if done.returncode == 0:
            break
        kills += 1
    return kills, first, wrong


def calls_before_the_spool(names: str, place: Path, program: list[str]) -> int:
    """How many of these calls the interpreter makes before it comes to the spool's directory."""
    directory = made(place / "counting")
    traced([*program, directory], f"{place}/counting.log", "-e", f"trace={names},openat")
    count = 0
    for line in Path(f"{place}/counting.log").read_text().splitlines():
        if f'"{directory}"' in line:
            break
        match = re.match(r"\d+ +(\w+)\(", line)
        count += match is not None and re.match(names[1:], match[1]) is not None
    return count


def traced(command: list[str], log: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["strace", "-f", "-o", log, *options, *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "0"},
    )


def power_losses(most: int, seed: int) -> list[str]:
    """Cut the power of a disk in memory at every moment, and lose what was not synced in up to `most` ways each."""
    broken = []
    for fsync in ("batch", "interval", "off"):
        disk = MemoryDisk()
        tried, wrong = losses(disk, script(disk, fsync), seed, most)
        print(
            f"{tried:6} power losses at {len(disk.journal) + 1} moments, fsync={fsync}: {len(wrong)} wrong", flush=True
        )
        broken += wrong
    return broken


def a_large_backlog(place: Path) -> list[str]:
    """Take over 100,000 files of 100 KB, of two dead processes: links to two, but their sizes are what they say."""
    directory = made(place / "backlog")
    many_files(directory, 2, 50_000, filler=50_000)
    disk = CountingDisk()
    spool = spool_in(directory, disk=disk)
    tracemalloc.start()
    since = time.monotonic()
    files, events = spool.adopt()
    seconds = time.monotonic() - since
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"{files:6} files of {spool.nbytes / 2**30:.1f} GiB adopted in {seconds:.1f} s with tracemalloc, "
        f"{disk.calls['open_to_read']} files opened, {held / 2**20:.1f} MiB held, {peak / 2**20:.1f} MiB at most",
        flush=True,
    )
    first = spool.next_adopted()
    fine = first is not None and spool.read(first) is not None and (files, events) == (100_000, 200_000)
    spool.close()
    return [] if fine and peak < 32 * 2**20 else ["the backlog"]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--calls", nargs="*", default=CALLS)
    options.add_argument("--most", type=int, default=2_000, help="ways to lose what is not synced at one moment")
    options.add_argument("--seed", type=int, default=71)
    given = options.parse_args()
    logging.getLogger("sluiceway").setLevel(logging.CRITICAL)  # a line for each damaged file would be tens of thousands
    since = time.monotonic()
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        for fsync in ("batch", "interval", "off"):
            points, wrong = campaign(place, fsync)
            broken += wrong
            print(f"{points:6} kills before a call of the spool's, fsync={fsync}: {len(wrong)} wrong", flush=True)
        broken += power_losses(given.most, given.seed)
        broken += a_large_backlog(Path(place))
        program = [sys.executable, "-S", "-B", str(SCRIPT), "script"]
        for call in given.calls:
            kills, first, wrong = at_each(call, Path(place) / call, program)
            broken += wrong
            print(f"{kills:6} kills at {call} (after {first} at the start): {len(wrong)} wrong", flush=True)
    for line in broken:
        print(f"BROKEN: {line}")
    print(f"{len(broken):6} wrong in all, {time.monotonic() - since:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
