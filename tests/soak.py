"""Let clients of all four vendors run for minutes while the server misbehaves in turns, and see that nothing grows.

Resident memory, threads and descriptors are looked at twice a second. Cycles of turns are compared: what one holds, the
next may hold again, and no more. At the end everything must be accounted for and given back.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import threading
import time
from pathlib import Path

from soaking.callers import Callers
from soaking.samples import MIB, Cycle, Sample, cycles, look, slope
from soaking.turns import TURN_VARIABLE, TURNS

from sluiceway.testing import ReceiverProcess

# Of the median of a cycle. Python's allocator and the C library's give pages back as it pleases them: half a MiB more
# or less says nothing.
MOST_GROWTH_MIB = 2.0
# While nobody holds more clients than before, a thread or a connection that is about to end may be seen beside its
# successor, or not.
MOST_GROWTH_THREADS = 3
MOST_GROWTH_DESCRIPTORS = 4
CYCLES = 10


def broken(found: list[Cycle], callers: Callers, before: Sample, after: Sample, ids: int) -> list[str]:
    """Return what did not hold."""
    first, last = found[0], found[-1]
    seconds = last.at - first.at
    growth = slope([(cycle.at, cycle.resident) for cycle in found]) * seconds / MIB
    wrong = [f"a caller raised {type(error).__name__}: {error}" for error in callers.raised]
    if growth > MOST_GROWTH_MIB:
        wrong.append(f"memory grew by {growth:.2f} MiB in {seconds:.0f} s")
    if max(cycle.threads for cycle in found[len(found) // 2 :]) > first.threads + MOST_GROWTH_THREADS:
        wrong.append(f"threads grew from {first.threads}: {[cycle.threads for cycle in found]}")
    if max(cycle.descriptors for cycle in found[len(found) // 2 :]) > first.descriptors + MOST_GROWTH_DESCRIPTORS:
        wrong.append(f"descriptors grew from {first.descriptors}: {[cycle.descriptors for cycle in found]}")
    if after.threads > before.threads:
        wrong.append(f"{after.threads - before.threads} threads are left: {threading.enumerate()}")
    if after.descriptors > before.descriptors:
        wrong.append(f"{after.descriptors - before.descriptors} descriptors are left")
    delivered = 0
    for name, client in callers.clients.items():
        stats = client.stats()
        delivered += stats.delivered
        if not stats.balanced or stats.pending or stats.reserved_bytes or stats.reserved_events:
            wrong.append(f"{name} is not even: {stats}")
        if not (stats.delivered > 100 and stats.attempts > stats.batches + len(found)):
            wrong.append(f"{name} saw too little: {stats}")
    if delivered > ids:
        wrong.append(f"{delivered} events are called delivered, and {ids} arrived")
    return wrong


def run(minutes: float, per_second: int) -> int:
    """Run it; 0 when nothing grew."""
    seconds = minutes * 60
    turn_seconds = seconds / CYCLES / len(TURNS)
    os.environ[TURN_VARIABLE] = str(turn_seconds)
    script = f"{Path(__file__).parent / 'soaking' / 'turns.py'}:take_turns"
    with ReceiverProcess(script=script, keep="ids") as receiver:
        before = look(0.0)
        callers = Callers(receiver.url, per_second)
        began = time.monotonic()
        callers.start()
        samples: list[Sample] = []
        while (at := time.monotonic() - began) < seconds:
            samples.append(look(at))
            time.sleep(0.5)
        samples.append(look(seconds))
        callers.stop()
        arrived = receiver.stats()
        deadline = time.monotonic() + 30
        while (after := look(0.0)).threads > before.threads and time.monotonic() < deadline:
            gc.collect()
            time.sleep(0.1)
    # The first two warm up: modules are imported, allocators find their size.
    found = cycles(samples, turn_seconds * len(TURNS))[2:]
    hours = (found[-1].at - found[0].at) / 3_600
    growth = slope([(cycle.at, cycle.resident / MIB) for cycle in found]) * hours * 3_600
    totals = [client.stats() for client in callers.clients.values()]
    threads = " ".join(str(cycle.threads) for cycle in found)
    descriptors = " ".join(str(cycle.descriptors) for cycle in found)
    lines = (
        ("minutes", f"{minutes:g}, {CYCLES} cycles of {len(TURNS)} turns of {turn_seconds:.1f} s"),
        ("memory, each cycle", " ".join(f"{cycle.resident / MIB:.1f}" for cycle in found) + " MiB"),
        ("growth", f"{growth:+.2f} MiB, that is {growth / hours:+.1f} MiB/h"),
        ("threads, each cycle", f"{threads}; before {before.threads}, after {after.threads}"),
        ("descriptors", f"{descriptors}; before {before.descriptors}, after {after.descriptors}"),
        *((word, f"{sum(getattr(each, word) for each in totals):,}") for word in ("offered", "delivered", "dropped")),
        *((word, f"{sum(getattr(each, word) for each in totals):,}") for word in ("failed", "attempts")),
        ("callbacks told", f"{callers.told:,}"),
        ("clients come and gone", f"{callers.made:,}"),
        ("receiver: requests", f"{arrived.requests:,}, distinct ids {arrived.ids:,}"),
        ("receiver: answers", f"{dict(arrived.statuses)}, resets {arrived.resets:,}"),
    )
    print("\n".join(f"{name:<24}{text}" for name, text in lines))
    wrong = broken(found, callers, before, after, arrived.ids)
    print("\n".join(["broken:", *wrong]) if wrong else "nothing grew")
    return 1 if wrong else 0


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--per-second", type=int, default=500, help="events of each of the four clients")
    options = parser.parse_args()
    return run(options.minutes, options.per_second)


if __name__ == "__main__":
    sys.exit(main())
