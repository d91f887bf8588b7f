"""What one call costs its caller while the client is sending at full speed.

CPU time of the calling thread, and wall time: the second holds whatever the call waited for, be it the interpreter
lock, the queue's lock, room in a bounded queue or, for mixpanel, the request itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import delivery
import events

if TYPE_CHECKING:
    import harness

TITLE = "The call, while sending"
CLOCKS = ("caller_cpu_ns", "caller_wall_ns")


def measure(plan: harness.Plan) -> harness.Answer:
    """Return nanoseconds of the caller's CPU and wall time per call, by peer and kind."""
    cpu, wall = delivery.of(plan, "caller_cpu_ns"), delivery.of(plan, "caller_wall_ns")
    return {
        "unit": "ns per call",
        "clients": {name: {"caller_cpu_ns": cpu[name], "caller_wall_ns": wall[name]} for name in cpu},
    }


def table(result: harness.Answer) -> tuple[list[str], list[list[str]]]:
    """Return the Markdown table's head and rows."""
    head = ["client", *(f"{kind}, us CPU" for kind in events.KINDS), *(f"{kind}, us wall" for kind in events.KINDS)]
    rows = [
        [
            peer,
            *(f"{found[clock][kind]['best'] / 1000:.2f}" for clock in CLOCKS for kind in events.KINDS),
        ]
        for peer, found in result["clients"].items()
    ]
    return head, rows
