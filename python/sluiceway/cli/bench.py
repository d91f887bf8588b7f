"""`sluiceway bench`: what the client costs on this machine, with one's own event, beside encoders and others."""

from __future__ import annotations

import json
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

import sluiceway
from sluiceway.cli import INTERRUPTED, keys
from sluiceway.measuring import event as events
from sluiceway.measuring.running import Figure, Results, Row, Run
from sluiceway.measuring.subjects import subjects

FAILED = 1

_CALLS = "One call: CPU of the caller, while nothing is sent"
_BURSTS = "First call to last answer: one process, a sink on this machine, CPU of the process"
_EXPLAINED = (
    '\nBest of the rounds; "ours" is how many times faster sluiceway was in the same run. Our call copies the event '
    "and queues it; the JSON is written by the client's own thread, and is in the CPU of the second table."
)

EXAMPLES = """\b
Examples:
  sluiceway bench                                    # Segment, an event of 694 bytes, about 20 seconds
  sluiceway bench --event event.json                 # your own: a wire event, or {"event": …, "properties": {…}}
  sluiceway bench --event events.jsonl --vendor posthog
  sluiceway bench --seconds 60 --rounds 15           # longer, for figures that are to be quoted
  sluiceway bench --json | jq '.rows[] | {name, call_us: .call_us.best}'

Official clients that are installed beside sluiceway are measured, too: segment-analytics-python,
rudder-sdk-python, posthog, amplitude-analytics. No event leaves this machine.

Exit code: 0, 1 when our own client could not be measured, 2 for a wrong command line, 130 after Ctrl-C, with what
there was until then.
"""


@click.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--event", "event_file", metavar="FILE", help="JSON of one event, or JSONL of several; - is standard input."
)
@click.option(
    "--vendor",
    type=click.Choice(keys.VENDORS),
    help="Our client to measure, and its official one only.  [default: segment, beside all that are installed]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3600),
    default=20.0,
    show_default=True,
    help="For all rounds together, about.",
)
@click.option(
    "--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Of each measure; the best counts."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of tables.")
def bench(event_file: str | None, vendor: str | None, seconds: float, rounds: int, as_json: bool) -> int:
    """Measure the client on this machine, with your own event.

    What one call costs its caller; what json, orjson and msgspec take for the same message; how many events a second
    arrive at a local sink, and the CPU for each; and the same of each official client that is installed. Every
    subject has a process of its own, rounds are interleaved, ratios are of one run.
    """
    try:
        calls = events.default() if event_file is None else events.load(event_file)
    except events.NoEvent as error:
        raise click.UsageError(f"--event {error}.") from None
    measured, absent = subjects(vendor or "segment", every_official=vendor is None)
    run = Run(vendor or "segment", calls, measured, absent, seconds=seconds, rounds=rounds)
    interrupted = False
    try:
        with _Progress(run.steps) as told:
            run.take(told)
    except KeyboardInterrupt:
        interrupted = True
    results = run.results(sluiceway.__version__)
    if as_json:
        print(json.dumps(msgspec.to_builtins(results), indent=2, ensure_ascii=False))
    else:
        _print(results)
    if interrupted:
        return INTERRUPTED
    return FAILED if results.rows[0].call_us is None or results.rows[0].events_per_second is None else 0


class _Progress:
    """A bar on stderr, where somebody looks at it; calling what `with` gives moves it on."""

    def __init__(self, steps: int) -> None:
        self._bar = Progress(
            TextColumn("measuring"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=steps)
        self._is_shown = self._bar.console.is_terminal
        self._first = True

    def __enter__(self) -> Any:
        if self._is_shown:
            self._bar.start()
        return self._told

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._bar.stop()

    def _told(self, name: str) -> None:
        self._bar.update(self._task, description=name, advance=0 if self._first else 1)
        self._first = False


def _print(results: Results) -> None:
    console = Console(highlight=False)
    different = f"{results.events} different events" if results.events > 1 else "one event"
    console.print(
        Text(f"{results.vendor}: {different}, {results.event_bytes:,} bytes as the vendor's message", style="bold")
    )
    console.print(Text(results.machine))
    if results.interrupted:
        console.print(Text(f"interrupted after {results.rounds} whole rounds", style="yellow"))
    for title, table in ((_CALLS, _calls(results.rows)), (_BURSTS, _bursts(results.rows))):
        console.print(Text(f"\n{title}", style="bold"))
        console.print(table)
    console.print(Text(_EXPLAINED, style="dim"))
    for row in results.rows:
        if row.error:
            console.print(Text(f"\n{row.name} could not be measured: {row.error}", style="yellow"))
    if results.not_installed:
        console.print(Text(f"\nNot installed, so not compared: {', '.join(results.not_installed)}."))
    for doubt in results.doubts:
        console.print(Text(f"\nNoisy: {doubt}.", style="yellow"))


def _calls(rows: list[Row]) -> Table:
    table = _table("version", "us/call", "median", "ours")
    for row in rows:
        if row.call_us is not None:
            best, median = f"{row.call_us.best:.2f}", f"{row.call_us.median:.2f}"
            table.add_row(row.name, row.version, best, median, _times(row.call_ratio, row))
    return table


def _bursts(rows: list[Row]) -> Table:
    table = _table("events/s", "median", "us/event", "events/request", "ours")
    for row in rows:
        if row.events_per_second is not None and row.cpu_us is not None:
            rate: Figure = row.events_per_second
            table.add_row(
                row.name,
                f"{rate.best:,.0f}",
                f"{rate.median:,.0f}",
                f"{row.cpu_us.best:.2f}",
                f"{row.events_per_request:,.0f}",
                _times(row.events_ratio, row),
            )
    return table


def _table(*numbers: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for number in numbers:
        table.add_column(number, justify="left" if number == "version" else "right", no_wrap=True)
    return table


def _times(ratio: float | None, row: Row) -> str:
    return "" if row.kind == "ours" or ratio is None else f"{ratio:.1f} x"
