"""Lanes with the real engine: a server that throttles single users and devices, as Amplitude does."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from sluiceway import Amplitude, FlushResult, sender
from sluiceway.transport import Request, Response, TransportError
from sluiceway.vendors import amplitude_judge

KEY = "an-api-key-of-tests"
WAIT_SECONDS = 0.3

Event = dict[str, Any]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page asks for half a minute."""
    monkeypatch.setattr(amplitude_judge, "THROTTLE_SECONDS", WAIT_SECONDS)
    monkeypatch.setattr(sender, "_SHORTEST_THROTTLE_SECONDS", 0.01)


class Scripted:
    """A transport that asks a function what to answer; keeps every request with its moment."""

    def __init__(self, answer: Callable[[list[Event]], Response]) -> None:
        self.answer = answer
        self.requests: list[tuple[float, list[Event]]] = []
        self.closed = False

    def send(self, request: Request) -> Response:
        events = msgspec.json.decode(request.body)["events"]
        self.requests.append((time.monotonic(), events))
        return self.answer(events)

    def close(self) -> None:
        self.closed = True

    @property
    def shown(self) -> list[str]:
        """The user and the type of each event of each request."""
        return [",".join(f"{event['user_id']}{event['event_type']}" for event in events) for _, events in self.requests]


def said(code: int, **more: Any) -> Response:
    return Response(status=code, body=msgspec.json.encode({"code": code, **more}))


def once(*answers: Response) -> Callable[[list[Event]], Response]:
    script = list(answers)
    return lambda events: script.pop(0) if script else said(200)


def client_of(transport: Scripted, **options: Any) -> Amplitude:
    return Amplitude(KEY, transport=transport, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("named", ["throttled_users", "throttled_devices", "throttled_events"])
def test_who_is_named_waits_and_nobody_else(named: str) -> None:
    names: dict[str, Any] = {
        "throttled_users": {"user-1": 100},
        "throttled_devices": {"device-1": 100},
        "throttled_events": [0],
    }
    server = Scripted(once(said(429, **{named: names[named]})))
    client = client_of(server, flush_interval=3_600)
    client.track("A", user_id="user-1", device_id="device-1")
    client.track("B", user_id="user-2", device_id="device-2")
    began = time.monotonic()
    assert client.flush(0.1) == FlushResult(delivered=1, pending=1)
    client.track("C", user_id="user-1", device_id="device-1")
    client.track("D", user_id="user-2", device_id="device-2")
    assert client.flush(0.05) == FlushResult(delivered=1, pending=2)
    assert server.shown == ["user-1A,user-2B", "user-2B", "user-2D"]
    assert client.flush(5) == FlushResult(delivered=2)
    assert server.shown[3:] == ["user-1A,user-1C"]
    assert server.requests[3][0] - began >= WAIT_SECONDS
    client.track("E", user_id="user-1", device_id="device-1")
    assert client.close(5).ok
    assert client.stats().balanced


def test_close_fails_what_would_have_to_wait_longer_and_the_budget_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amplitude_judge, "THROTTLE_SECONDS", 30.0)
    told: list[tuple[str | None, int]] = []
    server = Scripted(once(said(429, throttled_users={"user-1": 100})))
    on_error = lambda error, batch: told.append((error.reason, len(batch)))  # noqa: E731
    client = client_of(server, flush_interval=3_600, on_error=on_error)
    for number in range(500):
        client.track("A", user_id=f"user-{number % 2}")
    began = time.monotonic()
    assert client.close(2) == FlushResult(delivered=250, failed=250)
    assert time.monotonic() - began < 2
    assert {reason for reason, _ in told} == {"shutdown"}
    assert sum(count for _, count in told) == 250
    stats = client.stats()
    assert stats.balanced
    assert (stats.pending, stats.reserved_events, stats.reserved_bytes) == (0, 0, 0)


def test_what_waits_keeps_no_memory_but_its_own_and_goes_in_few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of each batch waits; the blocks that it was cut from must not wait with it."""
    monkeypatch.setattr(amplitude_judge, "THROTTLE_SECONDS", 2.0)
    server = Scripted(once(said(429, throttled_users={"user-1": 1})))
    client = client_of(server, flush_interval=3_600)
    for turn in range(20):
        client.track("A", user_id="user-1", event_properties={"n": turn})
        for number in range(100):
            client.track("B", user_id=f"user-9{number}", event_properties={"text": "x" * 1_000})
        client.flush(0.02)
    waiting = client._assembly.worker.desk.line._places.lanes.waiting
    assert sum(map(len, waiting)) == 20
    assert len(waiting) <= 5, "they are gathered as they come"
    assert sum(parcel.batch.block_bytes for parcel in waiting) < 20 * 300
    assert client.close(10) == FlushResult(delivered=20)
    assert [event["event_properties"]["n"] for event in server.requests[-1][1]] == list(range(20)), "in one request"
    assert client.stats().balanced


def test_beyond_max_cached_events_the_oldest_are_dropped_and_told() -> None:
    server = Scripted(once(said(429, throttled_users={"user-1": 1})))
    client = client_of(server, max_cached_events=3, flush_interval=3_600)
    told: list[tuple[int, str | None]] = []
    for number in range(8):
        client.track(
            "A",
            user_id="user-1",
            callback=lambda error, batch, number=number: told.append((number, error and error.reason)),
        )
    assert client.close(5).dropped == 5
    assert sorted(told) == [(number, "throttled" if number < 5 else None) for number in range(8)]
    stats = client.stats()
    assert stats.balanced
    assert stats.dropped_by_reason == {"throttled": 5}


class Wild:
    """A server that answers as badly as it can, and checks what it sees."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.faults: list[str] = []
        self.until: dict[tuple[str, str], float] = {}
        self.taken: set[str] = set()
        self.perhaps: set[str] = set()
        self.refused: set[str] = set()
        self.last: dict[tuple[str, str], int] = defaultdict(lambda: -1)
        self.answers: defaultdict[str, int] = defaultdict(int)
        self.peaceful = False

    def __call__(self, events: list[Event]) -> Response:
        now = time.monotonic()
        for event in events:
            if event["insert_id"] in self.taken or event["insert_id"] in self.refused:
                self.faults.append("something was sent that had ended")
            for name in names_of(event):
                if now < self.until.get(name, 0.0):
                    self.faults.append(f"{name} was sent before its wait was over")
        kind = "take" if self.peaceful else self.random.choice(KINDS)
        bad = [index for index, event in enumerate(events) if event["event_type"] == "bad"]
        if bad:
            kind = "bad"
        self.answers[kind] += 1
        return getattr(self, f"_{kind}")(events, bad)  # type: ignore[no-any-return]

    def _take(self, events: list[Event], bad: list[int]) -> Response:
        self._keep(events)
        return said(200)

    def _keep(self, events: list[Event]) -> None:
        for event in events:
            self.taken.add(event["insert_id"])
            if event["insert_id"] in self.perhaps:
                continue  # it was here before, in its order
            pair, number = (event["user_id"], event["device_id"]), event["event_properties"]["n"]
            if number <= self.last[pair]:
                self.faults.append(f"{number} of {pair} came behind {self.last[pair]}")
            self.last[pair] = number

    def _bad(self, events: list[Event], bad: list[int]) -> Response:
        some = self.random.sample(bad, self.random.randint(1, len(bad)))
        self.refused.update(events[index]["insert_id"] for index in some)
        return said(400, events_with_invalid_fields={"time": some[:1]}, silenced_events=some[1:])

    def _throttle(self, events: list[Event], bad: list[int]) -> Response:
        users = self.random.sample([event["user_id"] for event in events], min(len(events), self.random.randint(0, 3)))
        devices = [event["device_id"] for event in events[: self.random.choice([0, 0, 0, 1])]]
        indices = [self.random.randrange(len(events)) for _ in range(self.random.choice([0, 1, 2]))]
        until = time.monotonic() + amplitude_judge.THROTTLE_SECONDS
        for index in indices:
            event = events[index]
            if event["user_id"] not in users and event["device_id"] not in devices:
                self.until["pair", f"{event['user_id']} {event['device_id']}"] = until
        self.until.update({("user", user): until for user in users})
        self.until.update({("device", device): until for device in devices})
        return said(
            429,
            throttled_users=dict.fromkeys([*users, "stranger"], 9),
            throttled_devices=dict.fromkeys(devices, 9),
            throttled_events=[*indices, 99_999],
        )

    def _quota(self, events: list[Event], bad: list[int]) -> Response:
        user = self.random.choice(events)["user_id"]
        self.refused.update(event["insert_id"] for event in events if event["user_id"] == user)
        return said(429, exceeded_daily_quota_users={user: 1})

    def _large(self, events: list[Event], bad: list[int]) -> Response:
        return said(413) if len(events) > 1 else self._take(events, bad)

    def _ill(self, events: list[Event], bad: list[int]) -> Response:
        return said(503)

    def _lose(self, events: list[Event], bad: list[int]) -> Response:
        # Taken, and yet nobody knows.
        for event in events:
            self._keep([event])
            self.taken.remove(event["insert_id"])
            self.perhaps.add(event["insert_id"])
        raise TransportError("closed", "maybe")


KINDS = ["take"] * 6 + ["throttle"] * 5 + ["quota", "large", "ill", "lose"]


def names_of(event: Event) -> Iterator[tuple[str, str]]:
    yield "user", event["user_id"]
    yield "device", event["device_id"]
    yield "pair", f"{event['user_id']} {event['device_id']}"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("max_batch_events", [7, 400])
def test_whatever_a_server_answers_each_event_ends_once_and_in_order(
    max_batch_events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amplitude_judge, "THROTTLE_SECONDS", 0.02)
    seed = random.SystemRandom().randrange(2**32)
    wild = Wild(seed)
    server = Scripted(wild)
    told: defaultdict[str, int] = defaultdict(int)
    client = client_of(
        server,
        max_batch_events=max_batch_events,
        on_delivery=lambda batch: count(told, batch.ids),
        on_error=lambda error, batch: count(told, batch.ids),
        retry_timeouts=[1] * 50,
    )
    per_thread = 1_500 if max_batch_events < 100 else 8_000

    def push(thread: int) -> None:
        # A thread has users of its own, so that the order of its calls is the order of its events.
        chance = random.Random(seed + thread)
        for number in range(per_thread):
            client.track(
                "bad" if chance.random() < 0.002 else "good",
                user_id=f"user-{thread}-{chance.randrange(12)}",
                device_id=f"device-{chance.randrange(6)}",
                event_properties={"n": number, "text": "x" * chance.randrange(200)},
            )

    threads = [threading.Thread(target=push, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(1)
    wild.peaceful = True
    result = client.close(60)
    stats = client.stats()
    assert not wild.faults[:5], f"seed {seed}"
    assert not result.pending
    assert stats.balanced
    assert stats.accepted == 4 * per_thread
    assert (stats.reserved_events, stats.reserved_bytes, stats.dropped) == (0, 0, 0)
    assert len(told) == 4 * per_thread, f"seed {seed}"
    assert set(told.values()) == {1}, f"seed {seed}"
    assert stats.delivered == len(wild.taken)
    assert stats.failed_by_reason.get("rejected", 0) == len(wild.refused)
    assert min(wild.answers[kind] for kind in set(KINDS)) > 0, dict(wild.answers)


def count(told: dict[str, int], ids: list[str]) -> None:
    for name in ids:
        told[name] += 1
