"""A client with a spool: what is on disk when, what leaves the memory, and that every event still ends once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sluiceway import Amplitude, DeliveryError, PostHog, RetryPolicy, Segment, SpoolError, sender, spooler, standing
from sluiceway.transport import Request, Response, TransportError
from sluiceway.vendors import amplitude_judge

KEY = "a-write-key-of-tests"
QUICK = RetryPolicy(base_seconds=0.02, cap_seconds=0.05)

Event = dict[str, Any]


class Vendor:
    """A transport to a server that is up, down, or whatever `answer` says; keeps the ids of every request."""

    def __init__(self) -> None:
        self.answer: Callable[[list[Event]], Response] = lambda _events: Response(status=200)
        self.requests: list[list[str]] = []
        self.taken: list[str] = []
        self.hanging = threading.Event()
        self.let_go = threading.Event()
        self.clients: list[Segment] = []

    def send(self, request: Request) -> Response:
        document = msgspec.json.decode(request.body)
        events = document.get("batch") or document["events"]
        ids = [event.get("messageId") or event.get("insert_id") or event.get("uuid") for event in events]
        self.requests.append(ids)
        response = self.answer(events)
        if response.status == 200:
            self.taken += ids
        return response

    def close(self) -> None:
        pass

    def be_down(self, _events: list[Event]) -> Response:
        raise TransportError("connect", sent="no")

    def be_up(self, _events: list[Event]) -> Response:
        return Response(status=200)

    def hang(self, _events: list[Event]) -> Response:
        """As a server that takes the request and says nothing."""
        self.hanging.set()
        self.let_go.wait(20)
        raise TransportError("read_timeout", sent="maybe")


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooler, "_HELD_UP_SECONDS", 0.05)
    monkeypatch.setattr(spooler, "_LOOK_SECONDS", 0.01)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    yield vendor
    vendor.let_go.set()
    # A test that failed must not leave a client that goes on trying, which others would see.
    for client in vendor.clients:
        client.close(0)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def client_of(vendor: Vendor, place: Path, mode: str = "on_failure", **options: Any) -> Segment:
    options.setdefault("retry", QUICK)
    options.setdefault("flush_interval", 0.05)
    client = Segment(KEY, transport=vendor, spool=mode, spool_dir=place, **options)
    vendor.clients.append(client)
    return client


def files(place: Path) -> list[Path]:
    return sorted(path for path in place.glob("v1/*/*.b") if path.parent.name != "quarantine")


def on_disk(place: Path) -> list[str]:
    """The ids of all events in files, in any order, however often."""
    return [
        piece.split(b'"')[2].decode() for path in files(place) for piece in path.read_bytes().split(b'"messageId')[1:]
    ]


def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def delivered(client: Any, seconds: float) -> int:
    """Flush; returns how many events have been delivered so far, since some may have been before the flush."""
    client.flush(seconds)
    return int(client.stats().delivered)


def track(client: Segment, count: int, **options: Any) -> None:
    for number in range(count):
        assert client.track("user", "Event", {"number": number}, **options) is True


def test_a_healthy_client_writes_nothing_on_failure(vendor: Vendor, place: Path) -> None:
    with client_of(vendor, place) as client:
        track(client, 100)
        assert delivered(client, 10) == 100
        assert client.stats().spool is not None
        assert client.stats().spool.written == 0
    assert len(vendor.taken) == 100


def test_row_g4_always_writes_before_the_first_attempt_and_removes_after_the_last(vendor: Vendor, place: Path) -> None:
    seen: list[bool] = []

    def answer(events: list[Event]) -> Response:
        seen.append({event["messageId"] for event in events} <= set(on_disk(place)))
        return Response(status=200 if len(seen) > 2 else 503)

    vendor.answer = answer
    with client_of(vendor, place, "always") as client:
        track(client, 50)
        assert delivered(client, 10) == 50
        assert client.stats().balanced
    assert len(seen) > 2
    assert all(seen)
    assert files(place) == []


def test_on_failure_writes_after_the_first_failed_attempt(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.be_down
    with client_of(vendor, place) as client:
        track(client, 1)
        until(lambda: len(on_disk(place)) == 1)
        assert on_disk(place) == vendor.requests[0]
        vendor.answer = vendor.be_up
        assert delivered(client, 10) == 1
        assert files(place) == []


@pytest.mark.parametrize("mode", ["on_failure", "always"])
def test_an_outage_goes_to_disk_and_comes_back_once(vendor: Vendor, place: Path, mode: str) -> None:
    vendor.answer = vendor.be_down
    client = client_of(vendor, place, mode, max_queue_bytes=2_000_000)
    accepted = 0
    for _ in range(40):
        for number in range(100):
            accepted += client.track("user", "Event", {"number": number, "text": "x" * 2_000})
        until(lambda: client.stats().reserved_bytes < 1_000_000)
    stats = client.stats()
    assert stats.accepted == accepted == 4_000
    assert stats.pending == 4_000
    assert stats.spooled_events > 3_000, "more than the memory may hold"
    assert stats.reserved_bytes <= 2_000_000
    assert stats.balanced
    vendor.answer = vendor.be_up
    assert delivered(client, 20) == 4_000
    assert len(vendor.taken) == len(set(vendor.taken)) == 4_000
    assert client.close(10).ok
    stats = client.stats()
    assert (stats.delivered, stats.pending, stats.reserved_bytes, stats.spooled_events) == (4_000, 0, 0, 0)
    assert stats.balanced
    assert files(place) == []


@pytest.mark.parametrize("mode", ["on_failure", "always"])
def test_what_close_cannot_send_is_handed_over_and_adopted_with_the_same_ids(
    vendor: Vendor, place: Path, mode: str
) -> None:
    vendor.answer = vendor.be_down
    told: list[str] = []
    first = client_of(vendor, place, mode, on_error=lambda error, batch: told.extend([error.reason] * len(batch)))
    track(first, 300)
    until(lambda: first.stats().attempts > 1)
    result = first.close(0.3)
    assert (result.handed_over, result.failed, result.pending) == (300, 0, 0)
    stats = first.stats()
    assert (stats.handed_over, stats.pending, stats.balanced) == (300, 0, True)
    assert len(set(on_disk(place))) == len(on_disk(place)) == 300
    ids = set(on_disk(place))

    vendor.answer = vendor.be_up
    with client_of(vendor, place, mode) as second:
        track(second, 1)
        until(lambda: len(vendor.taken) == 301)
        stats = second.stats()
        assert (stats.adopted, stats.accepted, stats.delivered) == (300, 1, 301)
        assert stats.balanced
    assert ids < set(vendor.taken)
    assert files(place) == []


def test_a_flush_alone_adopts_and_does_not_wait_for_what_others_left(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.be_down
    first = client_of(vendor, place)
    track(first, 10)
    first.close(0)
    assert len(on_disk(place)) == 10
    vendor.answer = vendor.be_up
    second = client_of(vendor, place)
    assert second.flush(5) == second.flush(5)
    until(lambda: len(vendor.taken) == 10)
    second.close()


def test_another_key_leaves_the_files_alone(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.be_down
    first = client_of(vendor, place)
    track(first, 10)
    first.close(0)
    vendor.answer = vendor.be_up
    with Segment("another-key", transport=vendor, spool="on_failure", spool_dir=place) as other:
        track(other, 1)
        other.flush(5)
        assert other.stats().delivered == 1
        assert other.stats().adopted == 0
    assert len(on_disk(place)) == 10


def test_a_server_that_hangs_does_not_fill_the_memory(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.hang
    client = client_of(vendor, place, max_queue_events=200)
    track(client, 1)
    assert vendor.hanging.wait(10)
    for _ in range(10):
        track(client, 100)
        until(lambda: client.stats().reserved_events < 50)
    assert client.stats().attempts == 1, "all the while in one request"
    assert client.stats().spooled_events > 900
    vendor.answer = vendor.be_up
    vendor.let_go.set()
    assert delivered(client, 20) == 1_001
    assert sorted(vendor.taken) == sorted(set(vendor.taken))
    assert client.close(5).ok


def test_row_76_new_events_and_what_waits_on_disk_take_turns(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.be_down
    client = client_of(vendor, place, max_queue_events=100, flush_at=1, flush_interval=0.05)
    track(client, 1)
    until(lambda: vendor.requests)
    for _ in range(20):
        track(client, 40)
        until(lambda: client.stats().reserved_events < 10)
    assert len(files(place)) >= 20

    def answer(_events: list[Event]) -> Response:
        time.sleep(0.01)
        return Response(status=200)

    vendor.answer = answer
    until(lambda: len(vendor.taken) > 1)
    assert client.track("user", "New", message_id="the-new-one") is True
    client.flush(20)
    order = [ids for ids in vendor.requests if set(ids) <= set(vendor.taken)]
    place_of_the_new = next(at for at, ids in enumerate(order) if "the-new-one" in ids)
    assert place_of_the_new < len(order) - 10, "it has not waited for everything that was on disk"
    assert client.stats().delivered == 802
    client.close()


def test_callbacks_are_told_once_though_their_event_was_on_disk_meanwhile(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.be_down
    told: list[DeliveryError | None] = []
    client = client_of(vendor, place, max_queue_events=100)
    track(client, 1)
    until(lambda: vendor.requests)
    for _ in range(10):
        track(client, 20, callback=lambda error, _batch: told.append(error))
        until(lambda: client.stats().reserved_events < 10)
    assert client.stats().spooled_events > 100
    assert told == []
    vendor.answer = vendor.be_up
    client.flush(20)
    assert told == [None] * 200
    client.close()


def test_callbacks_of_what_is_left_on_disk_are_told_that(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.be_down
    told: list[str] = []
    client = client_of(vendor, place, max_queue_events=100)
    track(client, 1)
    until(lambda: vendor.requests)
    for _ in range(10):
        track(client, 20, callback=lambda error, _batch: told.append(error.reason if error else "none"))
        until(lambda: client.stats().reserved_events < 10)
    client.close(0.5)
    until(lambda: len(told) == 200)
    assert told == ["handed_over"] * 200


def test_a_partial_verdict_leaves_only_the_remainder_on_disk(vendor: Vendor, place: Path) -> None:
    def answer(events: list[Event]) -> Response:
        if len(vendor.requests) == 1:
            said = {"code": 400, "events_with_invalid_fields": {"time": [0, 2]}}
            return Response(status=400, body=msgspec.json.encode(said))
        return vendor.be_down(events)

    vendor.answer = answer
    failed: list[str] = []
    client = Amplitude(
        KEY, transport=vendor, spool="always", spool_dir=place, flush_interval=0.05, retry=QUICK,
        on_error=lambda error, batch: failed.extend(batch.ids if error.reason == "rejected" else []),
    )  # fmt: skip
    for number in range(5):
        client.track(user_id=f"user-{number}", event_type="Event")
    until(lambda: len(vendor.requests) > 3)
    client.close(0)
    assert client.stats().balanced
    first = vendor.requests[0]
    left = b"".join(path.read_bytes() for path in files(place))
    if len(first) == 5:
        assert failed == [first[0], first[2]]
    assert failed
    assert [event_id for event_id in first if event_id.encode() in left] == [i for i in first if i not in failed]


def test_halves_are_on_disk_before_the_whole_is_gone(vendor: Vendor, place: Path) -> None:
    """A crash at any moment finds each event that has not ended in some file."""

    def answer(events: list[Event]) -> Response:
        left = set(on_disk(place))
        assert {event["messageId"] for event in events} <= left
        assert not set(vendor.taken) & left, "what was taken is on disk no more"
        return Response(status=413 if len(events) > 3 else 200)

    vendor.answer = answer
    with client_of(vendor, place, "always", flush_first=False, flush_at=20) as client:
        track(client, 20)
        assert delivered(client, 10) == 20
    assert len(vendor.requests) > 7
    assert files(place) == []


def test_row_8_a_refused_key_keeps_the_events_in_the_spool(
    vendor: Vendor, place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(standing, "PROBE_SECONDS", 0.2)
    vendor.answer = lambda _events: Response(status=401)
    client = client_of(vendor, place)
    track(client, 50)
    until(lambda: len(vendor.requests) >= 2)
    assert client.stats().failed == 0
    assert "stay in the spool" in caplog.text
    assert KEY not in caplog.text
    vendor.answer = vendor.be_up
    assert delivered(client, 10) == 50
    client.close()


@pytest.mark.parametrize(
    "policy", [RetryPolicy(retry_count=0, cap_seconds=0.05), RetryPolicy(delays=(0.01,), cap_seconds=0.05)]
)
def test_retries_that_are_used_up_end_nothing_that_the_spool_keeps(
    vendor: Vendor, place: Path, policy: RetryPolicy
) -> None:
    vendor.answer = lambda _events: Response(status=503)
    client = client_of(vendor, place, retry=policy)
    track(client, 5)
    until(lambda: len(vendor.requests) >= 5)
    assert client.stats().failed == 0
    vendor.answer = vendor.be_up
    assert delivered(client, 10) == 5
    client.close()


def test_who_wants_nothing_sent_again_gets_that(vendor: Vendor, place: Path) -> None:
    vendor.answer = lambda _events: Response(status=503)
    with client_of(vendor, place, retry=RetryPolicy(delays=())) as client:
        track(client, 5)
        client.flush(10)
        assert client.stats().failed == 5
    assert files(place) == []


def test_a_durable_flush_waits_for_the_disk_and_not_for_the_network(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.be_down
    client = client_of(vendor, place, flush_interval=60.0, fsync="off")
    track(client, 500)
    result = client.flush(10, durable=True)
    assert result.pending == 500
    assert len(set(on_disk(place))) == 500
    client.close(0)


def test_a_durable_flush_passes_by_a_worker_that_hangs(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.hang
    client = client_of(vendor, place)
    track(client, 1)
    assert vendor.hanging.wait(10)
    track(client, 500)
    began = time.monotonic()
    assert client.flush(15, durable=True).pending == 501
    assert time.monotonic() - began < 10, "far from the 20 s that the server hangs"
    assert len(set(on_disk(place))) == 501
    vendor.answer = vendor.be_up
    vendor.let_go.set()
    assert delivered(client, 10) == 501
    client.close()


def test_a_durable_flush_says_so_when_it_cannot(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.be_down
    client = client_of(vendor, place, spool_max_bytes=2**20)
    for _ in range(400):
        client.track("user", "Event", {"text": "x" * 5_000})
    with pytest.raises(SpoolError, match="the spool takes no more"):
        client.flush(10, durable=True)
    stats = client.stats()
    assert stats.pending == 400
    assert stats.spool is not None
    assert stats.spool.over_quota > 0
    assert stats.spool.nbytes <= 2**20
    vendor.answer = vendor.be_up
    assert delivered(client, 20) == 400
    client.close()


def test_a_durable_flush_needs_a_spool(vendor: Vendor) -> None:
    with Segment(KEY, transport=vendor) as client, pytest.raises(SpoolError, match="spool="):
        client.flush(durable=True)


@pytest.mark.parametrize("mode", ["on_failure", "always"])
def test_a_sync_client_spools_too(vendor: Vendor, place: Path, mode: str) -> None:
    vendor.answer = vendor.be_down
    client = client_of(vendor, place, mode, sync=True, timeout=0.05)
    client.track("user", "Event")
    assert len(on_disk(place)) == 1
    assert client.flush(1, durable=True).pending == 1
    vendor.answer = vendor.be_up
    assert delivered(client, 5) == 1
    assert client.close(1).ok
    assert files(place) == []


def test_row_72_a_bad_file_is_counted_and_put_aside(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.be_down
    first = client_of(vendor, place)
    track(first, 10)
    first.close(0)
    for path in files(place):
        data = bytearray(path.read_bytes())
        data[-3] ^= 1
        path.write_bytes(data)
    vendor.answer = vendor.be_up
    with client_of(vendor, place) as second:
        track(second, 1)
        until(lambda: second.stats().dropped == 10)
        second.flush(5)
        stats = second.stats()
        assert stats.delivered == 1
        assert stats.dropped_by_reason == {"corrupt": 10}
        assert stats.balanced
    assert files(place) == []
    assert list(place.glob("v1/quarantine/*"))


def test_row_75_a_forked_child_has_a_directory_of_its_own_and_unlocks_nothing(vendor: Vendor, place: Path) -> None:
    vendor.answer = vendor.be_down
    client = client_of(vendor, place)
    track(client, 5)
    until(lambda: len(on_disk(place)) == 5)
    parents = set(place.glob("v1/*"))
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            client.track("child", "Event")
            client.close(0)
            mine = set(place.glob("v1/*")) - parents
            adopted = client.stats().adopted
            code = 0 if len(mine) == 1 and adopted == 0 else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(on_disk(place)) == 6
    other = client_of(vendor, place)
    other.track("other", "Event")
    until(lambda: other.stats().adopted == 1)
    assert client.stats().pending == 5
    other.close(0)
    vendor.answer = vendor.be_up
    assert delivered(client, 10) == 5
    client.close()


PARENT = """
import os, sys, time
from sluiceway import Segment
client = Segment("a-write-key-of-tests", host="http://127.0.0.1:9", spool="always", spool_dir=sys.argv[1], timeout=0.1)
for _ in range(7):
    client.track("user", "Event")
client.flush(10, durable=True)
if os.fork() == 0:
    os.close(1)
    time.sleep(60)
    os._exit(0)
print("ready", flush=True)
os._exit(0)
"""


def test_row_75_a_child_that_never_uses_the_client_does_not_keep_its_dead_parents_files(
    vendor: Vendor, place: Path
) -> None:
    parent = subprocess.run([sys.executable, "-c", PARENT, str(place)], stdout=subprocess.PIPE, timeout=60, check=True)
    assert parent.stdout == b"ready\n"
    with client_of(vendor, place, host="http://127.0.0.1:9") as client:
        client.flush(5)
        until(lambda: client.stats().delivered == 7)
        assert client.stats().adopted == 7


def test_throttled_events_are_on_disk_while_they_wait(
    vendor: Vendor, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amplitude_judge, "THROTTLE_SECONDS", 0.5)
    monkeypatch.setattr(sender, "_SHORTEST_THROTTLE_SECONDS", 0.01)

    def answer(events: list[Event]) -> Response:
        if len(vendor.requests) == 1:
            slow = [index for index, event in enumerate(events) if event["user_id"] == "user-slow"]
            said = {"code": 429, "throttled_users": {"user-slow": 9}, "throttled_events": slow}
            return Response(status=429, body=msgspec.json.encode(said))
        return Response(status=200)

    vendor.answer = answer
    client = Amplitude(KEY, transport=vendor, spool="always", spool_dir=place, flush_queue_size=4, flush_interval=0.05)
    for user in ("user-quick", "user-slow", "user-quick", "user-slow"):
        assert client.track(user_id=user, event_type="Event") is True
    until(lambda: client.stats().delivered >= 1)
    slow = [event_id for event_id in vendor.requests[0] if event_id not in vendor.taken]
    assert slow
    left = b"".join(path.read_bytes() for path in files(place))
    assert all(event_id.encode() in left for event_id in slow)
    client.flush(10)
    assert client.close(5).ok
    assert client.stats().delivered == 4
    assert client.stats().balanced
    assert files(place) == []


def test_posthog_with_its_three_retries_outlives_an_outage(vendor: Vendor, place: Path) -> None:
    vendor.answer = lambda _events: Response(status=503)
    retry = RetryPolicy(retry_count=3, base_seconds=0.01, cap_seconds=0.02)
    client = PostHog(
        "phc_test", transport=vendor, spool="on_failure", spool_dir=place, flush_interval=0.05, retry=retry
    )
    client.capture("Event", distinct_id="user")
    until(lambda: len(vendor.requests) > 6)
    vendor.answer = vendor.be_up
    assert delivered(client, 10) == 1
    client.close()


@pytest.mark.parametrize("mode", ["on_failure", "always"])
def test_section_6_no_key_reaches_the_spool_and_no_payload_a_log_line_or_a_name(
    vendor: Vendor, place: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    key, payload = "canary-key-5f0e1d", "canary-payload-77aa"
    vendor.answer = lambda _events: Response(status=401)
    with Segment(key, transport=vendor, spool=mode, spool_dir=place, flush_interval=0.05, retry=QUICK) as client:
        client.track("user", "Event", {"said": payload})
        until(lambda: files(place))
        for path in files(place):
            path.write_bytes(path.read_bytes()[:-1] + b"!")
        client.flush(0.2)
        shown = [repr(client), repr(client.stats()), caplog.text]
    with Segment(key, transport=vendor, spool=mode, spool_dir=place, flush_interval=0.05, retry=QUICK) as client:
        client.track("user", "Event", {"said": payload})
        until(lambda: client.stats().attempts)
        client.flush(0.2)
        shown += [repr(client), repr(client.stats()), caplog.text]
    kept = [path for path in place.rglob("*") if path.is_file()]
    assert any(payload.encode() in path.read_bytes() for path in kept), "there was something to find"
    names = " ".join(map(str, place.rglob("*")))
    assert not [path for path in kept if key.encode() in path.read_bytes()]
    for text in (*shown, names):
        assert key not in text
        assert payload not in text
    for path in [place / "v1", *place.glob("v1/*")]:
        assert path.stat().st_mode & 0o077 == 0
