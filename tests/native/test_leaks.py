"""Memory stays where it was: after hundreds of thousands of events of every kind, refused and broken ones included."""

from __future__ import annotations

import gc
import os
import sys
import time
import tracemalloc
import weakref
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sluiceway import _native

from .clients import Kept, Ringed

STATUS = Path("/proc/self/statm")
MIB = 1 << 20

linux = pytest.mark.skipif(not STATUS.exists(), reason="reads /proc")


def resident_bytes() -> int:
    return int(STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


class Raising:
    def __str__(self) -> str:
        raise ValueError


PLAIN = {"a": 1, "b": 1.5, "c": "text \u20ac", "d": [None, True, {"e": []}], "i": 2**70, "u": UUID(int=1)}
ODD = {"a": Decimal("1.5"), "b": {1, 2}, 5: datetime(2013, 1, 1)}
DEEP = deep(70)
WIDE = [0] * 20_000
LONG = "x" * 40_000


def natively(client: Ringed, number: int) -> None:
    """Eight calls that the walk takes or refuses by itself, or that fail where it stands."""
    client.track("u", "E", PLAIN)
    client.track(user_id="u", event="E", properties={"n": number, "x": "y" * (number % 300)})
    client.track("u", "E", {f"n\u00e9w {number}": float("nan"), "s": "\ud800", "i": 10**400})
    client.identify("u", {"a": [number] * 10}, {"b": 1}, message_id=f"own {number}")


def by_python(client: Any, number: int) -> None:
    """Calls that are checked, replaced, refused."""
    client.track(number, "E", ODD)
    client.track("u", "E", {"a": Raising()})
    client.track("u", "E", {"a": DEEP})
    client.track("u", "E", {"a": WIDE})
    client.track("u", LONG)
    client.track(None, "E")
    client.track("u", "E", {"a": object()}, callback=lambda error, batch: None)
    with suppress(TypeError):
        client.track("u", "E", colour=number)


def sent(client: Kept, number: int) -> None:
    """Calls that go all the way: batch, body, answer, callback."""
    client.track("u", "E", PLAIN, callback=lambda error, batch: None)
    client.track("u", "E", ODD)
    if number % 50 == 0:
        client.clear()


@linux
@pytest.mark.parametrize(
    ("calls", "rounds"),
    [(natively, 75_000), (by_python, 2_500), (sent, 4_000)],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_resident_memory_is_flat(calls: Any, rounds: int) -> None:
    client = Kept() if calls is sent else Ringed(max_queue_events=10**6)

    def run(count: int) -> int:
        for number in range(count):
            calls(client, number)
            if number % 100 == 0:
                client.purge()
        client.purge()
        assert client._assembly.delivery.wait(time.monotonic() + 10)
        gc.collect()
        return resident_bytes()

    before = run(rounds // 4)
    blocks = sys.getallocatedblocks()
    after = run(rounds)
    assert after - before < 3 * MIB, f"{after - before:,} bytes more after {rounds:,} rounds"
    assert sys.getallocatedblocks() - blocks < 500
    assert client.stats().balanced


def test_objects_are_as_many_as_before() -> None:
    client, memory = Ringed(), Kept()

    def run() -> int:
        for number in range(150):
            natively(client, number)
            by_python(client, number)
            sent(memory, number)
        client.purge()
        memory.clear()
        gc.collect()
        return len(gc.get_objects())

    run()
    before = run()
    assert run() - before < 20


def test_python_memory_is_flat_by_its_own_account() -> None:
    client = Ringed()

    def run(count: int) -> int:
        for number in range(count):
            natively(client, number)
            by_python(client, number)
            if number % 25 == 0:
                client.purge()
        client.purge()
        assert client._assembly.delivery.wait(time.monotonic() + 10)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        run(200)
        before = run(200)
        after = run(400)
    finally:
        tracemalloc.stop()
    # 4,800 calls in between: three bytes for each.
    assert after - before < 15_000


@linux
def test_a_collected_client_gives_its_pages_back() -> None:
    def burst(clients: int) -> int:
        for _ in range(clients):
            client = Ringed(max_queue_events=10**6)
            for number in range(1_500):
                client.track("u", "E", {"n": number, "x": "y" * 500})
            del client
        gc.collect()
        return resident_bytes()

    burst(60)
    before = burst(60)
    # A client's events are almost 1 MiB in the ring.
    assert burst(60) - before < 12 * MIB


def test_a_client_is_collected_once_nobody_holds_it() -> None:
    for make in (Kept, Ringed):
        client = make()
        client.track("u", "E", PLAIN)
        client.track("u", "E", ODD, callback=lambda error, batch: None)
        client.stats()
        gone = weakref.ref(client)
        del client
        gc.collect()
        assert gone() is None


def test_a_client_in_a_cycle_is_collected() -> None:
    class Owned(Kept):
        __slots__ = ("__dict__",)

    client = Owned()
    client.owner = [client]
    assert client.track("u", "E") is True
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None


@linux
def test_batches_and_their_parts_give_their_bytes_back() -> None:
    client = Ringed(max_queue_events=10**6)
    queue: Any = client._assembly.queue

    def run(rounds: int) -> int:
        for _ in range(rounds):
            for number in range(200):
                client.track("u", "E", {"n": number, "x": "y" * 1_000})
            queue.flush_mark()
            while (batch := queue.next_batch(0.0)) is not None:
                left, right = batch.split_at(len(batch) // 2)
                parts = [left, right, batch.slice(0, 3), batch.without([0, 5]), batch.without(list(range(len(batch))))]
                bodies = [part.body(b"[", b"]") for part in parts if part is not None]
                assert all(bodies)
                assert batch.ids[:1]
                assert batch.tokens == []
                with pytest.raises(IndexError):
                    batch.event(len(batch))
                queue.settle(batch, "delivered")
                queue.release(batch)
                queue.release(batch)  # once is all
        gc.collect()
        return resident_bytes()

    before = run(40)
    assert run(200) - before < 4 * MIB
    stats = client.stats()
    assert stats.balanced
    assert (stats.reserved_events, stats.reserved_bytes) == (0, 0)


@linux
def test_wrong_calls_of_the_engine_leak_nothing() -> None:
    queue: Any = Ringed()._assembly.queue

    def run(count: int) -> int:
        for _ in range(count):
            for wrong in (
                queue.push,
                lambda: queue.push(99, None, None, None),
                lambda: queue.push("shape", None, None, None, "u"),
                lambda: queue.push(1, None, None, None, *"more values than fields"),
                lambda: queue.admit(1, 2),
                lambda: queue.admit(0, 99, None, None),
                lambda: _native.Field("a", "colour"),  # type: ignore[arg-type]
                lambda: _native.Shape(b"{", [], one_of=["a"]),
                lambda: queue.settle(None, "delivered"),
            ):
                with pytest.raises((TypeError, ValueError)):
                    wrong()
        gc.collect()
        return resident_bytes()

    before = run(300)
    assert run(2_000) - before < 2 * MIB
