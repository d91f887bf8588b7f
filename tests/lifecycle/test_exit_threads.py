"""Daemon threads that call the client while the interpreter goes down.

Before CPython 3.14 such a thread is ended by a forced unwind where it next asks for the GIL, through every frame below:
a native frame that has something to drop, or catches panics, ends the process with SIGABRT then.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys, threading, time
from sluiceway import Segment
from sluiceway.testing import MemoryTransport

def slow(event):
    time.sleep(0.0002)
    return event

kind = sys.argv[1]
nowhere = {"host": "http://127.0.0.1:9", "max_queue_events": 3, "exit_timeout": 0.1}
if kind == "middleware":
    client = Segment("key", transport=MemoryTransport(), middleware=[slow])
elif kind == "full":
    client = Segment("key", **nowhere)
elif kind == "blocked":
    client = Segment("key", on_full="block", **nowhere)
else:
    client = Segment("key", transport=MemoryTransport())
    client.close()

calls = [0]

def call():
    while True:
        client.track("user", "Event", {"number": calls[0]})
        calls[0] += 1

for _ in range(3):
    threading.Thread(target=call, daemon=True).start()
while calls[0] < (2 if kind == "blocked" else 100):
    time.sleep(0.01)
print("calls", calls[0])
sys.exit(3)
"""


@pytest.mark.parametrize("kind", ["middleware", "full", "blocked", "closed"])
def test_row_49_daemon_threads_in_a_call_do_not_change_the_exit_code(kind: str) -> None:
    for _ in range(3):
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT, kind], capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.stdout.startswith("calls")
        assert ended.returncode == 3, ended.stderr
        assert "FATAL" not in ended.stderr
