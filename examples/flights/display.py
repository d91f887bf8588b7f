"""What the terminal shows: two bars while the import runs, and a table of what came of it."""

from __future__ import annotations

from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from sluiceway.stats import Stats
from sluiceway.testing import ReceiverStats


class Run(NamedTuple):
    """What the client's side of the import came to. CPU is that of this process, receiver excluded."""

    rows: int
    stats: Stats
    wall_seconds: float
    cpu_seconds: float
    read_cpu_seconds: float
    call_cpu_seconds: float


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


def report(run: Run, counted: ReceiverStats, vendor: str) -> Table:
    """Return the final table."""
    stats, rows = run.stats, max(run.rows, 1)
    table = Table(title=f"Flights of 2013, to {vendor}", show_header=False, title_justify="left")
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
    delivering = run.cpu_seconds - run.read_cpu_seconds - run.call_cpu_seconds
    table.add_row("CPU per event", microseconds(run.cpu_seconds, rows), end_section=False)
    table.add_row("  reading the row", microseconds(run.read_cpu_seconds, rows))
    table.add_row("  calls", microseconds(run.call_cpu_seconds, rows))
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
