"""A script of five batches on a disk in memory, and every moment at which its power can go."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator

from sluiceway.spool.contents import Contents

from .batches import FakeClock, all_adopted, batch, spool_in
from .memory_disk import MemoryDisk, Pick, after_power_loss, choices, unsynced

# Up to so many ways to lose what is loose at one moment, each is tried; beyond, this many at random. A test's worth.
MOST_PER_MOMENT = 150


class Told:
    """What the caller was told, and at which length of the journal."""

    def __init__(self) -> None:
        self.written: dict[str, Contents] = {}
        self.durable: dict[str, int] = {}
        self.ending: dict[str, int] = {}


def script(disk: MemoryDisk, fsync: str) -> Told:
    """Five batches: written, one noted, two removed, one of these late; a synchronisation at the end."""
    told = Told()
    clock = FakeClock()
    spool = spool_in("spool", disk=disk, fsync=fsync, clock=clock)
    entries = {}
    for number in range(5):
        name = f"batch{number}"
        told.written[name] = batch(name, count=number + 1)
        entries[name] = spool.write(told.written[name], durable=fsync == "off" and number == 2)
        assert entries[name] is not None
        if fsync == "batch" or (fsync == "off" and number == 2):
            told.durable[name] = len(disk.journal)
        if number == 1:
            spool.note(entries["batch1"], attempts=2, maybe_sent=True)
        if number in {2, 4}:
            gone = f"batch{number - 2}"
            told.ending[gone] = len(disk.journal)
            assert spool.remove(entries[gone])
    assert spool.sync()
    for name in told.written:
        told.durable.setdefault(name, len(disk.journal))
    spool.close()
    return told


def picks(loose: list[int], chance: random.Random, most: int) -> Iterator[Pick]:
    """Every way to lose what is loose, or many."""
    if math.prod(loose) <= most:
        for chosen in itertools.product(*map(range, loose)):
            left = iter(chosen)
            yield lambda _, left=left: next(left)
    else:
        yield lambda _: 0  # everything survives: the process was killed, the machine goes on
        yield lambda most: most - 1  # nothing does
        for _ in range(most):
            yield chance.randrange


def losses(disk: MemoryDisk, told: Told, seed: int, most: int = MOST_PER_MOMENT) -> tuple[int, list[str]]:
    """Try every moment; return how many power losses that were, and what was lost or made up."""
    chance = random.Random(seed)
    tried = 0
    wrong = []
    by_events = {contents.events: name for name, contents in told.written.items()}
    for length in range(len(disk.journal) + 1):
        loose = [choices(disk.journal[place]) for place in unsynced(disk.journal[:length])]
        for pick in picks(loose, chance, most):
            tried += 1
            found = after_power_loss(disk, length, pick)
            survivor = spool_in("spool", disk=found)
            read = all_adopted(survivor)
            names = [by_events.get(contents.events, "made up") for contents in read]
            if "made up" in names or len(set(names)) != len(names):
                wrong.append(f"after {length}: read {names}")
            for name, since in told.durable.items():
                if since <= length <= told.ending.get(name, length) and name not in names:
                    wrong.append(f"after {length}: {name} is lost, durable since {since}")
            if survivor.files - survivor.unlink_errors or survivor.degraded:
                wrong.append(f"after {length}: {survivor.files} files left, {survivor.degraded}")
            survivor.close()
    return tried, wrong
