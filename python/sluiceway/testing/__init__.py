"""What tests of code that sends events need: events captured in memory, assertions, a local server that is strict.

`capture` is for tests of your own code, as the fixture ``sluiceway_events`` of the pytest plugin: every client of the
process delivers into memory, and `assert_tracked` and its like ask what arrived. `MemoryTransport` does that for one
client. `Receiver` is for tests of the delivery itself: a real HTTP server on 127.0.0.1, which answers from a script and
can delay, refuse or cut a connection. `ReceiverProcess` is the same server in a process of its own, for measurements.
`answers` has the words of each vendor: `answers.plain(429, "slow down")`, `answers.amplitude_throttled(["user-1"])`.

Names are loaded when they are first used: pytest loads this package for every project that has sluiceway installed.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from sluiceway.testing import answers
    from sluiceway.testing.answers import Answer
    from sluiceway.testing.arriving import Arriving
    from sluiceway.testing.asserting import Expected
    from sluiceway.testing.assertions import (
        assert_aliased,
        assert_grouped,
        assert_identified,
        assert_nothing_tracked,
        assert_paged,
        assert_screened,
        assert_sent,
        assert_tracked,
        captured_events,
    )
    from sluiceway.testing.captor import capture
    from sluiceway.testing.captured import CapturedEvent
    from sluiceway.testing.collection import CapturedEvents
    from sluiceway.testing.guarding import StrictServer
    from sluiceway.testing.kit_options import KitOptions
    from sluiceway.testing.ledger import Logged, Received, ReceiverStats
    from sluiceway.testing.memory import MemoryTransport
    from sluiceway.testing.process import ReceiverProcess
    from sluiceway.testing.refused import RefusedCall
    from sluiceway.testing.script import Script
    from sluiceway.testing.server import Receiver
    from sluiceway.testing.stamps import Clock, Ids
    from sluiceway.testing.strict.reading import Limits
    from sluiceway.testing.writing import assertion_for

__all__ = [
    "Answer",
    "Arriving",
    "CapturedEvent",
    "CapturedEvents",
    "Clock",
    "Expected",
    "Ids",
    "KitOptions",
    "Limits",
    "Logged",
    "MemoryTransport",
    "Received",
    "Receiver",
    "ReceiverProcess",
    "ReceiverStats",
    "RefusedCall",
    "Script",
    "StrictServer",
    "answers",
    "assert_aliased",
    "assert_grouped",
    "assert_identified",
    "assert_nothing_tracked",
    "assert_paged",
    "assert_screened",
    "assert_sent",
    "assert_tracked",
    "assertion_for",
    "capture",
    "captured_events",
]

_HOMES = {
    "Answer": "answers",
    "Arriving": "arriving",
    "CapturedEvent": "captured",
    "CapturedEvents": "collection",
    "Clock": "stamps",
    "Expected": "asserting",
    "Ids": "stamps",
    "KitOptions": "kit_options",
    "Limits": "strict.reading",
    "Logged": "ledger",
    "MemoryTransport": "memory",
    "Received": "ledger",
    "Receiver": "server",
    "ReceiverProcess": "process",
    "ReceiverStats": "ledger",
    "RefusedCall": "refused",
    "Script": "script",
    "StrictServer": "guarding",
    "assert_aliased": "assertions",
    "assert_grouped": "assertions",
    "assert_identified": "assertions",
    "assert_nothing_tracked": "assertions",
    "assert_paged": "assertions",
    "assert_screened": "assertions",
    "assert_sent": "assertions",
    "assert_tracked": "assertions",
    "assertion_for": "writing",
    "capture": "captor",
    "captured_events": "assertions",
}


# No `__dir__` that names what is not loaded yet: freezegun asks every module for everything that its `dir` has.
def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "answers":
        return import_module("sluiceway.testing.answers")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"sluiceway.testing.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
