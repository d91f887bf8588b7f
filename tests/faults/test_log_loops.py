"""Row 65: a log handler that tracks each line makes no recursion, and no request out of every request."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sluiceway import Segment
from sluiceway.testing import MemoryTransport, Receiver


class Tracking(logging.Handler):
    """Makes an event of every line of every logger, for each of its clients."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.clients: list[Segment] = []
        self.lines: list[str] = []
        self.deepest = self.depth = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        self.lines.append(record.name)
        for client in self.clients:
            client.track("logger", record.name, {"text": record.getMessage()})
        self.depth -= 1


@pytest.fixture
def handler() -> Iterator[Tracking]:
    tracking = Tracking()
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(tracking)
    yield tracking
    root.removeHandler(tracking)
    root.setLevel(level)


def settled(receiver: Receiver) -> int:
    """The requests so far, once no more come by themselves."""
    before, deadline = -1, time.monotonic() + 20
    while (now := receiver.stats().requests) != before:
        assert time.monotonic() < deadline, f"{now} requests, and no end"
        before = now
        time.sleep(0.5)
    return now


@pytest.mark.parametrize("clients", [1, 2])
def test_row_65_a_handler_that_tracks_the_lines_of_requests_comes_to_an_end(handler: Tracking, clients: int) -> None:
    with Receiver() as receiver:
        made = [Segment(f"key-{n}", host=receiver.url, flush_at=1, flush_interval=0) for n in range(clients)]
        handler.clients += made
        for client in made:
            client.track("u", "the one event")
        requests = settled(receiver)
        logging.getLogger("of.the.program").warning("a line of the program's own")
        assert receiver.wait_for(requests=requests + clients)
        assert settled(receiver) <= requests + clients
        assert "urllib3.connectionpool" in handler.lines, "no line was there to be tracked"
        for client in made:
            client.close(20)
            stats = client.stats()
            assert stats.refused["reentrant"] >= 2
            assert set(stats.refused) == {"reentrant"}
            assert stats.delivered == stats.accepted
            assert stats.balanced
        arrived = [event["event"] for event in receiver.events]
        assert arrived.count("the one event") == arrived.count("of.the.program") == clients
        assert "urllib3.connectionpool" not in arrived
        # Each client's own line about the refusal is tracked inside the tracking, and that is refused without a line.
        assert handler.deepest <= clients + 1


class Unmarked:
    """A queue that does not say who is sending: what the law is good for."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def mark_sending(self, is_sending: bool) -> bool:
        return False


def test_row_65_without_the_law_there_is_no_end(handler: Tracking) -> None:
    with Receiver() as receiver:
        client = Segment("key", host=receiver.url, flush_at=1, flush_interval=0)
        client._assembly.worker._rounds._queue = Unmarked(client._assembly.queue)  # type: ignore[assignment]
        handler.clients.append(client)
        client.track("u", "the one event")
        try:
            assert receiver.wait_for(requests=20, timeout=20)
        finally:
            handler.clients.clear()
        client.close(20)


@pytest.mark.parametrize("status", [503, 501, 401])
def test_row_65_lines_about_failures_come_to_an_end_too(handler: Tracking, status: int) -> None:
    with Receiver() as receiver:
        receiver.answer(*[status] * 3)
        client = Segment("key", host=receiver.url, flush_at=1, flush_interval=0)
        handler.clients.append(client)
        client.track("u", "the one event")
        client.flush(20)
        assert settled(receiver) <= 6
        handler.clients.clear()
        client.close(20)
        stats = client.stats()
        assert stats.refused["reentrant"] >= 1
        assert stats.balanced
        assert stats.pending == 0


@pytest.mark.parametrize("options", [{"transport": True}, {"sync": True}, {"transport": True, "sync": True}], ids=repr)
def test_row_65_a_client_that_sends_on_the_callers_thread_comes_to_an_end(
    handler: Tracking, options: dict[str, Any]
) -> None:
    with Receiver() as receiver:
        given = {**options, "transport": MemoryTransport([503, 501])} if "transport" in options else options
        client = Segment("key", host=receiver.url, **given)  # type: ignore[arg-type]
        handler.clients.append(client)
        client.track("u", "the one event", {"a": 1}, callback=lambda error, batch: None)
        client.track("", "a mistake")
        client.flush(5)
        assert handler.deepest <= 3
        handler.clients.clear()
        # The mark of a sender is off again.
        assert client.track("u", "one more") is True
        client.close(5)
        stats = client.stats()
        assert stats.offered < 20
        assert stats.balanced
        assert stats.pending == 0
