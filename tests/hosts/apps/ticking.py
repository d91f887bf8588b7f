"""A program on one hub or loop whose 10 ms ticker tells how long anything held it: `ticking.py <kind> <when>`.

`when` is the moment of gevent's or eventlet's patching: before anything is imported, after the import, after the first
event, or never. It prints `gap <seconds>`, the longest time between two ticks, and what the flushes said.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import warnings
from typing import Any

warnings.simplefilter("ignore")  # eventlet says at import that it is deprecated
EVENTS = 2_000
FLUSHES = 3


def green(kind: str, when: str) -> None:
    """Take and flush on greenlets, beside the ticker."""
    hub: Any = importlib.import_module(kind)

    def patch(now: str) -> None:
        if when == now and kind == "gevent":
            importlib.import_module("gevent.monkey").patch_all()
        elif when == now:
            hub.monkey_patch()

    patch("first")
    from sluiceway import Segment

    patch("imported")
    client = Segment("a-write-key-of-tests", host=os.environ["RECEIVER"], flush_first=False)
    client.track("user-1", "Request", {"n": -1, "pid": os.getpid()})
    patch("used")
    gaps: list[float] = []

    def tick() -> None:
        last = time.monotonic()
        while True:
            hub.sleep(0.01)
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    def work() -> None:
        for turn in range(FLUSHES):
            for n in range(EVENTS):
                client.track("user-1", "Request", {"n": turn * EVENTS + n, "pid": os.getpid()})
                if n % 100 == 0:
                    hub.sleep(0)
            print("flushed", json.dumps(client.flush(30).pending), flush=True)
        print("balanced", client.stats().balanced, flush=True)

    hub.spawn(tick)
    working = hub.spawn(work)
    working.get() if kind == "gevent" else working.wait()
    print("gap", max(gaps), "of", len(gaps), flush=True)
    client.track("user-1", "Request", {"n": -2, "pid": os.getpid()})  # for the exit to send


async def loops(aborted: bool) -> None:
    """Take and flush on an asyncio loop, beside the ticker; or leave the loop in the middle of a flush."""
    import asyncio

    from sluiceway import Segment

    client = Segment("a-write-key-of-tests", host=os.environ["RECEIVER"], flush_first=False)
    gaps: list[float] = []

    async def tick() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    ticking = asyncio.create_task(tick())
    for turn in range(FLUSHES):
        for n in range(EVENTS):
            client.track("user-1", "Request", {"n": turn * EVENTS + n, "pid": os.getpid()})
        if aborted and turn == FLUSHES - 1:
            asyncio.create_task(client.aflush(30))  # noqa: RUF006  (left to the end of the loop on purpose)
            await asyncio.sleep(0.05)
            break
        print("flushed", (await client.aflush(30)).pending, flush=True)
    ticking.cancel()
    print("gap", max(gaps), "of", len(gaps), flush=True)


if __name__ == "__main__":
    if sys.argv[1] in ("gevent", "eventlet"):
        green(sys.argv[1], sys.argv[2])
    elif sys.argv[1] == "uvloop":
        importlib.import_module("uvloop").run(loops(sys.argv[2] == "aborted"))
    else:
        importlib.import_module("asyncio").run(loops(sys.argv[2] == "aborted"))
