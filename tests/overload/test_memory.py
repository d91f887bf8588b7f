"""G11: what a client holds stays within max_queue_bytes, two batches and a fixed overhead, however long the outage.

Measured as the resident memory of a process of its own, at its highest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from sluiceway.testing import Answer, Receiver

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="measured through Linux's /proc")

MIB = 1 << 20
QUEUE_BYTES = 16 * MIB
BATCH_BYTES = 500_000
# Pages of the ring that are only begun, what Python's allocator and the C library hold on to, and the threads of the
# test: about 2 MiB.
OVERHEAD_BYTES = 8 * MIB

PROGRAM = """
import gc, itertools, json, os, random, sys, threading, time
from sluiceway import QueueFull, RetryPolicy, Segment

def resident(which):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(which))

options, threads, seconds = json.loads(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
retry = RetryPolicy(base_seconds=0.01, cap_seconds=0.05)
client = Segment("key-of-tests", host=os.environ["HOST"], retry=retry, timeout=1.0, exit_timeout=0.1, **options)
warm = Segment("key-of-tests", host=os.environ["FINE"])
warm.track("u", "E"); warm.flush(20); warm.close()
texts = [os.urandom(length // 2).hex() for length in (20, 200, 900, 4_000, 12_000)]
gc.collect()
before = resident("VmRSS")
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
calls = [0] * threads

def offer(number):
    draw, until = random.Random(number), time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            client.track("u", "E", {"text": draw.choice(texts), "n": calls[number]})
        except QueueFull:
            time.sleep(0.0001)
        calls[number] += 1
        if calls[number] % 100 == 0:
            time.sleep(0.001)  # the worker and the test's server want their turn

producers = [threading.Thread(target=offer, args=(number,), daemon=True) for number in range(threads)]
for producer in producers:
    producer.start()
time.sleep(seconds)
stats = client.stats()
peak = resident("VmHWM")
client.purge()
client.close(0.5)
for producer in producers:
    producer.join(10)
after = client.stats()
print(json.dumps({"before": before, "peak": peak, "left": resident("VmRSS"), "offered": sum(calls),
                  "held": stats.max_reserved_bytes, "refused": sum(after.refused.values()), "attempts": after.attempts,
                  "sent": client._assembly._sender.progress.bytes_sent,
                  "dropped": after.dropped, "pending": after.pending, "reserved": after.reserved_bytes,
                  "balanced": after.balanced, "delivered": after.delivered}))
"""

FAULTS: dict[str, Any] = {
    "black hole": Answer(delay=30.0),
    "drip": Answer(drip_seconds=0.3),
    "reset": Answer(reset="during"),
    "503": 503,
    "slow": Answer(delay=0.3),
}


def measure(fault: Any, *, threads: int = 4, seconds: float = 1.2, **options: Any) -> dict[str, Any]:
    # No first event that goes alone, and is tried again and again: the batches are full.
    more: dict[str, Any] = {"flush_first": False, "flush_at": 2_500}
    options = {"max_queue_bytes": QUEUE_BYTES, "max_queue_events": 1_000_000, **more, **options}
    with Receiver() as fine, Receiver(default=fault, keep="ids") as receiver:
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), json.dumps(options), str(threads), str(seconds)],
            env={"HOST": receiver.url, "FINE": fine.url, "PATH": ""},
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
    found: dict[str, Any] = json.loads(ended.stdout)
    found["grown"] = found["peak"] - found["before"]
    print({name: round(value / MIB, 1) if value > MIB else value for name, value in found.items()})
    assert found["balanced"]
    assert (found["pending"], found["reserved"]) == (0, 0)
    assert found["attempts"] >= 1
    return found


@pytest.mark.parametrize("on_full", ["drop_new", "drop_oldest", "block", "raise"])
def test_a_black_hole_fills_the_queue_and_no_more(on_full: str) -> None:
    found = measure(FAULTS["black hole"], on_full=on_full)
    assert found["held"] > 0.95 * QUEUE_BYTES, "the queue was never full"
    assert found["held"] <= QUEUE_BYTES
    # Who blocks is neither refused nor dropped; the purge at the end lets each of them in once more.
    assert found["refused"] > 0 or on_full in ("drop_oldest", "block")
    assert 0.9 * QUEUE_BYTES < found["grown"] < QUEUE_BYTES + 2 * BATCH_BYTES + OVERHEAD_BYTES


@pytest.mark.parametrize("fault", ["drip", "reset", "503", "slow"])
def test_other_faults_hold_no_more_than_a_black_hole(fault: str) -> None:
    found = measure(FAULTS[fault], on_full="drop_oldest")
    assert found["held"] > 0.9 * QUEUE_BYTES
    assert found["dropped"] > 0
    assert found["sent"] >= 0.4 * BATCH_BYTES * found["attempts"], "the batches are not full"
    # What every attempt leaves behind would show: a resetting or refusing server is asked dozens of times.
    assert found["attempts"] >= {"reset": 10, "503": 10}.get(fault, 1)
    assert found["grown"] < QUEUE_BYTES + 2 * BATCH_BYTES + OVERHEAD_BYTES


def test_the_limit_of_events_bounds_small_events_too() -> None:
    """A hundred thousand small events may cost no more than their bytes and the same overhead."""
    found = measure(FAULTS["black hole"], on_full="drop_oldest", max_queue_events=2_000)
    assert found["dropped"] > 0
    assert found["held"] < 2_000 * 12_500
    assert found["grown"] < 2_000 * 12_500 + 2 * BATCH_BYTES + OVERHEAD_BYTES
