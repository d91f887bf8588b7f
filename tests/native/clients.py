"""What the tests of the native walk share: clients whose events stay in memory, and a reader of strict JSON only."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec

from sluiceway import Segment
from sluiceway.testing import MemoryTransport
from sluiceway.vendors.base import Sending
from sluiceway.vendors.segment import envelope

KEY = "a-write-key-of-tests"
STAMP = 1_357_016_400
ROOMY = {"max_event_bytes": 4_000_000, "max_batch_bytes": 5_000_000}

AROUND = envelope(KEY, Sending(sent_at=0.0, created_at=0.0, attempt=1, request_id=""))
HEAD, TAIL = AROUND.head, AROUND.tail
ENVELOPE_BYTES = len(HEAD) + len(TAIL)


class Kept(Segment):
    """A client with a transport in memory, and the shortest ways to what it sent."""

    __slots__ = ("memory",)

    def __init__(self, **options: Any) -> None:
        self.memory = options.setdefault("transport", MemoryTransport())
        super().__init__(KEY, **options)

    def last(self) -> bytes:
        """The bytes of the last event as sent, where each request holds one."""
        return self.memory.requests[-1].body[len(HEAD) : -len(TAIL)]

    def clear(self) -> None:
        self.memory.clear()


class Ringed(Segment):
    """A client whose worker is said to be there and never comes: plain calls end in the native short cut."""

    __slots__ = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(KEY, **{"host": "http://127.0.0.1:9", "exit_timeout": 0, "flush_first": False, **options})
        # A call that finds no room asks for the worker by a reference of its own.
        self._assembly.worker.start = self._assembly.admission._attend = lambda: True  # type: ignore[method-assign]
        self._assembly.queue.attend(True)

    def take(self) -> list[bytes]:
        """The JSON of every event in the ring, which is empty then."""
        queue = self._assembly.queue
        queue.flush_mark()
        events: list[bytes] = []
        while (batch := queue.next_batch(0.0)) is not None:
            events.extend(batch.event(index) for index in range(len(batch)))  # type: ignore[attr-defined]
            queue.settle(batch, "delivered")
            queue.release(batch)
        return events


def strict(text: bytes) -> Any:
    """What Python's reader makes of it, if that and msgspec's agree that it is JSON in UTF-8 and nothing more."""
    msgspec.json.decode(text)
    return json.loads(text.decode("utf-8"), parse_constant=refuse)


def refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def apart(script: str, *options: str, **environment: str) -> str:
    """Run a script in an interpreter of its own, with an allocator that notices freed memory; what it printed.

    For what would take the whole test run down with it if the law did not hold.
    """
    import os

    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", *options, "-c", script],
        env={**os.environ, "PYTHONMALLOC": "debug", **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout
