"""The campaign: call after call, and after each the question whether what became of it is what must."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from sluiceway import Segment
from sluiceway.stats import Stats

from .calls import Call, call

ROUND = 200
LIMIT = 32_768
# What stands around the values of an event: names of fields, ids, times.
FRAME_BYTES = 600
MOST_FAULTS_SHOWN = 20


class Kept(Segment):
    """A client whose events stay in the ring until they are asked for."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("a-write-key-of-tests", host="http://127.0.0.1:9", exit_timeout=0, flush_first=False)
        self._assembly.worker.start = lambda: True  # type: ignore[method-assign]
        self._assembly.queue.attend(True)

    def take(self) -> list[bytes]:
        """The JSON of every event in the ring, which is empty then."""
        queue: Any = self._assembly.queue
        queue.flush_mark()
        events: list[bytes] = []
        while (batch := queue.next_batch(0.0)) is not None:
            events.extend(batch.event(index) for index in range(len(batch)))
            queue.settle(batch, "delivered")
            queue.release(batch)
        queue.take_overflow()
        return events


@dataclass
class Outcome:
    """What was tried and what was found."""

    tried: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    stats: Stats = field(default_factory=Stats)


def run(count: int, seed: int, *, first: int = 0) -> Outcome:
    """Try ``count`` calls. Each is made from the seed and its own number, so that one alone can be tried again."""
    outcome = Outcome()
    started = time.perf_counter()
    client = Kept()
    expected: dict[int, Call] = {}
    for serial in range(first, first + count):
        made = call(Random(f"{seed}:{serial}"), serial)
        _try(client, made, serial, expected, outcome)
        outcome.tried += 1
        if len(expected) >= ROUND:
            _compare(client, expected, outcome)
        if len(outcome.faults) >= MOST_FAULTS_SHOWN:
            break
    _compare(client, expected, outcome)
    outcome.stats = stats = client.stats()
    outcome.refused.update(stats.refused)
    outcome.seconds = time.perf_counter() - started
    if not stats.balanced or stats.offered != outcome.tried or stats.accepted != outcome.accepted:
        outcome.faults.append(f"the account does not balance: {stats}")
    if stats.pending or stats.reserved_events or stats.reserved_bytes or stats.faults:
        outcome.faults.append(f"something was left behind: {stats}")
    if stats.delivered + stats.failed_by_reason.get("event_too_large", 0) != stats.accepted:
        outcome.faults.append(f"an event ended that was not compared: {stats}")
    with contextlib.suppress(Exception):
        client.close(0)
    return outcome


def _try(client: Kept, made: Call, serial: int, expected: dict[int, Call], outcome: Outcome) -> None:
    before = client._assembly.queue.counters() if made.reasons else {}
    try:
        answer = getattr(client, made.name)(**made.arguments)
    except BaseException as error:
        outcome.faults.append(f"{serial}: raised {type(error).__name__}")
        return
    if answer not in (True, False):
        outcome.faults.append(f"{serial}: answered {type(answer).__name__}")
    if made.reasons:
        after = client._assembly.queue.counters()
        allowed = {*made.reasons, "event_too_large"}
        moved = {name for name in after if name.startswith("refused.") and after[name] != before[name]}
        if answer or not moved <= {f"refused.{reason}" for reason in allowed} or not moved:
            outcome.faults.append(f"{serial}: accepted is {answer}, {moved}; {sorted(made.reasons)} was expected")
        return
    if answer:
        outcome.accepted += 1
        expected[serial] = made
        return
    if not made.may_be_too_large or _least_bytes(made) < LIMIT - FRAME_BYTES:
        outcome.faults.append(f"{serial}: refused, of {_least_bytes(made):,} bytes")


def _compare(client: Kept, expected: dict[int, Call], outcome: Outcome) -> None:
    """Look at everything that arrived, and at what has not."""
    for event in client.take():
        try:
            msgspec.json.decode(event)
            arrived = json.loads(event.decode("utf-8"), parse_constant=_no_json)
        except ValueError as error:
            outcome.faults.append(f"an event is no JSON: {type(error).__name__}")
            continue
        serial = arrived["context"]["serial"]
        made = expected.pop(serial, None)
        if made is None:
            outcome.faults.append(f"{serial}: arrived twice, or unasked")
            continue
        if len(event) > LIMIT:
            outcome.faults.append(f"{serial}: is over the limit, with {len(event):,} bytes")
        context = {name: held for name, held in arrived["context"].items() if name != "library"}
        shown = {**arrived, "context": context}
        wrong = [name for name in made.arrives if name not in shown or not is_same(shown[name], made.arrives[name])]
        if wrong or arrived["type"] != made.name:
            outcome.faults.append(f"{serial}: {wrong} arrived otherwise")
        outcome.compared += 1
    for serial, made in expected.items():
        # Only what its escapes made too large after all may fail that late.
        if _least_bytes(made) < LIMIT - FRAME_BYTES:
            outcome.faults.append(f"{serial}: accepted and never seen")
    expected.clear()


def is_same(arrived: Any, expected: Any) -> bool:
    """Whether this is what was expected: to the bit for floats, but for whole ones that may be written as integers."""
    if isinstance(expected, dict):
        return (
            isinstance(arrived, dict)
            and arrived.keys() == expected.keys()
            and all(is_same(arrived[key], expected[key]) for key in expected)
        )
    if isinstance(expected, list):
        return isinstance(arrived, list) and len(arrived) == len(expected) and all(map(is_same, arrived, expected))
    if isinstance(expected, float) and type(arrived) in (int, float):
        return arrived == expected and math.copysign(1, arrived) == math.copysign(1, expected or arrived)
    return type(arrived) is type(expected) and bool(arrived == expected)


def _least_bytes(made: Call) -> int:
    return len(json.dumps(made.arrives, ensure_ascii=False, separators=(",", ":")).encode())


def _no_json(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
