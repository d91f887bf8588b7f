"""What turning the tape into JSON costs, against `orjson.dumps` of the same events as ready-made dicts.

The only measure that goes below the public interface: the native queue is filled and then emptied on one thread, and
only the emptying is timed. It holds all that happens to an event on the sender's side before HTTP: taking the record,
printing the identifier and the time, encoding, and putting the batch together.
"""

from __future__ import annotations

import gc
import time
from typing import Any

import orjson

import events
import harness
from sluiceway.measuring.messages import CONTEXT

TITLE = "Tape to JSON"
ONCE = True  # measured with Segment's shape
BLOCK_BYTES = 450_000  # one full batch, as a backlog gives it
STAMPS = ("messageId", "timestamp")
LIBRARY = orjson.dumps(CONTEXT["library"])


class Session:
    """One side of the comparison."""

    def __init__(self, peer: str) -> None:
        self._blocks = {kind: events.about(events.workload(kind), BLOCK_BYTES) for kind in events.KINDS}
        self._messages = {kind: [events.message(call) for call in block] for kind, block in self._blocks.items()}
        self._queue = _queue() if peer == "sluiceway" else None
        if self._queue is not None:
            self._check(self._queue)
        gc.collect()
        gc.freeze()

    def round(self, kind: str, repeats: int) -> harness.Answer:
        """Encode the block `repeats` times; returns nanoseconds of CPU per event."""
        gc.disable()
        taken = [self._empty(kind) if self._queue else self._dump(kind) for _ in range(repeats)]
        gc.enable()
        return {"ns": taken}

    def _empty(self, kind: str) -> float:
        block, queue = self._blocks[kind], self._queue
        assert queue is not None
        _fill(queue, block)
        before = time.thread_time_ns()
        batch = queue.next_batch(0)
        took = time.thread_time_ns() - before
        if len(batch) != len(block):
            raise AssertionError(f"{len(batch)} events in the batch of {len(block)}")
        queue.settle(batch, "delivered")
        queue.release(batch)
        return took / len(block)

    def _dump(self, kind: str) -> float:
        dumps, messages = orjson.dumps, self._messages[kind]
        before = time.thread_time_ns()
        for message in messages:
            dumps(message)
        return (time.thread_time_ns() - before) / len(messages)

    def _check(self, queue: Any) -> None:
        """Hold both sides to the same events: equal but for the stamps."""
        for kind, block in self._blocks.items():
            _fill(queue, block)
            batch = queue.next_batch(0)
            for index, message in enumerate(self._messages[kind]):
                sent = orjson.loads(batch.event(index))
                if {**sent, **{name: message[name] for name in STAMPS}} != message:
                    raise AssertionError(f"event {index} of {kind} is not what orjson was given")
            queue.settle(batch, "delivered")
            queue.release(batch)


def _fill(queue: Any, block: list[events.Call]) -> None:
    push = queue.push
    for user, event, properties in block:
        push(0, None, None, None, user, None, event, properties, None, None)
    queue.flush_mark()


def _queue() -> Any:
    """Return a native queue that knows Segment's track."""
    from sluiceway._native import Field, Queue, Shape

    shape = Shape(
        b'{"type":"track"',
        [
            Field("userId", "text"),
            Field("anonymousId", "text"),
            Field("event", "text", required=True),
            Field("properties", "map", default=b"{}"),
            Field("context", "map", default=b'{"library":' + LIBRARY + b"}", merge_key="library", merge_json=LIBRARY),
            Field("integrations", "map", default=b"{}"),
        ],
        one_of=["userId", "anonymousId"],
    )
    return Queue(
        [shape],
        max_queue_events=1_000_000,
        max_queue_bytes=256 << 20,
        max_event_bytes=32_768,
        max_batch_bytes=500_000,
        max_batch_events=2_500,
        envelope_bytes=100,
        flush_at=1_000_000,
        flush_interval=3_600.0,
        flush_first=False,
        drop_oldest=False,
    )


def measure(plan: harness.Plan) -> harness.Answer:
    """Return nanoseconds per event for both, and the ratio."""
    taken: dict[str, dict[str, list[float]]] = {name: {} for name in ("sluiceway", "orjson")}
    for _ in range(plan.pick(3, 2)):
        with harness.lanes(__name__, taken) as running:
            for kind in events.KINDS:
                found = harness.interleave(running, plan.pick(8, 4), kind=kind, repeats=plan.pick(6, 4))
                for name, answers in found.items():
                    taken[name].setdefault(kind, []).extend(ns for answer in answers for ns in answer["ns"])
    cpu = {name: {kind: harness.figures(values) for kind, values in kinds.items()} for name, kinds in taken.items()}
    return {
        "unit": "ns of CPU per event",
        "cpu_ns": cpu,
        "against_orjson": {
            statistic: {
                kind: cpu["sluiceway"][kind][statistic] / cpu["orjson"][kind][statistic] for kind in events.KINDS
            }
            for statistic in ("best", "median")
        },
    }


def table(result: harness.Answer) -> tuple[list[str], list[list[str]]]:
    """Return the Markdown table's head and rows."""
    head = ["encoder", *(f"{kind}, ns" for kind in events.KINDS)]
    rows = [
        [name, *(f"{kinds[kind]['best']:,.0f}" for kind in events.KINDS)] for name, kinds in result["cpu_ns"].items()
    ]
    rows.append(["ratio", *(f"{result['against_orjson']['best'][kind]:.2f}" for kind in events.KINDS)])
    return head, rows
