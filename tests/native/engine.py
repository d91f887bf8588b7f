"""The native engine without a client: a queue of given shapes, what it answers, and the events it makes of the rest."""

from __future__ import annotations

import json
from typing import Any

from sluiceway import _native
from sluiceway._native import Batch, Field, Queue, Shape

HARD = _native.HARD


class Engine:
    """A queue that somebody attends and nobody empties but the test."""

    def __init__(self, *shapes: Shape, **settings: Any) -> None:
        limits = {
            "max_queue_events": 10_000,
            "max_queue_bytes": 1 << 26,
            "max_event_bytes": 1_000_000,
            "max_batch_bytes": 4_000_000,
            "max_batch_events": 2_000,
            "envelope_bytes": 0,
            "flush_at": 10_000,
            "flush_interval": 1_000.0,
            "flush_first": False,
            "drop_oldest": False,
        }
        self.queue = Queue(shapes, **{**limits, **settings})
        self.queue.attend(True)

    def push(self, *values: Any, shape: int = 0, message_id: Any = None, timestamp: Any = None) -> bool | int:
        """Push an event as a caller gave it."""
        return self.queue.push(shape, None, message_id, timestamp, *values)

    def admit(self, *values: Any, shape: int = 0, message_id: Any = None, timestamp: Any = None) -> bool | int:
        """Admit an event that Python has checked."""
        return self.queue.admit(0, shape, message_id, timestamp, *values)

    def batch(self) -> Batch:
        """All that waits, as one batch."""
        self.queue.flush_mark()
        batch = self.queue.next_batch(0.0)
        assert batch is not None
        return batch

    def bodies(self) -> list[bytes]:
        """The JSON of each event that waits; they end as delivered."""
        self.queue.flush_mark()
        events: list[bytes] = []
        while (batch := self.queue.next_batch(0.0)) is not None:
            events += [batch.event(index) for index in range(len(batch))]
            self.queue.settle(batch, "delivered")
            self.queue.release(batch)
        return events

    def events(self) -> list[dict[str, Any]]:
        """The same, parsed, without ids and times."""
        return [bare(body) for body in self.bodies()]

    def event(self) -> dict[str, Any]:
        """The one event that waits."""
        [event] = self.events()
        return event

    def replaced(self) -> dict[str, int]:
        """What was replaced so far."""
        counters = self.queue.counters()
        return {name.partition(".")[2]: n for name, n in counters.items() if name.startswith("replaced.") and n}


def parsed(body: bytes) -> dict[str, Any]:
    """An event as a strict parser reads it; a key that comes twice is a mistake."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs), [key for key, _ in pairs]
        return dict(pairs)

    def never(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    event: dict[str, Any] = json.loads(body.decode(), object_pairs_hook=once, parse_constant=never)
    return event


def bare(body: bytes) -> dict[str, Any]:
    """An event without its id and time."""
    event = parsed(body)
    del event["messageId"], event["timestamp"]
    return event


def one(kind: Any, **rules: Any) -> Engine:
    """An engine whose events have one field, ``f``."""
    return Engine(Shape(b"{", [Field("f", kind, **rules)]))
