"""How fast a backlog is delivered while the main thread computes in pure Python and never lets go by itself.

CPython's interpreter lock is then handed over only every five milliseconds, and a sender that needs it several times a
request crawls (the "convoy"). A backlog is queued while the server is a black hole, then the server answers, the main
thread computes for a fixed time, and the sink says how much arrived in it. How far the main thread itself got is
measured too, as a share of what it does with nobody else in the process: a client that delivers much by starving its
host has not won.
"""

from __future__ import annotations

import gc
import statistics
import time

import events
import harness
from sink import Sink
from vendors import CLIENTS, threaded

TITLE = "Delivery while the main thread is CPU-bound"
BACKLOG_PER_SECOND = {"ours": 600_000, "others": 45_000}  # more than any of them delivers
STEPS_PER_LOOK = 2_000


class Session:
    """A backlog in front of a busy main thread."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._per_second = BACKLOG_PER_SECOND["ours" if CLIENTS[peer].ours else "others"]

    def round(self, seconds: float) -> harness.Answer:
        """Return the events per second delivered meanwhile, and the share of the time that the main thread had.

        What is left of the backlog is left: the process ends with the round.
        """
        cpu_before = time.thread_time()
        steps_per_cpu_second = _compute(seconds / 4) / (time.thread_time() - cpu_before)
        sink = Sink()
        peer = CLIENTS[self._peer](sink.url, "backlog")
        calls = events.about(events.workload("rig"), 400 * events.RIG_BYTES)
        peer.calls(calls[:50])
        peer.drain()
        sink.expect(50)
        sink.clear()
        sink.switch("blackhole")
        gc.collect()
        blocks = int(self._per_second * seconds) // len(calls)
        for _ in range(blocks):
            peer.calls(calls)
        queued = blocks * len(calls)
        began = time.monotonic_ns()
        sink.switch("ok")
        steps = _compute(seconds)
        computed = time.monotonic_ns() - began
        arrived = sink.arrived()
        if arrived.events > queued:
            raise AssertionError(f"{arrived.events} events arrived of {queued}")
        # A backlog that ran out was delivered in the time until its last answer, not in the whole window.
        took = computed if arrived.events < queued else arrived.last_answer_ns - began
        return {
            "per_second": arrived.events / took * 1e9,
            "progress": steps / steps_per_cpu_second / (computed / 1e9),
            "left": queued - arrived.events,
            "events_per_request": arrived.events / max(1, arrived.requests),
        }


def _compute(seconds: float) -> int:
    """Compute for so long; returns the steps done."""
    value, steps, end = 1, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(STEPS_PER_LOOK):
            value = (value * 31 + 7) % 1_000_003
        steps += STEPS_PER_LOOK
    return steps


def measure(plan: harness.Plan) -> harness.Answer:
    """Return events per second delivered past a busy main thread."""
    names = threaded(plan.vendors)
    taken: dict[str, list[harness.Answer]] = {name: [] for name in names}
    for _ in range(plan.pick(5, 2)):
        for name in names:
            with harness.lanes(__name__, [name]) as (lane,):
                taken[name].append(lane.ask(seconds=plan.pick(2, 1)))
    return {
        "unit": "events per second",
        "clients": {
            peer: {
                "best": max(answer["per_second"] for answer in answers),
                "median": statistics.median(answer["per_second"] for answer in answers),
                "progress": harness.figures(answer["progress"] for answer in answers)["median"],
                "events_per_request": answers[0]["events_per_request"],
                "left": min(answer["left"] for answer in answers),
            }
            for peer, answers in taken.items()
        },
    }


def table(result: harness.Answer) -> tuple[list[str], list[list[str]]]:
    """Return the Markdown table's head and rows."""
    head = ["client", "events/s, median", "events/s, best", "events per request", "main thread's share"]
    rows = [
        [
            peer,
            f"{found['median']:,.0f}",
            f"{found['best']:,.0f}",
            f"{found['events_per_request']:,.0f}",
            f"{found['progress']:.0%}",
        ]
        for peer, found in result["clients"].items()
    ]
    return head, rows
