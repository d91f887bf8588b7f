"""How an import shows itself while it runs: bars in a terminal, a line every few seconds elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from typing import Any, NamedTuple, Protocol, TextIO

_LINE_SECONDS = 5.0
_RATE_SECONDS = 3.0


class Snapshot(NamedTuple):
    """How far it is."""

    rows: int
    """Read, runs before a resume included."""
    ended: int
    """Delivered, failed or rejected, likewise."""
    delivered: int
    bad: int
    """Failed and rejected."""
    part: float | None
    """Which part of all files has been read, from 0 to 1."""
    back_off_until: float | None
    """Unix seconds; None while all is well."""
    error: str | None


class Display(Protocol):
    """Shows snapshots."""

    def show(self, now: Snapshot) -> None:
        """Show one; called a few times a second."""
        ...

    def say(self, text: str) -> None:
        """Tell something that stays."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was. May be called twice, and from a signal's handler."""
        ...


class Rate:
    """Rows a second over the last moments."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = []

    def of(self, ended: int) -> float:
        """Note how many have ended, and return the rate."""
        now = time.monotonic()
        self._seen.append((now, ended))
        while len(self._seen) > 2 and now - self._seen[0][0] > _RATE_SECONDS:
            self._seen.pop(0)
        since, before = self._seen[0]
        return (ended - before) / (now - since) if now > since else 0.0


def seconds_left(now: Snapshot, rate: float) -> float | None:
    """Guess when it will be done, from what part of the files so many rows were; None where nothing is known."""
    if not now.part or not now.rows or rate <= 0:
        return None
    return max(0.0, (now.rows / now.part - now.ended) / rate)


def pause(now: Snapshot) -> str:
    """Say that the server is not taking anything just now; empty while it is."""
    if now.back_off_until is None:
        return ""
    seconds = max(0.0, now.back_off_until - time.time())
    return f"paused: {now.error or 'no answer'}, again in {seconds:.0f} s"


def clock(seconds: float | None) -> str:
    """Print a duration as m:ss."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Silent:
    """Shows nothing and says nothing."""

    def show(self, now: Snapshot) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines:
    """A plain line every few seconds, for logs."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._rate = Rate()
        self._next = time.monotonic() + _LINE_SECONDS
        self._paused = False

    def show(self, now: Snapshot) -> None:
        """Print a line if it is time, or if a pause begins or ends."""
        rate, paused = self._rate.of(now.ended), pause(now)
        if bool(paused) == self._paused and time.monotonic() < self._next:
            return
        self._paused = bool(paused)
        self._next = time.monotonic() + _LINE_SECONDS
        part = "" if now.part is None else f"{now.part:.0%} read, "
        left = seconds_left(now, rate)
        eta = "" if left is None or paused else f", {clock(left)} left"
        bad = f", {now.bad:,} rejected or failed" if now.bad else ""
        self.say(f"{part}{now.delivered:,} delivered{bad}, {rate:,.0f}/s{eta}" + (f"; {paused}" if paused else ""))

    def say(self, text: str) -> None:
        """Print it."""
        print(text, file=self._out, flush=True)

    def close(self) -> None:
        """Do nothing: what was printed is printed."""


class Bars:
    """A bar in a terminal: how far, how fast, how long still, and what went wrong; in eighty columns."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._rate = Rate()
        self._console = Console(stderr=True)
        self._bar: Any = Progress(
            BarColumn(bar_width=12),
            TextColumn("{task.fields[text]}"),
            console=self._console,
            transient=True,
            refresh_per_second=4,
        )
        words: dict[str, Any] = {"text": ""}
        self._task = self._bar.add_task("", total=None, **words)
        self._bar.start()

    def show(self, now: Snapshot) -> None:
        """Move the bar."""
        ended = (now.part or 0.0) * (now.ended / now.rows if now.rows else 0.0)
        rate, paused = self._rate.of(now.ended), pause(now)
        words = [] if now.part is None else [f"{ended:4.0%}"]
        words.append(f"[bold]{now.delivered:,}[/] delivered")
        if now.bad:
            words.append(f"[red]{now.bad:,} bad[/]")
        if paused:
            words.append(f"[yellow]{paused}[/]")
        else:
            words.append(f"[cyan]{rate:,.0f}/s[/]  {clock(seconds_left(now, rate))} left")
        self._bar.update(self._task, total=None if now.part is None else 1.0, completed=ended, text="  ".join(words))

    def say(self, text: str) -> None:
        """Print it above the bar."""
        self._console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Take the bar away and show the cursor again."""
        self._bar.stop()
