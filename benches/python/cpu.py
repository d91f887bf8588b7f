"""What the whole process pays, in CPU time, for one event delivered.

In a *burst* (the runs of `end_to_end`) and at a *steady* 2,000 events a second with the packages' default settings,
where requests are small and each costs the same whatever is in it. From the steady figure the pacing loop's own CPU
is subtracted, which a lane without a client measures in the same run.
"""

from __future__ import annotations

import gc
import time

import delivery
import events
import harness
from pace import paced
from sink import Sink
from vendors import CLIENTS, senders

TITLE = "CPU per event delivered"
STEADY_PER_SECOND = 2_000
NOBODY = "the loop alone"


class Session:
    """A client and a sink of their own for every steady round."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._calls = events.workload("rig")

    def round(self, seconds: float) -> harness.Answer:
        """Return the process's CPU nanoseconds per event at a steady pace, and the events of a request."""
        count = int(STEADY_PER_SECOND * seconds)
        if self._peer == NOBODY:
            before = time.process_time_ns()
            paced(lambda user, event, properties: None, self._calls, STEADY_PER_SECOND, seconds)
            return {"cpu_ns": (time.process_time_ns() - before) / count, "events_per_request": 0}
        sink = Sink()
        peer = CLIENTS[self._peer](sink.url, "stock")
        peer.calls(self._calls[:50])
        peer.drain()
        sink.expect(50)
        sink.clear()
        gc.collect()
        before = time.process_time_ns()
        paced(peer.caller(), self._calls, STEADY_PER_SECOND, seconds)
        peer.close()
        arrived = sink.expect(count)
        cpu = time.process_time_ns() - before
        sink.close()
        return {"cpu_ns": cpu / count, "events_per_request": arrived.events / arrived.requests}


def measure(plan: harness.Plan) -> harness.Answer:
    """Return nanoseconds of CPU per event, in a burst by kind and steady for rig events."""
    names = [NOBODY, *senders(plan.vendors)]
    with harness.lanes(__name__, names) as running:
        taken = harness.interleave(running, plan.pick(3, 1), seconds=plan.pick(3, 2, 1))
    loop = harness.figures(answer["cpu_ns"] for answer in taken.pop(NOBODY))
    clients: harness.Answer = {name: {"burst": kinds} for name, kinds in delivery.of(plan, "cpu_ns").items()}
    for peer, answers in taken.items():
        steady = harness.figures(answer["cpu_ns"] - loop["median"] for answer in answers)
        clients[peer]["steady"] = steady | {"events_per_request": answers[0]["events_per_request"]}
    return {"unit": "ns of the process's CPU per event", "clients": clients, "pacing_loop": loop}


def table(result: harness.Answer) -> tuple[list[str], list[list[str]]]:
    """Return the Markdown table's head and rows."""
    head = [
        "client",
        *(f"burst, {kind}, us" for kind in events.KINDS),
        "steady, rig, us",
        "steady events per request",
    ]
    rows = []
    for peer, found in result["clients"].items():
        row = [peer, *(f"{found['burst'][kind]['best'] / 1000:.2f}" for kind in events.KINDS)]
        steady = found.get("steady")  # a second call has the same sender, and no row of its own for it
        row += [f"{steady['best'] / 1000:.1f}", f"{steady['events_per_request']:.0f}"] if steady else ["", ""]
        rows.append(row)
    return head, rows
