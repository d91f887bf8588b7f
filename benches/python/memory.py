"""Resident memory: before, with a full queue, and after it has drained; and what an event weighs in the ring.

A burst of 60 MiB of rig events, their strings made afresh as a request handler makes them, is tracked while the server
is a black hole, so that all of it stays queued; then the server answers and the queue drains. The baseline is the
process after it has delivered some events: modules imported, connection open, threads running.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import events
import harness
from sink import Sink
from vendors import CLIENTS, VENDORS, threaded

TITLE = "Memory"
ONCE = True  # the queue knows no vendor
SELF = VENDORS["segment"].ours
BURST_BYTES = 60 << 20
WARM_EVENTS = 4_000
SETTLE_SECONDS = 0.5
RING_BYTES = 250_000  # of JSON: under the trigger that would make a batch of them, which is charged as JSON


class Session:
    """One burst, in a process that is used for nothing else."""

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def round(self, burst_bytes: int) -> harness.Answer:
        """Return resident bytes around a burst, or, if there is to be none, what events weigh in the ring."""
        return self._resident(burst_bytes // events.RIG_BYTES) if burst_bytes else _ring()

    def _resident(self, burst: int) -> harness.Answer:
        sink = Sink()
        peer = CLIENTS[self._peer](sink.url, "flow")
        call = peer.caller()
        for number in range(WARM_EVENTS):
            call(*events.fresh_rig(number))
        peer.drain()
        sink.expect(WARM_EVENTS)
        baseline = _resident_bytes()
        sink.clear()
        sink.switch("blackhole")
        for number in range(burst):
            call(*events.fresh_rig(number))
        full = _resident_bytes()
        sink.switch("ok")
        peer.drain()
        sink.expect(burst, within_seconds=120)
        drained = _resident_bytes()
        peer.close()
        sink.close()
        return {"baseline": baseline, "full": full, "drained": drained, "events": burst}


def _resident_bytes() -> int:
    """Resident bytes of the quiet process, after a full collection, which spares the peers what a host would not."""
    time.sleep(SETTLE_SECONDS)
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _ring() -> harness.Answer:
    """What events weigh in sluiceway's ring, against the JSON that the sink then receives."""
    ratios = {}
    for kind in events.KINDS:
        sink = Sink()
        peer = CLIENTS[SELF](sink.url, "idle")
        calls = events.about(events.workload(kind), RING_BYTES)
        peer.calls(calls)  # the key table admits a name at its second sighting
        peer.forget()
        sink.clear()
        peer.calls(calls)
        stats = peer.client.stats()
        peer.forget()
        arrived = sink.expect(len(calls))
        peer.close()
        sink.close()
        if stats.ring_events != len(calls):
            raise AssertionError(f"{stats.ring_events} events in the ring of {len(calls)}")
        # Commas and envelopes are no event's; they make the JSON larger by a few per mille of which we take no credit.
        json_bytes = sum(map(events.json_bytes, calls))
        ratios[kind] = {
            "ring_bytes": stats.reserved_bytes / len(calls),
            "json_bytes": json_bytes / len(calls),
            "body_bytes": arrived.bytes / len(calls),
            "ratio": stats.reserved_bytes / json_bytes,
        }
    return {"ring": ratios}


def measure(plan: harness.Plan) -> harness.Answer:
    """Return resident bytes by peer, each burst in a fresh process, and the weight of an event in the ring."""
    burst_bytes = plan.pick(BURST_BYTES, BURST_BYTES // 4, BURST_BYTES // 40)
    bursts: dict[str, harness.Answer] = {}
    for name in [SELF, *(name for name in threaded(plan.vendors) if not CLIENTS[name].ours)]:
        rounds = plan.pick(3, 1) if name == SELF else 1
        answers = []
        for _ in range(rounds):
            with harness.lanes(__name__, [name]) as (lane,):
                answers.append(lane.ask(burst_bytes=burst_bytes))
        # The worst of the rounds: a bound on memory is a promise, and a promise is not kept on the median.
        bursts[name] = max(answers, key=lambda answer: answer["drained"] - answer["baseline"])
    result: harness.Answer = {"unit": "bytes", "burst_bytes": burst_bytes, "clients": bursts}
    with harness.lanes(__name__, [SELF]) as (lane,):
        return result | lane.ask(burst_bytes=0)


def table(result: harness.Answer) -> tuple[list[str], list[list[str]]]:
    """Return the Markdown table's head and rows."""
    head = ["client", "baseline, MiB", "queue full, MiB", "drained, MiB", "left over, MiB"]
    rows = [
        [
            name,
            *(f"{found[key] / 2**20:.1f}" for key in ("baseline", "full", "drained")),
            f"{(found['drained'] - found['baseline']) / 2**20:+.1f}",
        ]
        for name, found in result["clients"].items()
    ]
    return head, rows
