"""What one public `track` call costs its caller while nothing is being sent.

CPU time of the calling thread, per call, against building the same message as a dict and encoding it with orjson.
After each block of calls what they queued is counted, so that no client is quick by doing less than it says.
"""

from __future__ import annotations

import gc
import time
from typing import Any

import events
import harness
from encoders import ENCODERS
from peers import PEERS, importable
from sink import Sink

TITLE = "track(), worker idle"
BLOCK_BYTES = 250_000  # under any client's byte trigger: a fuller queue would start a sender
WARM_CALLS = 16
REFERENCE = "orjson"


class Session:
    """One client, and blocks of calls to it."""

    def __init__(self, peer: str) -> None:
        self._blocks = {kind: events.about(events.workload(kind), BLOCK_BYTES) for kind in events.KINDS}
        before = _fingerprint(self._blocks)
        if peer in ENCODERS:
            self._subject: Any = ENCODERS[peer]()
            self._counts = False
        else:
            self._subject = PEERS[peer](Sink().url, "idle")
            self._counts = True
        for block in self._blocks.values():
            self._block(block)
        if _fingerprint(self._blocks) != before:
            raise AssertionError("the client changed its caller's properties")
        gc.collect()
        gc.freeze()

    def round(self, kind: str, repeats: int) -> harness.Answer:
        """Time `repeats` blocks of calls; returns nanoseconds of CPU per call."""
        return {"ns": [self._block(self._blocks[kind]) for _ in range(repeats)]}

    def _block(self, block: list[events.Call]) -> float:
        gc.collect()
        gc.disable()
        self._subject.calls(block[:WARM_CALLS])
        before = time.thread_time_ns()
        self._subject.calls(block)
        took = time.thread_time_ns() - before
        gc.enable()
        if self._counts:
            held, made = self._subject.forget(), len(block) + min(WARM_CALLS, len(block))
            if held != made:
                raise AssertionError(f"{held} events were queued by {made} calls")
        return took / len(block)


def _fingerprint(blocks: dict[str, list[events.Call]]) -> str:
    return repr(blocks)


def measure(plan: harness.Plan) -> harness.Answer:
    """Run all peers and encoders, interleaved, in several lives of their processes."""
    lives, rounds, repeats = plan.pick(3, 2), plan.pick(5, 3), plan.pick(4, 3)
    names = [name for name in (*PEERS, *ENCODERS) if name in ENCODERS or importable(name)]
    taken: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in events.KINDS} for name in names}
    for _ in range(lives):
        with harness.lanes(__name__, names) as running:
            for _ in range(rounds):
                for kind in events.KINDS:
                    for name, answers in harness.interleave(running, 1, kind=kind, repeats=repeats).items():
                        taken[name][kind] += answers[0]["ns"]
    cpu = {name: {kind: harness.figures(values) for kind, values in kinds.items()} for name, kinds in taken.items()}
    ratios = {
        statistic: {
            name: {kind: cpu[name][kind][statistic] / cpu[REFERENCE][kind][statistic] for kind in events.KINDS}
            for name in names
        }
        for statistic in ("best", "median")
    }
    return {"unit": "ns of the caller's CPU per call", "cpu_ns": cpu, "against_orjson": ratios}


def table(result: harness.Answer) -> tuple[list[str], list[list[str]]]:
    """Return the Markdown table's head and rows."""
    head = ["client", *(f"{kind}, us" for kind in events.KINDS), *(f"{kind} / orjson" for kind in events.KINDS)]
    rows = [
        [
            name,
            *(f"{kinds[kind]['best'] / 1000:.2f}" for kind in events.KINDS),
            *(f"{result['against_orjson']['best'][name][kind]:.2f}" for kind in events.KINDS),
        ]
        for name, kinds in result["cpu_ns"].items()
    ]
    return head, rows
