"""One burst of events from first call to last answer: the run that three measures read.

The caller tracks as fast as it can while the client sends. `track_sending` reads what the caller paid, `end_to_end`
how long it took until the sink had answered the last event, `cpu` what the whole process paid. A burst whose events
do not all arrive, once each and with their properties, has no figures.
"""

from __future__ import annotations

import functools
import gc
import time
from typing import Any

import orjson

import events
import harness
from sink import Sink, UndeliveredError
from vendors import CLIENTS, callers

# Events of one request, so chosen that every peer's request stays under its byte limit and that a round's number of
# events is a multiple of it: no peer then waits for a last batch that never fills.
BATCH_EVENTS = {"tiny": 1000, "rig": 400, "mixed": 400, "large": 50}

# Enough for a good half second each on the machine where the figures were first taken; a rate does not depend on it.
BURST_EVENTS = {
    "ours": {"tiny": 400_000, "rig": 240_000, "mixed": 200_000, "large": 30_000},
    "others": {"tiny": 10_000, "rig": 8_000, "mixed": 6_400, "large": 1_000},
}


class Session:
    """A client and a sink of their own for every burst."""

    def __init__(self, peer: str, divisor: int) -> None:
        self._peer = peer
        wanted = BURST_EVENTS["ours" if CLIENTS[peer].ours else "others"]
        self._workloads = {kind: events.about(events.workload(kind), 2_000_000)[:2_000] for kind in events.KINDS}
        self._events = {kind: count // divisor for kind, count in wanted.items()}

    def round(self, kind: str) -> harness.Answer:
        """Deliver one burst; returns seconds, CPU seconds and what arrived."""
        batch, wanted = self._workloads[kind], self._events[kind]
        sink = Sink()
        peer = CLIENTS[self._peer](sink.url, "flow", BATCH_EVENTS[kind])
        # The first requests import, connect and start threads; that is measured by `imports`, not here.
        warm = batch[:50]
        peer.calls(warm)
        peer.drain()
        sink.expect(len(warm))
        sink.clear()
        blocks, rest = divmod(wanted, len(batch))
        gc.collect()
        cpu_before, caller_before, began = time.process_time_ns(), time.thread_time_ns(), time.monotonic_ns()
        for _ in range(blocks):
            peer.calls(batch)
        if rest:
            peer.calls(batch[:rest])
        caller_cpu, called = time.thread_time_ns() - caller_before, time.monotonic_ns()
        peer.drain()
        arrived = sink.expect(wanted)
        cpu = time.process_time_ns() - cpu_before
        least = sum(len(orjson.dumps(call.properties)) for call in batch) / len(batch) * wanted
        if arrived.bytes < least:
            raise UndeliveredError(f"{arrived.bytes} bytes arrived, though the properties alone have {least:.0f}")
        peer.close()
        sink.close()
        return {
            "events": wanted,
            "seconds": (arrived.last_answer_ns - began) / 1e9,
            "cpu_ns": cpu / wanted,
            "caller_cpu_ns": caller_cpu / wanted,
            "caller_wall_ns": (called - began) / wanted,
            "requests": arrived.requests,
            "bytes": arrived.bytes,
        }


@functools.cache
def bursts(plan: harness.Plan) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return all bursts by kind and peer; several measures of one run share them."""
    taken: dict[str, dict[str, list[dict[str, Any]]]] = {}
    with harness.lanes(__name__, callers(plan.vendors), divisor=plan.pick(1, 2, 40)) as running:
        for kind in events.KINDS:
            rounds = plan.pick(5, 2) if kind in ("rig", "mixed") else plan.pick(3, 1)
            taken[kind] = harness.interleave(running, rounds, kind=kind)
    return taken


def of(plan: harness.Plan, name: str) -> dict[str, dict[str, dict[str, float]]]:
    """Return the figures of one number of the bursts, by peer and kind."""
    taken = bursts(plan)
    return {
        peer: {kind: harness.figures(answer[name] for answer in taken[kind][peer]) for kind in events.KINDS}
        for peer in taken["rig"]
    }
