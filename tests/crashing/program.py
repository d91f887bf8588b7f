"""The program that is killed: tracks with spool="always" and writes down what it was promised.

Every record is one write, so it outlives the process: (run, kind, number, monotonic seconds).
"""

from __future__ import annotations

import argparse
import os
import random
import struct
import sys
import time
import uuid
from typing import Any

from sluiceway import RetryPolicy, Segment, SpoolError

RECORD = struct.Struct("<IIId")
ACCEPTED, DURABLE = 0, 1

FLUSH_INTERVAL = 0.05
QUICK = RetryPolicy(base_seconds=0.01, cap_seconds=0.05)


def id_of(run: int, number: int) -> str:
    """The id of one event: which process, which call."""
    return str(uuid.UUID(int=(run << 80) + number, version=4))


def client_for(host: str, directory: str, fsync: Any) -> Segment:
    return Segment(
        "a-write-key-of-tests",
        host=host,
        spool="always",
        spool_dir=directory,
        fsync=fsync,
        flush_interval=FLUSH_INTERVAL,
        retry=QUICK,
    )


def track_until_killed(client: Segment, run: int, seed: int, record: int) -> None:
    chance = random.Random(seed)
    number = 0
    while True:
        for _ in range(chance.choice([1, 1, 5, 50, 300])):
            if client.track("user", "Event", {"number": number, "text": "x" * 40}, message_id=id_of(run, number)):
                os.write(record, RECORD.pack(run, ACCEPTED, number, time.monotonic()))
                number += 1
        if chance.random() < 0.2:
            try:
                client.flush(10, durable=True)
            except SpoolError:
                continue
            os.write(record, RECORD.pack(run, DURABLE, number, time.monotonic()))
        time.sleep(chance.choice([0, 0.001, 0.02, 0.1]))


def drain(client: Segment, seconds: float) -> int:
    """Send what all the dead have left; returns how many events that were."""
    client.track("user", "Drain")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stats = client.stats()
        if stats.spool is not None and stats.pending == 0 and stats.spool.files == 0:
            break
        time.sleep(0.02)
    client.close()
    stats = client.stats()
    print(stats.adopted, stats.balanced, flush=True)
    return 0


def plant_a_bug() -> None:
    """Remove the file before the request instead of after the answer: what the campaign has to find."""
    from sluiceway.backlog import Backlog

    def note_attempt(self: Any, parcel: Any) -> None:
        if parcel.filed is not None:
            self._spool.remove(parcel.filed.entry)

    Backlog.note_attempt = note_attempt  # type: ignore[method-assign]


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("what", choices=["track", "drain"])
    options.add_argument("host")
    options.add_argument("directory")
    options.add_argument("--record")
    options.add_argument("--run", type=int, default=0)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--fsync", default="batch")
    options.add_argument("--plant", action="store_true")
    given = options.parse_args()
    if given.plant:
        plant_a_bug()
    client = client_for(given.host, given.directory, given.fsync)
    if given.what == "drain":
        return drain(client, 60)
    record = os.open(given.record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    print("up", flush=True)
    track_until_killed(client, given.run, given.seed, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
