"""What a process holds, looked at again and again: resident memory, threads, descriptors, and whether they grow."""

from __future__ import annotations

import os
import threading
from statistics import median
from typing import NamedTuple

MIB = 1 << 20


class Sample(NamedTuple):
    """One look."""

    at: float
    resident: int
    threads: int
    descriptors: int


def look(at: float) -> Sample:
    """Look at this process."""
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    return Sample(at, pages * os.sysconf("SC_PAGE_SIZE"), threading.active_count(), len(os.listdir("/proc/self/fd")))


class Cycle(NamedTuple):
    """What a whole cycle of turns held: of memory the median, of the rest the most."""

    at: float
    resident: float
    threads: int
    descriptors: int


def cycles(samples: list[Sample], seconds: float) -> list[Cycle]:
    """Put the samples together, cycle by cycle; a last one that is not whole is left out."""
    found = []
    for number in range(int(samples[-1].at / seconds)):
        of_cycle = [sample for sample in samples if number * seconds <= sample.at < (number + 1) * seconds]
        found.append(
            Cycle(
                (number + 0.5) * seconds,
                median(sample.resident for sample in of_cycle),
                max(sample.threads for sample in of_cycle),
                max(sample.descriptors for sample in of_cycle),
            )
        )
    return found


def slope(points: list[tuple[float, float]]) -> float:
    """Return the slope of the line that lies closest to the points, by least squares."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread
