"""What the terminal shows: how to begin, and a line of numbers for each request, fewer when there are many."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from sluiceway.devserver.pointing import pointers
from sluiceway.devserver.recording import Taken

LINES_PER_SECOND = 20


class Screen:
    """Writes to standard output, or to standard error where standard output is for a program. `as_json` says so."""

    def __init__(
        self, *, quiet: bool, as_json: bool, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._quiet = quiet
        self._out = out or (sys.stderr if as_json else sys.stdout)
        self._clock = clock
        self._second = 0
        self._lines = 0
        self._requests = 0
        self._events = 0

    def start(self, url: str, page: str) -> None:
        """Say where the server is and how to point clients at it."""
        if not self._out.isatty():
            self._out.write(f"sluiceway dev at {url}\npage: {page}\n\n")
            for one in pointers(url):
                self._out.write(f"  {one.vendor:<12}{one.client:<11}{one.line}\n")
            self._out.write("\nCtrl-C ends it.\n")
            self._out.flush()
            return
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console(file=self._out, highlight=False)
        console.print(Text.assemble(("sluiceway dev", "bold"), " takes events at ", (url, "bold cyan")))
        console.print(Text.assemble("The page: ", (page, "bold green underline")), soft_wrap=True)
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for one in pointers(url):
            table.add_row(
                Text(one.vendor, style="magenta"), Text(one.client, style="dim"), Text(one.line, overflow="fold")
            )
        console.print()
        console.print(table)
        console.print(Text("\nNothing leaves this machine. Ctrl-C ends it.\n", style="dim"))

    def request(self, taken: Taken) -> None:
        """Tell of one request in numbers; never a payload, a key or a path. Called on the server's thread."""
        if self._quiet:
            return
        second = int(self._clock())
        if second != self._second:
            self._pass()
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > LINES_PER_SECOND:
            self._requests += 1
            self._events += taken.verdicts.nevents
            return
        counts = ", ".join(f"{count} {verdict}" for verdict, count in taken.verdicts.counts().items() if count)
        status = "reset" if taken.status is None else str(taken.status)
        fault = f"  fault: {taken.fault}" if taken.fault else ""
        attempt = f"  attempt {taken.attempt}" if taken.attempt > 1 else ""
        nevents = taken.verdicts.nevents
        events = f"{nevents:>5} event{'s' if nevents != 1 else ' '}"
        self._write(
            f"{time.strftime('%H:%M:%S')}  {taken.vendor:<11} {status:>5}  {events}  {taken.sent_nbytes:>9,} B  "
            f"{counts}{attempt}{fault}"
        )

    def end(self) -> None:
        """Say what was not said yet."""
        self._pass()

    def _pass(self) -> None:
        if self._requests:
            self._write(f"{time.strftime('%H:%M:%S')}  … and {self._requests:,} requests, {self._events:,} events")
            self._requests = self._events = 0

    def _write(self, line: str) -> None:
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except (OSError, ValueError):  # nobody reads any more: the server goes on
            self._quiet = True
