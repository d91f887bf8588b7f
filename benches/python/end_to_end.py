"""From the first call to the last acknowledgement: events per second through one process.

The clock starts at the first call and stops when the sink has written its last answer. Callers call as fast as they
can; whatever keeps them from it (a lock, a full queue, the sender's share of the interpreter) is in the figure.
"""

from __future__ import annotations

import delivery
import events
import harness

TITLE = "End to end"


def measure(plan: harness.Plan) -> harness.Answer:
    """Return events per second by peer and kind, best and median burst."""
    taken = delivery.bursts(plan)
    rates: dict[str, dict[str, dict[str, float]]] = {}
    for peer in taken["rig"]:
        rates[peer] = {}
        for kind in events.KINDS:
            slow = harness.figures(answer["seconds"] / answer["events"] for answer in taken[kind][peer])
            rates[peer][kind] = {
                "best": 1 / slow["best"],
                "median": 1 / slow["median"],
                "events_per_request": taken[kind][peer][0]["events"] / taken[kind][peer][0]["requests"],
                "rounds": slow["rounds"],
            }
    return {"unit": "events per second", "clients": rates}


def table(result: harness.Answer) -> tuple[list[str], list[list[str]]]:
    """Return the Markdown table's head and rows."""
    head = ["client", *(f"{kind}, events/s" for kind in events.KINDS), "rig events per request"]
    rows = [
        [
            peer,
            *(f"{kinds[kind]['best']:,.0f}" for kind in events.KINDS),
            f"{kinds['rig']['events_per_request']:,.0f}",
        ]
        for peer, kinds in result["clients"].items()
    ]
    return head, rows
