"""Prove that forks disturb nobody: thousands of them, at random moments, under load.

Eight producers push into one client all the time. Two threads fork, now and then in the middle of a burst of events
that the worker encodes just then. Each child uses the client in one of several ways (flush, close, a child of its own,
the exit hooks, collecting it, leaving it alone), checks its own account, and reports it. The receiver, a process of its
own, is the judge: every accepted event of every process has arrived, under an id of its own, once.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from forking import child as childs
from forking.laws import Figures, broken
from forking.load import PRODUCERS, Load
from forking.plants import PLANTS

from sluiceway import Segment
from sluiceway.stats import Stats
from sluiceway.testing import ReceiverProcess, ReceiverStats

EXAMPLES = """examples:
  python tests/forks.py --forks 300 --seed 7
  python tests/forks.py --forks 50 --plant keep_the_randomness
"""

# Children of one forking thread that live at once.
AT_ONCE = 3
# Every fourth fork comes while the worker has so many fresh events before it.
BURST_EVERY = 4
BURST = 400
SPARES = 3
# Nothing forked for so long means that the parent hangs.
STALLED_SECONDS = 150


class Forking:
    """One thread that forks: `share` is which of the numbers are its own, `producer` in whose name it pushes."""

    def __init__(self, load: Load, spares: list[Segment], forks: int, seed: int, share: int) -> None:
        self._load = load
        self._spares = spares
        self._seed = seed
        self._numbers = range(share, forks, 2)
        self._producer = PRODUCERS + share
        self._chance = random.Random(f"{seed} forking {share}")
        self._alive: list[tuple[int, int]] = []
        self.reports: list[childs.Report] = []
        self.busy = 0

    def run(self) -> None:
        """Fork them all."""
        for number in self._numbers:
            faulthandler.dump_traceback_later(STALLED_SECONDS, exit=True)
            if number % BURST_EVERY == 0 and not self._load._resting:
                self._load.push(self._producer, BURST)
            time.sleep(self._chance.random() * 0.004)
            self.busy += self._load.client.stats().pending > 0
            self._alive.append(childs.fork(childs.Child(self._load.client, self._spares, number, self._seed)))
            if len(self._alive) == AT_ONCE:
                self._harvest()
        while self._alive:
            self._harvest()

    def _harvest(self) -> None:
        self.reports.append(childs.harvest(*self._alive.pop(0), childs.HANG_SECONDS))


@contextmanager
def spare_clients(url: str) -> Iterator[list[Segment]]:
    """Further clients with a worker and a connection, which children may collect."""
    spares = [Segment("a-write-key-of-tests", host=url) for _ in range(SPARES)]
    for spare in spares:
        spare.track("spare", "Counted")
        spare.flush(30)
    try:
        yield spares
    finally:
        for spare in spares:
            spare.close(30)


def campaign(forks: int, seed: int, plant: str | None) -> Figures:
    """Run it all and count."""
    with ReceiverProcess(vendor="segment", keep="ids") as receiver, spare_clients(receiver.url) as spares:
        load = Load(receiver.url)
        if plant is not None:
            PLANTS[plant](load)
        load.start()
        forking = [Forking(load, spares, forks, seed, share) for share in (0, 1)]
        other = threading.Thread(target=forking[1].run)
        other.start()
        forking[0].run()
        other.join()
        load.stop()
        load.client.flush(60)
        load.client.close(60)
        faulthandler.cancel_dump_traceback_later()
        reports = [report for each in forking for report in each.reports]
        ids = receiver.acknowledged_ids()
        arrived = {ids[at : at + 16] for at in range(0, len(ids), 16)}
        ours = load.ids_of_ours().union(*(report.ours for report in reports))
        return Figures(
            forks=forks,
            processes=sum(report.processes for report in reports),
            busy_forks=sum(each.busy for each in forking),
            offered=sum(load.offered),
            accepted=sum(load.accepted),
            by_children=sum(report.accepted for report in reports),
            ours={bytes.fromhex(event_id.replace("-", "")) for event_id in ours},
            arrived_ours={event_id for event_id in arrived if event_id.startswith(b"\xc0\xde")},
            stats=load.client.stats(),
            receiver=_without(receiver.stats(), SPARES),
            wrong=Counter(what for report in reports for what in report.wrong)
            + Counter(f"a producer raised {error!r}" for error in load.raised),
        )


def _without(receiver: ReceiverStats, spares: int) -> ReceiverStats:
    return msgspec.structs.replace(receiver, ids=receiver.ids - spares)


def table(figures: Figures, seconds: float) -> str:
    """Return the figures as lines of text."""
    stats: Stats = figures.stats
    receiver = figures.receiver
    hung = sum(count for what, count in figures.wrong.items() if "hung" in what)
    died = sum(count for what, count in figures.wrong.items() if "died" in what)
    lines = (
        ("forks", f"{figures.forks:,} at random moments, {figures.busy_forks:,} with events on their way"),
        ("processes", f"{figures.processes:,} children and grandchildren"),
        ("hung", f"{hung} of {figures.forks:,}"),
        ("died", f"{died} of {figures.forks:,}"),
        ("parent", f"offered {stats.offered:,}, accepted {stats.accepted:,}, delivered {stats.delivered:,}"),
        ("children", f"accepted {figures.by_children:,}"),
        ("receiver", f"{receiver.ids:,} distinct ids; came twice: {receiver.duplicates + receiver.repeats:,}"),
        ("ids of ours", f"{len(figures.ours):,}, missing {len(figures.ours - figures.arrived_ours):,}"),
        ("seconds", f"{seconds:.0f}"),
    )
    return "\n".join(f"{name:<14}{text}" for name, text in lines)


def main() -> int:
    """Run the campaign; 0 when every law holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--forks", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=None, help="of moments and ways; a random one by default")
    parser.add_argument("--plant", choices=tuple(PLANTS), help="a bug that the laws must catch")
    parser.add_argument("--patience", type=float, default=childs.HANG_SECONDS, help="seconds after which a child hangs")
    options = parser.parse_args()
    childs.HANG_SECONDS = options.patience
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"seed {seed}, CPython {version}", flush=True)
    began = time.monotonic()
    figures = campaign(options.forks, seed, options.plant)
    print(table(figures, time.monotonic() - began))
    wrong = list(broken(figures))
    print("\n".join(["broken:", *wrong[:20]]) if wrong else "every law holds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
