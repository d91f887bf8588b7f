"""Batches as Python handles them: bodies with fresh ends, joined views, and what became of each event."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway._native import Batch, Field, Shape

from .engine import Engine

MIB = 1 << 20


def sealed(engine: Engine, count: int, *, first: int = 0, pad: int = 0) -> Batch:
    """A batch of so many events, numbered in their ids; every third has a token."""
    for number in range(first, first + count):
        outcome = engine.queue.admit(number + 1 if number % 3 == 0 else 0, 0, f"id-{number}", None, number, "x" * pad)
        assert outcome is True
    return engine.batch()


def numbering() -> Engine:
    return Engine(Shape(b"{", [Field("n", "int"), Field("pad", "any")], tail=b',"sentAt":"0000"}'))


def numbers(batch: Batch) -> list[int]:
    """The events' numbers, which ids, tokens, events and body agree on."""
    told: list[int] = [event["n"] for event in json.loads(batch.body(b"[", b"]"))]
    assert batch.ids == [f"id-{number}" for number in told]
    assert batch.tokens == [(at, number + 1) for at, number in enumerate(told) if number % 3 == 0]
    assert [json.loads(batch.event(at))["n"] for at in range(len(batch))] == told
    assert batch.nbytes == len(batch.body(b"", b""))
    return told


# -- bodies


def test_an_event_tail_overwrites_the_end_of_each_event_in_the_copy_only() -> None:
    engine = numbering()
    batch = sealed(engine, 5)
    plain = batch.body(b'{"batch":[', b"]}")
    tail = b'"1234"}'
    fresh = batch.body(b'{"batch":[', b"]}", tail)
    assert len(fresh) == len(plain)
    assert [event.pop("sentAt") for event in json.loads(fresh)["batch"]] == ["1234"] * 5
    assert fresh.replace(tail, b'"0000"}') == plain
    # The sealed bytes are as they were, and every attempt has its own.
    assert batch.body(b'{"batch":[', b"]}") == plain
    assert b"".join(batch.event(at) for at in range(5)).count(b'"0000"}') == 5
    assert batch.body(b"", b"", b"") == batch.body(b"", b"")


def test_an_event_tail_finds_the_events_of_any_view() -> None:
    batch = sealed(numbering(), 9, pad=3)
    joined = Batch.join([batch.slice(5, 9), batch.slice(0, 3)])
    for view in (batch.slice(2, 7), batch.without([0, 1, 4, 8]), batch.split_at(4)[1].without([0]), joined):
        for head in (b"", b"head"):
            body = view.body(head, b"tail", b'"1234"}')
            events = b",".join(view.event(at)[:-7] + b'"1234"}' for at in range(len(view)))
            assert body == head + events + b"tail"


def test_an_event_tail_may_be_all_of_an_event_and_no_more() -> None:
    engine = Engine(Shape(b"{", [Field("n", "int")]))
    for number in (7, 1_000):
        assert engine.push(number, message_id="m") is True
    batch = engine.batch()
    short, long = len(batch.event(0)), len(batch.event(1))
    assert batch.body(b"<", b">", b"!" * short) == b"<" + b"!" * short + b"," + batch.event(1)[:3] + b"!" * short + b">"
    assert long == short + 3
    for too_long in (short + 1, long):
        with pytest.raises(ValueError):
            batch.body(b"", b"", b"!" * too_long)
    assert batch.slice(1, 2).body(b"", b"", b"!" * long) == b"!" * long


# -- joins


@given(st.data())
def test_a_join_holds_the_events_of_its_views_in_order(data: st.DataObject) -> None:
    engine = numbering()
    views: list[Batch] = []
    first = 0
    for _ in range(data.draw(st.integers(1, 4))):
        batch = sealed(engine, count := data.draw(st.integers(1, 8)), first=first, pad=data.draw(st.integers(0, 9)))
        first += count
        start = data.draw(st.integers(0, count - 1))
        views += [view for view in (batch.slice(start, count), batch.slice(0, start)) if len(view)]
    views = data.draw(st.permutations(views))
    expected = [number for view in views for number in numbers(view)]
    charge = engine.queue.counters()["reserved_bytes"]
    joined = Batch.join(views)
    assert numbers(joined) == expected
    assert joined.end_position == max(view.end_position for view in views)
    assert joined.nbytes <= joined.block_bytes < joined.nbytes + 64
    # The budget is as it was, until the joined events give it back.
    assert engine.queue.counters()["reserved_bytes"] == charge
    middle = data.draw(st.integers(0, len(joined)))
    parts = [part for part in (joined.slice(0, middle), joined.slice(middle, len(joined))) if len(part)]
    assert sum(engine.queue.settle(part, "delivered") for part in parts) == first
    for part in parts:
        engine.queue.release(part)
    counters = engine.queue.counters()
    assert (counters["delivered"], counters["sealed"]) == (first, 0)
    assert (counters["reserved_events"], counters["reserved_bytes"]) == (0, 0)


def test_events_that_moved_end_where_they_are() -> None:
    engine = numbering()
    queue, batch = engine.queue, sealed(engine, 10)
    joined = Batch.join([batch.slice(0, 6)])
    assert queue.settle(batch, "failed", "rejected") == 4
    queue.release(batch)
    assert queue.counters()["reserved_events"] == 6
    assert queue.settle(joined, "delivered") == 6
    assert queue.settle(joined, "delivered") == 0
    queue.release(joined)
    queue.release(joined)
    counters = queue.counters()
    assert (counters["delivered"], counters["failed.rejected"], counters["reserved_bytes"]) == (6, 4, 0)


def test_what_has_ended_before_a_join_does_not_end_again() -> None:
    engine = numbering()
    batch = sealed(engine, 10)
    assert engine.queue.settle(batch.slice(2, 5), "failed", "rejected") == 3
    engine.queue.release(batch.slice(4, 6))
    joined = Batch.join([batch.without([9]), batch.slice(9, 10)])
    assert engine.queue.settle(joined, "delivered") == 7
    assert engine.queue.counters()["reserved_events"] == 8
    engine.queue.release(joined)
    assert engine.queue.counters()["reserved_bytes"] == 0


def test_nothing_to_join_is_a_wrong_call() -> None:
    for wrong in ([], ()):
        with pytest.raises(ValueError):
            Batch.join(wrong)
    batch = sealed(numbering(), 2)
    for wrong_type in (None, [None], [batch, 7], batch):
        with pytest.raises(TypeError):
            Batch.join(wrong_type)  # type: ignore[arg-type]
    assert numbers(Batch.join((batch,))) == [0, 1]


def test_a_join_lets_go_of_the_blocks_it_copied_from() -> None:
    engine = numbering()
    batch = sealed(engine, 40, pad=10_000)
    small = batch.slice(3, 4)
    assert small.nbytes < 11_000
    assert small.block_bytes >= batch.nbytes > 400_000
    assert Batch.join([small]).block_bytes < 11_000


def test_small_joined_views_of_large_batches_take_little_memory() -> None:
    engine = numbering()
    kept: list[Any] = []
    before = resident_bytes()
    for turn in range(60):
        batch = sealed(engine, 100, first=100 * turn, pad=10_000)
        kept.append(Batch.join([batch.slice(7, 8), batch.slice(50, 51)]))
        engine.queue.settle(batch, "delivered")
        engine.queue.release(batch)
        del batch
    gc.collect()
    assert resident_bytes() - before < 12 * MIB, "60 MB of blocks are held"
    assert engine.queue.counters()["reserved_events"] == 120


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


# -- positions


def test_an_event_counts_as_before_a_mark_by_the_batch_it_was_sealed_in() -> None:
    engine = numbering()
    marks = [engine.queue.flush_mark()]
    batches = []
    for turn in range(3):
        batches.append(sealed(engine, 4, first=4 * turn))
        marks.append(engine.queue.flush_mark())
    for at, batch in enumerate(batches):
        assert [batch.count_before(mark) for mark in marks] == [0] * (at + 1) + [4] * (3 - at)
        assert batch.slice(1, 3).count_before(marks[-1]) == 2
    joined = Batch.join([batches[2].slice(0, 1), batches[0], batches[1].without([0, 3])])
    assert numbers(joined) == [8, 0, 1, 2, 3, 5, 6]
    assert [joined.count_before(mark) for mark in marks] == [0, 4, 6, 7]
    assert joined.end_position == batches[2].end_position
    # A view knows its own events, and so does a join of joins.
    assert [joined.slice(1, 6).count_before(mark) for mark in marks] == [0, 4, 5, 5]
    assert joined.slice(1, 6).end_position == batches[1].end_position
    assert joined.without([0, 5, 6]).end_position == batches[0].end_position
    again = Batch.join([joined.slice(5, 7), joined.slice(0, 5)])
    assert numbers(again) == [5, 6, 8, 0, 1, 2, 3]
    assert [again.count_before(mark) for mark in marks] == [0, 4, 6, 7]


# -- what Python replaces


def test_an_id_that_python_replaced_is_counted() -> None:
    engine = numbering()
    engine.queue.count_replaced("id")
    engine.queue.count_replaced("id")
    assert engine.replaced() == {"id": 2}
    with pytest.raises(ValueError):
        engine.queue.count_replaced("text")  # type: ignore[arg-type]


def test_without_an_interval_whatever_waits_is_due() -> None:
    engine = Engine(Shape(b"{", [Field("n", "int")]), flush_interval=0.0)
    assert engine.push(1) is True
    assert engine.push(2) is True
    batch = engine.queue.next_batch(0.0)
    assert batch is not None
    assert len(batch) == 2
    assert engine.queue.next_batch(0.0) is None
