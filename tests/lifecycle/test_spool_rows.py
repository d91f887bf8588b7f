"""Rows 73, 76, 77 and 79 with a real client and the strict receiver, whose own count is the truth."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from sluiceway import RetryPolicy, RudderStack, Segment
from sluiceway.spool.disk import RealDisk
from sluiceway.spool.format import read_header
from sluiceway.testing import Answer, Arriving, Receiver

KEY = "a-write-key-of-tests"
QUICK = RetryPolicy(base_seconds=0.02, cap_seconds=0.05)


class Endpoint:
    """What the receiver answers: as long as `up` is not set, that it is not available."""

    def __init__(self) -> None:
        self.up = threading.Event()
        self.delay_seconds = 0.0

    def __call__(self, arriving: Arriving) -> Answer:
        return Answer(delay=self.delay_seconds) if self.up.is_set() else Answer(503, body=b"")


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def receiver(endpoint: Endpoint) -> Iterator[Receiver]:
    with Receiver(endpoint) as receiver:
        yield receiver


def client_of(receiver: Receiver, place: Path, **options: Any) -> Segment:
    options = {"spool": "always", "flush_interval": 0.05, "retry": QUICK, **options}
    return Segment(KEY, host=receiver.url, spool_dir=place / "spool", **options)


def files(place: Path) -> list[Path]:
    return sorted(place.glob("spool/v1/[0-9]*/*.b"))


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def arrived(receiver: Receiver) -> Counter[str]:
    """How often each event was acknowledged."""
    return Counter(event["properties"]["name"] for event in receiver.events)


def track(client: Segment, count: int, name: str = "event") -> None:
    for number in range(count):
        assert client.track("user", "Event", {"name": f"{name}-{number}", "filler": "x" * 500})


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE])
@pytest.mark.parametrize("call", ["create", "write", "sync_data", "rename", "sync_directory", "remove"])
def test_row_73_a_disk_that_fails_costs_no_event(
    receiver: Receiver, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int
) -> None:
    failures = 0

    def fail(*_args: Any) -> None:
        nonlocal failures
        failures += 1
        raise OSError(error, os.strerror(error))

    with client_of(receiver, tmp_path) as client:
        track(client, 3, "before")
        until(lambda: files(tmp_path))
        with monkeypatch.context() as patch:
            patch.setattr(RealDisk, call, fail)
            track(client, 60, "during")
            until(lambda: client.stats().attempts > 3)
            if call == "remove":
                endpoint.up.set()
            until(lambda: failures > 0)
            stats = client.stats()
            assert stats.balanced
            assert (stats.failed, stats.dropped) == (0, 0)
            if call == "remove":
                until(lambda: client.stats().delivered == 63)
            until(lambda: client.stats().spool.degraded == errno.errorcode[error])  # type: ignore[union-attr]
        endpoint.up.set()
        client.flush(20)
        until(lambda: client.stats().pending == 0)
        stats = client.stats()
        assert stats.balanced
        assert (stats.delivered, stats.failed, stats.dropped) == (63, 0, 0)
    assert set(arrived(receiver)) == {f"before-{n}" for n in range(3)} | {f"during-{n}" for n in range(60)}
    if call in {"create", "write", "rename"}:
        assert set(arrived(receiver).values()) == {1}


def test_row_76_a_full_spool_leaves_the_rest_in_memory_and_on_full_decides(
    receiver: Receiver, endpoint: Endpoint, tmp_path: Path
) -> None:
    most = 2**20
    with client_of(receiver, tmp_path, spool_max_bytes=most, max_queue_events=500) as client:
        accepted = 0
        for number in range(3_000):
            accepted += client.track("user", "Event", {"name": f"event-{number}", "filler": "x" * 2_000})
            if number % 100 == 0:
                time.sleep(0.05)
        until(lambda: client.stats().spool.over_quota > 0)  # type: ignore[union-attr]
        stats = client.stats()
        assert stats.balanced
        assert stats.refused.get("queue_full", 0) == 3_000 - accepted > 0
        assert stats.spool is not None
        assert 0 < stats.spool.nbytes <= most
        assert sum(path.stat().st_blocks * 512 for path in files(tmp_path)) <= most
        endpoint.up.set()
        until(lambda: client.stats().pending == 0)
        assert client.stats().delivered == accepted > 500
    assert len(arrived(receiver)) == accepted
    assert files(tmp_path) == []


def test_row_76_new_events_and_a_backlog_share_the_sender(
    receiver: Receiver, endpoint: Endpoint, tmp_path: Path
) -> None:
    first = client_of(receiver, tmp_path, max_batch_events=1)
    track(first, 60, "old")
    first.close(1)
    assert len(files(tmp_path)) == 60
    endpoint.up.set()
    endpoint.delay_seconds = 0.03
    with client_of(receiver, tmp_path, flush_at=1, flush_interval=0) as client:
        for number in range(20):
            track(client, 1, f"new-{number}")
            time.sleep(0.05)
        until(lambda: len(arrived(receiver)) == 80)
    order = [event["properties"]["name"] for event in receiver.events]
    old = [at for at, name in enumerate(order) if name.startswith("old")]
    new = [at for at, name in enumerate(order) if name.startswith("new")]
    assert min(new) < max(old)  # the backlog does not hold up what is new
    assert min(old) < max(new)  # nor the other way round
    assert files(tmp_path) == []


KILLED_AFTER_THE_ANSWER = """
import os, signal, sys, time
from sluiceway import Segment
from sluiceway.spool.disk import RealDisk

remove = RealDisk.remove

def killed(self, name, at):
    if name.endswith(".b"):
        os.kill(os.getpid(), signal.SIGKILL)
    remove(self, name, at)

RealDisk.remove = killed
client = Segment("a-write-key-of-tests", host=sys.argv[1], spool="always", spool_dir=sys.argv[2])
for number in range(5):
    client.track("user", "Event", {"name": f"event-{number}"})
client.flush(20)
time.sleep(20)
"""


def test_row_77_a_crash_between_the_answer_and_the_removal_sends_the_same_ids_again(
    receiver: Receiver, endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.up.set()
    script = textwrap.dedent(KILLED_AFTER_THE_ANSWER)
    command = [sys.executable, "-c", script, receiver.url, str(tmp_path / "spool")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == -9, done.stderr
    before = {event["messageId"]: event for event in receiver.events}
    assert before
    [left] = files(tmp_path)
    header = read_header(left.read_bytes()[:64])
    assert header.maybe_sent
    assert header.attempts == 1
    with client_of(receiver, tmp_path) as client:
        client.flush(20)
        until(lambda: client.stats().delivered == header.events)
        assert client.stats().adopted == header.events
    again = [event for event in receiver.events if event["messageId"] in before]
    assert len(again) == len(before) + header.events
    assert all(event == before[event["messageId"]] for event in again)  # the timestamp, too
    assert files(tmp_path) == []


@pytest.mark.parametrize(("vendor", "window"), [(Segment, 86_400.0), (RudderStack, 3_600.0)])
def test_row_79_what_is_older_than_the_vendors_memory_is_sent_and_counted(
    receiver: Receiver, endpoint: Endpoint, tmp_path: Path, vendor: Any, window: float
) -> None:
    options: dict[str, Any] = {"spool": "always", "spool_dir": tmp_path / "spool", "retry": QUICK}
    options |= {"allow_http": True} if vendor is RudderStack else {}
    host = receiver.url
    for age in (window - 600, window + 600):
        before = set(files(tmp_path))
        first = vendor(KEY, host, **options) if vendor is RudderStack else vendor(KEY, host=host, **options)
        first.track("user", "Event", {"name": f"aged {age:.0f}"})
        first.close(0.2)
        [path] = set(files(tmp_path)) - before
        age_file(path, age)
    endpoint.up.set()
    client = vendor(KEY, host, **options) if vendor is RudderStack else vendor(KEY, host=host, **options)
    with client:
        client.flush(20)
        until(lambda: client.stats().delivered == 2)
        assert client.stats().spool.late == 1
    assert sorted(arrived(receiver)) == sorted({f"aged {window - 600:.0f}", f"aged {window + 600:.0f}"})


def age_file(path: Path, seconds: float) -> None:
    """Have a file be one that was sealed so long ago."""
    data = bytearray(path.read_bytes())
    data[32:40] = struct.pack("<d", time.time() - seconds)
    data[52:56] = struct.pack("<I", crc32(bytes(data[:52])))
    path.write_bytes(data)
