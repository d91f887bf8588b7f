"""From the first call to the sink's last answer: events a second through one process, and its CPU for each of them.

The caller calls as fast as it can while the client sends. Collector on, queues that drop nothing. A burst whose events
do not all arrive, once each, has no figure: it has an error.
"""

from __future__ import annotations

import gc
import time
from typing import Any

import msgspec

from sluiceway.measuring import messages
from sluiceway.measuring.adapter import BATCH_EVENTS
from sluiceway.measuring.children import serve
from sluiceway.measuring.event import Call, workload
from sluiceway.measuring.sink import Sink, Undelivered
from sluiceway.measuring.subjects import CLIENTS

# Under every official client's own limit of a request's bytes, with room for what it adds to an event: beyond it, it
# would wait for a last batch that never fills.
_REQUEST_BYTES = 300_000
_BLOCK_CALLS = 2_000
_MOST_EVENTS = 2_000_000


class Session:
    """One client, and a sink for it; a client of its own for each burst."""

    def __init__(self, subject: str, vendor: str, calls: list[list[Any]]) -> None:
        ready = workload([Call(*call) for call in calls])
        nbytes = max(1, messages.message_bytes(vendor, ready))
        self._batch_events = max(1, min(BATCH_EVENTS, _REQUEST_BYTES // nbytes))
        self._block = (ready * (_BLOCK_CALLS // len(ready) + 1))[: max(1, _BLOCK_CALLS)]
        self._subject = subject
        # What can be lost of it and the rest still be an event: amplitude-analytics leaves out all properties for one
        # that it does not like.
        self._least_bytes = sum(len(msgspec.json.encode(call.properties)) for call in ready) / len(ready) / 2
        self._sink = Sink()
        # The first requests import, connect and start threads. The second burst says how fast it is.
        self._burst(self._batch_events)
        found = self._burst(self._batch_events)
        self._per_second = found["events"] / found["seconds"]

    def round(self, seconds: float) -> dict[str, Any]:
        """Deliver as many events as take about so many seconds; whole requests of a peer's, one at least."""
        wanted = min(_MOST_EVENTS, int(self._per_second * seconds))
        found = self._burst(max(1, wanted // self._batch_events) * self._batch_events)
        # A short burst says little of the next one's speed.
        self._per_second = max(self._per_second, found["events"] / found["seconds"])
        return found

    def _burst(self, count: int) -> dict[str, Any]:
        client = CLIENTS[self._subject](self._sink.url, "flow", self._batch_events)
        warm = self._block[: self._batch_events] * (self._batch_events // len(self._block) + 1)
        warm = warm[: self._batch_events]
        self._sink.clear()
        client.calls(warm)
        client.drain()
        self._sink.expect(len(warm))
        self._sink.clear()
        blocks, rest = divmod(count, len(self._block))
        gc.collect()
        cpu, began, theirs = time.process_time_ns(), time.monotonic_ns(), self._sink.arrived().cpu_seconds
        for _ in range(blocks):
            client.calls(self._block)
        client.calls(self._block[:rest])
        client.drain()
        arrived = self._sink.expect(count)
        spent = time.process_time_ns() - cpu
        client.close()
        if arrived.nbytes < self._least_bytes * count:
            raise Undelivered(f"{arrived.nbytes // count} bytes an event arrived: it leaves out properties")
        seconds = (arrived.last_answer_ns - began) / 1e9
        return {
            "events": count,
            "seconds": seconds,
            "cpu_ns": spent / count,
            "requests": arrived.requests,
            "bytes": arrived.nbytes,
            "sink_share": (arrived.cpu_seconds - theirs) / seconds,
        }


def main() -> None:
    """Be a subject's process."""
    serve(Session)
