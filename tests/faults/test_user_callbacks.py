"""Row 64: whatever a callback does, sending goes on, each callback is told once, and the account stays exact."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from sluiceway import Segment
from sluiceway.testing import Receiver

EVENTS = 30
PATIENCE_SECONDS = 20.0


class Injected(BaseException):
    """Something that no `except Exception` sees."""


class Hook:
    """A callback that does its deed each time, and remembers whom it was told of."""

    def __init__(self, deed: Callable[[Segment], Any]) -> None:
        self.deed = deed
        self.client: Segment | None = None
        self.told: list[str] = []
        self.threads: set[str] = set()

    def __call__(self, *told: Any) -> None:
        self.told += told[-1].ids
        self.threads.add(threading.current_thread().name)
        assert self.client is not None
        self.deed(self.client)


def raising(error: type[BaseException]) -> Callable[[Segment], Any]:
    def deed(client: Segment) -> None:
        raise error("canary-of-the-payload")

    deed.__name__ = error.__name__
    return deed


def flushing(client: Segment) -> None:
    client.flush(0.05)


def closing(client: Segment) -> None:
    client.close(0.05)


def counting(client: Segment) -> None:
    assert client.stats().accepted
    client.purge()


RAISING = [
    raising(error) for error in (ValueError, SystemExit, KeyboardInterrupt, Injected, MemoryError, StopIteration)
]


@pytest.mark.parametrize("deed", [*RAISING, flushing, counting], ids=lambda deed: deed.__name__)
@pytest.mark.parametrize("status", [200, 501])
@pytest.mark.parametrize("by", ["event", "client"])
def test_row_64_a_callback_that_misbehaves_hurts_nobody(
    deed: Callable[[Segment], Any], status: int, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Hook(deed)
    hooks = {} if by == "event" else {"on_delivery": hook, "on_error": hook}
    with Receiver() as receiver:
        receiver.answer(*[status] * EVENTS)
        client = hook.client = Segment("key", host=receiver.url, flush_at=1, flush_interval=0, **hooks)  # type: ignore[arg-type]
        for n in range(EVENTS):
            client.track("u", f"E{n}", message_id=f"id-{n}", callback=None if by == "client" else hook)
            client.flush(PATIENCE_SECONDS)
        client.close(PATIENCE_SECONDS)
        stats = client.stats()
        wanted = [f"id-{n}" for n in range(EVENTS)]
        assert hook.told == wanted
        assert hook.threads == {"sluiceway-callbacks"}
        assert (stats.delivered, stats.failed) == ((EVENTS, 0) if status == 200 else (0, EVENTS))
        assert stats.balanced
        assert (stats.pending, stats.reserved_events, stats.reserved_bytes) == (0, 0, 0)
        assert receiver.stats().requests == EVENTS
    assert "canary-of-the-payload" not in caplog.text
    if deed in RAISING:
        assert deed.__name__ in caplog.text


def test_row_64_a_callback_that_blocks_holds_up_callbacks_and_no_event() -> None:
    release, entered = threading.Event(), threading.Event()

    def block(client: Segment) -> None:
        entered.set()
        assert release.wait(PATIENCE_SECONDS)

    hook = Hook(block)
    with Receiver() as receiver:
        client = hook.client = Segment("key", host=receiver.url, flush_at=1, on_delivery=hook)
        client.track("u", "E", message_id="id-0")
        assert entered.wait(PATIENCE_SECONDS)
        for n in range(1, EVENTS):
            assert client.track("u", "E", message_id=f"id-{n}")
        assert receiver.wait_for(events=EVENTS, timeout=PATIENCE_SECONDS), "sending waited for a callback"
        assert hook.told == ["id-0"]
        # What is told of holds its budget until it was told: a slow callback is felt, and nothing is skipped.
        assert client.stats().reserved_events == EVENTS
        started = time.monotonic()
        client.flush(0.2)
        assert time.monotonic() - started < PATIENCE_SECONDS / 2
        release.set()
        assert client.close(PATIENCE_SECONDS)
        assert sorted(hook.told) == sorted(f"id-{n}" for n in range(EVENTS))
        assert client.stats().reserved_events == 0


def test_row_64_a_callback_that_blocks_past_close_is_left_behind() -> None:
    release = threading.Event()
    hook = Hook(lambda client: release.wait(PATIENCE_SECONDS))
    with Receiver() as receiver:
        client = hook.client = Segment("key", host=receiver.url, flush_at=1, on_delivery=hook)
        client.track("u", "E")
        assert receiver.wait_for(events=1, timeout=PATIENCE_SECONDS)
        started = time.monotonic()
        client.close(0.3)
        assert time.monotonic() - started < 3.0
        assert client.stats().balanced
        assert client.stats().pending == 0
        release.set()


@pytest.mark.parametrize("status", [200, 501])
def test_row_64_a_callback_that_tracks_is_heard_and_ends(status: int) -> None:
    left = iter(range(EVENTS - 1))
    hook = Hook(lambda client: next(left, None) is not None and client.track("u", "again"))
    with Receiver() as receiver:
        receiver.answer(*[status] * EVENTS)
        client = hook.client = Segment(
            "key", host=receiver.url, flush_at=1, flush_interval=0, on_delivery=hook, on_error=hook
        )
        client.track("u", "first")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(hook.told) < EVENTS:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        client.close(PATIENCE_SECONDS)
        stats = client.stats()
        assert stats.accepted == EVENTS
        assert stats.refused == {}
        assert len(set(hook.told)) == EVENTS
        assert stats.balanced


def test_row_64_a_callback_that_closes_ends_the_client_and_loses_nothing() -> None:
    hook = Hook(closing)
    with Receiver() as receiver:
        client = hook.client = Segment("key", host=receiver.url, flush_at=5, flush_first=False, on_delivery=hook)
        answers = [client.track("u", "E", message_id=f"id-{n}") for n in range(EVENTS)]
        client.close(PATIENCE_SECONDS)
        stats = client.stats()
        assert stats.accepted == sum(answers) >= 5
        assert stats.delivered + stats.failed == stats.accepted
        assert stats.delivered == receiver.ids
        assert len(hook.told) == len(set(hook.told)) >= 5
        assert set(hook.told) <= {f"id-{n}" for n in range(EVENTS) if answers[n]}
        assert stats.balanced
        assert stats.pending == 0
