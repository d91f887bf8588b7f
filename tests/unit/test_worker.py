"""The one thread: order, idleness, flush, close, and that nothing kills it."""

from __future__ import annotations

import ctypes
import functools
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway import rounds as rounds_room
from sluiceway import worker as worker_room
from sluiceway.retry import RetryPolicy
from sluiceway.stats import FlushResult
from sluiceway.verdict import Delivered, Named, Retry, Throttled, Verdict

from .fakes import FakeBatch, Rig, answer, keeper, lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.errors import DeliveryError
    from sluiceway.transport import Request

PATIENCE_SECONDS = 10.0


def until(condition: Callable[[], bool]) -> None:
    """Wait in real time for another thread."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.002)


def answer_when(event: threading.Event, status: int = 200) -> Callable[[Request], int]:
    """For scripts: hold the request up."""

    def respond(request: Request) -> int:
        assert event.wait(PATIENCE_SECONDS)
        return status

    return respond


def soon(rig: Rig) -> float:
    return rig.clock.now + PATIENCE_SECONDS


def throttling(*verdicts: Verdict, **how: Any) -> Rig:
    """A rig with lanes whose vendor answers so, and then takes everything."""
    script = list(verdicts)
    how = {"lanes": keeper(), **how}
    return Rig(judged_by=lambda *_, **__: script.pop(0) if script else Delivered(), **how)


@pytest.fixture
def rig() -> Any:
    rig = Rig()
    yield rig
    rig.worker.close(rig.clock.now)


def test_batches_leave_in_order_and_the_thread_is_a_named_daemon(rig: Rig) -> None:
    for name in "abc":
        rig.queue.push(name)
    rig.transport.script = [rig.answer_once_a_flush_waits]
    assert rig.worker.start()
    assert rig.worker.flush(soon(rig)) == FlushResult(delivered=3)
    assert rig.transport.bodies == ["a", "b", "c"]
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "sluiceway-worker"]
    assert thread.daemon
    assert rig.queue.attended == [True]


def test_an_idle_worker_does_not_wake_up(rig: Rig) -> None:
    rig.worker.start()
    until(lambda: rig.queue.attended == [True])
    time.sleep(0.3)
    assert rig.queue.wakeups == 0


def test_while_the_endpoint_fails_later_batches_stay_in_the_queue() -> None:
    rig = Rig(*[503] * 5, 200)
    rig.queue.push("a")
    rig.queue.push("b")
    seen: list[int] = []
    rig.queue.before_wait = lambda: seen.append(len(rig.queue.waiting)) if rig.queue.pauses else None
    rig.worker.start()
    until(lambda: len(rig.queue.ends) == 2)
    assert rig.transport.bodies == ["a"] * 6 + ["b"]
    assert len(rig.queue.pauses) == 5
    assert set(seen[:5]) == {1}
    rig.worker.close(rig.clock.now)


def test_events_that_wait_in_a_lane_hold_nobody_up() -> None:
    rig = throttling(Throttled(later=Named(users=frozenset(["u"]))))
    rig.queue.push("u/d/1", "v/d/2")
    rig.queue.push("v/d/3", "u/d/4")
    rig.worker.start()
    until(lambda: len(rig.queue.ends) == 4)
    assert rig.transport.bodies == ["u/d/1,v/d/2", "v/d/2", "v/d/3", "u/d/1,u/d/4"]
    assert rig.clock.now == 1_030.0
    rig.worker.close(rig.clock.now)


def test_after_a_retry_after_that_ended_a_batch_the_next_one_waits_too() -> None:
    rig = Rig(answer(429, retry_after="100"), policy=RetryPolicy(max_rate_limited_seconds=0.0), inline=True)
    rig.queue.push("a")
    rig.queue.push("b")
    began = rig.clock.now
    rig.worker.drain(began + 50)
    assert rig.queue.ends == {"a": "failed.expired"}
    assert rig.transport.bodies == ["a"]
    seen: list[int] = []
    rig.queue.before_wait = lambda: seen.append(len(rig.queue.waiting)) if rig.queue.pauses else None
    assert rig.worker.drain(began + 200)
    assert seen[0] == 1, "what cannot be sent yet stays where on_full decides about it"
    assert rig.queue.ends["b"] == "delivered"
    assert rig.clock.now >= began + 100


def test_halves_keep_their_order_while_the_first_waits() -> None:
    rig = Rig(413, 503, 503, 200, inline=True)
    rig.queue.push("a", "b")
    assert rig.worker.drain(rig.clock.now + 10)
    assert rig.transport.bodies == ["a,b", "a", "a", "a", "b"]


# -- flush


def test_flush_covers_what_was_accepted_before_it_and_nothing_else(rig: Rig) -> None:
    rig.worker.start()
    rig.queue.push("a", "b")

    def push_more(request: Request) -> int:
        rig.answer_once_a_flush_waits(request)
        rig.queue.push("later")
        return 200

    rig.transport.script = [push_more]
    assert rig.worker.flush(soon(rig)) == FlushResult(delivered=2)


def test_flush_cuts_our_own_back_off_once_a_second_at_most() -> None:
    rig = Rig(jitter=0.99, policy=RetryPolicy(base_seconds=50.0))
    rig.transport.script = [503, 503, 503, 503, 200]
    moments: list[float] = []
    rig.transport.default = 200
    rig.queue.push("a")

    def note(request: Request) -> int:
        moments.append(rig.clock.now)
        return 200

    send = rig.transport.send
    rig.transport.send = lambda request: (note(request), send(request))[1]  # type: ignore[assignment,method-assign]
    flush = rig.flushing.open()
    rig.worker.start()
    until(flush.done.is_set)
    assert rig.flushing.result(flush) == FlushResult(delivered=1)
    gaps = [moments[index + 1] - moments[index] for index in range(len(moments) - 1)]
    assert gaps[0] == 0.0, "the first cut is immediate"
    assert gaps[1:] == [1.0, 1.0, 1.0]
    rig.worker.close(rig.clock.now)


def test_flush_never_cuts_a_retry_after_short() -> None:
    rig = Rig(answer(429, retry_after="40"), 200)
    rig.queue.push("a")
    began = rig.clock.now
    flush = rig.flushing.open()
    rig.worker.start()
    until(flush.done.is_set)
    assert rig.clock.now - began >= 40
    rig.worker.close(rig.clock.now)


def test_flush_of_an_idle_worker_returns_at_once(rig: Rig) -> None:
    rig.worker.start()
    until(lambda: rig.queue.attended == [True])
    time.sleep(0.05)
    began = time.monotonic()
    assert rig.worker.flush(soon(rig)) == FlushResult()
    assert time.monotonic() - began < PATIENCE_SECONDS / 5


def test_flush_does_not_hurry_what_the_vendor_wants_later() -> None:
    rig = throttling(Throttled(later=Named(indices=frozenset([0]))))
    rig.queue.push("u/d/1")
    began = rig.clock.now
    flush = rig.flushing.open()
    rig.worker.start()
    until(flush.done.is_set)
    assert rig.clock.now - began >= 30
    rig.worker.close(rig.clock.now)


def test_flush_without_a_worker_and_without_events_starts_no_thread(rig: Rig) -> None:
    assert rig.worker.flush(soon(rig)) == FlushResult()
    assert not rig.worker.alive


def test_flush_does_not_wait_longer_than_it_was_told() -> None:
    stuck = threading.Event()
    rig = Rig()
    rig.transport.default = answer_when(stuck)
    rig.queue.push("a", "b")
    rig.worker.start()
    until(lambda: len(rig.transport.requests) == 1)
    rig.queue.push("c")
    began = time.monotonic()
    assert rig.worker.flush(rig.clock.now + 0.2) == FlushResult(pending=3)
    assert 0.15 < time.monotonic() - began < 2
    stuck.set()
    assert rig.worker.flush(soon(rig)).ok
    rig.worker.close(rig.clock.now)


def test_many_flushes_at_once_all_return(rig: Rig) -> None:
    rig.worker.start()
    results: list[FlushResult] = []
    for name in "abcdefgh":
        rig.queue.push(name)
    threads = [threading.Thread(target=lambda: results.append(rig.worker.flush(soon(rig)))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert len(results) == 16
    assert all(result.ok for result in results)


def test_flush_from_the_workers_own_thread_does_not_wait(rig: Rig) -> None:
    results: list[FlushResult] = []

    def from_a_log_handler(request: Request) -> int:
        results.append(rig.worker.flush(rig.clock.now + 60))
        return 200

    rig.transport.script = [from_a_log_handler]
    rig.queue.push("a")
    rig.worker.start()
    until(lambda: rig.queue.ends == {"a": "delivered"})
    assert results == [FlushResult(pending=1)]


# -- drain, for clients without a thread


def test_drain_does_the_work_on_the_calling_thread_and_runs_the_callbacks() -> None:
    told: list[Any] = []
    rig = Rig(503, 200, inline=True, on_delivery=lambda report: told.append((report.ids, threading.get_ident())))
    rig.queue.push("a")
    assert rig.worker.drain(rig.clock.now + 5)
    assert told == [(["a"], threading.get_ident())]
    assert not rig.worker.alive
    assert not rig.worker.start()


def test_drain_ends_at_its_deadline_although_an_error_of_ours_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(inline=True)

    def broken() -> None:
        rig.clock.pass_seconds(1)
        raise RuntimeError

    monkeypatch.setattr(rounds_room, "_STUMBLE_SECONDS", 0.0)
    rig.queue.push("a")
    rig.queue.before_wait = broken
    assert not rig.worker.drain(rig.clock.now + 5)
    rig.queue.before_wait = lambda: None
    assert rig.worker.drain(rig.clock.now + 5)
    assert rig.queue.ends == {"a": "delivered"}


def test_drain_gives_up_at_its_deadline_and_goes_on_next_time() -> None:
    rig = Rig(503, 503, 200, inline=True, policy=RetryPolicy(base_seconds=100.0, cap_seconds=100.0))
    rig.queue.push("a")
    assert not rig.worker.drain(rig.clock.now + 5)
    assert rig.transport.bodies == ["a"]
    assert rig.queue.ends == {}
    rig.clock.pass_seconds(50)
    assert not rig.worker.drain(rig.clock.now + 5)
    rig.clock.pass_seconds(50)
    assert rig.worker.drain(rig.clock.now + 5)


def test_drain_inside_a_drain_returns_instead_of_waiting_for_itself() -> None:
    rig = Rig(inline=True)
    answers: list[bool] = []

    def tracks_and_drains(request: Request) -> int:
        answers.append(rig.worker.drain(rig.clock.now + 60))
        return 200

    rig.transport.script = [tracks_and_drains]
    rig.queue.push("a")
    assert rig.worker.drain(rig.clock.now + 60)
    assert answers == [False]


def test_flush_drains_where_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_room, "start_thread", lambda name, run: False)
    rig = Rig()
    rig.queue.push("a")
    assert not rig.worker.start()
    assert rig.worker.flush(soon(rig)) == FlushResult(delivered=1)
    assert rig.worker.close(soon(rig)) == FlushResult()


# -- close


def test_close_sends_what_is_left_and_ends_the_thread() -> None:
    rig = Rig()
    for name in "abc":
        rig.queue.push(name)
    closing = threading.Event()
    rig.transport.script = [answer_when(closing)]
    rig.worker.start()
    close = rig.queue.close
    rig.queue.close = lambda: (close(), closing.set())[0]  # type: ignore[method-assign]
    assert rig.worker.close(soon(rig)) == FlushResult(delivered=3)
    until(lambda: not rig.worker.alive)
    assert rig.queue.attended == [True, False]
    assert rig.worker.close(soon(rig)) == FlushResult()
    assert not rig.worker.start()


def test_close_of_a_worker_that_never_started_sends_on_the_calling_thread() -> None:
    rig = Rig()
    rig.queue.push("a")
    assert rig.worker.close(soon(rig)) == FlushResult(delivered=1)


def test_close_cuts_our_own_back_off_for_a_last_attempt() -> None:
    rig = Rig(503, 200, policy=RetryPolicy(base_seconds=3_000.0, cap_seconds=3_000.0), inline=True)
    rig.queue.push("a")
    rig.worker.drain(rig.clock.now + 1)
    assert rig.worker.close(rig.clock.now + 1) == FlushResult(delivered=1)
    assert len(rig.transport.requests) == 2


def test_close_leaves_a_retry_after_alone_and_fails_the_rest_at_once() -> None:
    told: list[DeliveryError] = []
    rig = Rig(answer(429, retry_after="100"), inline=True, on_error=lambda error, batch: told.append(error))
    rig.queue.push("a")
    rig.queue.push("b")
    rig.worker.drain(rig.clock.now + 1)
    began = rig.clock.now
    assert rig.worker.close(rig.clock.now + 50) == FlushResult(failed=2)
    assert rig.clock.now == began
    assert rig.transport.bodies == ["a"]
    assert rig.queue.ends == dict.fromkeys("ab", "failed.shutdown")
    assert [(error.reason, error.sent) for error in told] == [("shutdown", "no")] * 2
    assert sorted(rig.queue.released) == ["a", "b"]


def test_close_waits_for_a_retry_after_that_passes_in_time() -> None:
    rig = Rig(answer(429, retry_after="10"), 200, inline=True)
    rig.queue.push("a")
    assert rig.worker.close(rig.clock.now + 50) == FlushResult(delivered=1)


def test_close_of_an_unreachable_endpoint_ends_in_time_with_nothing_pending() -> None:
    rig = Rig(inline=True)
    rig.transport.default = lost()
    for name in "abc":
        rig.queue.push(name)
    began = rig.clock.now
    assert rig.worker.close(began + 2) == FlushResult(failed=3)
    assert rig.clock.now <= began + 2


def test_close_misses_no_batch_that_was_taken_from_the_queue_and_is_not_in_the_line_yet() -> None:
    rig = Rig()
    taken, next_batch = threading.Event(), rig.queue.next_batch

    def takes_its_time(timeout: float | None) -> Any:
        batch = next_batch(timeout)
        if batch is not None:
            taken.set()
            time.sleep(0.05)
        return batch

    rig.queue.next_batch = takes_its_time  # type: ignore[method-assign]
    rig.queue.push("a")
    assert rig.worker.start()
    assert taken.wait(PATIENCE_SECONDS)
    result = rig.worker.close(rig.clock.now)
    assert (result.pending, result.delivered + result.failed) == (0, 1)
    assert list(rig.queue.ends) == ["a"]


@pytest.mark.parametrize("late", [200, 404, 503])
def test_close_returns_in_time_although_the_thread_is_stuck_and_what_it_learns_later_changes_nothing(
    late: int, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = threading.Event()
    told: list[str] = []
    rig = Rig(
        on_error=lambda error, batch: told.append(error.sent), on_delivery=lambda report: told.append("delivered")
    )
    rig.transport.default = answer_when(stuck, late)
    rig.queue.push("a")
    rig.worker.start()
    until(lambda: len(rig.transport.requests) == 1)
    rig.queue.push("b")
    began = time.monotonic()
    assert rig.worker.close(rig.clock.now + 0.3) == FlushResult(failed=2)
    assert time.monotonic() - began < 3
    stuck.set()
    until(lambda: not rig.worker.alive)
    assert rig.queue.ends == dict.fromkeys("ab", "failed.shutdown")
    assert sorted(rig.queue.released) == ["a", "b"]
    assert sorted(told) == ["maybe", "no"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


# -- nothing kills it


class Injected(BaseException):
    """What PyThreadState_SetAsyncExc raises in the tests."""


def inject(rig: Rig) -> None:
    ident = rig.worker._working_on
    assert ident is not None
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(Injected)) == 1


@pytest.mark.parametrize("kind", [RuntimeError, MemoryError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_whatever_a_request_raises_the_parcel_is_sent_again(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig()

    def fall(request: Request) -> int:
        if len(rig.transport.requests) == 1:
            raise kind("user@example.com")
        return 200

    rig.transport.default = fall
    rig.queue.push("a")
    rig.queue.push("b")
    rig.worker.start()
    until(lambda: len(rig.queue.ends) == 2)
    assert rig.transport.bodies == ["a", "a", "b"]
    assert rig.queue.ends == dict.fromkeys("ab", "delivered")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "example.com" not in caplog.text
    rig.worker.close(rig.clock.now)


def test_an_exception_injected_into_the_idle_worker_loses_no_batch(rig: Rig) -> None:
    rig.worker.start()
    until(lambda: rig.queue.attended == [True])
    for turn in range(20):
        time.sleep(0.01)
        inject(rig)
        rig.queue.push(f"a{turn}")
        until(lambda turn=turn: f"a{turn}" in rig.queue.ends)  # type: ignore[misc]
    assert set(rig.queue.ends.values()) == {"delivered"}
    assert rig.worker.alive


def test_a_batch_is_not_lost_between_the_return_of_the_queue_and_the_worker(rig: Rig) -> None:
    # Waits in C, as the native queue does: the exception is raised when the call has returned with the batch.
    batches: queue.SimpleQueue[FakeBatch] = queue.SimpleQueue()
    in_python, rig.queue.next_batch = rig.queue.next_batch, functools.partial(batches.get, True)  # type: ignore[method-assign,assignment]
    rig.worker.start()
    until(lambda: rig.queue.attended == [True])
    for turn in range(20):
        time.sleep(0.02)
        inject(rig)
        batches.put(FakeBatch([f"a{turn}"], [turn]))
        until(lambda turn=turn: f"a{turn}" in rig.queue.ends)  # type: ignore[misc]
    rig.queue.next_batch = in_python  # type: ignore[method-assign]
    batches.put(FakeBatch(["last"], [20]))


def test_an_exception_injected_into_a_request_sends_the_parcel_again(rig: Rig) -> None:
    inside = threading.Event()

    def slow(request: Request) -> int:
        if len(rig.transport.requests) == 1:
            inside.set()
            deadline = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < deadline:
                time.sleep(0.001)
        return 200

    rig.transport.default = slow
    rig.queue.push("a")
    rig.worker.start()
    assert inside.wait(PATIENCE_SECONDS)
    inject(rig)
    until(lambda: rig.queue.ends == {"a": "delivered"})


def test_a_judge_that_always_raises_ends_in_exhausted_retries_not_in_a_loop() -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    rig = Rig(judged_by=broken)
    rig.queue.push("a")
    rig.worker.start()
    until(lambda: rig.queue.ends == {"a": "failed.retries_exhausted"})
    assert len(rig.transport.requests) == 11
    rig.worker.close(rig.clock.now)


def test_only_one_of_many_starts_starts_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    real = worker_room.start_thread
    monkeypatch.setattr(worker_room, "start_thread", lambda name, run: (started.append(name), real(name, run))[1])
    rig = Rig()
    threads = [threading.Thread(target=rig.worker.start) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert started == ["sluiceway-worker"]
    rig.worker.close(rig.clock.now)


def test_a_start_inside_a_start_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collected object's `__del__` may call `track` anywhere, also in here."""
    rig = Rig()
    monkeypatch.setattr(worker_room, "start_thread", lambda name, run: rig.worker.start())
    assert rig.worker.start()


def test_while_the_system_gives_no_thread_it_is_asked_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    rig = Rig()
    monkeypatch.setattr(worker_room, "start_thread", lambda name, run: bool(asked.append(rig.clock.now)))
    for _ in range(100):
        assert not rig.worker.start()
        rig.clock.pass_seconds(0.02)
    assert len(asked) == 2


def test_overflowed_events_are_told_by_the_worker() -> None:
    told: list[str] = []
    rig = Rig(inline=True)
    token = rig.delivery.register(lambda error, batch: told.append(error.reason))
    rig.queue.overflow = [(token, "overflow")]
    rig.worker.drain(rig.clock.now + 1)
    assert told == ["overflow"]


# -- lanes

LATER = Throttled(later=Named(users=frozenset(["u"])))


def test_a_lane_wakes_the_worker_when_it_is_due_and_not_before() -> None:
    rig = throttling(LATER)
    rig.queue.push("u/d/1")
    waits: list[float | None] = []
    real = rig.queue.next_batch
    rig.queue.next_batch = lambda timeout: (waits.append(timeout), real(timeout))[1]  # type: ignore[method-assign]
    rig.worker.start()
    until(lambda: len(rig.queue.ends) == 1)
    assert [timeout for timeout in waits if timeout is not None] == [30.0], "one wait, as long as the lane's"
    assert rig.transport.bodies == ["u/d/1"] * 2
    rig.worker.close(rig.clock.now)


def test_a_lane_that_waits_beyond_the_deadline_keeps_no_one_else_from_going_in_a_drain() -> None:
    rig = throttling(LATER, inline=True)
    rig.queue.push("u/d/1")
    rig.queue.push("v/d/2", "u/d/3")
    rig.queue.push("w/d/4")
    began = rig.clock.now
    assert not rig.worker.drain(began + 5)
    assert rig.transport.bodies == ["u/d/1", "v/d/2", "w/d/4"]
    assert rig.clock.now == began
    assert rig.worker.drain(began + 31)
    assert rig.transport.bodies[3:] == ["u/d/1,u/d/3"]


@pytest.mark.parametrize("inline", [True, False])
def test_close_sends_all_others_and_then_fails_what_would_have_to_wait_longer(inline: bool) -> None:
    told: list[tuple[str, str]] = []
    rig = throttling(LATER, inline=inline, on_error=lambda error, batch: told.append((error.reason, error.sent)))
    closing = threading.Event()
    rig.transport.script = [answer_when(closing)]
    rig.queue.push("u/d/1", "v/d/2")
    rig.queue.push("u/d/3", "w/d/4")
    began = rig.clock.now
    if inline:
        closing.set()
    else:
        rig.worker.start()
        until(lambda: len(rig.transport.requests) == 1)
        close = rig.queue.close
        rig.queue.close = lambda: (close(), closing.set())[0]  # type: ignore[method-assign]
    result = rig.worker.close(began + 20)
    assert result == FlushResult(delivered=2, failed=2)
    assert rig.clock.now < began + 20
    assert rig.queue.ends["w/d/4"] == "delivered"
    assert rig.queue.ends["u/d/1"] == rig.queue.ends["u/d/3"] == "failed.shutdown"
    assert told
    assert set(told) == {("shutdown", "no")}
    assert sorted(rig.queue.released) == sorted(rig.queue.ends)


def test_close_makes_a_last_attempt_with_a_lane_whose_wait_passes_in_time() -> None:
    rig = throttling(LATER, inline=True)
    rig.queue.push("u/d/1")
    assert rig.worker.close(rig.clock.now + 40) == FlushResult(delivered=1)


def test_a_flush_knows_of_what_waits_in_lanes() -> None:
    rig = throttling(LATER, inline=True)
    rig.queue.push("u/d/1", "v/d/2")
    assert rig.worker.flush(rig.clock.now + 5) == FlushResult(delivered=1, pending=1)
    rig.queue.push("u/d/3")
    flush = rig.flushing.open()
    rig.queue.push("u/d/4")
    rig.worker.drain(rig.clock.now + 99)
    assert rig.transport.bodies[-1] == "u/d/1,u/d/3,u/d/4", "joined, from both sides of the mark"
    assert rig.flushing.result(flush) == FlushResult(delivered=2)


def test_while_the_endpoint_fails_a_lane_takes_nothing_more_from_the_queue() -> None:
    """Else an outage would fill the lane of a busy user, and drop what `on_full` should decide about."""
    rig = throttling(LATER, *[Retry(endpoint=True)] * 6, lanes=keeper(max_events=2), inline=True)
    rig.queue.push("u/d/1")
    for number in range(2, 9):
        rig.queue.push(f"u/d/{number}")
    assert rig.worker.drain(rig.clock.now + 1_000)
    assert list(rig.queue.ends.values()).count("dropped.throttled") == 6, "while throttled, and no more"
    rig.queue.push("u/d/9")
    assert rig.worker.drain(rig.clock.now + 1_000)
    assert rig.queue.ends["u/d/9"] == "delivered"


def test_an_outage_of_a_lane_leaves_newer_events_in_the_queue() -> None:
    rig = throttling(LATER, *[Retry(endpoint=True)] * 6, lanes=keeper(max_events=2), inline=True)
    rig.queue.push("u/d/1")
    rig.worker.drain(rig.clock.now + 5)
    rig.clock.pass_seconds(31)
    rig.worker.drain(rig.clock.now)
    assert len(rig.transport.requests) == 2, "the lane is sent, and meets an outage"
    for number in range(2, 9):
        rig.queue.push(f"u/d/{number}")
    assert rig.worker.drain(rig.clock.now + 1_000)
    assert rig.queue.ends == {f"u/d/{number}": "delivered" for number in range(1, 9)}


def test_too_many_events_in_lanes_drop_the_oldest_and_their_callbacks_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[tuple[str, str]] = []
    rig = throttling(LATER, lanes=keeper(max_events=3), inline=True)
    tokens = {
        f"u/d/{number}": rig.delivery.register(
            lambda error, batch, number=number: told.append((number, error and error.reason))
        )
        for number in range(6)
    }
    rig.queue.push("u/d/0", "u/d/1", tokens=tokens)
    rig.queue.push("u/d/2", "v/d/9", "u/d/3", tokens=tokens)
    rig.queue.push("u/d/4", tokens=tokens)
    assert rig.worker.drain(rig.clock.now + 40)
    assert sorted(told) == [(0, "throttled"), (1, "throttled"), (2, None), (3, None), (4, None)]
    assert sorted(rig.queue.released) == sorted(rig.queue.ends)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_drain_does_not_sit_out_a_pause_that_nobody_is_left_to_need() -> None:
    rig = Rig(
        answer(429, retry_after="100"), policy=RetryPolicy(retry_count=0, max_rate_limited_seconds=0), inline=True
    )
    rig.queue.push("a")
    began = rig.clock.now
    assert rig.worker.drain(began + 500)
    assert rig.clock.now == began
    rig.queue.push("b")
    assert rig.worker.drain(began + 500)
    assert rig.clock.now >= began + 100
    assert rig.queue.ends["b"] == "delivered"


def test_close_does_not_sit_out_a_pause_that_nobody_is_left_to_need() -> None:
    rig = Rig(answer(429, retry_after="100"), policy=RetryPolicy(max_rate_limited_seconds=0))
    rig.queue.push("a")
    rig.worker.start()
    until(lambda: len(rig.queue.ends) == 1)
    began = rig.clock.now
    rig.worker.close(began + 500)
    assert rig.clock.now == began


def test_an_exception_injected_between_the_decision_and_the_count_loses_no_event() -> None:
    rig = Rig(200, inline=True)
    rig.queue.push("a")
    real = rig.queue.settle

    def interrupted(*_: Any) -> int:
        rig.queue.settle = real  # type: ignore[method-assign]
        raise KeyboardInterrupt

    rig.queue.settle = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        rig.worker.drain(rig.clock.now + 1)
    assert rig.queue.ends == {}
    assert rig.worker.drain(rig.clock.now + 1)
    assert rig.queue.ends == {"a": "delivered"}
    assert rig.transport.bodies == ["a"], "what was delivered is not sent again"


def test_what_is_carried_when_close_gives_up_may_have_been_sent_though_it_is_of_a_lane() -> None:
    told: list[tuple[str, str]] = []
    stuck = threading.Event()
    rig = throttling(LATER, on_error=lambda error, batch: told.append((batch.ids, error.sent)))
    rig.transport.script = [200, answer_when(stuck)]
    rig.queue.push("u/d/1")
    rig.worker.start()
    until(lambda: len(rig.transport.requests) == 2)
    rig.queue.push("u/d/2")
    assert rig.worker.close(rig.clock.now + 0.3) == FlushResult(failed=2)
    stuck.set()
    until(lambda: len(told) == 2)
    assert sorted(told) == [(["u/d/1"], "maybe"), (["u/d/2"], "no")]
    until(lambda: not rig.worker.alive)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_row_51_exceptions_injected_into_the_end_of_the_thread_still_get_it_replaced(rig: Rig) -> None:
    def once(real: Callable[..., Any], when: Callable[..., bool]) -> Callable[..., Any]:
        left = [1]

        def raising(*args: Any) -> Any:
            if left and when(*args):
                left.clear()
                raise Injected
            return real(*args)

        return raising

    # The first leaves the loop, as from inside its handler; the second meets the thread while it makes place.
    rig.rounds.step = once(rig.rounds.step, lambda *_: True)  # type: ignore[method-assign]
    rig.rounds.stumble = once(rig.rounds.stumble, lambda *_: True)  # type: ignore[method-assign]
    rig.queue.attend = once(rig.queue.attend, lambda attended: not attended)  # type: ignore[method-assign]
    rig.queue.push("a")
    rig.worker.start()
    until(lambda: rig.queue.ends == {"a": "delivered"})
    assert rig.worker.alive
