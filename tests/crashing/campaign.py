"""Start, kill, start again; then send what is left and compare what was promised with what the receiver counted."""

from __future__ import annotations

import random
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sluiceway.testing import ReceiverProcess

from .program import ACCEPTED, RECORD, id_of

ROOM = Path(__file__).parent

# A process is killed at most so long after it is up. Short, so that many kills fall into the adoption at the start.
MAX_LIFE_SECONDS = 1.0


@dataclass
class Figures:
    """What happened."""

    kills: int = 0
    accepted: int = 0
    durable: int = 0
    arrived: int = 0
    missing: int = 0
    oldest_missing_seconds: float = 0.0
    runs_with_losses: int = 0
    files_left: int = 0
    kills_with_files_left: int = 0
    adopted_last: int = 0
    duplicates: int = 0
    requests: int = 0
    broken: list[str] = field(default_factory=list)


def campaign(
    place: Path, *, kills: int, seed: int, fsync: str = "batch", plant: bool = False, say: Callable[[str], None] = print
) -> Figures:
    """Kill so many processes, each third time two at once that share the directory."""
    chance = random.Random(seed)
    place.mkdir(exist_ok=True)
    directory = place / "spool"
    record = place / "record"
    figures = Figures()
    killed_at: dict[int, float] = {}
    with ReceiverProcess(vendor="segment", keep="ids", script=f"{ROOM / 'faults.py'}:endpoint", seed=seed) as receiver:
        more = ["--record", str(record), "--fsync", fsync, *(["--plant"] if plant else [])]
        while figures.kills < kills:
            runs = [figures.kills + 1 + index for index in range(2 if figures.kills % 3 == 2 else 1)]
            processes = [
                started(
                    "track", receiver.url, str(directory), *more, "--run", str(run), "--seed", f"{seed * 1000 + run}"
                )
                for run in runs
            ]
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "up\n"
            time.sleep(chance.uniform(0, MAX_LIFE_SECONDS))
            for run, process in zip(runs, processes, strict=True):
                process.kill()
                _, problems = process.communicate(timeout=30)
                killed_at[run] = time.monotonic()
                figures.kills += 1
                if problems:
                    figures.broken.append(f"run {run} said {problems[-300:]}")
            left = len(list(directory.glob("v1/[0-9]*/*.b")))
            figures.files_left += left
            figures.kills_with_files_left += left > 0
            if figures.kills % 20 == 0:
                say(f"{figures.kills} kills, {left} files wait")
        drained(figures, receiver, directory, fsync)
        judge(figures, receiver, record.read_bytes(), killed_at)
    if (left_over := list(directory.glob("v1/*/*"))) or len(list(directory.glob("v1/*"))) != 1:
        figures.broken.append(f"{len(left_over)} files are left in the spool or its quarantine")
    return figures


def started(*words: str) -> subprocess.Popen[str]:
    """The program."""
    command = [sys.executable, "-m", "crashing.program", *words]
    return subprocess.Popen(command, cwd=ROOM.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def drained(figures: Figures, receiver: ReceiverProcess, directory: Path, fsync: str) -> None:
    """Let one process live until nothing waits."""
    said, problems = started("drain", receiver.url, str(directory), "--fsync", fsync).communicate(timeout=90)
    adopted, balanced = said.split()
    figures.adopted_last = int(adopted)
    if balanced != "True" or problems:
        figures.broken.append(f"the last process: balanced {balanced}, said {problems[-300:]}")


def judge(figures: Figures, receiver: ReceiverProcess, records: bytes, killed_at: dict[int, float]) -> None:
    """Compare what was promised with what arrived."""
    stats = receiver.stats()
    figures.duplicates, figures.requests = stats.duplicates, stats.requests
    for name in ("mismatches", "refused", "violations"):
        if getattr(stats, name):
            figures.broken.append(f"the receiver counts {getattr(stats, name)} {name}")
    packed = receiver.acknowledged_ids()
    arrived = {packed[at : at + 16] for at in range(0, len(packed), 16)}
    moments: dict[int, list[float]] = {run: [] for run in killed_at}
    durable = dict.fromkeys(killed_at, 0)
    for run, kind, number, moment in RECORD.iter_unpack(records[: len(records) // RECORD.size * RECORD.size]):
        if kind == ACCEPTED:
            assert number == len(moments[run])
            moments[run].append(moment)
        else:
            durable[run] = number
    known = set()
    for run, accepted in moments.items():
        here = [uuid.UUID(id_of(run, number)).bytes in arrived for number in range(len(accepted) + 1)]
        known |= {uuid.UUID(id_of(run, number)).bytes for number in range(len(accepted) + 1)}
        missing = [number for number in range(len(accepted)) if not here[number]]
        figures.accepted += len(accepted)
        figures.durable += durable[run]
        figures.arrived += len(accepted) - len(missing)
        figures.missing += len(missing)
        if not missing:
            continue
        figures.runs_with_losses += 1
        age = killed_at[run] - accepted[missing[0]]
        figures.oldest_missing_seconds = max(figures.oldest_missing_seconds, age)
        if missing[0] < durable[run]:
            figures.broken.append(f"run {run}: event {missing[0]} is lost, and all before {durable[run]} were durable")
        if any(here[missing[0] : len(accepted)]):
            figures.broken.append(f"run {run}: event {missing[0]} is lost and a later one arrived")
    # The id of the closing process's own event is its client's.
    if len(arrived - known) > 1:
        figures.broken.append(f"{len(arrived - known)} ids arrived that nobody was promised")
