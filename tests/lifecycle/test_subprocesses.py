"""Row 39: a program that starts other programs goes on sending, whichever hooks its event loop runs around a fork."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from sluiceway.testing import Receiver

# uvloop calls the hooks of `os.register_at_fork` around each of these, in the parent and in the child. Clients that
# stop at a fork and do not begin again have gone silent in whole fleets by that.
PROGRAM = """
import asyncio, os, subprocess, sys, threading
from sluiceway import Segment

client = Segment("a-write-key-of-tests", host=sys.argv[1], flush_interval=0.01)

async def main():
    client.track("u", "E")
    assert (await client.aflush(30)).ok
    worker = next(thread for thread in threading.enumerate() if thread.name.startswith("sluiceway"))
    for number in range(100):
        process = await asyncio.create_subprocess_exec("/bin/true", close_fds=number % 2 == 0)
        client.track("u", "E")
        assert await process.wait() == 0
        client.track("u", "E")
    assert worker.is_alive()
    assert (await client.aflush(30)).ok
    return client.stats()

loop = sys.argv[2]
if loop == "uvloop":
    import uvloop
    stats = uvloop.run(main())
else:
    stats = asyncio.run(main())
assert (stats.accepted, stats.delivered, stats.pending) == (201, 201, 0), stats
client.track("u", "E")
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_row_39_a_hundred_subprocesses_of_an_event_loop_stop_nothing(loop: str) -> None:
    if loop == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    with Receiver(keep="ids") as receiver:
        command = [sys.executable, "-c", PROGRAM, receiver.url, loop]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        # The last one is sent at the exit.
        assert (receiver.ids, receiver.duplicates) == (202, 0)
