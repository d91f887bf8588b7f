"""Rows 59 and 67: what an event may cost in memory and time, and what happens where the system has no memory left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluiceway.testing import Receiver

needs_proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")

# -- row 67

NO_MEMORY = """
import json, re, resource, sys
from sluiceway import Segment

way, slack = sys.argv[1], int(sys.argv[2]) << 20
odd = {"odd": {1}} if way == "long" else {}
options = {"middleware": [lambda event: event]} if way == "middleware" else {}
told = []
settings = dict(host=sys.argv[3], exit_timeout=0, flush_first=False, flush_at=10**6, flush_interval=3600,
                max_queue_bytes=1 << 33, max_queue_events=10**6, max_event_bytes=400_000, **options)
client = Segment("key", **settings)
size = int(sys.argv[4])
text = "x" * size

def push(callback=None):
    return client.track("u", "E", {"a": text, **odd}, callback=callback)

# What is made or imported at first use is made before.
push(lambda error, batch: told.append(error)); client.flush(20); client.stats()
client.close(20)
client = Segment("key", **settings)
# Nobody empties the queue before it is to be emptied.
worker, queue = client._assembly.worker, client._assembly.queue
start, worker.start = worker.start, lambda: True
queue.attend(True)
before = client.stats()
used = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read()).group(1)) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + slack, resource.RLIM_INFINITY))
accepted = in_a_row = 0
try:
    # Nothing but the call is to need memory: numbers, no list.
    while accepted < 400_000 and in_a_row < 60:
        if push():
            accepted += 1
            in_a_row = 0
        else:
            in_a_row += 1
finally:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
full = client.stats()
worker.start = start
queue.attend(False)
again = push()
result = client.flush(40)
client.close(40)
stats = client.stats()
print(json.dumps({"accepted": accepted, "refused": dict(stats.refused), "again": again,
                  "balanced": stats.balanced, "full": full.balanced, "dropped": stats.dropped,
                  "delivered": stats.delivered - before.delivered,
                  "failed": stats.failed, "pending": stats.pending, "reserved": stats.reserved_bytes}))
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver(keep="ids") as receiver:
        yield receiver


@needs_proc
@pytest.mark.parametrize(
    ("way", "slack", "size"),
    [
        ("native", 4, 20_000),
        ("native", 8, 20_000),
        ("native", 24, 300_000),
        ("long", 24, 300_000),
        ("middleware", 24, 20_000),
    ],
)
def test_row_67_without_memory_an_event_is_refused_and_the_program_lives(
    receiver: Receiver, way: str, slack: int, size: int
) -> None:
    command = [sys.executable, "-X", "faulthandler", "-c", NO_MEMORY, way, str(slack), receiver.url, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr[-600:]
    told: dict[str, Any] = json.loads(done.stdout)
    assert sum(told["refused"].values()) >= 60, told
    assert set(told["refused"]) <= {"memory", "unserializable", "internal", "middleware"}
    if way == "native":
        assert set(told["refused"]) == {"memory"}
    assert told["balanced"]
    assert told["full"]
    # Once there is memory again, everything goes on: what was accepted arrives.
    assert told["again"] is True
    assert told["delivered"] == told["accepted"] + 1
    assert (told["failed"], told["dropped"], told["pending"], told["reserved"]) == (0, 0, 0, 0)


# -- row 59

HUGE = """
import gc, json, re, sys, time
from fractions import Fraction
from sluiceway import Segment
from sluiceway.testing import MemoryTransport

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read()).group(1)) * 1024

made = {
    "a text of 64 MiB": lambda: "x" * (64 << 20),
    "a text of 32 MiB that escapes": lambda: "\\x01" * (32 << 20),
    "a wide text of 32 MiB": lambda: "\\u20ac" * (16 << 20),
    "ten million entries": lambda: [None] * 10**7,
    "a dict of a million": lambda: dict.fromkeys(map(str, range(10**6))),
    "bytes of 32 MiB": lambda: bytes(32 << 20),
    "an int of a million digits": lambda: 1 << 3_400_000,
    "a set of a million": lambda: set(range(10**6)),
}
name, odd = sys.argv[1], sys.argv[2] == "long"
client = Segment("key", transport=MemoryTransport())
for value in (1, Fraction(1, 3), "x" * 40_000, [0] * 40_000):
    client.track("u", "E", {"a": value, "odd": Fraction(1, 3)})
    client.track("u", "E", {"a": value})
value = {"a": made[name]()}
if odd:
    value["odd"] = Fraction(1, 3)
gc.collect()
costs, seconds = [], []
for _ in range(5):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = peak()
    started = time.thread_time()
    client.track("u", "E", value)
    seconds.append(time.thread_time() - started)
    costs.append(peak() - before)
print(json.dumps({"bytes": min(costs), "seconds": min(seconds), "refused": dict(client.stats().refused)}))
"""
HUGE_NAMES = [
    "a text of 64 MiB",
    "a text of 32 MiB that escapes",
    "a wide text of 32 MiB",
    "ten million entries",
    "a dict of a million",
    "bytes of 32 MiB",
    "an int of a million digits",
    "a set of a million",
]
LIMIT = 32_768


@needs_proc
@pytest.mark.parametrize("way", ["native", "long"])
@pytest.mark.parametrize("name", HUGE_NAMES)
def test_row_59_what_cannot_fit_costs_next_to_nothing(name: str, way: str) -> None:
    # Resident memory, so that the engine's is counted as well; the kernel counts it in batches of 64 pages or so a
    # thread, which is more than the twice the limit that an event may cost.
    done = subprocess.run(
        [sys.executable, "-c", HUGE, name, way], capture_output=True, text=True, timeout=55, check=False
    )
    assert done.returncode == 0, done.stderr[-600:]
    told = json.loads(done.stdout)
    assert told["bytes"] <= 2 * LIMIT + (512 << 10), f"{told['bytes']:,} bytes"
    assert told["seconds"] <= 0.5, "ten times what it may take"
    if "int" not in name:
        assert told["refused"]["event_too_large"] >= 5
