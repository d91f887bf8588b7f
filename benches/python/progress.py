"""Shows how far a run is: on a terminal in one line that is rewritten, elsewhere in a line a minute."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import harness

if TYPE_CHECKING:
    from types import TracebackType

TERMINAL_SECONDS, LOG_SECONDS = 0.2, 60.0


class Progress:
    """Told when a measure begins and ends; hears of each round from the harness."""

    def __init__(self, names: list[str] | tuple[str, ...], last: dict[str, Any]) -> None:
        self._names = list(names)
        self._last = {name: entry["seconds"] for name, entry in last.items()}
        self._terminal = sys.stdout.isatty()
        self._began = self._said = time.monotonic()
        self._rounds = 0
        self._head = ""

    def begin(self, name: str, title: str) -> None:
        """Say which measure starts, the how manieth it is and how long it took last time."""
        before = self._last.get(name)
        expected = "" if before is None else f" (last time {before:.0f} s)"
        self._head = f"[{self._names.index(name) + 1}/{len(self._names)}] {title}"
        self._rounds, self._began = 0, time.monotonic()
        self._said = self._began
        print(f"{self._head}{expected} ...", end="" if self._terminal else "\n", flush=True)

    def end(self, how: str) -> None:
        """Say how the measure ended."""
        print(f"{self._fresh()}{self._head}: {how}", flush=True)

    def _round(self, peer: str) -> None:
        self._rounds += 1
        now = time.monotonic()
        if now - self._said < (TERMINAL_SECONDS if self._terminal else LOG_SECONDS):
            return
        self._said = now
        line = f"{self._head}: {now - self._began:.0f} s, round {self._rounds}, {peer}"
        print(f"{self._fresh()}{line}", end="" if self._terminal else "\n", flush=True)

    def _fresh(self) -> str:
        return "\r\033[K" if self._terminal else ""

    def __enter__(self) -> Progress:
        harness.on_round.append(self._round)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        harness.on_round.remove(self._round)
