"""Inject exceptions into the worker's thread at random, run after run, and count the runs in which an event was lost.

    python tests/injections.py --runs 20 --injections 300 --seed 7

Not part of the tests: an exception may strike inside the standard library as well, where nobody can be ready for it (a
lock taken and not yet released), so that a run may stall. What is lost or told twice is ours in any case.
"""

from __future__ import annotations

import argparse
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


def main() -> int:
    """Run them; the exit code is 1 if any did not end well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--injections", type=int, default=300, help="in each run")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    chance = random.Random(options.seed)
    wrong = 0
    for run in range(options.runs):
        seed = chance.randrange(2**32)
        command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(seed), str(options.injections)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            said = ended.stdout.strip() if ended.returncode == 0 else ended.stderr.strip().splitlines()[-1]
            wrong += ended.returncode != 0
        except subprocess.TimeoutExpired:
            said, wrong = "stalled", wrong + 1
        print(f"run {run}, seed {seed}: {said}", flush=True)
    print(f"{wrong} of {options.runs} runs ended wrong (seed {options.seed})")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
