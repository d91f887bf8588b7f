"""What a scope costs: the call in a process that never had one, outside of one and inside, and the scope itself.

    python benches/python/scopes.py [--before PATH] [--rounds 7]

Each line is the median of rounds that take turns, each in a process of its own, which gives the best of 15 blocks of
20,000 calls: nanoseconds of the calling thread's CPU. The event is Segment's with 12 properties; the scope has two ids
and a context of four entries. ``--before`` is the ``python`` directory of another tree, as that of the commit before.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

CALLS = 20_000
BLOCKS = 15
OWN_CONTEXT = {"ip": "198.51.100.1", "campaign": "summer"}
CONTEXT = {
    "ip": "203.0.113.7",
    "userAgent": "Mozilla/5.0 (X11; Linux x86_64)",
    "page": {"path": "/checkout", "url": "https://example.com/checkout"},
    "locale": "de-DE",
}
PROPERTIES = {
    "revenue": 39.95,
    "currency": "USD",
    "sku": "A-1234",
    "quantity": 2,
    "category": "Shoes",
    "brand": "Acme",
    "coupon": None,
    "position": 3,
    "url": "https://example.com/x",
    "list": "summer",
    "new": True,
    "score": 0.5,
}
MODES = {
    "never": "a call, no scope ever made in the process",
    "outside": "a call outside of any scope, after there was one",
    "inside": "a call inside, that gives no context",
    "merging": "a call inside, that gives a context of two entries",
    "by-hand": "the same event without a scope, all of it given in the call",
    "long": "a call inside, by the long way (a callback)",
    "enter": "scope(…) made, entered and left",
    "nested": "the same, within another",
    "update": "scope.update(user_id=…)",
}


def measure(mode: str) -> float:
    """Return the nanoseconds of one turn, at best."""
    from sluiceway import Segment

    roomy: dict[str, Any] = {"max_queue_events": 5_000_000, "max_queue_bytes": 1 << 33, "flush_at": 4_000_000}
    client = Segment("key", host="http://127.0.0.1:9", flush_interval=3_600, flush_first=False, exit_timeout=0, **roomy)
    client.track("user-1", "warm")
    around: AbstractContextManager[Any] = nullcontext()
    if mode != "never":
        from sluiceway import scope

        def scopes() -> AbstractContextManager[Any]:
            return scope(user_id="user-1", anonymous_id="anon-1", context=CONTEXT)

        with scopes():
            pass
        if mode not in ("outside", "enter", "by-hand"):
            around = scopes()

    def told(error: object, batch: object) -> None: ...

    def enter() -> None:
        with scopes():
            pass

    turns: dict[str, Callable[[], object]] = {
        "never": lambda: client.track("user-1", "Item Purchased", PROPERTIES),
        "outside": lambda: client.track("user-1", "Item Purchased", PROPERTIES),
        "inside": lambda: client.track(event="Item Purchased", properties=PROPERTIES),
        "merging": lambda: client.track(event="Item Purchased", properties=PROPERTIES, context=OWN_CONTEXT),
        "by-hand": lambda: client.track("user-1", "Item Purchased", PROPERTIES, CONTEXT, anonymous_id="anon-1"),
        "long": lambda: client.track(event="Item Purchased", properties=PROPERTIES, callback=told),
        "enter": enter,
        "nested": enter,
        "update": lambda: scope.update(user_id="user-2"),
    }
    turn, best = turns[mode], float("inf")
    gc.disable()
    with around:
        for _ in range(BLOCKS):
            before = time.thread_time_ns()
            for _ in range(CALLS):
                turn()
            best = min(best, (time.thread_time_ns() - before) / CALLS)
            client.purge()
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  (nothing is to be sent, and nothing to be said of that)
    return best


def main() -> None:
    """Let the modes take turns and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", help="the python directory of the tree to compare with")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--mode", choices=MODES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mode:
        print(measure(options.mode))
        return
    runs = {mode: (mode, None) for mode in MODES}
    if options.before:
        runs = {"before": ("never", options.before), **runs}
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, (mode, path) in runs.items():
            environment = os.environ | ({"PYTHONPATH": path} if path else {})
            command = [sys.executable, __file__, "--mode", mode]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found[name].append(float(done.stdout))
    medians = {name: statistics.median(values) for name, values in found.items()}
    for name, value in medians.items():
        what = MODES.get(name, "a call, in the tree before")
        spread = f"{min(found[name]):.0f} to {max(found[name]):.0f}"
        print(f"{name:8} {value:7.0f} ns  {value / medians['never']:5.2f}  ({spread})  {what}")


if __name__ == "__main__":
    main()
