"""What is seen while it runs: lines in a log, a bar in a terminal, nothing when quiet."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sluiceway.importing import progress
from sluiceway.importing.progress import Lines, Snapshot, clock, seconds_left
from sluiceway.testing import Answer, Receiver

from .campaign import KEYS
from .conftest import Send

WELL = Snapshot(rows=500, ended=400, delivered=390, bad=10, part=0.5, back_off_until=None, error=None)


def test_a_line_comes_every_few_seconds_and_when_a_pause_begins_or_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    lines = Lines(out)
    for step in range(60):
        ended = 100 * step
        lines.show(WELL._replace(rows=ended + 100, ended=ended, delivered=ended - 10, part=(ended + 100) / 20_000))
        now[0] += 0.25
    assert out.getvalue().splitlines() == [
        "10% read, 1,990 delivered, 10 rejected or failed, 400/s, 0:45 left",
        "20% read, 3,990 delivered, 10 rejected or failed, 400/s, 0:40 left",
    ]
    out.truncate(0)
    lines.show(WELL)  # it is time for a line, whatever comes
    out.truncate(0)
    paused = WELL._replace(back_off_until=time.time() + 9.6, error="status 503")
    for snapshot in (WELL, paused, paused, paused, WELL, WELL):
        lines.show(snapshot)
    told = out.getvalue().strip("\0").splitlines()
    assert [("paused: status 503, again in " in line) for line in told] == [True, False]


@pytest.mark.parametrize(
    ("part", "rate", "left"),
    [(0.5, 100.0, 6.0), (None, 100.0, None), (0.5, 0.0, None), (0.0, 100.0, None), (1.0, 100.0, 1.0)],
)
def test_the_time_that_is_left_is_guessed_from_the_part_that_was_read(
    part: float | None, rate: float, left: float | None
) -> None:
    assert seconds_left(WELL._replace(part=part), rate) == left


def test_a_duration_is_printed_as_a_clock_does() -> None:
    assert [clock(seconds) for seconds in (None, 0, 59.9, 61, 3_600, 36_061)] == [
        "-:--", "0:00", "0:59", "1:01", "1:00:00", "10:01:01"
    ]  # fmt: skip


def made(place: Path) -> Path:
    path = place / "rows.jsonl"
    path.write_text("".join(json.dumps({"what": "E", "who": f"user-{n}"}) + "\n" for n in range(2_000)) + "{}\n")
    return path


def test_a_terminal_shows_a_bar_and_gets_its_cursor_back(tmp_path: Path) -> None:
    path = made(tmp_path)
    with Receiver([Answer(503), Answer(delay=0.6)], vendor="segment") as receiver:
        options = ("--to", "segment", "--host", receiver.url, "--event", "what", "--user-id", "who")
        ours, theirs = pty.openpty()
        try:
            run = subprocess.Popen(
                [sys.executable, "-m", "sluiceway", "send", str(path), *options],
                stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, **KEYS, "TERM": "xterm", "COLUMNS": "80"},
            )  # fmt: skip
            os.close(theirs)
            seen = b""
            while True:
                try:
                    data = os.read(ours, 65_536)
                except OSError:  # the other end is gone
                    break
                seen += data
            out, _ = run.communicate(timeout=30)
        finally:
            os.close(ours)
    assert run.returncode == 1
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert "delivered" in plain
    assert "paused: status 503, again in " in plain
    assert all(len(line) <= 80 for line in re.split(r"[\r\n]", plain) if "━" in line)
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l")
    # A bar is for people: the account is alone on standard output.
    assert out.decode() == "2,001 rows = 2,000 sent + 1 rejected; 2,000 sent = 2,000 delivered + 0 failed + 0 left\n"


def test_quiet_shows_what_went_wrong_only(send_file: Send, tmp_path: Path) -> None:
    path = made(tmp_path)
    with Receiver([Answer(503)], vendor="segment") as receiver:
        options = ("--to", "segment", "--host", receiver.url, "--event", "what", "--user-id", "who", "--quiet")
        run = send_file(path, *options)
        assert run.err.splitlines() == [f"rejects of this run: 1 invalid (see {path}.segment.rejects.jsonl)"]
