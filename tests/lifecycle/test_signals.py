"""Row 46: a call that waits, for room, for a flush or for a close, is no obstacle to a signal."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from sluiceway import Segment
from sluiceway.testing import Answer, Receiver

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")

# A tenth of a second is promised; a busy machine may take ten times as long.
PROMPT_SECONDS = 1.0


class Rung(Exception):
    """Raised by the handler of the signal."""


@pytest.fixture
def client() -> Iterator[Segment]:
    """A client with its only batch stuck in a request, and no room for another event."""
    with Receiver(default=Answer(delay=60.0)) as receiver:
        client = Segment("a-write-key-of-tests", host=receiver.url, on_full="block", max_queue_events=2)
        assert client.track("u", "first")
        assert receiver.wait_for(requests=1)
        assert client.track("u", "second")
        yield client
        client.close(0)


@pytest.fixture
def rings() -> Iterator[list[float]]:
    """The moments at which a signal came whose handler raises."""
    at: list[float] = []

    def ring(_number: int, _frame: FrameType | None) -> None:
        at.append(time.monotonic())
        raise Rung

    before = signal.signal(signal.SIGALRM, ring)
    yield at
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


WAITS: dict[str, Callable[[Segment], Any]] = {
    "track": lambda client: client.track("u", "third"),
    "flush": lambda client: client.flush(30),
    "close": lambda client: client.close(30),
}


@pytest.mark.parametrize("wait", list(WAITS.values()), ids=list(WAITS))
def test_row_46_a_signal_ends_a_call_that_waits(
    client: Segment, wait: Callable[[Segment], Any], rings: list[float]
) -> None:
    due = time.monotonic() + 0.3
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(Rung):
        wait(client)
    ended = time.monotonic()
    [rang] = rings
    assert rang - due < PROMPT_SECONDS, "the handler ran late"
    assert ended - rang < PROMPT_SECONDS, "the call went on"
    assert client.close(0).pending == 0
    assert client.stats().balanced
    assert client.stats().pending == 0


def test_row_46_a_handler_that_returns_lets_the_call_wait_on(client: Segment) -> None:
    rung: list[bool] = []

    def ring(_number: int, _frame: FrameType | None) -> None:
        # Tracking inside a handler does not wait: the room it would wait for is for the call that was interrupted.
        rung.append(threading.current_thread() is threading.main_thread())

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    try:
        began = time.monotonic()
        assert client.flush(0.6).pending == 2
        assert time.monotonic() - began >= 0.55
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(rung) >= 2
    assert all(rung)
