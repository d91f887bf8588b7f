"""Callbacks: each told once, on a thread of its own, and none can hurt the delivery."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway import delivery as delivery_room

from .fakes import FakeBatch, Rig

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.errors import DeliveryError
    from sluiceway.report import BatchReport

PATIENCE_SECONDS = 10.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.002)


def deliver(rig: Rig, batch: FakeBatch) -> None:
    rig.endings.delivered(batch, status=200, attempts=1)


def test_each_callback_is_told_once_with_its_batch_and_then_the_budget_returns() -> None:
    rig = Rig()
    told: list[Any] = []
    order: list[str] = []
    one = rig.delivery.register(lambda error, batch: (told.append((error, batch.ids)), order.append("callback")))
    batch = rig.queue.push("a", "b", tokens={"b": one})
    rig.queue.release = lambda batch: order.append("release")  # type: ignore[method-assign,assignment]
    deliver(rig, batch)
    deliver(rig, batch)
    until(lambda: len(order) >= 2)
    assert told == [(None, ["a", "b"])]
    # To end a batch again may give back what it still holds, which is nothing by then.
    assert order in (["callback", "release"], ["callback", "release", "release"])
    rig.delivery.close(rig.clock.now + 1)


def test_without_callbacks_no_thread_is_started_and_the_budget_returns_at_once() -> None:
    before = threading.active_count()
    rig = Rig()
    deliver(rig, rig.queue.push("a"))
    assert rig.queue.released == ["a"]
    assert threading.active_count() == before


def test_a_backlog_of_callbacks_keeps_its_budget() -> None:
    rig = Rig()
    go = threading.Event()
    for name in "abc":
        token = rig.delivery.register(lambda error, batch: go.wait(PATIENCE_SECONDS))
        deliver(rig, rig.queue.push(name, tokens={name: token}))
    time.sleep(0.05)
    assert rig.queue.released == []
    go.set()
    until(lambda: rig.queue.released == ["a", "b", "c"])
    rig.delivery.close(rig.clock.now + 1)


def test_a_forgotten_callback_is_never_told() -> None:
    rig = Rig(inline=True)
    token = rig.delivery.register(lambda error, batch: pytest.fail("told"))
    rig.delivery.forget(token)
    deliver(rig, rig.queue.push("a", tokens={"a": token}))
    rig.delivery.run_pending()
    assert rig.queue.released == ["a"]
    assert not rig.delivery.registered


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, RecursionError])
def test_whatever_a_callback_raises_the_next_one_is_told(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(on_delivery=lambda report: told.append(report.ids))
    told: list[list[str]] = []

    def bad(error: Any, batch: Any) -> None:
        raise kind("user@example.com")

    tokens = {name: rig.delivery.register(bad) for name in "ab"}
    deliver(rig, rig.queue.push("a", tokens=tokens))
    deliver(rig, rig.queue.push("b", tokens=tokens))
    assert rig.delivery.wait(rig.clock.now + PATIENCE_SECONDS)
    assert told == [["a"], ["b"]]
    assert rig.queue.released == ["a", "b"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert kind.__name__ in caplog.text
    assert "example.com" not in caplog.text
    rig.delivery.close(rig.clock.now + 1)


def test_a_callback_may_call_flush_and_close() -> None:
    rig = Rig()
    seen: list[Any] = []

    def calls_back(error: Any, batch: BatchReport) -> None:
        rig.queue.push("from the callback")
        seen.append(rig.worker.flush(rig.clock.now + PATIENCE_SECONDS))
        seen.append(rig.worker.close(rig.clock.now + PATIENCE_SECONDS))

    token = rig.delivery.register(calls_back)
    rig.queue.push("a", tokens={"a": token})
    rig.worker.start()
    began = time.monotonic()
    until(lambda: len(seen) == 2)
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    assert rig.queue.ends == {"a": "delivered", "from the callback": "delivered"}
    until(lambda: not any(thread.name == "sluiceway-callbacks" for thread in threading.enumerate()))


def test_flush_returns_after_the_callbacks_of_its_events_ran() -> None:
    rig = Rig()
    told: list[str] = []
    token = rig.delivery.register(lambda error, batch: (time.sleep(0.05), told.append("told")))
    rig.queue.push("a", tokens={"a": token})
    rig.transport.script = [rig.answer_once_a_flush_waits]
    rig.worker.start()
    assert rig.worker.flush(rig.clock.now + PATIENCE_SECONDS).delivered == 1
    assert told == ["told"]
    rig.worker.close(rig.clock.now + 1)


def test_a_callback_that_blocks_does_not_block_the_delivery() -> None:
    rig = Rig()
    go = threading.Event()
    token = rig.delivery.register(lambda error, batch: go.wait(PATIENCE_SECONDS))
    rig.queue.push("a", tokens={"a": token})
    rig.worker.start()
    for name in "bcd":
        rig.queue.push(name)
    until(lambda: len(rig.queue.ends) == 4)
    began = time.monotonic()
    assert rig.worker.flush(rig.clock.now + 0.2).ok
    assert time.monotonic() - began < 2
    go.set()
    rig.worker.close(rig.clock.now + 1)


def test_on_error_and_on_delivery_are_told_of_their_batches() -> None:
    told: list[Any] = []
    rig = Rig(
        inline=True,
        on_delivery=lambda report: told.append(("delivered", report.ids)),
        on_error=lambda error, batch: told.append((error.reason, batch.ids)),
    )
    deliver(rig, rig.queue.push("a"))
    rig.endings.failed(rig.queue.push("b"), "expired", sent="maybe", status=503, attempts=9)
    rig.endings.dropped(rig.queue.push("c"), "throttled")
    rig.delivery.run_pending()
    assert told == [("delivered", ["a"]), ("expired", ["b"]), ("throttled", ["c"])]


def test_a_disabled_clients_callback_is_told_without_error() -> None:
    rig = Rig(inline=True)
    told: list[DeliveryError | None] = []
    token = rig.delivery.register(lambda error, batch: told.append(error))
    rig.endings.dropped(rig.queue.push("a", tokens={"a": token}), "disabled")
    rig.delivery.run_pending()
    assert told == [None]
    assert rig.queue.ends == {"a": "dropped.disabled"}


def test_removed_events_are_told_why() -> None:
    rig = Rig(inline=True)
    told: list[Any] = []
    token = rig.delivery.register(lambda error, batch: told.append((error.reason, error.sent, batch.ids)))
    rig.endings.removed([token, 999], "purged")
    rig.delivery.run_pending()
    assert told == [("purged", "no", [])]


def test_where_no_thread_can_be_had_close_runs_the_callbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_room, "start_thread", lambda name, run: False)
    told: list[Any] = []
    rig = Rig(on_delivery=told.append)
    deliver(rig, rig.queue.push("a"))
    assert told == []
    assert rig.delivery.close(rig.clock.now + 1)
    assert len(told) == 1
    assert rig.queue.released == ["a"]


def test_callbacks_run_in_the_order_of_their_batches() -> None:
    told: list[int] = []
    rig = Rig()
    for index in range(200):
        token = rig.delivery.register(lambda error, batch, index=index: told.append(index))  # type: ignore[misc]
        deliver(rig, rig.queue.push(f"e{index}", tokens={f"e{index}": token}))
    assert rig.delivery.wait(rig.clock.now + PATIENCE_SECONDS)
    assert told == list(range(200))
    assert not rig.delivery.registered
    rig.delivery.close(rig.clock.now + 1)
