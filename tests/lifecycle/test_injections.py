"""Row 51: whatever is injected into the worker's thread, and wherever it is just then, no event is lost and it goes on."""

from __future__ import annotations

import random
import subprocess
import sys

# In a process of its own: an exception may as well meet what pytest does on that thread, or a socket's owner.
SCRIPT = '''
import ctypes, logging, random, sys, threading, time

from sluiceway import RetryPolicy, Segment
from sluiceway.testing import Receiver


class Injected(BaseException):
    """What PyThreadState_SetAsyncExc raises."""


seed, injections = map(int, sys.argv[1:])
chance = random.Random(seed)
sys.unraisablehook = threading.excepthook = lambda *_: None
logging.disable(logging.CRITICAL)
told = []
with Receiver(keep="ids") as receiver:
    client = Segment(
        "key",
        host=receiver.url,
        on_full="block",
        max_batch_events=5,
        flush_interval=0.001,
        retry=RetryPolicy(max_retries=1_000, base_seconds=0.001, cap_seconds=0.002),
    )
    # What is imported once is not to be met in the middle of it.
    client.track("u", "first")
    assert client.flush(20)
    stop = threading.Event()
    asked = 0

    def push():
        global asked
        while not stop.wait(0.001):
            for number in range(asked, asked + 10):
                client.track("u", "E", {"n": number}, callback=lambda _error, _batch, n=number: told.append(n))
            asked += 10

    pusher = threading.Thread(target=push)
    pusher.start()
    hits = 0
    deadline = time.monotonic() + 60
    while hits < injections and time.monotonic() < deadline:
        time.sleep(chance.random() * 0.01)
        # Not while the thread is only being started: there the standard library itself waits for ever.
        ident = client._assembly.worker._working_on
        if ident is not None:
            hits += ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(Injected))
    stop.set()
    pusher.join()
    assert hits > injections / 3, hits
    deadline = time.monotonic() + 60
    while client.stats().pending and time.monotonic() < deadline:
        client.flush(1)
    assert client._assembly.worker.alive
    stats = client.stats()
    assert (stats.accepted, stats.delivered, stats.pending) == (asked + 1, asked + 1, 0), stats
    assert client.close(20).pending == 0
    assert stats.balanced
    assert client.stats().reserved_events == 0
    # What had arrived when the exception came is sent again, the same bytes under the same id.
    arrived = receiver.stats()
    assert (arrived.ids, arrived.mismatches) == (asked + 1, 0), arrived
    assert sorted(told) == list(range(asked))
    print("events", asked, "injections", hits)
'''


def test_row_51_exceptions_injected_into_the_worker_at_random_lose_no_event() -> None:
    seed = random.SystemRandom().randrange(2**32)
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(seed), "150"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 0, f"seed {seed}: {ended.stderr[-2000:]}"
    assert ended.stdout.startswith("events")
