"""What one public call (`track`, `capture`, `log_event`) costs its caller while nothing is being sent.

CPU time of the calling thread, per call, against building that vendor's message as a dict and encoding it with orjson.
After each block of calls what they queued is counted, so that no client is quick by doing less than it says.
"""

from __future__ import annotations

import gc
import time
from typing import Any

import events
import harness
from encoders import ENCODERS, LOOP
from sink import Sink
from vendors import CLIENTS, VENDORS, callers, reference

TITLE = "The call, worker idle"
BLOCK_BYTES = 250_000  # under any client's byte trigger: a fuller queue would start a sender
WARM_CALLS = 16


class Session:
    """One client, and blocks of calls to it."""

    def __init__(self, peer: str) -> None:
        self._blocks = {kind: events.about(events.workload(kind), BLOCK_BYTES) for kind in events.KINDS}
        before = _fingerprint(self._blocks)
        if peer in ENCODERS:
            self._subject: Any = ENCODERS[peer]()
            self._counts = False
        else:
            self._subject = CLIENTS[peer](Sink().url, "idle")
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
    against = {name: reference(name) for name in callers(plan.vendors)}
    encoders = {name: make() for name, make in ENCODERS.items()}
    against |= {name: VENDORS[one.vendor].reference for name, one in encoders.items() if one.vendor in plan.vendors}
    names = [*against, LOOP]
    taken: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in events.KINDS} for name in names}
    for _ in range(lives):
        with harness.lanes(__name__, names) as running:
            for _ in range(rounds):
                for kind in events.KINDS:
                    for name, answers in harness.interleave(running, 1, kind=kind, repeats=repeats).items():
                        taken[name][kind] += answers[0]["ns"]
    cpu = {name: {kind: harness.figures(values) for kind, values in kinds.items()} for name, kinds in taken.items()}
    clients: harness.Answer = {name: {"cpu_ns": cpu[name]} for name in names}
    for name, one in against.items():
        clients[name]["against_orjson"] = {
            statistic: {kind: cpu[name][kind][statistic] / cpu[one][kind][statistic] for kind in events.KINDS}
            for statistic in ("best", "median")
        }
    return {"unit": "ns of the caller's CPU per call", "clients": clients}


def table(result: harness.Answer) -> tuple[list[str], list[list[str]]]:
    """Return the Markdown table's head and rows."""
    head = ["client", *(f"{kind}, us" for kind in events.KINDS), *(f"{kind} / orjson" for kind in events.KINDS)]
    rows = []
    for name, found in result["clients"].items():
        ratios = found.get("against_orjson", {}).get("best")
        row = [name, *(f"{found['cpu_ns'][kind]['best'] / 1000:.2f}" for kind in events.KINDS)]
        rows.append(row + [f"{ratios[kind]:.2f}" if ratios else "" for kind in events.KINDS])
    return head, rows
