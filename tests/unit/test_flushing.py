"""Marks: a flush counts exactly the events before it."""

from __future__ import annotations

import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.errors import DeliveryError
from sluiceway.stats import FlushResult

from .fakes import FakeBatch, Rig


def test_a_flush_counts_what_ends_after_it_began_and_lies_before_its_mark() -> None:
    rig = Rig()
    before = rig.queue.push("ended", "before")
    rig.queue.waiting.clear()
    rig.endings.delivered(before, status=200, attempts=1)
    covered = [rig.queue.push("a", "b"), rig.queue.push("c"), rig.queue.push("d")]
    flush = rig.flushing.open()
    after = rig.queue.push("after")
    rig.queue.waiting.clear()
    rig.endings.delivered(covered[0], status=200, attempts=1)
    rig.endings.failed(covered[1], "rejected", sent="no", status=404, attempts=1)
    rig.endings.dropped(covered[2], "throttled")
    rig.endings.delivered(after, status=200, attempts=1)
    rig.flushing.check()
    assert flush.done.is_set()
    assert rig.flushing.result(flush) == FlushResult(delivered=2, failed=1, dropped=1)


def test_what_neither_ended_nor_waits_was_dropped_from_the_ring() -> None:
    rig = Rig()
    rig.queue.push("a", "b", "c")
    flush = rig.flushing.open()
    rig.queue.waiting.clear()
    rig.flushing.check()
    assert rig.flushing.result(flush) == FlushResult(dropped=3)


def test_a_flush_keeps_the_first_error_and_the_last_batch() -> None:
    rig = Rig()
    batches = [rig.queue.push(name) for name in "abc"]
    flush = rig.flushing.open()
    for batch, reason in zip(batches, ["rejected", "expired", ""], strict=True):
        if reason:
            rig.endings.failed(batch, reason, sent="no", status=None, attempts=1)
        else:
            rig.endings.delivered(batch, status=200, attempts=1)
    assert isinstance(flush.error, DeliveryError)
    assert flush.error.reason == "rejected"
    assert flush.report is not None
    assert flush.report.ids == ["c"]


def test_a_flush_given_up_reports_what_is_pending_and_leaves_no_trace() -> None:
    rig = Rig()
    rig.queue.push("a", "b")
    flush = rig.flushing.open()
    assert rig.flushing.hurried
    assert rig.flushing.result(flush) == FlushResult(pending=2)
    assert not rig.flushing.hurried
    assert not rig.flushing._flushes


def test_then_is_called_once_when_the_flush_is_done() -> None:
    rig = Rig()
    called: list[int] = []
    rig.flushing.open(then=lambda: called.append(1))
    rig.flushing.check()
    rig.flushing.check()
    assert called == [1]


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=12),
    marks=st.lists(st.integers(0, 11), max_size=4),
    ends=st.lists(st.sampled_from(["delivered", "failed", "wait"]), min_size=12, max_size=12),
)
def test_the_result_always_adds_up_to_the_events_before_the_mark(
    sizes: list[int], marks: list[int], ends: list[str]
) -> None:
    rig = Rig()
    flushes = []
    batches: list[FakeBatch] = []
    for index, size in enumerate(sizes):
        batches.append(rig.queue.push(*[f"{index}.{n}" for n in range(size)]))
        flushes += [(rig.flushing.open(), sum(sizes[: index + 1])) for mark in marks if mark == index]
    for batch, end in zip(batches, ends, strict=False):
        if end == "wait":
            continue
        rig.queue.waiting.remove(batch)
        if end == "delivered":
            rig.endings.delivered(batch, status=200, attempts=1)
        else:
            rig.endings.failed(batch, "rejected", sent="no", status=404, attempts=1)
    rig.flushing.check()
    for flush, covered in flushes:
        result = rig.flushing.result(flush)
        assert result.delivered + result.failed + result.pending == covered
        assert result.dropped == 0
        assert flush.done.is_set() == (result.pending == 0)


def test_a_wait_ends_at_its_timeout_and_at_once_when_set() -> None:
    rig = Rig()
    rig.queue.push("a")
    flush = rig.flushing.open()
    began = time.monotonic()
    assert not flush.done.wait(0.05)
    assert 0.04 < time.monotonic() - began < 1
    threading.Timer(0.05, flush.done.set).start()
    assert flush.done.wait(10)
    assert time.monotonic() - began < 5


def test_a_batch_joined_from_both_sides_of_a_mark_counts_for_the_events_before_it() -> None:
    rig = Rig()
    first = rig.queue.push("a", "b", "c")
    flush = rig.flushing.open()
    joined = FakeBatch.join([first.slice(1, 3), rig.queue.push("d"), first.slice(0, 1)])
    rig.queue.waiting.clear()
    rig.flushing.unsettled = joined.count_before
    assert rig.flushing._pending(flush.mark) == 3
    rig.endings.failed(joined.slice(0, 3), "rejected", sent="no", status=404, attempts=1)
    rig.flushing.unsettled = joined.slice(3, 4).count_before
    assert rig.flushing._pending(flush.mark) == 1
    rig.endings.handed_over(joined.slice(3, 4), status=503, attempts=2)
    rig.flushing.unsettled = lambda mark: 0
    rig.flushing.check()
    assert rig.flushing.result(flush) == FlushResult(failed=2, handed_over=1)


def test_a_batch_behind_a_mark_leaves_a_flush_without_error_and_report() -> None:
    rig = Rig()
    flush = rig.flushing.open()
    rig.endings.failed(rig.queue.push("a"), "rejected", sent="no", status=404, attempts=1)
    assert (flush.error, flush.report, flush.failed) == (None, None, 0)
