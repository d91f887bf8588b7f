"""What a call does when the queue is full, under each of the four policies (G6), at a real server's real outage.

Each runs into the limit of events and into the limit of bytes.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from sluiceway import QueueFull

from .dams import dammed, in_flight, settles

LIMITS: dict[str, dict[str, Any]] = {
    "events": {"max_queue_events": 50},
    "bytes": {"max_queue_bytes": 32_768, "max_event_bytes": 8_192},
}
OFFERED = 300
# Far more than all calls of a test take, far less than anything that waits for the server.
AT_ONCE_SECONDS = 5.0


@pytest.fixture(params=list(LIMITS.values()), ids=list(LIMITS))
def limits(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def offer(client: Any, count: int = OFFERED, start: int = 0) -> list[bool]:
    """Offer events whose user says which they are."""
    return [client.track(str(number), "E", {"text": "x" * 200}) for number in range(start, start + count)]


def users(receiver: Any) -> list[str]:
    return [event["userId"] for event in receiver.events]


def within(limits: dict[str, Any], stats: Any) -> bool:
    """Whether the limits were never passed, and one of them was all but reached."""
    most_events, most_bytes = limits.get("max_queue_events", 100_000), limits.get("max_queue_bytes", 64 << 20)
    reached = stats.max_reserved_events == most_events or stats.max_reserved_bytes > most_bytes - 1_000
    return reached and stats.max_reserved_events <= most_events and stats.max_reserved_bytes <= most_bytes


def test_drop_new_refuses_at_once_and_delivers_all_it_had_accepted(limits: dict[str, Any]) -> None:
    with dammed() as (receiver, dam):
        client = in_flight(receiver, on_full="drop_new", **limits)
        began = time.monotonic()
        answers = offer(client)
        assert time.monotonic() - began < AT_ONCE_SECONDS
        accepted = answers.count(True)
        assert 20 < accepted < 200
        assert answers == [True] * accepted + [False] * (OFFERED - accepted), "room does not come back in an outage"
        stats = client.stats()
        assert stats.refused == {"queue_full": OFFERED - accepted}
        assert within(limits, stats)
        dam.opened.set()
        settles(client, receiver, delivered=1 + accepted)
        assert users(receiver)[:-1] == ["first", *map(str, range(accepted))]


def test_drop_oldest_accepts_at_once_and_gives_up_the_oldest_of_the_ring_only(limits: dict[str, Any]) -> None:
    """What is in flight is older than all of them, and is no victim."""
    with dammed() as (receiver, dam):
        client = in_flight(receiver, on_full="drop_oldest", **limits)
        began = time.monotonic()
        assert offer(client) == [True] * OFFERED
        assert time.monotonic() - began < AT_ONCE_SECONDS
        stats = client.stats()
        dropped = stats.dropped_by_reason["overflow"]
        assert (stats.accepted, stats.refused) == (1 + OFFERED, {})
        assert 100 < dropped < OFFERED - 20
        assert stats.dropped_by_reason == {"overflow": dropped}
        assert within(limits, stats)
        dam.opened.set()
        settles(client, receiver, delivered=1 + OFFERED - dropped)
        assert users(receiver)[:-1] == ["first", *map(str, range(dropped, OFFERED))]


def test_block_loses_and_refuses_nothing_and_keeps_each_producers_order(limits: dict[str, Any]) -> None:
    producers = 4
    with dammed() as (receiver, dam):
        client = in_flight(receiver, on_full="block", **limits)
        answers: list[bool] = []
        threads = [
            threading.Thread(target=lambda start=number * OFFERED: answers.extend(offer(client, start=start)))
            for number in range(producers)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        assert all(thread.is_alive() for thread in threads), "they wait for room"
        stats = client.stats()
        assert stats.refused == {}
        assert within(limits, stats)
        dam.opened.set()
        for thread in threads:
            thread.join(30)
        assert answers == [True] * (producers * OFFERED)
        settles(client, receiver, delivered=1 + producers * OFFERED)
        arrived = [int(user) for user in users(receiver)[1:-1]]
        for number in range(producers):
            own = [user for user in arrived if user // OFFERED == number]
            assert own == list(range(number * OFFERED, (number + 1) * OFFERED))


def test_block_with_a_timeout_waits_that_long_and_then_refuses(limits: dict[str, Any]) -> None:
    with dammed() as (receiver, dam):
        client = in_flight(receiver, on_full="block", block_timeout=0.2, **limits)
        accepted = 0
        while True:
            began = time.monotonic()
            if not client.track(str(accepted), "E", {"text": "x" * 200}):
                break
            accepted += 1
        assert 0.2 <= time.monotonic() - began < 2.0
        assert accepted > 20
        assert client.stats().refused == {"queue_full": 1}
        assert within(limits, client.stats())
        dam.opened.set()
        settles(client, receiver, delivered=1 + accepted)


def test_raise_tells_the_caller_and_counts_as_refused(limits: dict[str, Any]) -> None:
    with dammed() as (receiver, dam):
        client = in_flight(receiver, on_full="raise", **limits)
        accepted = raised = 0
        for number in range(OFFERED):
            try:
                accepted += client.track(str(number), "E", {"text": "x" * 200})
            except QueueFull:
                raised += 1
        with pytest.raises(QueueFull, match=r"^the queue is full \([0-9,]+ events or [0-9,]+ bytes\)$"):
            client.track("u", "E", {"text": "x" * 4_000})
        raised += 1
        assert accepted + raised == OFFERED + 1
        assert 20 < accepted < 200
        assert client.stats().refused == {"queue_full": raised}
        assert within(limits, client.stats())
        dam.opened.set()
        settles(client, receiver, delivered=1 + accepted)


@pytest.mark.parametrize("on_full", ["drop_new", "drop_oldest", "raise", "block"])
def test_the_same_holds_on_the_long_way(on_full: str, limits: dict[str, Any]) -> None:
    """With middleware every event takes the long way; what is accepted there is bounded and accounted for alike."""
    with dammed() as (receiver, dam):
        client = in_flight(
            receiver,
            on_full=on_full,
            block_timeout=0.05,
            middleware=[lambda event: {**event, "context": {"seen": True}}],
            **limits,
        )
        told: list[Any] = []
        answers: list[bool | None] = []
        for number in range(OFFERED):
            try:
                answers.append(
                    client.track(str(number), "E", {"text": "x" * 200}, callback=lambda *end: told.append(end))
                )
            except QueueFull:
                answers.append(None)
            if on_full == "block" and answers[-1] is False:
                break
        stats = client.stats()
        assert stats.balanced
        assert within(limits, stats)
        refused = len(answers) - answers.count(True)
        assert sum(stats.refused.values()) == refused
        assert (refused == 0) == (on_full == "drop_oldest")
        dam.opened.set()
        dropped = client.stats().dropped
        assert (dropped > 50) == (on_full == "drop_oldest")
        settles(client, receiver, delivered=1 + answers.count(True) - dropped)
        assert len(told) == len(answers), "each call's callback is told once, whatever became of it"
        assert sum(error is None for error, _ in told) == answers.count(True) - dropped
