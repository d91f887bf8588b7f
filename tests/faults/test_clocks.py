"""Row 68: whatever happens to the wall clock, waits and deadlines are as long as they were to be.

Two ways: the parts under a clock of the tests', and a whole program under libfaketime (Debian's `faketime`), which
moves the time that every call of the C library tells, the monotonic clock left alone, as a step of NTP does.
"""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sluiceway.notices import Notice
from sluiceway.testing import Receiver

HOUR = 3_600.0
TEN_YEARS = 10 * 365.25 * 24 * HOUR
JUMPS = [-HOUR, HOUR, TEN_YEARS, -TEN_YEARS, -1e9]

LIBRARIES = [*glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"), *glob.glob("/usr/lib*/faketime/libfaketimeMT.so.1")]
needs_faketime = pytest.mark.skipif(not LIBRARIES, reason="needs libfaketime: apt-get install faketime")

PROGRAM = """
import json, os, select, sys, time
from sluiceway import Segment
from sluiceway.retry import RetryPolicy

where = sys.argv[1]
def pause(seconds):
    select.select([], [], [], seconds)  # libfaketime breaks the clock_nanosleep of time.sleep
def jump(offset):
    with open(os.environ["FAKETIME_TIMESTAMP_FILE"], "w") as file:
        file.write(offset)
    pause(0.15)

policy = RetryPolicy(base_seconds=0.2, cap_seconds=0.4)
client = Segment("key", host=where, flush_at=1000, flush_interval=0.5, flush_first=False, retry=policy)
started = time.monotonic()
report = []
for offset in ("+0", "-3600", "+10y", "-1h", "+1h"):
    jump(offset)
    began = time.monotonic()
    client.track("u", offset, message_id=f"id {offset}")
    waited = client.flush(20)
    report.append([offset, time.time(), time.monotonic() - began, bool(waited)])
client.track("u", "by the timer", message_id="id timer")
jump("-1d")
began = time.monotonic()
while client.stats().pending and time.monotonic() - began < 20:
    pause(0.01)
timer = time.monotonic() - began
closing = time.monotonic()
client.close(5)
stats = client.stats()
closing = time.monotonic() - closing
print(json.dumps({"report": report, "timer": timer, "closing": closing, "delivered": stats.delivered,
                  "balanced": stats.balanced, "attempts": stats.attempts}))
"""


@needs_faketime
def test_row_68_steps_of_the_wall_clock_move_stamps_and_nothing_else(tmp_path: Path) -> None:
    stamp = tmp_path / "offset"
    stamp.write_text("+0")
    environment = {
        **os.environ,
        "LD_PRELOAD": LIBRARIES[0],
        "FAKETIME_TIMESTAMP_FILE": str(stamp),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    with Receiver() as receiver:
        # Two failures in front, so that a clock is stepped in the middle of a back-off.
        receiver.answer(503, 503, 200, 503, 200, 429)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, receiver.url],
            env=environment,
            capture_output=True,
            text=True,
            timeout=55,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        told: dict[str, Any] = json.loads(done.stdout)
        events = {event["messageId"]: event for event in receiver.events}
        requests = receiver.requests
    assert told["balanced"]
    assert told["delivered"] == len(events) == 6
    assert told["attempts"] >= 10, "no retry was under way when the clock was stepped"
    now = time.time()
    offsets = {"+0": 0.0, "-3600": -HOUR, "+10y": TEN_YEARS, "-1h": -HOUR, "+1h": HOUR}
    for offset, shown, seconds, flushed in told["report"]:
        assert flushed, offset
        assert seconds < 15.0, f"flush took {seconds} s at {offset}"
        assert abs(shown - now - offsets[offset]) < 5 * 86_400, "the clock was not stepped"
        stamped = datetime.fromisoformat(events[f"id {offset}"]["timestamp"].replace("Z", "+00:00"))
        assert abs(stamped.timestamp() - shown) < 60.0, "the stamp is what the clock said"
    assert told["timer"] < 10.0, "the timer followed the wall clock"
    assert told["closing"] < 10.0
    assert len(requests) >= 10


# -- under a clock of the tests'


class Jumping:
    """The wall clock jumps; the monotonic one does not."""

    def __init__(self) -> None:
        self.now = 5_000.0
        self.offset = 1_700_000_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now + self.offset


@pytest.mark.parametrize("jump", JUMPS)
def test_row_68_a_notice_is_held_back_as_long_whatever_the_wall_clock_does(
    jump: float, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Jumping()
    notice = Notice(clock, 30, "%d events")
    notice.give()
    clock.offset += jump
    clock.now += 9.0
    notice.give()
    assert len(caplog.records) == 1
    clock.offset -= jump
    clock.now += 1.5
    notice.give()
    assert [record.getMessage() for record in caplog.records] == ["1 events", "2 events"]
