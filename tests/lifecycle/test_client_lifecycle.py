"""Flush and close, in every way they can be called; clients without a thread, without a network, and switched off."""

from __future__ import annotations

import asyncio
import gc
import pickle
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from sluiceway import FlushResult, Segment
from sluiceway.testing import Answer, MemoryTransport, Receiver

KEY = "a-write-key-of-tests"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def ours() -> list[threading.Thread]:
    """The threads of the package; those of clients that earlier tests closed may take a moment to end."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("sluiceway")]


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    yield
    gc.collect()
    deadline = time.monotonic() + 5
    while ours() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ours() == []


def test_the_constructor_starts_no_thread_and_the_first_event_starts_one(receiver: Receiver) -> None:
    client = Segment(KEY, host=receiver.url)
    client.track("", "refused")
    assert ours() == []
    client.track("u", "E")
    assert [thread.daemon for thread in ours()] == [True]
    client.close()


def test_flush_delivers_what_the_triggers_would_hold_back(receiver: Receiver) -> None:
    client = Segment(KEY, host=receiver.url, flush_first=False, flush_at=1_000, flush_interval=3_600)
    for _ in range(10):
        client.track("u", "E")
    assert client.flush(5) == FlushResult(delivered=10)
    assert len(receiver.requests) == 1
    client.close()


def test_flush_ends_with_its_timeout() -> None:
    with Receiver(default=Answer(delay=30.0)) as receiver:
        client = Segment(KEY, host=receiver.url)
        client.track("u", "E")
        started = time.monotonic()
        assert client.flush(0.2) == FlushResult(pending=1)
        assert time.monotonic() - started < 2.0
        assert client.close(0.1) == FlushResult(failed=1)
        assert client.stats().failed_by_reason == {"shutdown": 1}
        assert client.stats().balanced


def test_flush_tells_its_callback_once_with_the_last_batch(receiver: Receiver) -> None:
    told: list[Any] = []
    client = Segment(KEY, host=receiver.url, flush_first=False)
    client.track("u", "E")
    client.flush(5, callback=lambda error, batch: told.append((error, len(batch))))
    client.close()
    assert told == [(None, 1)]


def test_close_is_final_and_may_be_repeated(receiver: Receiver) -> None:
    client = Segment(KEY, host=receiver.url, flush_first=False)
    client.track("u", "E")
    assert client.close() == FlushResult(delivered=1)
    assert client.shutdown() == FlushResult()
    assert client.track("u", "E") is False
    assert client.flush() == FlushResult()
    assert client.stats().refused == {"closed": 1}
    assert client.stats().pending == 0


def test_close_from_many_threads_and_from_a_callback(receiver: Receiver) -> None:
    closed = threading.Event()
    client = Segment(KEY, host=receiver.url)

    def close(error: object, batch: object) -> None:
        client.close(2)
        closed.set()

    client.track("u", "E", callback=close)
    threads = [threading.Thread(target=client.close, args=(5,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert closed.wait(5)
    assert not any(thread.is_alive() for thread in threads)


def test_with_closes(receiver: Receiver) -> None:
    with Segment(KEY, host=receiver.url) as client:
        client.track("u", "E")
    assert len(receiver.events) == 1
    assert client.track("u", "E") is False


def test_aflush_and_aclose_wait_without_blocking_the_loop() -> None:
    with Receiver(default=Answer(delay=0.3)) as receiver:
        told: list[object] = []

        async def main() -> tuple[FlushResult, int]:
            async with Segment(KEY, host=receiver.url) as client:
                client.track("u", "E", callback=lambda error, batch: told.append(error))
                ticks = 0
                waiting = asyncio.ensure_future(client.aflush(5))
                while not waiting.done():
                    await asyncio.sleep(0.01)
                    ticks += 1
                return await waiting, ticks

        result, ticks = asyncio.run(main())
        assert result == FlushResult(delivered=1)
        assert told == [None]
        assert ticks > 10


def test_aflush_makes_no_thread_of_its_own(receiver: Receiver) -> None:
    async def main() -> None:
        client = Segment(KEY, host=receiver.url)
        client.track("u", "E")
        await client.aflush(5)
        threads = {thread.name for thread in threading.enumerate()}
        for _ in range(3):
            client.track("u", "E")
            assert (await client.aflush(5)).ok
        assert {thread.name for thread in threading.enumerate()} - threads == set()
        await client.aclose()

    asyncio.run(main())


def test_aflush_of_an_idle_client_returns_at_once() -> None:
    client = Segment(KEY, host=NOWHERE)
    assert asyncio.run(client.aflush(60)) == FlushResult()


def test_aflush_ends_with_its_timeout_and_survives_cancelling() -> None:
    with Receiver(default=Answer(delay=30.0)) as receiver:
        client = Segment(KEY, host=receiver.url)

        async def main() -> FlushResult:
            client.track("u", "E")
            waiting = asyncio.ensure_future(client.aflush(60))
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            return await client.aflush(0.1)

        assert asyncio.run(main()) == FlushResult(pending=1)
        client.close(0)


def test_sync_answers_with_the_delivery() -> None:
    with Receiver(script=[200, 400, 200]) as receiver:
        told: list[object] = []
        client = Segment(KEY, host=receiver.url, sync=True)
        assert client.track("u", "first") is True
        assert client.track("u", "second", callback=lambda error, batch: told.append(error.reason)) is False  # type: ignore[union-attr]
        assert client.track("u", "third") is True
        assert client.track("", "refused") is False
        assert ours() == []
        assert told == ["rejected"]
        assert [event["event"] for event in receiver.events] == ["first", "third"]
        assert client.stats().balanced


@pytest.mark.parametrize("callback", ["not callable", 7])
def test_sync_refuses_a_callback_that_cannot_be_called(callback: Any) -> None:
    client = Segment(KEY, transport=MemoryTransport(), sync=True)
    assert client.track("u", "E", callback=callback) is False
    assert client.stats().refused == {"invalid": 1}


def test_sending_in_clear_is_warned_of_and_this_machine_is_not(caplog: pytest.LogCaptureFixture) -> None:
    Segment(KEY, host=NOWHERE)
    assert caplog.text == ""
    Segment(KEY, host="http://proxy.example.com", allow_http=True)
    Segment(KEY, host="http://proxy.example.com", allow_http=True)
    assert caplog.text.count("sends in clear") == 1


def test_a_memory_transport_needs_no_thread_and_flush_is_instant() -> None:
    transport = MemoryTransport()
    told: list[object] = []
    client = Segment(KEY, transport=transport)
    for _ in range(3):
        assert client.track("u", "E", callback=lambda error, batch: told.append(error)) is True
    assert told == [None, None, None]
    assert len(transport.events) == 3
    assert client.flush(0) == FlushResult()
    assert ours() == []


def test_a_callback_of_a_threadless_client_may_track() -> None:
    transport = MemoryTransport()
    client = Segment(KEY, transport=transport)
    client.track("u", "outer", callback=lambda error, batch: client.track("u", "inner"))
    client.flush()
    assert [event["event"] for event in transport.events] == ["outer", "inner"]


def test_a_disabled_client_checks_and_tells_but_sends_nothing() -> None:
    transport = MemoryTransport()
    told: list[object] = []
    client = Segment(KEY, transport=transport, enable=False)
    assert client.track("u", "E", callback=lambda error, batch: told.append(error)) is True
    assert client.track("u", "E") is True
    assert client.track("", "E") is False
    assert client.flush() == FlushResult()
    assert told == [None]
    assert transport.requests == []
    stats = client.stats()
    assert (stats.accepted, stats.dropped_by_reason, stats.refused) == (2, {"disabled": 2}, {"invalid": 1})
    assert (stats.balanced, stats.reserved_events) == (True, 0)


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_the_variable_makes_every_call_a_no_op(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SLUICEWAY_DISABLED", value)
    transport = MemoryTransport()
    client = Segment(KEY, transport=transport)
    assert client.track() is True
    assert client.flush() == client.close() == FlushResult()
    assert transport.requests == []
    assert client.stats().offered == 0


@pytest.mark.parametrize("value", ["", "0", "false", "no"])
def test_the_variable_off_is_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SLUICEWAY_DISABLED", value)
    transport = MemoryTransport()
    assert Segment(KEY, transport=transport).track("u", "E") is True
    assert len(transport.events) == 1


def test_purge_drops_what_waits_and_tells() -> None:
    told: list[Any] = []
    client = Segment(KEY, host=NOWHERE, exit_timeout=0)
    client._assembly.worker.start = lambda: False  # type: ignore[method-assign]
    client.track("u", "E", callback=lambda error, batch: told.append(error.reason))  # type: ignore[union-attr]
    client.track("u", "E")
    assert client.purge() == 2
    assert client._assembly.delivery.wait(time.monotonic() + 5)
    assert told == ["purged"]
    stats = client.stats()
    assert (stats.pending, stats.dropped_by_reason, stats.balanced) == (0, {"purged": 2}, True)
    client.close(0)


def test_a_program_without_logging_prints_nothing(receiver: Receiver) -> None:
    code = f"from sluiceway import Segment; Segment('a-key', host={receiver.url!r}).track('', 'E')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert (ended.stdout, ended.stderr) == ("", "")


def test_a_collected_client_sends_what_is_left_and_its_thread_ends(receiver: Receiver) -> None:
    client = Segment(KEY, host=receiver.url, flush_first=False, flush_interval=3_600)
    client.track("u", "E")
    worker = client._assembly.worker
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
    deadline = time.monotonic() + 5
    while worker.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not worker.alive
    assert len(receiver.events) == 1


def test_a_collected_client_tells_its_callbacks_and_their_thread_ends(receiver: Receiver) -> None:
    told: list[object] = []
    client = Segment(KEY, host=receiver.url, flush_first=False, flush_interval=3_600)
    client.track("u", "E", callback=lambda error, batch: told.append(error))
    del client
    gc.collect()
    assert receiver.wait_for(events=1)
    deadline = time.monotonic() + 5
    while ours() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (ours(), told) == ([], [None])


def test_a_flush_begun_while_the_worker_ends_is_done_and_not_waited_for_until_its_timeout(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Segment(KEY, host=receiver.url)
    assembly, done = client._assembly, threading.Event()
    rounds = assembly.worker._rounds
    real = rounds.step

    def step(until: float | None) -> bool:
        goes_on = real(until)
        if not goes_on and threading.current_thread().name == "sluiceway-worker":
            assembly.flushing.open(then=done.set)  # behind the last look of the last round
        return goes_on

    monkeypatch.setattr(rounds, "step", step)
    client.track("u", "E")
    assert client.flush(5)
    assembly.worker.let_go()
    assert done.wait(10)
    client.close()


def test_a_client_cannot_be_pickled_and_shows_no_key() -> None:
    client = Segment("canarycanarycanary7f3d", transport=MemoryTransport())
    assert repr(client) == "<Segment ***7f3d https://api.segment.io/v1/batch>"
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(client)
    assert "canary" not in repr(client.stats())


def test_a_half_made_client_can_be_shown_and_collected() -> None:
    client = Segment.__new__(Segment)
    assert repr(client) == "<Segment without options>"
    del client


@pytest.mark.parametrize(
    "statement",
    ["import sluiceway", "from sluiceway import Segment; Segment('a-key').stats()", "from sluiceway import *"],
)
def test_importing_and_making_a_client_loads_no_network_code_and_starts_nothing(statement: str) -> None:
    unwanted = ["urllib3", "ssl", "asyncio", "http.client", "logging.config", "sluiceway.testing", "requests"]
    look = f"import sys, threading; print([m for m in {unwanted!r} if m in sys.modules], threading.active_count())"
    code = f"{statement}\n{look}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert ended.stdout == "[] 1\n"
