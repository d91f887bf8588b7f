"""What happens, as server-sent events: rows as they arrive, counters once a second, faults when they change."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
from sse_starlette.event import ServerSentEvent

from sluiceway.devserver.shapes import Event, Row
from sluiceway.devserver.tables import Filter

MAX_ROWS = 100
"""In one message; of more, the newest are told and the others counted."""

ROWS_SECONDS = 0.1
COUNTERS_SECONDS = 1.0


class _Reader:
    """One page that listens."""

    def __init__(self, wanted: Filter) -> None:
        self.wanted = wanted
        self.rows: deque[Row] = deque(maxlen=MAX_ROWS)
        self.skipped = 0
        self.cleared = False
        self.faults = False
        self.woken = asyncio.Event()


class Hub:
    """Hands what happens to all who listen. One thread only, the event loop's."""

    def __init__(
        self, state: Callable[[], dict[str, Any]], counters: Callable[[], dict[str, Any]], faults: Callable[[], Any]
    ) -> None:
        self._state = state
        self._counters = counters
        self._faults = faults
        self._readers: set[_Reader] = set()
        self._closing = False

    @property
    def listeners(self) -> int:
        """How many pages listen."""
        return len(self._readers)

    def rows(self, events: Sequence[Event]) -> None:
        """Tell of events that can be found from now on, oldest first."""
        for reader in self._readers:
            for event in events:
                if reader.wanted.fits(event):
                    reader.skipped += len(reader.rows) == MAX_ROWS
                    reader.rows.append(event.row)
            if reader.rows:
                reader.woken.set()

    def faults(self) -> None:
        """Tell that the faults have changed."""
        for reader in self._readers:
            reader.faults = True
            reader.woken.set()

    def cleared(self) -> None:
        """Tell that all was forgotten."""
        for reader in self._readers:
            reader.rows.clear()
            reader.skipped = 0
            reader.cleared = True
            reader.woken.set()

    def close(self) -> None:
        """End every stream."""
        self._closing = True
        for reader in self._readers:
            reader.woken.set()

    async def listen(self, wanted: Filter) -> AsyncIterator[ServerSentEvent]:
        """Yield what happens until the listener goes or the server ends."""
        reader = _Reader(wanted)
        self._readers.add(reader)
        try:
            yield _event("hello", self._state())
            counted = told = time.monotonic()
            while not self._closing:
                await _wait(reader.woken, counted + COUNTERS_SECONDS - time.monotonic())
                if self._closing:
                    return
                now = time.monotonic()
                if reader.rows and now - told < ROWS_SECONDS:
                    await asyncio.sleep(ROWS_SECONDS - (now - told))
                reader.woken.clear()
                if reader.cleared:
                    reader.cleared = False
                    yield _event("cleared", {})
                if reader.faults:
                    reader.faults = False
                    yield _event("faults", self._faults())
                if reader.rows:
                    told = time.monotonic()
                    rows, skipped = list(reversed(reader.rows)), reader.skipped
                    reader.rows.clear()
                    reader.skipped = 0
                    yield _event("rows", {"events": rows, "skipped": skipped})
                if (now := time.monotonic()) - counted >= COUNTERS_SECONDS:
                    counted = now
                    yield _event("counters", self._counters())
        finally:
            self._readers.discard(reader)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    if seconds <= 0:
        return
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return


def _event(kind: str, data: Any) -> ServerSentEvent:
    return ServerSentEvent(event=kind, data=msgspec.json.encode(data).decode())
