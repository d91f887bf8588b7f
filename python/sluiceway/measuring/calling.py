"""What one call costs its caller while nothing is sent, and what an encoder costs for the same words.

CPU time of the calling thread (`time.thread_time_ns`), so that a neighbour costs nothing but patience; garbage
collector off, which spares the others the containers that they allocate. After each block what the calls queued is
counted, so that no client is quick by doing less than it says.
"""

from __future__ import annotations

import gc
import time
from typing import Any

from sluiceway.measuring import messages
from sluiceway.measuring.children import serve
from sluiceway.measuring.event import Call, workload
from sluiceway.measuring.sink import Sink
from sluiceway.measuring.subjects import CLIENTS

# Under any client's byte trigger: a fuller queue would start a sender.
_BLOCK_BYTES = 250_000
_MOST_CALLS = 400
_WARM_CALLS = 16


class Session:
    """One subject, and blocks of calls to it."""

    def __init__(self, subject: str, vendor: str, calls: list[list[Any]]) -> None:
        ready = workload([Call(*call) for call in calls])
        count = max(1, min(_MOST_CALLS, _BLOCK_BYTES // max(1, messages.message_bytes(vendor, ready))))
        self._block = (ready * (count // len(ready) + 1))[:count]
        self._subject: Any = None
        self._run: Any
        if subject in CLIENTS:
            self._subject = CLIENTS[subject](Sink().url, "idle")
            self._run = self._subject.calls
        else:
            _, dumps = messages.encoders()[subject]
            loop = messages.LOOPS[vendor]
            self._run = lambda calls: loop(dumps, calls)
        before = repr(self._block)
        self._once()
        if repr(self._block) != before:
            raise AssertionError("the client changed its caller's properties")
        gc.collect()
        gc.freeze()

    def round(self, seconds: float) -> dict[str, Any]:
        """Time blocks for so many seconds, one at least; returns nanoseconds of CPU per call, of each block."""
        ends = time.monotonic() + seconds
        taken = [self._once()]
        while time.monotonic() < ends:
            taken.append(self._once())
        return {"ns": [min(taken), sorted(taken)[len(taken) // 2]], "calls": len(taken) * len(self._block)}

    def _once(self) -> float:
        gc.collect()
        gc.disable()
        self._run(self._block[:_WARM_CALLS])
        before = time.thread_time_ns()
        self._run(self._block)
        took = time.thread_time_ns() - before
        gc.enable()
        if self._subject is not None:
            held, made = self._subject.forget(), len(self._block) + min(_WARM_CALLS, len(self._block))
            if held != made:
                raise AssertionError(f"{held} events were queued by {made} calls: it refuses such events")
        return took / len(self._block)


def main() -> None:
    """Be a subject's process."""
    serve(Session)
