"""Rows 37 and 38: forks that Python does not see, as extensions make them: what a child can rely on, and when."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sluiceway.testing import Receiver

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks by the C library's own function")

# `PyDLL` keeps the interpreter lock, so the fork happens as in an extension: no hook of Python's is run.
START = """
import ctypes, os, random, signal, sys, time
raw_fork = ctypes.PyDLL(None).fork
hooks = []
os.register_at_fork(before=lambda: hooks.append(1), after_in_parent=lambda: hooks.append(1),
                    after_in_child=lambda: hooks.append(1))
from sluiceway import Segment
client = Segment("a-write-key-of-tests", host=sys.argv[1], max_batch_events=2500, sync="sync" in sys.argv)
client.track("parent", "first", message_id="parent-first")
assert client.flush(30).ok

def fork(work, number):
    parent = client._assembly.queue
    pid = raw_fork()
    if pid:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, number
        return
    try:
        signal.alarm(20)
        assert not hooks
        assert parent.stale
        if number % 3 == 0:
            assert client.stats().offered == 0
        work(number)
        assert client._assembly.queue is not parent
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)
"""

# While no other thread waits for the interpreter lock, a child can do everything. A flush counts what had not ended
# when it began, and the worker may have sent before that: so the counters are asked.
IDLE = """
def send(number):
    for index in range(3):
        assert client.track("child", "E", message_id=f"child-{number}-{index}") is True
    assert client.track("child", "E") is True
    assert client.flush(15).ok
    stats = client.stats()
    assert (stats.accepted, stats.delivered, stats.balanced) == (4, 4, True), stats

def switches():
    tasks = set(os.listdir("/proc/self/task")) - {str(os.getpid())}
    return [line for task in sorted(tasks) for line in open(f"/proc/self/task/{task}/status") if "_ctxt_" in line]

for number in range(20):
    # Until no other thread has run for a while: none asks for the interpreter lock then.
    before = None
    while before != (before := switches()):
        time.sleep(0.1)
    fork(send, number)
    client.track("parent", "E", message_id=f"parent-{number}")
assert client.close(30).ok
assert client.stats().delivered == 21
"""

# A thread that waits for the interpreter lock while another forks behind Python's back spoils that lock in the child
# (`tests/faults/README.md` says how): who gives it up there hangs, by CPython's doing. With a switch interval of
# a minute it need not be given up; and a worker that cannot be started is not waited for. What is left is all that a
# child needs of the engine.
ENCODING = """
sys.setswitchinterval(60)
payload = {"text": "x" * 100, "list": list(range(20))}
chance = random.Random(int(sys.argv[2]))
busy = 0

def push(number):
    client._own().worker.start = lambda: False
    for index in range(500):
        assert client.track("child", "E", payload) is True
    stats = client.stats()
    assert (stats.offered, stats.accepted, stats.pending, stats.ring_events) == (500, 500, 500, 500), stats

for number in range(40):
    for index in range(2_000):
        assert client.track("parent", "E", payload, message_id=f"parent-{number}-{index}") is True
    # Hands the lock to the worker, which gives it back as soon as it encodes.
    time.sleep(chance.random() * 0.004)
    busy += client.stats().pending > 0
    fork(push, number)
assert busy >= 20, busy
assert client.close(40).ok
assert client.stats().delivered == 80_001
"""


@pytest.mark.parametrize(
    ("program", "way", "arrive"),
    [(IDLE, "worker", 21 + 80), (IDLE, "sync", 21 + 80), (ENCODING, "worker", 80_001)],
    ids=["idle", "idle-sync", "encoding"],
)
def test_rows_37_and_38_a_fork_that_skips_pythons_hooks_is_noticed(program: str, way: str, arrive: int) -> None:
    with Receiver(keep="ids") as receiver:
        command = [sys.executable, "-c", START + program, receiver.url, "7", way]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=58, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        stats = receiver.stats()
        assert (stats.ids, stats.duplicates, stats.repeats) == (arrive, 0, 0)
