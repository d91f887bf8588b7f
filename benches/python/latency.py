"""How long a paced call takes, at the median and in the tail, with a healthy server and with one that fails.

2,000 calls a second of rig events at the packages' default settings, wall time of each call. A black hole takes the
connection and the request and never answers, so the client's thread hangs in its time-out while calls go on. For our
clients there is also a server that drips its answers, ten bytes a second, and one that resets every connection. The
figures are medians over the rounds: the machine's own hiccups are in any one round's 99.9th percentile.
"""

from __future__ import annotations

import gc

import events
import harness
from pace import paced, percentile
from sink import Sink
from vendors import BESIDES, CLIENTS, callers

TITLE = "Latency of the call at 2,000 calls a second"
CALLS_PER_SECOND = 2_000
PERCENTILES = {"p50": 0.50, "p99": 0.99, "p99.9": 0.999}
MODES = {"ok": "healthy", "blackhole": "black hole", "drip": "dripping", "reset": "resetting"}
PEERS_MODES = ("ok", "blackhole")


class Session:
    """A client and a sink of their own for every round."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._calls = events.workload("rig")

    def round(self, mode: str, seconds: float) -> harness.Answer:
        """Return the percentiles of one round, in nanoseconds."""
        sink = Sink()
        peer = CLIENTS[self._peer](sink.url, "stock")
        call = peer.caller()
        warm = self._calls[:50]
        for one in warm:
            call(*one)
        peer.drain()
        sink.expect(len(warm))
        sink.clear()
        sink.switch(mode)
        gc.collect()
        gc.freeze()
        result = paced(call, self._calls, CALLS_PER_SECOND, seconds)
        sink.switch("ok")
        peer.close()
        sink.expect(len(result.took_ns))
        sink.close()
        answer = {name: percentile(result.took_ns, fraction) for name, fraction in PERCENTILES.items()}
        return answer | {f"late_{name}": percentile(result.late_ns, PERCENTILES[name]) for name in ("p50", "p99")}


def measure(plan: harness.Plan) -> harness.Answer:
    """Run both modes, interleaved, and take the median of each percentile."""
    seconds = plan.pick(2, 1)
    names = callers(plan.vendors)
    taken: dict[str, dict[str, list[harness.Answer]]] = {mode: {name: [] for name in names} for mode in MODES}
    with harness.lanes(__name__, names) as running:
        for number in range(plan.pick(7, 3)):
            for mode in MODES:
                for lane in running:
                    if mode not in PEERS_MODES and not CLIENTS[lane.peer].ours:
                        continue
                    if mode != "ok" and not CLIENTS[lane.peer].threaded:
                        continue  # it sends on the caller's time: its call would wait for its time-out
                    if number >= plan.pick(3, 1) and lane.peer in BESIDES:
                        continue
                    taken[mode][lane.peer].append(lane.ask(mode=mode, seconds=seconds))
    return {
        "unit": "ns per call",
        "calls_per_round": seconds * CALLS_PER_SECOND,
        "clients": {
            name: {
                mode: {
                    key: harness.figures(answer[key] for answer in answers) | {"all": [a[key] for a in answers]}
                    for key in answers[0]
                }
                for mode in MODES
                if (answers := taken[mode][name])
            }
            for name in names
        },
    }


def table(result: harness.Answer) -> tuple[list[str], list[list[str]]]:
    """Return the Markdown table's head and rows."""
    head = [
        "client",
        "server",
        *(f"{name}, us" for name in PERCENTILES),
        "calls begun late: p50, us",
        "p99, us",
        "rounds",
    ]
    rows = [
        [
            name,
            MODES[mode],
            *(f"{keys[key]['median'] / 1000:.1f}" for key in (*PERCENTILES, "late_p50", "late_p99")),
            str(keys["p50"]["rounds"]),
        ]
        for name, modes in result["clients"].items()
        for mode, keys in modes.items()
    ]
    return head, rows
