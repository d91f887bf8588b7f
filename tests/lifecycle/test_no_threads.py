"""Row 50: where the system gives no thread, events are taken until the queue is full, and it is asked again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sluiceway.testing import Receiver

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")

START = """
import os, resource, signal, sys, threading, time
from sluiceway import Segment
import urllib3.connectionpool, ssl, encodings.idna

def refused():
    try:
        threading.Thread(target=int).start()
    except RuntimeError:
        return True

client = Segment("a-write-key-of-tests", host=sys.argv[1], max_queue_events=50, flush_interval=0.01, flush_first=False)
"""

# The stack of a thread does not fit into what is left of the address space.
NO_MEMORY = """
threading.stack_size(1 << 30)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (size + (512 << 20), hard))
def relent():
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    threading.stack_size(0)
"""

# The number of processes does not hold for root, nor for others that may do everything: so be nobody.
NO_PROCESS = """
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
def relent():
    resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
"""

THEN = """
if not refused():
    print("threads are to be had all the same")
    sys.exit(77)
told = []
accepted = [client.track("u", "E", callback=lambda error, batch: told.append(error)) for number in range(80)]
assert accepted == [True] * 50 + [False] * 30, accepted
stats = client.stats()
assert (stats.accepted, stats.pending, stats.refused) == (50, 50, {"queue_full": 30}), stats
if sys.argv[2] == "flush":
    # Without a worker the calling thread does the work, and the callbacks run on it.
    assert client.flush(20).delivered == 50
    assert (len(told), told.count(None)) == (80, 50)
if sys.argv[2] == "relent":
    relent()
    # The next attempt to start the worker, which comes with an event or a flush, is made once a second.
    deadline = time.monotonic() + 20
    while client.stats().delivered < 50 and time.monotonic() < deadline:
        client.track("u", "more")
        time.sleep(0.05)
    assert client.stats().delivered >= 50, client.stats()
    assert any(thread.name.startswith("sluiceway") for thread in threading.enumerate())
    assert client.flush(20).ok
if sys.argv[2] == "block":
    blocking = Segment("a-write-key-of-tests", host=sys.argv[1], max_queue_events=1, on_full="block")
    assert blocking.track("u", "first") is True
    signal.signal(signal.SIGALRM, lambda *_: relent())
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    # Waits until a thread is to be had and has made room.
    assert blocking.track("u", "second") is True
    assert blocking.flush(20)
# At last the exit finds whatever is left.
"""


@pytest.mark.parametrize("then", ["flush", "relent", "block", "exit"])
@pytest.mark.parametrize("limit", [NO_MEMORY, NO_PROCESS], ids=["RLIMIT_AS", "RLIMIT_NPROC"])
def test_row_50_without_threads_events_are_taken_and_sent_when_somebody_waits(limit: str, then: str) -> None:
    with Receiver(keep="ids") as receiver:
        command = [sys.executable, "-c", START + limit + THEN, receiver.url, then]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        if ended.returncode == 77:
            pytest.skip(ended.stdout.strip())
        assert (ended.returncode, ended.stderr) == (0, "")
        assert receiver.ids >= 50
        assert receiver.duplicates == 0
